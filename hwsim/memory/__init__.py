"""The simulated memory: what it holds, which of its cells fail, and what that does to the words.

Which cells are weak is in `hwsim.memory.cells.weak_cells`, for mechanisms other than the ones here.

Names are loaded when first used, so that the constants of a technology can be read without scipy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.lazy import lazily

if TYPE_CHECKING:
    from hwsim.memory.cells.geometry import Geometry
    from hwsim.memory.cells.memory import Layout, Memory, Region
    from hwsim.memory.device.device import Device
    from hwsim.memory.device.device_config import DeviceConfig
    from hwsim.memory.device.readout import Readout
    from hwsim.memory.fault_maps.fault_map import FaultMap
    from hwsim.memory.faults.bit_flips import BitFlips
    from hwsim.memory.faults.faults import Faults
    from hwsim.memory.life.mission import Condition, Exposure, Mission, Phase
    from hwsim.memory.random import Key, rng

_HOMES = {
    "BitFlips": "hwsim.memory.faults.bit_flips",
    "Device": "hwsim.memory.device.device",
    "DeviceConfig": "hwsim.memory.device.device_config",
    "FaultMap": "hwsim.memory.fault_maps.fault_map",
    "Faults": "hwsim.memory.faults.faults",
    "Geometry": "hwsim.memory.cells.geometry",
    "Layout": "hwsim.memory.cells.memory",
    "Memory": "hwsim.memory.cells.memory",
    "Region": "hwsim.memory.cells.memory",
    "Condition": "hwsim.memory.life.mission",
    "Exposure": "hwsim.memory.life.mission",
    "Mission": "hwsim.memory.life.mission",
    "Phase": "hwsim.memory.life.mission",
    "Key": "hwsim.memory.random",
    "rng": "hwsim.memory.random",
    "Readout": "hwsim.memory.device.readout",
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
