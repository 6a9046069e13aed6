"""What one flip does to a stored weight as it is used, after dividing by its constant: the measure of robustness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.hardening.harden import Hardened
from hwsim.words import WordFormat


def flip_errors(words: NDArray[Any], bit: int, fmt: WordFormat) -> NDArray[np.float64]:
    """|value after flipping `bit` - value before| of every word, as stored; infinite or NaN where that is."""
    before = fmt.decode(words, np.float64)
    after = fmt.decode(words ^ words.dtype.type(1 << bit), np.float64)
    with np.errstate(invalid="ignore"):
        return np.abs(after - before)


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
    squares, flips = 0.0, 0
    for bit in range(fmt.width):
        if spared >> bit & 1:
            continue
        for name, words in stored.words.items():
            errors = flip_errors(words, bit, fmt) / stored.constants[name].spread(words.shape)
            finite = errors[np.isfinite(errors)]
            squares += float(np.square(finite).sum())
            flips += finite.size
    return math.sqrt(squares / flips) if flips else 0.0
