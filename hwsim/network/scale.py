"""Scales: the positive factor s by which a tensor on the datapath is larger than its value.

Products of scaling constants over a network leave the range of every hardware number format, and over a deep
one even that of a double: a scale is kept as a significand and an exponent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

SIGNIFICAND_BITS = 24
"""Significand of a constant as hardware keeps it: that of an FP32 number, hidden bit included (IEEE 754)."""


@dataclass(frozen=True, order=False)
class Scale:
    """The number `significand * 2**exponent` with significand in [1, 2).

    Made by `Scale.of`; closed under `*`, `/` and rational powers. The significand is a double, so a product of n
    constants is right to about n units in its last place.
    """

    significand: float = 1.0
    exponent: int = 0

    @classmethod
    def of(cls, value: float) -> Scale:
        """The scale equal to a positive finite `value`."""
        return cls._normal(value, 0)

    @classmethod
    def _normal(cls, value: float, exponent: int) -> Scale:
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"A scale is positive and finite, not {value}.")
        fraction, shift = math.frexp(value)
        return cls(2 * fraction, exponent + shift - 1)

    def __mul__(self, other: Scale) -> Scale:
        return self._normal(self.significand * other.significand, self.exponent + other.exponent)

    def __truediv__(self, other: Scale) -> Scale:
        return self._normal(self.significand / other.significand, self.exponent - other.exponent)

    def __pow__(self, exponent: Fraction) -> Scale:
        whole, rest = divmod(self.exponent * exponent, 1)
        return self._normal(self.significand ** float(exponent) * 2.0 ** float(rest), int(whole))

    def __lt__(self, other: Scale) -> bool:
        return (self.exponent, self.significand) < (other.exponent, other.significand)

    def __float__(self) -> float:
        """As a double; infinite or zero beyond its range."""
        try:
            return math.ldexp(self.significand, self.exponent)
        except OverflowError:
            return math.inf

    def __str__(self) -> str:
        return f"{float(self):.6g}" if -1000 < self.exponent < 1000 else f"2^{self.log2:.3f}"

    @property
    def log2(self) -> float:
        """Binary logarithm."""
        return math.log2(self.significand) + self.exponent

    @property
    def is_one(self) -> bool:
        """Whether nothing has to be divided out."""
        return self.significand == 1.0 and self.exponent == 0

    @property
    def is_power_of_two(self) -> bool:
        """Whether dividing by it is a shift or an exponent subtraction."""
        return self.significand == 1.0


ONE = Scale()
