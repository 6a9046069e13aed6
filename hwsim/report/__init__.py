"""Tables, figures and the HTML report of a run. Everything here reads results and changes none."""

from __future__ import annotations

import importlib

_HOMES = {
    "CHOICES": "hwsim.report.choices",
    "accuracy_figure": "hwsim.report.figures",
    "bit_error_figure": "hwsim.report.bit_figure",
    "fault_map_figure": "hwsim.report.map_figure",
    "print_results": "hwsim.report.terminal",
    "write_report": "hwsim.report.write",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
