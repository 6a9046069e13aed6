"""Number words in codewords: neighbours in the address space, the first one in the lowest bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.ecc.code import Bits, Code
from hwsim.words import WordFormat

Words = NDArray[Any]


def pack(words: Words, fmt: WordFormat, code: Code) -> Bits:
    """The data of codewords that hold `words`.

    Args:
        words: number words of `fmt`; `data_bits / width` of them along the last axis, which disappears.
        fmt: their format.
        code: the code.

    Raises:
        HwsimError: for another length of the last axis.
    """
    shifts = _shifts(fmt, code)
    if words.shape[-1:] != shifts.shape:
        raise HwsimError(
            f"The words for codewords of {code.name} come in rows of {len(shifts)} of {fmt.name}, not in an array of "
            f"shape {words.shape}."
        )
    if len(shifts) == 1:
        return words[..., 0].astype(np.uint64)
    return np.bitwise_or.reduce(words.astype(np.uint64) << shifts, axis=-1)


def unpack(data: Bits, fmt: WordFormat, code: Code) -> Words:
    """The number words in the data of codewords, along a new last axis; the inverse of `pack`."""
    mask = np.uint64((1 << fmt.width) - 1)
    return (data[..., np.newaxis] >> _shifts(fmt, code) & mask).astype(fmt.dtype)


def _shifts(fmt: WordFormat, code: Code) -> Bits:
    if code.data_bits % fmt.width:
        raise HwsimError(
            f"Words of {fmt.name} have {fmt.width} bits, which does not divide the {code.data_bits} data bits of "
            f"{code.name}."
        )
    return np.arange(0, code.data_bits, fmt.width).astype(np.uint64)
