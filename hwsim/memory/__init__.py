"""The simulated memory: what it holds, which of its cells fail, and what that does to the words.

Which cells are weak is in `hwsim.memory.weak_cells`, for mechanisms other than the ones here.

Names are loaded when first used, so that the constants of a technology can be read without scipy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.lazy import lazily

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
    "BitFlips": "hwsim.memory.bit_flips",
    "Device": "hwsim.memory.device",
    "DeviceConfig": "hwsim.memory.device_config",
    "FaultMap": "hwsim.memory.fault_map",
    "Faults": "hwsim.memory.faults",
    "Geometry": "hwsim.memory.geometry",
    "Layout": "hwsim.memory.memory",
    "Memory": "hwsim.memory.memory",
    "Region": "hwsim.memory.memory",
    "Condition": "hwsim.memory.mission",
    "Exposure": "hwsim.memory.mission",
    "Mission": "hwsim.memory.mission",
    "Phase": "hwsim.memory.mission",
    "Key": "hwsim.memory.random",
    "rng": "hwsim.memory.random",
    "Readout": "hwsim.memory.readout",
}

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

__getattr__, __dir__ = lazily(__name__, _HOMES)
