"""The generic fault mechanism: each cell flips with a given probability, independently of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.cells.memory import Memory, Words
from hwsim.memory.cells.weak_cells import check_rate, weak_words
from hwsim.memory.faults.faults import Faults
from hwsim.memory.random import Key, Seed
from hwsim.words import WordFormat


@dataclass(frozen=True)
class BitFlips:
    """Independent bit flips, the same for all cells; they stay until the word is rewritten.

    Under one seed the flips at a lower rate are among those at a higher one, and memories that hold
    different data in words of the same width meet the same weak cells, whatever their directions and
    immune bits.

    A cell is bit b of number word w here, whatever holds the words; `hwsim.memory.device.coded_flips` adds the check
    cells of a code. `hwsim.memory.mechanisms.generic.Flips` are others on purpose: they strike the physical cells of a
    device, and anew after each write.

    Attributes:
        ber: bit error rate, the probability that a cell flips; or a pair, the probability that a stored 0
            flips and that a stored 1 does.
        immune: word in which the bits that never flip are 1 (`WordFormat.bit_mask` makes one). Immunity
            removes flips and moves none.

    Raises:
        HwsimError: for a rate outside [0, 1] or a negative `immune`.
    """

    ber: float | tuple[float, float]
    immune: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.ber, tuple):
            if len(self.ber) != 2:
                raise HwsimError(f"ber = {self.ber!r} is neither a rate nor a pair of rates (0 to 1, 1 to 0).")
            check_rate("zero_to_one", self.zero_to_one)
            check_rate("one_to_zero", self.one_to_zero)
        else:
            check_rate("ber", self.ber)
        if self.immune < 0:
            raise HwsimError(f"immune = {self.immune} is not a bit mask: give a number of at least 0.")

    @property
    def zero_to_one(self) -> float:
        """Probability that a stored 0 flips."""
        return self.ber[0] if isinstance(self.ber, tuple) else self.ber

    @property
    def one_to_zero(self) -> float:
        """Probability that a stored 1 flips."""
        return self.ber[1] if isinstance(self.ber, tuple) else self.ber

    def check_immune(self, fmt: WordFormat) -> None:
        """Check that `immune` names bits that words of a format have.

        Raises:
            HwsimError: if they lack one.
        """
        if self.immune >> fmt.width:
            raise HwsimError(
                f"immune = {self.immune:#x} names bits that a word of {fmt.name} ({fmt.width} bits) does not have."
            )

    def draw(self, memory: Memory, seed: Seed) -> Faults:
        """The faults that strike what `memory` holds now; they change nothing until applied.

        Args:
            memory: the memory.
            seed: an integer, a word, or a tuple of them: the same seed gives the same weak cells.

        Raises:
            HwsimError: if `immune` names bits that the words do not have.
        """
        address, mask = self.masks(memory, seed)
        before = memory.flat[address]
        return Faults(memory.layout, memory.checksum, address, before, before ^ mask)

    def masks(self, memory: Memory, seed: Seed) -> tuple[NDArray[np.int64], Words]:
        """The same faults as bare (word addresses, flipped bits).

        `memory.flat[addresses] ^= bits` is all that an injection needs, and a second time undoes it.
        """
        width = memory.format.width
        self.check_immune(memory.format)
        key = Key(seed, "bit flips")
        low, high = sorted((self.zero_to_one, self.one_to_zero))
        address, mask = weak_words(key, memory.words, width, high)
        mask = mask.astype(memory.format.dtype, copy=False)
        if low == high and not self.immune:
            return address, mask
        if low < high:
            # Cells that are weak at the lower rate too flip whatever they hold, the others only if they hold
            # the value with the higher rate.
            stored = memory.flat[address]
            flips = stored if self.one_to_zero == high else ~stored
            weaker, bits = weak_words(key, memory.words, width, low)
            flips[address.searchsorted(weaker)] |= bits.astype(flips.dtype, copy=False)
            mask &= flips
        mask &= ~mask.dtype.type(self.immune)
        faulty = np.flatnonzero(mask)
        return address[faulty], mask[faulty]
