"""Triplication of the bits that matter most: sign and exponent of a number word in three copies, majority vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.memory.ecc.code import Bits, Code, Decoded, Stored
from hwsim.memory.ecc.gates import Circuit, majority


@dataclass(frozen=True, kw_only=True)
class Triplication(Code):
    """The highest bits of a word in two more copies, in check cells; each bit reads as most of its copies do.

    The other bits are stored once and nothing guards them. A vote always has a result, so nothing is ever
    uncorrectable.

    Attributes:
        copied_bits: how many of the highest bits are triplicated.
    """

    copied_bits: int

    @property
    def guarantee(self) -> str:
        return f"corrects one of the three copies of each of the {self.copied_bits} highest bits, no other bit"

    @property
    def can_detect(self) -> bool:
        return False

    @property
    def encoder(self) -> Circuit:
        return Circuit()  # copies are wires

    @property
    def decoder(self) -> Circuit:
        return majority(self.copied_bits)

    def _encode(self, data: Bits) -> Stored:
        head = data >> np.uint64(self.data_bits - self.copied_bits)
        return Stored(data, head | head << np.uint64(self.copied_bits))

    def _decode(self, data: Bits, check: Bits) -> Decoded:
        once, copy = np.uint64(self.data_bits - self.copied_bits), np.uint64(self.copied_bits)
        first, second, third = data >> once, check & np.uint64((1 << self.copied_bits) - 1), check >> copy
        voted = first & second | second & third | third & first
        corrected = (first ^ second | second ^ third) != 0
        return Decoded(data ^ (first ^ voted) << once, corrected, np.zeros(data.shape, np.bool_))
