"""Floating point: sign, biased exponent, fraction, up to the 8 and 23 bits of fp32."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.errors import HwsimError
from hwsim.words.blocks import Elements, Scratch
from hwsim.words.format import Field, WordFormat


@dataclass(frozen=True)
class _Carrier:
    """A machine floating-point type, in which values arrive and rounding is done."""

    real: type[np.floating[Any]]
    unsigned: type[np.unsignedinteger[Any]]
    exponent_bits: int
    fraction_bits: int

    @property
    def bias(self) -> int:
        return (1 << self.exponent_bits - 1) - 1

    @property
    def sign_bit(self) -> int:
        return self.exponent_bits + self.fraction_bits

    @property
    def infinity(self) -> int:
        return ((1 << self.exponent_bits) - 1) << self.fraction_bits


_FLOAT32 = _Carrier(np.float32, np.uint32, 8, 23)
_FLOAT64 = _Carrier(np.float64, np.uint64, 11, 52)


@dataclass(frozen=True)
class FloatFormat(WordFormat):
    """A floating-point format with subnormals.

    Args:
        name: what to call it.
        exponent_bits: 2 to 8; the bias is `2**(exponent_bits - 1) - 1`.
        fraction_bits: 1 to 23.
        has_infinity: True as in IEEE 754: an exponent of all ones is infinity (fraction 0) or NaN. False as
            in the `e4m3` of the OCP 8-bit floating point specification (revision 1.0, 2023), known elsewhere
            as `e4m3fn`: such exponents are ordinary, and only the magnitude of all ones is NaN.

    Raises:
        HwsimError: for a number of bits outside these ranges, or 8 exponent bits without infinity, whose
            largest values exceed float32.
    """

    exponent_bits: int
    fraction_bits: int
    has_infinity: bool = True

    def __post_init__(self) -> None:
        if not (2 <= self.exponent_bits <= 8 and 1 <= self.fraction_bits <= 23):
            raise HwsimError(
                f"{self.name} asks for {self.exponent_bits} exponent and {self.fraction_bits} fraction bits: "
                "2 to 8 and 1 to 23 are possible."
            )
        if self.exponent_bits == 8 and not self.has_infinity:
            raise HwsimError(f"{self.name} has 8 exponent bits and no infinity: at most 7 are possible then.")

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        exponent = Field("exponent", self.fraction_bits, self.exponent_bits)
        return (Field("sign", exponent.msb + 1, 1), exponent, Field("fraction", 0, self.fraction_bits))

    @property
    def is_floating(self) -> bool:
        return True

    @property
    def bias(self) -> int:
        """What is added to the binary exponent of a normal number before it is stored."""
        return (1 << self.exponent_bits - 1) - 1

    @property
    def smallest_exponent(self) -> int:
        """The binary exponent of the smallest normal number, and of all subnormals."""
        return 1 - self.bias

    @property
    def overflow_word(self) -> int:
        """The word of a positive magnitude that is too large: infinity, or else NaN."""
        exponent, fraction = self.fields[1], self.fields[2]
        return exponent.mask if self.has_infinity else exponent.mask | fraction.mask

    @property
    def nan_word(self) -> int:
        """The positive quiet NaN."""
        return self.overflow_word | 1 << self.fraction_bits - 1

    @functools.cached_property
    def largest(self) -> float:
        _, exponent, fraction = self.fields
        word = self.overflow_word - 1
        significand = 1 + fraction.of(word) / 2**self.fraction_bits
        return math.ldexp(significand, exponent.of(word) - self.bias)

    @property
    def lowest(self) -> float:
        return -self.largest

    @property
    def smallest(self) -> float:
        return 2.0 ** (self.smallest_exponent - self.fraction_bits)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive value with a full-width significand."""
        return 2.0**self.smallest_exponent

    @property
    def default_target(self) -> float:
        return 2.0 - 2.0**-self.fraction_bits

    def field_meaning(self, field: Field, word: int) -> str:
        raw, exponent = field.of(word), self.fields[1].of(word)
        magnitude = word & ~self.fields[0].mask
        if field.name == "sign":
            return "negative" if raw else "positive"
        if magnitude >= self.overflow_word:
            return "infinity" if self.has_infinity and magnitude == self.overflow_word else "NaN"
        if field.name == "exponent":
            return f"2^{exponent - self.bias}" if exponent else f"2^{self.smallest_exponent} (subnormal)"
        return f"{min(exponent, 1) + raw / 2**self.fraction_bits}"

    def _round(self, values: Elements, scratch: Scratch) -> Elements:
        if values.dtype == np.float64:
            return self._round_in(_FLOAT64, values, scratch)
        if self.exponent_bits == _FLOAT32.exponent_bits:
            return self._round_bits(values, scratch)
        if self.fraction_bits < _FLOAT32.fraction_bits:
            return self._round_in(_FLOAT32, values, scratch)
        return self._round_in(_FLOAT64, values.astype(np.float64), scratch)

    def _round_in(self, carrier: _Carrier, values: Elements, scratch: Scratch) -> Elements:
        """Round by one addition in the carrier's arithmetic, which is exact and meets no subnormal.

        Let 2^e be the power of two at or below a magnitude, or this format's smallest normal number if that
        is more, and let the carrier have `surplus` more fraction bits than this format. Adding
        2^(e + surplus) pushes what does not fit out of the carrier's fraction, rounded to nearest even; what
        stays is the significand as an integer, the leading 1 included. Hence the word is
        `significand + (e - smallest_exponent) * 2^fraction_bits`, also where rounding up carries into the
        exponent.
        """
        surplus = carrier.fraction_bits - self.fraction_bits

        def carried(word: int) -> int:
            """The carrier's bits for `word`, taken as a normal number."""
            return (word << surplus) + (carrier.bias - self.bias << carrier.fraction_bits)

        bits = values.view(carrier.unsigned)
        words = scratch.row(0, carrier.unsigned, values.size)
        power = scratch.row(1, carrier.unsigned, values.size)
        np.bitwise_and(bits, (1 << carrier.sign_bit) - 1, out=words)
        has_nan = words.max() > carrier.infinity
        np.minimum(words, carried(self.overflow_word), out=words)
        np.bitwise_and(words, carrier.infinity, out=power)
        np.maximum(power, carried(1 << self.fraction_bits), out=power)
        power += surplus << carrier.fraction_bits
        np.add(words.view(carrier.real), power.view(carrier.real), out=words.view(carrier.real))
        words -= power
        power -= (surplus << carrier.fraction_bits) + carried(1 << self.fraction_bits)
        power >>= surplus
        words += power
        if has_nan:
            words[np.isnan(values)] = self.nan_word
        sign = np.right_shift(bits, carrier.sign_bit, out=power)
        sign <<= self.width - 1
        words |= sign
        return words

    def _round_bits(self, values: Elements, scratch: Scratch) -> Elements:
        """Round float32 to the same exponent field and a shorter fraction, on the bits alone."""
        bits = values.view(np.uint32)
        surplus = _FLOAT32.fraction_bits - self.fraction_bits
        if not surplus:
            return bits
        words = np.right_shift(bits, surplus, out=scratch.row(0, np.uint32, values.size))
        words &= 1
        words += (1 << surplus - 1) - 1  # half a step less one: a tie goes up only from an odd word
        words += bits
        words >>= surplus
        nan = np.isnan(values)
        if nan.any():
            words[nan] = self.nan_word | (bits[nan] >> 31) << (self.width - 1)
        return words

    def _exact(self, words: Elements, scratch: Scratch) -> Elements:
        if self.exponent_bits == _FLOAT32.exponent_bits:
            surplus = _FLOAT32.fraction_bits - self.fraction_bits
            return np.left_shift(words, surplus, out=scratch.row(0, np.uint32, words.size)).view(np.float32)
        magnitude = np.bitwise_and(words, self.fields[0].mask - 1, out=scratch.row(0, np.uint32, words.size))
        bits = scratch.row(1, np.uint64, words.size)
        bits[:] = magnitude
        bits <<= _FLOAT64.fraction_bits - self.fraction_bits
        bits += _FLOAT64.bias - self.bias << _FLOAT64.fraction_bits
        values = bits.view(np.float64)
        # An exponent field of 0 means the exponent of field 1 without the leading 1.
        subnormal = magnitude <= self.fields[2].mask
        values[subnormal] = 2 * values[subnormal] - self.smallest_normal
        values[magnitude == self.overflow_word] = np.inf
        values[magnitude >= self.overflow_word + self.has_infinity] = np.nan
        signed = np.left_shift(words, 32 - self.width, out=magnitude).view(np.int32)
        return np.copysign(values, signed, out=values)
