"""What a code that is not exact does to numbers in a memory without faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.memory.ecc.code import Code
from hwsim.memory.ecc.packing import Words, pack, unpack
from hwsim.words import WordFormat

_BLOCK = 1 << 13  # codewords at a time, so that what lies between them stays in the cache


@dataclass(frozen=True)
class Rounding:
    """How far stored numbers are from the ones that were to be stored.

    Attributes:
        words: number words.
        changed: words that are stored as others.
        largest: the largest change of a finite number.
        rms: root mean square of the changes over all words; infinities and NaN count as unchanged.
    """

    words: int
    changed: int
    largest: float
    rms: float


def round_words(words: Words, fmt: WordFormat, code: Code) -> tuple[Words, Rounding]:
    """The words that a memory without faults gives back, and how far off they are.

    Args:
        words: the words to be stored, in order of address, one dimension; a codeword that they do not fill is
            filled with zeros.
        fmt: their format.
        code: the code. If it is exact, the words come back as they are.

    Raises:
        HwsimError: if the words do not fit into the code's codewords.
    """
    if code.is_exact:
        return words, Rounding(len(words), 0, 0.0, 0.0)
    numbers = max(code.data_bits // fmt.width, 1)
    stored = np.zeros(-(-len(words) // numbers) * numbers, words.dtype)
    stored[: len(words)] = words
    for start in range(0, len(stored), _BLOCK * numbers):
        block = stored[start : start + _BLOCK * numbers].reshape(-1, numbers)
        block[...] = unpack(code.rounded(pack(block, fmt, code)), fmt, code)
    stored = stored[: len(words)]
    changed = np.flatnonzero(stored != words)
    before, after = fmt.decode(words[changed], np.float64), fmt.decode(stored[changed], np.float64)
    finite = np.isfinite(before)
    error = np.abs(after[finite] - before[finite])
    return stored, Rounding(
        words=len(words),
        changed=len(changed),
        largest=float(error.max(initial=0.0)),
        rms=float(np.sqrt(np.square(error).sum() / max(len(words), 1))),
    )
