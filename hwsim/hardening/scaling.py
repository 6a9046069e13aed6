"""Scaling constants: `c = t / max|W|`, per layer or per output channel (arXiv 2411.18993, section 3).

A constant is kept in safe memory as a significand and an exponent, because it may exceed the range of the format
that it protects (FP16 with t near the top of the range, or a layer of tiny weights). Its significand has the
24 bits of an FP32 number and is rounded down, so that no weight passes t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.network.scale import SIGNIFICAND_BITS, Scale
from hwsim.words import WordFormat

EXPONENT_BITS = 10
"""Bits of a stored constant's exponent: -512..511 covers t / max|W| of any two FP32 numbers (2**-276..2**277)."""

_BIAS = 1 << EXPONENT_BITS - 1


@dataclass(frozen=True)
class Scaling:
    """How weights are scaled before they are stored.

    Attributes:
        target: the t of `c = t / max|W|`; None takes the format's default (the largest value below 2 in floating
            point, the largest code in fixed point). In fixed point a t above the range saturates the largest
            weights; in floating point it is refused.
        granularity: one constant for each layer, or for each output channel of it.
        power_of_two: round c down to a power of two, so that dividing is a shift or an exponent subtraction.
    """

    target: float | None = None
    granularity: Literal["layer", "channel"] = "layer"
    power_of_two: bool = False

    def __post_init__(self) -> None:
        if self.target is not None and not (self.target > 0 and math.isfinite(self.target)):
            raise HwsimError(f"Scaling target t = {self.target} is not a positive finite number.")
        if self.granularity not in ("layer", "channel"):
            raise HwsimError(f"Scaling granularity {self.granularity!r} is neither 'layer' nor 'channel'.")

    def target_in(self, fmt: WordFormat) -> float:
        """The t used with a format.

        Raises:
            HwsimError: if t is above the range of a floating-point format, where weights would become infinite.
        """
        if self.target is None:
            return fmt.default_target
        if fmt.is_floating and self.target > fmt.largest:
            raise HwsimError(
                f"Scaling target t = {self.target:g} is above the range of {fmt.name}: choose at most {fmt.largest:g}."
            )
        return self.target

    def constants(self, weight: NDArray[np.floating], fmt: WordFormat) -> Constants:
        """The constants of one weight tensor, whose axis 0 is the output channel.

        Raises:
            HwsimError: as `target_in`, and for a t so far from the weights that the exponent of a stored constant
                cannot say how far.
        """
        per_channel = self.granularity == "channel"
        peaks = np.abs(weight.reshape(len(weight), -1)).max(axis=1) if weight.size else np.zeros(1)
        if not per_channel:
            peaks = peaks.max(keepdims=True)
        # A channel of zeros needs no protection: c = 1.
        target = self.target_in(fmt)
        with np.errstate(divide="ignore", over="ignore"):
            exact = np.where(peaks > 0, target / peaks.astype(np.float64), 1.0)
        if not ((exact >= 2.0**-_BIAS) & (exact < 2.0**_BIAS)).all():
            raise HwsimError(
                f"Scaling target t = {target:g} is too far from weights of up to {peaks.max():g}, since a stored "
                f"constant has an exponent from {-_BIAS} to {_BIAS - 1}: choose a target nearer to them."
            )
        fraction, exponent = np.frexp(exact)  # fraction in [0.5, 1)
        bits = 1 if self.power_of_two else SIGNIFICAND_BITS
        significand = np.floor(np.ldexp(fraction, bits)) * 2.0 ** (1 - bits)  # rounded down, in [1, 2)
        return Constants(significand, exponent - 1, per_channel)


@dataclass(frozen=True)
class Constants:
    """The scaling constants of one weight tensor: `significand * 2**exponent`, one or one per output channel.

    Attributes:
        significand: float64 in [1, 2), of at most 24 bits.
        exponent: integers.
        per_channel: whether there is one for each output channel.
    """

    significand: NDArray[np.float64]
    exponent: NDArray[np.intp]
    per_channel: bool

    @classmethod
    def of(cls, scale: Scale) -> Constants:
        """One constant for a whole layer: a scale rounded to 24 bits, to nearest even."""
        fraction, shift = np.frexp(to_significand(np.array([scale.significand])))  # may be rounded up to 2
        return cls(2 * fraction, scale.exponent + shift - 1, per_channel=False)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The constants as doubles, which hold every quotient of two FP32 numbers."""
        return np.ldexp(self.significand, self.exponent)

    @property
    def powers_of_two(self) -> bool:
        """Whether dividing by them is a shift or an exponent subtraction."""
        return bool((self.significand == 1.0).all())

    @property
    def all_one(self) -> bool:
        """Whether nothing has to be divided out."""
        return self.powers_of_two and not self.exponent.any()

    @property
    def scale(self) -> Scale:
        """The one constant of the layer.

        Raises:
            HwsimError: if there is one for each output channel.
        """
        if self.per_channel:
            raise HwsimError("A layer with one constant per channel has no single scale.")
        return Scale(float(self.significand[0]), int(self.exponent[0]))

    @property
    def bits(self) -> int:
        """Safe memory that they take: an exponent each, and a significand unless all are powers of two."""
        fraction = 0 if self.powers_of_two else SIGNIFICAND_BITS - 1
        return len(self.exponent) * (EXPONENT_BITS + fraction)

    def spread(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The constants shaped to broadcast over a weight tensor of `shape`."""
        return self.values.reshape(-1, *[1] * (len(shape) - 1))

    def at(self, index: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The constant that belongs to each flat `index` into a weight tensor of `shape`."""
        if not self.per_channel:
            return self.values
        return self.values[index // math.prod(shape[1:])]


def quotient(
    values: NDArray[np.float32], constants: NDArray[np.float64], divider: str = "exact"
) -> NDArray[np.float32]:
    """FP32 division of `values` by constants of 24-bit significand, correctly rounded.

    Computed in double precision and rounded once more, which gives the correctly rounded FP32 quotient (a double
    has more than twice the bits of an FP32 significand plus two). With `divider = "reciprocal"` the values are
    multiplied by 1/c rounded to 24 bits instead, as a multiplier would do it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if divider == "reciprocal":
            return (values.astype(np.float64) * reciprocal(constants)).astype(np.float32)
        return (values.astype(np.float64) / constants).astype(np.float32)


def reciprocal(constants: NDArray[np.float64]) -> NDArray[np.float64]:
    """1/c with a significand of 24 bits, rounded to nearest even."""
    return to_significand(1.0 / constants)


def to_significand(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Doubles rounded to a significand of 24 bits, to nearest even, whatever their exponent."""
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(fraction, SIGNIFICAND_BITS)), exponent - SIGNIFICAND_BITS)
