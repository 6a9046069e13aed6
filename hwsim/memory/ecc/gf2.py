"""Arithmetic modulo 2 on words: parity checks of many words at once, and tables of the errors behind a syndrome.

A parity-check matrix is given by its columns, one for each cell: the checks that an error in the cell fails, as a
number whose bit j is check j.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError

Bits = NDArray[np.uint64]
Flags = NDArray[np.bool_]


def rows(columns: Sequence[int], checks: int) -> tuple[int, ...]:
    """The matrix by rows: for each check the cells that it covers, as a number whose bit i is cell i."""
    return tuple(sum((column >> check & 1) << cell for cell, column in enumerate(columns)) for check in range(checks))


def parities(words: Bits, masks: Sequence[int]) -> Bits:
    """Numbers whose bit j is the parity of the bits of a word under `masks[j]`."""
    result = np.zeros(words.shape, np.uint64)
    for check, mask in enumerate(masks):
        odd = np.bitwise_count(words & np.uint64(mask)) & np.uint8(1)
        result |= odd.astype(np.uint64) << np.uint64(check)
    return result


@dataclass(frozen=True)
class ErrorTable:
    """The errors that a decoder corrects, by their syndrome.

    Attributes:
        known: for each syndrome whether it is that of such an error; so is 0, of no error.
        repair: what to flip in the data.
    """

    known: Flags
    repair: Bits

    @classmethod
    def of(cls, columns: Sequence[int], flips: Sequence[int], checks: int, weight: int) -> ErrorTable:
        """The table of all errors of up to `weight` cells.

        Args:
            columns: the column of each cell.
            flips: what an error in each cell flips in the data.
            checks: number of checks.
            weight: most cells that an error hits.

        Raises:
            HwsimError: if two such errors have the same syndrome: the code does not correct that many.
        """
        known = np.zeros(1 << checks, np.bool_)
        repair = np.zeros(1 << checks, np.uint64)
        for size in range(weight + 1):
            for cells in itertools.combinations(range(len(columns)), size):
                syndrome = flipped = 0
                for cell in cells:
                    syndrome ^= columns[cell]
                    flipped ^= flips[cell]
                if known[syndrome]:
                    raise HwsimError(f"This parity-check matrix does not tell all errors of {weight} cells apart.")
                known[syndrome], repair[syndrome] = True, flipped
        return cls(known, repair)

    def look_up(self, syndrome: Bits) -> tuple[Bits, Flags, Flags]:
        """For each syndrome: what to flip in the data, whether an error was corrected, whether it cannot be."""
        index = syndrome.astype(np.intp)
        known = self.known[index]
        return self.repair[index], known & (syndrome != 0), ~known
