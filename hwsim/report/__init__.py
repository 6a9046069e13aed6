"""Tables, figures and the HTML report of a run. Everything here reads results and changes none."""

from __future__ import annotations

from hwsim.lazy import lazily

_HOMES = {
    "CHOICES": "hwsim.report.choices",
    "accuracy_figure": "hwsim.report.figures",
    "bit_error_figure": "hwsim.report.bit_figure",
    "fault_map_figure": "hwsim.report.map_figure",
    "print_results": "hwsim.report.terminal",
    "write_report": "hwsim.report.write",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazily(__name__, _HOMES)
