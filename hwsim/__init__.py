"""hwsim: neural-network weights in faulty memory, weight scaling, and what dividing it out costs.

Names are loaded when first used, so that `import hwsim` does not import torch.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "HwsimError": "hwsim.errors",
    "WordFormat": "hwsim.words",
    "get_format": "hwsim.words",
    "Memory": "hwsim.memory",
    "BitFlips": "hwsim.memory",
    "Faults": "hwsim.memory",
    "Network": "hwsim.network",
    "capture": "hwsim.network",
    "Scaling": "hwsim.hardening",
    "Hardened": "hwsim.hardening",
    "harden": "hwsim.hardening",
    "Accelerator": "hwsim.datapath",
    "Counts": "hwsim.datapath",
    "load_network": "hwsim.experiment",
    "load_data": "hwsim.experiment",
    "run_scenario": "hwsim.experiment",
    "sweep": "hwsim.experiment",
    "write_report": "hwsim.report",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwsim' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
