"""hwsim: neural-network weights in faulty memory, weight scaling, and what dividing it out costs.

Names are loaded when first used, so that `import hwsim` does not import torch.
"""

from __future__ import annotations

from hwsim.lazy import lazily

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

__getattr__, __dir__ = lazily(__name__, _HOMES)
