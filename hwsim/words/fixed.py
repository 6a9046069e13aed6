"""Fixed point: a grid of equal steps, in two's complement or as sign and magnitude."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from hwsim.errors import HwsimError
from hwsim.words.blocks import Elements, Scratch
from hwsim.words.format import Field, WordFormat

MAX_WIDTH = 32
_FLOAT32_WIDTH = 25  # codes of this many bits, sign included, are all float32 numbers


@dataclass(frozen=True)
class FixedFormat(WordFormat):
    """A fixed-point format `qM.N`: 1 sign bit, M integer bits and N fraction bits; values are `code / 2**N`.

    Args:
        name: what to call it.
        integer_bits: M, 0 or more.
        fraction_bits: N, 0 or more; M + N is at least 1, and 1 + M + N at most 32.
        sign_magnitude: False: two's complement, from `-2**M` to `2**M - 2**-N`. True: the sign bit says only
            whether the magnitude in the other bits is negative, so that the range is symmetric and zero has
            two words.

    Raises:
        HwsimError: for numbers of bits outside these ranges.
    """

    integer_bits: int
    fraction_bits: int
    sign_magnitude: bool = False

    def __post_init__(self) -> None:
        bits = 1 + self.integer_bits + self.fraction_bits
        if min(self.integer_bits, self.fraction_bits) < 0 or not 2 <= bits <= MAX_WIDTH:
            raise HwsimError(
                f"{self.name} has 1 sign, {self.integer_bits} integer and {self.fraction_bits} fraction "
                f"bits, {bits} in all: a fixed-point word has 2 to {MAX_WIDTH}."
            )

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        parts = (
            Field("sign", self.integer_bits + self.fraction_bits, 1),
            Field("integer", self.fraction_bits, self.integer_bits),
            Field("fraction", 0, self.fraction_bits),
        )
        return tuple(field for field in parts if field.width)

    @property
    def is_floating(self) -> bool:
        return False

    @property
    def _largest_code(self) -> int:
        return (1 << self.width - 1) - 1

    @property
    def _lowest_code(self) -> int:
        return -self._largest_code - (not self.sign_magnitude)

    @property
    def largest(self) -> float:
        return self._largest_code * self.smallest

    @property
    def lowest(self) -> float:
        return self._lowest_code * self.smallest

    @property
    def smallest(self) -> float:
        return 2.0**-self.fraction_bits

    @property
    def default_target(self) -> float:
        return self.largest

    def field_meaning(self, field: Field, word: int) -> str:
        raw = field.of(word)
        if field.name == "sign":
            if self.sign_magnitude:
                return "negative" if raw else "positive"
            return f"{-raw << self.integer_bits}"
        return f"{raw}" if field.name == "integer" else f"{raw * self.smallest}"

    def _round(self, values: Elements, scratch: Scratch) -> Elements:
        size = values.size
        real = np.float64 if self.width > _FLOAT32_WIDTH else values.dtype.type
        codes = np.multiply(values, 2.0**self.fraction_bits, dtype=real, out=scratch.row(0, real, size))
        np.rint(codes, out=codes)
        np.clip(codes, self._lowest_code, self._largest_code, out=codes)
        if np.isnan(codes.max()):
            codes[np.isnan(codes)] = 0
        integers, words = scratch.row(1, np.int32, size), scratch.row(1, np.uint32, size)
        if self.sign_magnitude:
            negative = np.signbit(codes)
            integers[:] = np.abs(codes, out=codes)
            np.left_shift(negative, self.width - 1, dtype=np.uint32, out=scratch.row(2, np.uint32, size))
            return np.bitwise_or(words, scratch.row(2, np.uint32, size), out=words)
        integers[:] = codes
        return np.bitwise_and(words, (1 << self.width) - 1, out=words)

    def _exact(self, words: Elements, scratch: Scratch) -> Elements:
        spare = MAX_WIDTH - self.width  # moves the sign bit to the top of the container
        signed = np.left_shift(words, spare, out=scratch.row(0, np.uint32, words.size)).view(np.int32)
        values = scratch.row(1, np.float64, words.size)
        if self.sign_magnitude:
            magnitude = np.bitwise_and(words, self._largest_code, out=scratch.row(2, np.uint32, words.size))
            np.multiply(magnitude, self.smallest, out=values)
            return np.copysign(values, signed, out=values)
        signed >>= spare
        return np.multiply(signed, self.smallest, out=values)
