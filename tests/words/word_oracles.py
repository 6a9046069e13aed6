"""What a word is worth and which word is nearest, worked out without hwsim."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class FloatCase:
    """A floating-point format of at most 16 bits, as somebody else implements it."""

    name: str
    width: int
    fraction_bits: int
    dtype: np.dtype  # of that implementation
    has_infinity: bool = True

    @property
    def container(self) -> np.dtype:
        return np.dtype(f"uint{8 * self.dtype.itemsize}")

    @property
    def sign(self) -> int:
        return 1 << (self.width - 1)

    def all_words(self) -> np.ndarray:
        return np.arange(1 << self.width, dtype=self.container)

    def all_values(self) -> np.ndarray:
        """The value of every word, as float64."""
        if self.name == "fp16":
            words = self.all_words().astype("<u2").tobytes()
            return np.array(struct.unpack(f"<{1 << 16}e", words))
        with np.errstate(invalid="ignore"):
            return self.all_words().view(self.dtype).astype(np.float64)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Their conversion of float32 values (direct, hence rounded once)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(self.dtype).view(self.container)


FLOAT_CASES = [
    FloatCase("fp16", 16, 10, np.dtype(np.float16)),
    FloatCase("bf16", 16, 7, np.dtype(ml_dtypes.bfloat16)),
    FloatCase("fp8_e5m2", 8, 2, np.dtype(ml_dtypes.float8_e5m2)),
    FloatCase("fp8_e4m3", 8, 3, np.dtype(ml_dtypes.float8_e4m3fn), has_infinity=False),
]

# Formats without a name of their own, as e and m: the general class against two more implementations.
OTHER_FLOAT_CASES = [
    FloatCase("e4m3", 8, 3, np.dtype(ml_dtypes.float8_e4m3)),
    FloatCase("e3m4", 8, 4, np.dtype(ml_dtypes.float8_e3m4)),
]


def nearest_float(value: float, exponent_bits: int, fraction_bits: int, has_infinity: bool) -> float:
    """The value that IEEE 754 rounding to nearest even stores `value` as, in rational arithmetic."""
    if math.isnan(value) or math.isinf(value):
        return value if has_infinity else math.nan
    if value == 0:
        return value
    bias = 2 ** (exponent_bits - 1) - 1
    exact = abs(Fraction(value))
    exponent = math.frexp(value)[1] - 1
    step = Fraction(2) ** (max(exponent, 1 - bias) - fraction_bits)
    rounded = round(exact / step) * step  # Python rounds a Fraction half to even
    top_field = 2**exponent_bits - 1 - has_infinity
    top_significand = 2 - (Fraction(1) if has_infinity else Fraction(2)) / 2**fraction_bits
    if rounded > top_significand * Fraction(2) ** (top_field - bias):
        return math.copysign(math.inf, value) if has_infinity else math.nan
    return math.copysign(float(rounded), value)


def nearest_code(value: float, fraction_bits: int, lowest: int, largest: int) -> int:
    """The fixed-point code nearest to `value`, half to even, saturated; 0 for NaN."""
    if math.isnan(value):
        return 0
    if math.isinf(value):
        return largest if value > 0 else lowest
    return min(max(round(Fraction(value) * 2**fraction_bits), lowest), largest)


def fixed_word(code: int, negative: bool, width: int, sign_magnitude: bool) -> int:
    """The word of a code. `negative` matters only for the zero of sign-magnitude."""
    if sign_magnitude:
        return abs(code) | int(negative) << (width - 1)
    return int.from_bytes(code.to_bytes(8, "little", signed=True), "little") % (1 << width)
