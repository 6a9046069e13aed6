"""The simulated memory: what it holds, which of its cells fail, and what that does to the words."""

from __future__ import annotations

from hwsim.memory.bit_flips import BitFlips
from hwsim.memory.faults import Faults
from hwsim.memory.memory import Layout, Memory, Region
from hwsim.memory.random import Key, rng
from hwsim.memory.weak_cells import weak_cells, weak_thresholds, weak_words

__all__ = [
    "BitFlips",
    "Faults",
    "Key",
    "Layout",
    "Memory",
    "Region",
    "rng",
    "weak_cells",
    "weak_thresholds",
    "weak_words",
]
