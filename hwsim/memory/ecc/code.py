"""What every code for stored words has: bits that are stored, and a decoder that works on the bits that were read.

Number words are gathered into codewords of `data_bits` bits (`hwsim.memory.ecc.packing`), and one or more
codewords make up a memory word, the unit of an access. A codeword lies in `data_bits + check_bits` cells, and all
of them fail alike: the decoder sees nothing but what was read. In Python a codeword is two uint64 numbers, its
data cells and its check cells, bit 0 the least significant.

Decoding is a function of one codeword, and a codeword without faults decodes to what was written. A memory
therefore decodes its faulty codewords only and is exact all the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.errors import HwsimError, unknown
from hwsim.memory.ecc.gates import Circuit, GateTable, Overhead

Bits = NDArray[np.uint64]  # one codeword's data, or its check bits, in each element
Flags = NDArray[np.bool_]

MAX_BITS = 64  # what an element of an array holds
POLICIES = ("zero", "as_read")


class Stored(NamedTuple):
    """The cells of codewords.

    Attributes:
        data: the data cells; they hold the data themselves but for an in-place code.
        check: the check cells.
    """

    data: Bits
    check: Bits


@dataclass(frozen=True)
class Decoded:
    """What a decoder makes of codewords.

    Attributes:
        data: the data, after the policy for uncorrectable codewords.
        corrected: codewords in which the decoder changed a cell, a data cell or a check cell.
        detected: codewords that the decoder found wrong and could not correct.
    """

    data: Bits
    corrected: Flags
    detected: Flags


@dataclass(frozen=True)
class Outcome:
    """What became of codewords, counted against the truth; each codeword is in one class. Outcomes add up.

    Attributes:
        clean: nothing reported, and the data are right.
        corrected: corrected, and the data are right.
        detected: found to be uncorrectable, whatever the policy then made of the data.
        miscorrected: corrected, and the data are wrong all the same. A code that covers a part of the bits (as
            `tmr_exponent`) may have corrected well beside an error that it does not cover.
        silent: nothing reported, and the data are wrong.
    """

    clean: int = 0
    corrected: int = 0
    detected: int = 0
    miscorrected: int = 0
    silent: int = 0

    @property
    def codewords(self) -> int:
        """Number of codewords counted."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def outcome(true_data: npt.ArrayLike, decoded: Decoded) -> Outcome:
    """Counts what became of codewords.

    Args:
        true_data: the data as a memory without faults gives them back (`Code.rounded`).
        decoded: what was decoded from the faulty codewords, in the same shape.
    """
    right = decoded.data == np.asarray(true_data)
    quiet = ~decoded.corrected & ~decoded.detected
    changed = decoded.corrected & ~decoded.detected
    classes = (quiet & right, changed & right, decoded.detected, changed & ~right, quiet & ~right)
    return Outcome(*(int(np.count_nonzero(which)) for which in classes))


@dataclass(frozen=True, kw_only=True)
class Code(ABC):
    """A code for stored words. `hwsim.memory.ecc.get_code` makes one by name.

    Attributes:
        name: the name that `get_code` knows it by.
        data_bits: data cells of a codeword, at most 64.
        check_bits: check cells of a codeword, at most 64; 0 for an in-place code.
        codewords: codewords that make up a memory word, which is the unit of `overhead`.
        uncorrectable: what a codeword reads as that is found wrong and cannot be corrected: "zero", all bits 0,
            or "as_read", the data cells as they were read.

    Raises:
        HwsimError: for another `uncorrectable`, or more than 64 data or check bits.
    """

    name: str
    data_bits: int
    check_bits: int
    codewords: int = 1
    uncorrectable: str = "zero"

    def __post_init__(self) -> None:
        if self.uncorrectable not in POLICIES:
            raise unknown("policy for uncorrectable words", self.uncorrectable, POLICIES)
        if not 1 <= self.data_bits <= MAX_BITS or not 0 <= self.check_bits <= MAX_BITS:
            raise HwsimError(
                f"{self.name} would need {self.data_bits} data and {self.check_bits} check bits in a codeword: up to "
                f"{MAX_BITS} of each are possible."
            )

    @property
    @abstractmethod
    def guarantee(self) -> str:
        """What the code does whatever the data and wherever the errors, as part of a sentence."""

    @property
    def can_detect(self) -> bool:
        """Whether the decoder ever finds a codeword uncorrectable."""
        return True

    @property
    @abstractmethod
    def encoder(self) -> Circuit:
        """The gates that make the check bits of one codeword."""

    @property
    @abstractmethod
    def decoder(self) -> Circuit:
        """The gates that turn the cells of one codeword into data, the policy included."""

    @abstractmethod
    def _encode(self, data: Bits) -> Stored:
        """The cells for checked data."""

    @abstractmethod
    def _decode(self, data: Bits, check: Bits) -> Decoded:
        """The data from checked cells, before the policy."""

    @property
    def word_bits(self) -> int:
        """Data bits of a memory word."""
        return self.codewords * self.data_bits

    @property
    def cells(self) -> int:
        """Cells of a codeword."""
        return self.data_bits + self.check_bits

    @property
    def is_exact(self) -> bool:
        """Whether every data word can be stored; if not, `rounded` says what is stored instead."""
        return True

    def rounded(self, data: npt.ArrayLike) -> Bits:
        """What a memory without faults gives back: `data` themselves if the code is exact."""
        return self._checked(data, self.data_bits, "data")

    def encode(self, data: npt.ArrayLike) -> Stored:
        """The cells that hold `data` (`rounded` first, where the code is not exact).

        Args:
            data: unsigned integers below `2**data_bits`, of any shape.

        Raises:
            HwsimError: for anything else.
        """
        return self._encode(self.rounded(data))

    def decode(self, data: npt.ArrayLike, check: npt.ArrayLike) -> Decoded:
        """What a decoder makes of cells as they were read.

        Args:
            data: the data cells, unsigned integers below `2**data_bits`, of any shape.
            check: the check cells, unsigned integers below `2**check_bits`, of that shape.

        Raises:
            HwsimError: for anything else.
        """
        cells = self._checked(data, self.data_bits, "data"), self._checked(check, self.check_bits, "check")
        decoded = self._decode(*cells)
        if self.uncorrectable == "as_read":
            return decoded
        return Decoded(np.where(decoded.detected, np.uint64(0), decoded.data), decoded.corrected, decoded.detected)

    def overhead(self, gates: GateTable | None = None) -> Overhead:
        """What the code costs a memory word: cells, and the gates of encoder and decoder, one set per codeword.

        Args:
            gates: what a gate costs; `GateTable.load()` if not given.
        """
        gates = gates or GateTable.load()
        return Overhead(
            data_bits=self.word_bits,
            check_bits=self.codewords * self.check_bits,
            encode=gates.cost(self.encoder, self.codewords),
            decode=gates.cost(self.decoder, self.codewords),
        )

    def describe(self) -> str:
        """The code in one line."""
        many = f"{self.codewords} codewords of " if self.codewords > 1 else ""
        text = f"{self.name}: {many}{self.data_bits} data and {self.check_bits} check bits; {self.guarantee}"
        policy = "zero" if self.uncorrectable == "zero" else "they are"
        return f"{text}; uncorrectable codewords read as {policy}" if self.can_detect else text

    def __str__(self) -> str:
        return self.describe()

    def _checked(self, values: npt.ArrayLike, bits: int, what: str) -> Bits:
        """`values` as uint64, none with a bit at or above `bits`."""
        array: NDArray[Any] = np.asarray(values)
        if array.size and array.dtype.kind not in "iu":
            raise HwsimError(f"The {what} cells of {self.name} are whole numbers, not {array.dtype}.")
        if array.size and (array.min() < 0 or int(array.max()) >> bits):
            raise HwsimError(
                f"The {what} cells of a codeword of {self.name} are {bits} bits: 0 to {(1 << bits) - 1:#x}."
            )
        return array.astype(np.uint64, copy=False)
