"""Converting a large array block by block, so that all intermediate results stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import HwsimError

Elements = npt.NDArray[Any]

BLOCK = 32_768  # elements; three rows of scratch and the block itself fit a second-level cache of 1 MiB


class Scratch:
    """Room for the intermediate results of one block, used again for every block.

    Temporary arrays of this size, allocated and freed per block, can cost ten times the arithmetic, since the
    allocator may return their pages to the system each time.
    """

    def __init__(self, size: int) -> None:
        self._rows = np.empty((3, size), np.uint64)

    def row(self, index: int, dtype: npt.DTypeLike, size: int) -> Elements:
        """Row 0, 1 or 2 as an uninitialised array of `size` elements of at most 8 bytes."""
        return self._rows[index].view(dtype)[:size]


def convert(
    source: Elements,
    function: Callable[[Elements, Scratch], Elements],
    dtype: np.dtype[Any],
    out: Elements | None,
) -> Elements:
    """Apply `function` to block after block of `source`; the results go to `out`, or to a new array.

    Raises:
        HwsimError: if `out` is not a C-contiguous array of `dtype` and the shape of `source`.
    """
    if out is None:
        out = np.empty(source.shape, dtype)
    elif out.shape != source.shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise HwsimError(
            f"The output array must be C-contiguous {dtype} of shape {source.shape}, "
            f"not {'' if out.flags.c_contiguous else 'strided '}{out.dtype} of shape {out.shape}."
        )
    values, results = source.reshape(-1), out.reshape(-1)
    scratch = Scratch(min(values.size, BLOCK))
    # Overflow to infinity and signalling NaNs are specified results here, not surprises.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, values.size, BLOCK):
            block = slice(start, start + BLOCK)
            results[block] = function(values[block], scratch)
    return out
