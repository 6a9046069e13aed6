"""The simulated memory: what it holds, which of its cells fail, and what that does to the words.

Which cells are weak is in `hwsim.memory.weak_cells`, for mechanisms other than the ones here.

Names are loaded when first used, so that the constants of a technology can be read without scipy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsim.memory.bit_flips import BitFlips
    from hwsim.memory.device import Device
    from hwsim.memory.device_config import DeviceConfig
    from hwsim.memory.fault_map import FaultMap
    from hwsim.memory.faults import Faults
    from hwsim.memory.geometry import Geometry
    from hwsim.memory.memory import Layout, Memory, Region
    from hwsim.memory.mission import Condition, Exposure, Mission, Phase
    from hwsim.memory.random import Key, rng
    from hwsim.memory.readout import Readout

_HOMES = {
    "bit_flips": ("BitFlips",),
    "device": ("Device",),
    "device_config": ("DeviceConfig",),
    "fault_map": ("FaultMap",),
    "faults": ("Faults",),
    "geometry": ("Geometry",),
    "memory": ("Layout", "Memory", "Region"),
    "mission": ("Condition", "Exposure", "Mission", "Phase"),
    "random": ("Key", "rng"),
    "readout": ("Readout",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BitFlips",
    "Condition",
    "Device",
    "DeviceConfig",
    "Exposure",
    "FaultMap",
    "Faults",
    "Geometry",
    "Key",
    "Layout",
    "Memory",
    "Mission",
    "Phase",
    "Readout",
    "Region",
    "rng",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hwsim.memory' has no attribute {name!r}")
    return getattr(importlib.import_module(f"hwsim.memory.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
