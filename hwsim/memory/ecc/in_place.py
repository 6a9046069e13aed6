"""Zero-storage codes: the check bits lie in data cells that the numbers can do without.

What those cells held is lost, so that the code is not exact: a memory without faults gives back slightly other
numbers (`Code.rounded`; `hwsim.memory.ecc.rounding` reports how far off they are).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim.memory.ecc import gf2
from hwsim.memory.ecc.code import Bits, Code, Decoded, Stored
from hwsim.memory.ecc.gates import Circuit, syndrome_decoder, xor_trees
from hwsim.memory.ecc.hsiao import hsiao_columns


@dataclass(frozen=True, kw_only=True)
class InPlaceCode(Code):
    """A linear code whose check bits lie among the data cells; decoded by syndrome as `LinearCode`."""

    check_bits: int = 0

    @property
    @abstractmethod
    def check_cells(self) -> tuple[int, ...]:
        """The data cell that holds each check bit."""

    @property
    @abstractmethod
    def columns(self) -> tuple[int, ...]:
        """For each data cell the checks that it takes part in: none for one that the code does not cover."""

    @property
    @abstractmethod
    def corrects(self) -> int:
        """The most errors in covered cells that the decoder tries to correct."""

    @property
    def outputs(self) -> int:
        """Data cells that are read out."""
        return self.data_bits

    def _restored(self, cells: Bits) -> Bits:
        """The data that correct cells stand for."""
        return cells

    @property
    def is_exact(self) -> bool:
        return False

    @property
    def _check_mask(self) -> int:
        return sum(1 << cell for cell in self.check_cells)

    @cached_property
    def _rows(self) -> tuple[int, ...]:
        return gf2.rows(self.columns, len(self.check_cells))

    @cached_property
    def _errors(self) -> gf2.ErrorTable:
        covered = [cell for cell, column in enumerate(self.columns) if column]
        columns, flips = [self.columns[cell] for cell in covered], [1 << cell for cell in covered]
        return gf2.ErrorTable.of(columns, flips, len(self.check_cells), self.corrects)

    @property
    def encoder(self) -> Circuit:
        return xor_trees([row.bit_count() - 1 for row in self._rows])

    @property
    def decoder(self) -> Circuit:
        return syndrome_decoder(
            covered=[row.bit_count() for row in self._rows],
            outputs=self.outputs,
            cells=sum(column > 0 for column in self.columns),
            corrects=self.corrects,
            zeroes=self.uncorrectable == "zero",
        )

    def _with_checks(self, data: Bits) -> Bits:
        """The cells that hold `data`, whatever these have in the place of the check bits."""
        cells = data & ~np.uint64(self._check_mask)
        checks = gf2.parities(cells, self._rows)
        for check, cell in enumerate(self.check_cells):
            cells |= (checks >> np.uint64(check) & np.uint64(1)) << np.uint64(cell)
        return cells

    def _encode(self, data: Bits) -> Stored:
        return Stored(self._with_checks(data), np.zeros(data.shape, np.uint64))

    def _decode(self, data: Bits, check: Bits) -> Decoded:
        flips, corrected, detected = self._errors.look_up(gf2.parities(data, self._rows))
        return Decoded(self._restored(data ^ flips), corrected, detected)


@dataclass(frozen=True, kw_only=True)
class InPlaceParity(InPlaceCode):
    """Parity of the bits above a number's fraction, in the lowest bits of the fraction.

    The bits above the fraction (sign and exponent, or sign and integer) are dealt in turn to `parity_bits` groups;
    bit j of the fraction makes the number of ones in group j and itself even. The parity bits stay in the number
    when it is read, as its lowest bits: the change is at most `2**parity_bits - 1` units in the last place.

    A finite number stays finite. Infinity and NaN, which no weight is, do not keep their lowest bits either: one
    may become the other or, in `fp8_e4m3`, the largest number.

    Attributes:
        fraction_bits: bits of the fraction, the lowest ones of the word.
        parity_bits: how many of them hold parity, fewer than all.
        nan_above_largest: whether the word after that of the largest number is NaN, as in `fp8_e4m3`. A number
            whose parity bits would make it NaN is stored as the next smaller magnitude with these parity bits.
    """

    fraction_bits: int
    parity_bits: int = 1
    nan_above_largest: bool = False

    @property
    def guarantee(self) -> str:
        lowest = "lowest bit" if self.parity_bits == 1 else f"{self.parity_bits} lowest bits"
        return f"detects an error in the {self.data_bits - self.fraction_bits} highest bits by parity in the {lowest}"

    @property
    def check_cells(self) -> tuple[int, ...]:
        return tuple(range(self.parity_bits))

    @property
    def columns(self) -> tuple[int, ...]:
        head = self.data_bits - self.fraction_bits
        return (
            *(1 << cell for cell in self.check_cells),
            *(0 for _ in range(self.fraction_bits - self.parity_bits)),
            *(1 << bit % self.parity_bits for bit in range(head)),
        )

    @property
    def corrects(self) -> int:
        return 0

    def rounded(self, data: npt.ArrayLike) -> Bits:
        """The data with their lowest bits replaced by parity."""
        data = super().rounded(data)
        cells = self._with_checks(data)
        if self.nan_above_largest:
            nan = np.uint64((1 << self.data_bits - 1) - 1)
            became_nan = (cells & nan == nan) & (data & nan != nan)
            cells = np.where(became_nan, cells - np.uint64(1 << self.parity_bits), cells)
        return cells


@dataclass(frozen=True, kw_only=True)
class InPlaceSecded(InPlaceCode):
    """SECDED over eight 8-bit two's complement numbers, its 7 check bits in bit 6 of the first seven.

    Bit 6 of a number from -64 to 63 repeats the sign, so that the decoder can put it back. The first seven numbers
    of a codeword saturate to that range, the eighth is kept: 57 bits are left for the (64, 57) code, which uses
    every column of odd weight. H. Guan et al., "In-place zero-space memory protection for CNN", NeurIPS 2019, where
    training moves the large weights to eighth places first; no number is moved here.
    """

    data_bits: int = 64

    @property
    def guarantee(self) -> str:
        return "corrects 1 and detects 2 errors, in place of one bit of range of seven numbers out of eight"

    @property
    def check_cells(self) -> tuple[int, ...]:
        return tuple(range(6, 56, 8))

    @cached_property
    def _columns(self) -> tuple[int, ...]:
        spare = iter(hsiao_columns(self.data_bits - len(self.check_cells)))
        units = {cell: 1 << check for check, cell in enumerate(self.check_cells)}
        return tuple(units[cell] if cell in units else next(spare) for cell in range(self.data_bits))

    @property
    def columns(self) -> tuple[int, ...]:
        return self._columns

    @property
    def corrects(self) -> int:
        return 1

    @property
    def outputs(self) -> int:
        return self.data_bits - len(self.check_cells)  # bit 6 is a wire from the sign

    def rounded(self, data: npt.ArrayLike) -> Bits:
        """The data with the first seven numbers saturated to -64 and 63."""
        data = super().rounded(data)
        bit_6, low_bits = np.uint64(self._check_mask), np.uint64(0x3F)
        negative = data >> np.uint64(1) & bit_6
        beyond = (data ^ negative) & bit_6
        # In each byte beyond the range the bits below bit 6 become what bit 6 was: all ones above, zeros below.
        lower = (beyond >> np.uint64(6)) * low_bits
        ones = ((beyond & ~negative) >> np.uint64(6)) * low_bits
        return data & ~(bit_6 | lower) | negative | ones

    def _restored(self, cells: Bits) -> Bits:
        bit_6 = np.uint64(self._check_mask)
        return cells & ~bit_6 | cells >> np.uint64(1) & bit_6
