"""What one flip does to a stored weight as it is used, after dividing by its constant: the measure of robustness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.hardening.harden import Hardened
from hwsim.words import WordFormat

_SQUARED = 480  # numbers below 2^480 are squared as they are: 2^60 of their squares add up to less than 2^1024


def flip_errors(words: NDArray[Any], bit: int, fmt: WordFormat) -> NDArray[np.float64]:
    """|value after flipping `bit` - value before| of every word, as stored; infinite or NaN where that is."""
    before = fmt.decode(words, np.float64)
    after = fmt.decode(words ^ words.dtype.type(1 << bit), np.float64)
    with np.errstate(invalid="ignore"):
        return np.abs(after - before)


class SumOfSquares:
    """Squares of numbers that may be large themselves, added up: the sum is kept over a power of 4 where it needs it.

    A weight that is scaled down to 2^-512 of itself errs by up to 2^640, whose square no double holds.
    """

    def __init__(self) -> None:
        self._sum, self._exponent = 0.0, 0

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Add the squares of finite numbers."""
        exponent = max(self._exponent, math.frexp(np.abs(numbers).max(initial=0.0))[1] - _SQUARED)
        self._sum = math.ldexp(self._sum, 2 * (self._exponent - exponent))
        self._sum += float(np.square(np.ldexp(numbers, -exponent) if exponent else numbers).sum())
        self._exponent = exponent

    def root_mean(self, count: int) -> float:
        """The root of the mean of `count` squares."""
        return math.ldexp(math.sqrt(self._sum / count), self._exponent)


def rms_flip_error(stored: Hardened, immune: str = "none") -> float:
    """Root mean square error of a weight as used, over every flip of one bit of one stored word.

    Flips that give an infinity or NaN are left out, as they are in the study of bit errors.

    Args:
        stored: the words and their constants.
        immune: bits that do not flip, such as "exponent_msb" (see `WordFormat.bit_mask`).

    Raises:
        HwsimError: for bits that the format does not have.
    """
    fmt = stored.format
    spared = fmt.bit_mask(immune)
    squares, flips = SumOfSquares(), 0
    for bit in range(fmt.width):
        if spared >> bit & 1:
            continue
        for name, words in stored.words.items():
            errors = flip_errors(words, bit, fmt) / stored.constants[name].spread(words.shape)
            finite = errors[np.isfinite(errors)]
            squares.add(finite)
            flips += finite.size
    return squares.root_mean(flips) if flips else 0.0
