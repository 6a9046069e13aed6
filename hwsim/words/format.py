"""What every number format has: bit fields, a range, and exact conversion of whole arrays.

Bit 0 of a word is its least significant bit. Weight-scaling papers count from the other end and from 1, so
that their bit 1 is the sign; `WordFormat.paper_bit` converts.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import HwsimError, unknown
from hwsim.words.blocks import Elements, Scratch, convert

TABLE_BITS = 16  # formats up to this width decode through a table of all their words


@dataclass(frozen=True)
class Field:
    """A named run of neighbouring bits of a word.

    Attributes:
        name: "sign", "exponent", "fraction" or "integer".
        lsb: position of the field's least significant bit in the word (bit 0 is the word's lowest).
        width: number of bits.
    """

    name: str
    lsb: int
    width: int

    @property
    def msb(self) -> int:
        """Position of the field's most significant bit in the word."""
        return self.lsb + self.width - 1

    @property
    def mask(self) -> int:
        """The word in which exactly the bits of this field are 1."""
        return ((1 << self.width) - 1) << self.lsb

    def of(self, word: int) -> int:
        """The field's bits in `word`, as an unsigned number."""
        return (word & self.mask) >> self.lsb


@dataclass(frozen=True)
class WordFormat(ABC):
    """A number format: real numbers on one side, words of `width` bits on the other.

    Words are plain unsigned numpy arrays of `dtype`; container bits above `width` are zero. Formats are
    immutable and compare by value. Use `hwsim.words.get_format` to obtain one by name.

    Attributes:
        name: the name that `get_format` knows it by.
    """

    name: str

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """The fields of a word, most significant first; together they cover every bit once."""

    @property
    @abstractmethod
    def is_floating(self) -> bool:
        """Whether words have an exponent."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest finite value."""

    @property
    @abstractmethod
    def lowest(self) -> float:
        """The most negative finite value."""

    @property
    @abstractmethod
    def smallest(self) -> float:
        """The smallest positive value: the step of a fixed-point grid, the smallest subnormal of a float."""

    @property
    @abstractmethod
    def default_target(self) -> float:
        """The usual `t` of weight scaling `c = t / max|W|`.

        In floating point the largest value below 2: no stored weight then has its exponent MSB set. In fixed
        point the largest code: the whole range is used and nothing is clipped.
        """

    @abstractmethod
    def field_meaning(self, field: Field, word: int) -> str:
        """What the bits of `field` contribute to the value of `word`, for people."""

    @abstractmethod
    def _round(self, values: Elements, scratch: Scratch) -> Elements:
        """The words, in any unsigned container, of a block of float32 or float64 values."""

    @abstractmethod
    def _exact(self, words: Elements, scratch: Scratch) -> Elements:
        """The values of a block of uint32 words, in a floating dtype that holds each of them exactly."""

    @property
    def width(self) -> int:
        """Bits per word."""
        return self.fields[0].msb + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest of uint8, uint16 and uint32 that holds a word."""
        return np.dtype(np.uint8 if self.width <= 8 else np.uint16 if self.width <= 16 else np.uint32)

    @property
    def exponent_msb(self) -> int | None:
        """Position of the exponent's most significant bit; None in fixed point."""
        return next((field.msb for field in self.fields if field.name == "exponent"), None)

    def encode(self, values: npt.ArrayLike, out: Elements | None = None) -> Elements:
        """The words nearest to `values`, in an array of the same shape that shares no memory with them.

        Rounding is to nearest, ties to the word whose last bit is 0, in a single step from the given values.

        * Fixed point: values outside the range, infinities included, saturate; NaN becomes 0. A negative
          value that rounds to zero, -0.0 included, becomes -0 in sign-magnitude and plain 0 in two's
          complement.
        * Floating point: as IEEE 754. Subnormals are kept, zeros keep their sign; a magnitude of half a step
          or more above the largest value becomes infinity. `fp8_e4m3` has no infinity: more than half a step
          above 448, and infinity itself, become NaN, and the tie 464 becomes 448. NaN becomes the quiet NaN
          of the same sign; only `fp32` from float32 keeps all bits of a NaN.

        Args:
            values: float32 or float64 array of any shape; Python numbers and lists count as float64.
            out: where to write, instead of into a new array: C-contiguous, of this `dtype` and that shape.

        Raises:
            HwsimError: for values of another dtype, or an `out` that does not fit.
        """
        source = _native(values if hasattr(values, "dtype") else np.asarray(values, np.float64))
        if source.dtype not in (np.float32, np.float64):
            raise HwsimError(f"{self.name} encodes float32 or float64 values, not {source.dtype}.")
        return convert(source, self._round, self.dtype, out)

    def decode(self, words: npt.ArrayLike, dtype: npt.DTypeLike = np.float32, out: Elements | None = None) -> Elements:
        """The values of `words`, in an array of the same shape that shares no memory with them.

        Exact in float64 for every format, and in float32 for every format but fixed point of more than 25
        bits, where a value that float32 cannot hold is correctly rounded. `encode(decode(word))` in float64
        gives back every word that is not NaN. NaN words keep their sign; `fp32` in float32 keeps all bits.

        Args:
            words: array of this format's `dtype`, of any shape; Python integers and lists are accepted.
            dtype: float32 or float64.
            out: where to write, instead of into a new array: C-contiguous, of that dtype and shape.

        Raises:
            HwsimError: for words of another dtype or with bits above `width`, another `dtype`, or an `out`
                that does not fit.
        """
        target = np.dtype(dtype)
        if target not in (np.float32, np.float64):
            raise HwsimError(f"{self.name} decodes to float32 or float64, not to {target}.")
        source = self._checked(words)
        if self.width > TABLE_BITS:
            return convert(source, self._exact, target, out)
        table = _table(self, target)

        def look_up(words: Elements, scratch: Scratch) -> Elements:
            index = scratch.row(0, np.intp, words.size)
            index[:] = words
            return np.take(table, index, mode="wrap", out=scratch.row(1, target, words.size))

        return convert(source, look_up, target, out)

    def _checked(self, words: npt.ArrayLike) -> Elements:
        """`words` as an array of this format's dtype, none with a bit above its width."""
        array = _native(words)
        if hasattr(words, "dtype"):
            fits, may_stray = array.dtype == self.dtype, self.width < 8 * self.dtype.itemsize
        else:
            fits, may_stray = array.dtype.kind in "iu" or not array.size, True
        if not fits:
            raise HwsimError(f"{self.name} words are {self.dtype} numbers, not {array.dtype}.")
        if may_stray and array.size and (array.min() < 0 or array.max() >> self.width):
            raise HwsimError(f"{self.name} words have {self.width} bits: 0 to {(1 << self.width) - 1:#x}.")
        return array.astype(self.dtype, copy=False)

    def field_of(self, bit: int) -> Field:
        """The field that holds bit `bit` (0 is the least significant).

        Raises:
            HwsimError: if the word has no such bit.
        """
        for field in self.fields:
            if field.lsb <= bit <= field.msb:
                return field
        raise HwsimError(
            f"{self.name} has no bit {bit}: bits run from 0 (least significant) to {self.width - 1} (sign)."
        )

    def paper_bit(self, bit: int) -> int:
        """The number of bit `bit` where bit 1 is the sign and bit `width` the least significant.

        Raises:
            HwsimError: if the word has no such bit.
        """
        self.field_of(bit)
        return self.width - bit

    def bit_label(self, bit: int) -> str:
        """The bit's place in its field, counted from the field's least significant bit: "exponent 7 (MSB)".

        Raises:
            HwsimError: if the word has no such bit.
        """
        field = self.field_of(bit)
        if field.width == 1:
            return field.name
        end = " (MSB)" if bit == field.msb else " (LSB)" if bit == field.lsb else ""
        return f"{field.name} {bit - field.lsb}{end}"

    def bit_mask(self, selector: str | Iterable[str]) -> int:
        """The word in which exactly the selected bits are 1.

        Args:
            selector: a field ("sign", "exponent", "fraction", "integer"), one end of a field ("exponent_msb",
                "fraction_lsb", ...), "bit 30", "bits 0-7" (both ends included; bit 0 is the least
                significant), "all", "none", or several of these, which are united.

        Raises:
            HwsimError: for a selector that this format does not have.
        """
        if not isinstance(selector, str):
            return functools.reduce(lambda mask, one: mask | self.bit_mask(one), selector, 0)
        if numbers := re.fullmatch(r"bit ([0-9]+)|bits ([0-9]+)-([0-9]+)", selector):
            single, first, last = numbers.groups()
            low, high = sorted((int(single or first), int(single or last)))
            self.field_of(high)
            return (1 << high + 1) - (1 << low)
        masks = {"all": (1 << self.width) - 1, "none": 0}
        for field in self.fields:
            masks[field.name] = field.mask
            if field.width > 1:
                masks |= {f"{field.name}_msb": 1 << field.msb, f"{field.name}_lsb": 1 << field.lsb}
        if selector not in masks:
            raise unknown(f"bit selector for {self.name}", selector, [*masks, "bit N", "bits N-M"])
        return masks[selector]

    def __str__(self) -> str:
        parts = " + ".join(f"{field.width} {field.name}" for field in self.fields)
        return f"{self.name}: {self.width} bits = {parts}; {self.lowest:g} to {self.largest:g}"


@functools.cache
def _table(fmt: WordFormat, dtype: np.dtype[Any]) -> Elements:
    """The value of every word of `fmt`, in the order of the words."""
    table = convert(np.arange(1 << fmt.width, dtype=np.uint32), fmt._exact, dtype, None)
    table.flags.writeable = False
    return table


def _native(array: npt.ArrayLike) -> Elements:
    """`array` as a numpy array in the machine's byte order."""
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
