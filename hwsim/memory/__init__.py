"""The simulated memory: what it holds, which of its cells fail, and what that does to the words.

Which cells are weak is in `hwsim.memory.weak_cells`, for mechanisms other than the ones here.
"""

from __future__ import annotations

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
