"""Which cells of a memory are weak, without looking at the others.

Every cell has a threshold, uniform in (0, 1], drawn once from the seed and the cell's address. At an
error rate b the cells with a threshold of at most b fail: a harsher rate fails a superset.

The interval (0, 1] is cut into layers. Layer (lo, hi] strikes each cell with the probability
(hi - lo) / (1 - lo), independently of all others, and a cell's threshold lies in the weakest (lowest)
layer that strikes it. The layers below b together then strike a cell with the probability b. Strikes
of a layer are drawn in order of address by their gaps, which are geometric: floor(E / -log(1 - p)) for
a standard exponential E. So

* a draw costs its faults (and one per million cells), never the cells;
* the weak cells at one rate do not depend on the harshest rate that is ever asked for;
* a larger memory has the weak cells of a smaller one, and more behind them.

See Devroye, "Non-Uniform Random Variate Generation" (1986), sections VI.1.3 and X.2, for the gaps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.random import Key

Numbers = NDArray[np.float64]
SortedCells = NDArray[Any]  # sorted addresses: uint32 where they fit (half the memory traffic), else int64

MOST_CELLS = 2**62  # addresses, and the first one drawn beyond the last cell, stay exact in int64

# Decades while a layer costs more to start than to draw (a network's memory has 1e7 to 1e9 cells), then
# the 1-2-5 series, so that a rate between two edges wastes little. Moving an edge changes every fault map.
_EDGES = ["0", "1e-6", "1e-5", "1e-4"]
_EDGES += ["2e-4", "5e-4", "1e-3", "2e-3", "5e-3", "1e-2", "2e-2", "5e-2", "0.1", "0.2", "0.5", "1"]

_CHUNK = 1 << 16  # elements handled at a time, so that temporaries stay in the cache


class Gaps(NamedTuple):
    """Strikes each cell with `probability`; an exponential times `scale` is a gap between two strikes."""

    probability: float
    scale: float

    @classmethod
    def of(cls, size: Decimal, left: Decimal) -> Gaps:
        """Strikes a share `size` of all cells, of the share `left` of them that nothing struck before."""
        with localcontext(prec=50):  # correctly rounded, so the same on every machine (math.log1p is not)
            survives = (left - size) / left
            return cls(float(1 - survives), float(-1 / survives.ln()) if survives else 0.0)


class RateLayer(NamedTuple):
    """Thresholds in (low, high], and the same two as they are written."""

    low: float
    high: float
    edges: tuple[Decimal, Decimal]
    gaps: Gaps


def _layer(low: str, high: str) -> RateLayer:
    with localcontext(prec=50):
        edges = Decimal(low), Decimal(high)
        return RateLayer(float(low), float(high), edges, Gaps.of(edges[1] - edges[0], 1 - edges[0]))


RATE_LAYERS = tuple(_layer(low, high) for low, high in pairwise(_EDGES))


def weak_cells(key: Key, cells: int, rate: float) -> NDArray[np.int64]:
    """Sorted addresses of the cells, of `cells` in all, whose threshold is at most `rate`.

    Raises:
        HwsimError: for a rate outside [0, 1] or more cells than 2^62.
    """
    return distinct(_struck(key, cells, rate)).astype(np.int64)


def weak_thresholds(key: Key, cells: int, rate: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The cells of `weak_cells`, and the threshold of each: for mechanisms with a rate of its own per cell."""
    check_rate("rate", rate)
    address, threshold = [np.empty(0, np.int64)], [np.empty(0)]
    for index, layer in enumerate(RATE_LAYERS):
        if layer.low < rate:
            struck = np.concatenate(list(strikes(key.generator(index, 0), cells, layer.gaps)))
            address.append(struck)
            threshold.append(thresholds(key.generator(index, 1), len(struck), layer))
    all_cells, all_thresholds = np.concatenate(address), np.concatenate(threshold)
    # Layers come weakest first and `unique` gives the first occurrence: the weakest strike counts.
    cell, first = np.unique(all_cells, return_index=True)
    fails = all_thresholds[first] <= rate
    return cell[fails], all_thresholds[first][fails]


def weak_words(key: Key, words: int, width: int, rate: float) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """The weak cells of `words` words of `width` bits, gathered by word: (word addresses, bit masks).

    Bit b of word w is cell w * width + b. Addresses are sorted and occur once.
    """
    struck = _struck(key, words * width, rate)
    struck.sort(kind="stable")  # merges the layers, which are sorted
    address, mask = np.empty(len(struck), np.int64), np.empty(len(struck), np.uint32)
    count = 0
    for piece in _pieces(struck, width):
        words_of_piece, masks_of_piece = _by_word(piece, width)
        fresh = slice(count, count + len(words_of_piece))
        address[fresh], mask[fresh] = words_of_piece, masks_of_piece
        count = fresh.stop
    return address[:count], mask[:count]


def distinct(*values: NDArray[Any]) -> NDArray[Any]:
    """All values, sorted, each once: as `np.unique`, whose hashing takes ten times as long for millions of them."""
    found = np.concatenate(values)
    found.sort(kind="stable")  # merges runs that are sorted already, as they are here
    new = np.ones(len(found), bool)
    np.not_equal(found[1:], found[:-1], out=new[1:])
    return found[new]


def check_rate(name: str, rate: float) -> None:
    """Check that `rate` is a probability.

    Raises:
        HwsimError: otherwise.
    """
    if not 0 <= rate <= 1:
        raise HwsimError(f"{name} = {rate!r} is not a probability: give a number from 0 to 1.")


def _struck(key: Key, cells: int, rate: float) -> SortedCells:
    """Cells struck by the layers up to `rate`: layer after layer, so a cell may come more than once."""
    check_rate("rate", rate)
    dtype = np.uint32 if cells <= 2**32 else np.int64
    struck = [np.empty(0, dtype)]
    for index, layer in enumerate(RATE_LAYERS):
        if layer.low < rate:
            generator = key.generator(index, 1) if rate < layer.high else None
            for chunk in strikes(key.generator(index, 0), cells, layer.gaps):
                if generator is not None:
                    chunk = chunk[thresholds(generator, len(chunk), layer) <= rate]
                struck.append(chunk.astype(dtype))
    return np.concatenate(struck)


def strikes(generator: np.random.Generator, cells: int, of: Gaps) -> Iterator[NDArray[np.int64]]:
    """Sorted addresses below `cells` that are struck, in chunks whose size changes nothing."""
    if not 0 <= cells <= MOST_CELLS:
        raise HwsimError(f"A memory of {cells} cells cannot be simulated: give from 0 to 2^62 cells.")
    last = -1
    while True:
        expected = (cells - last) * of.probability
        size = min(int(expected + 4 * math.sqrt(expected)) + 8, _CHUNK)
        gaps = generator.standard_exponential(size)
        gaps *= of.scale
        address = gaps.astype(np.int64)  # truncates: the cells passed over before the next strike
        address += 1
        address[0] += last
        np.cumsum(address, out=address)
        last = int(address[-1])
        if last >= cells:
            yield address[: address.searchsorted(cells)]
            return
        yield address


def thresholds(generator: np.random.Generator, count: int, layer: RateLayer) -> NDArray[np.float64]:
    """Uniform in (low, high], one for each strike of a layer in order of address."""
    threshold = generator.random(count)
    threshold *= layer.low - layer.high
    threshold += layer.high
    return np.maximum(threshold, np.nextafter(layer.low, 1), out=threshold)  # rounding may reach `low`


def _pieces(cells: SortedCells, width: int) -> Iterator[SortedCells]:
    """Sorted cells cut into pieces that end between words."""
    start = 0
    while start + _CHUNK < len(cells):
        word = int(cells[start + _CHUNK]) // width
        stop = start + int(cells[start : start + _CHUNK].searchsorted(cells.dtype.type(word * width)))
        yield cells[start:stop]
        start = stop
    yield cells[start:]


def _by_word(cells: SortedCells, width: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Sorted cells, repetitions allowed, gathered by word: (word addresses, bit masks)."""
    words = cells // cells.dtype.type(width)
    bits = cells - words * cells.dtype.type(width)
    masks = np.left_shift(np.uint32(1), bits, dtype=np.uint32, casting="unsafe")
    new = np.ones(len(cells), bool)
    np.not_equal(words[1:], words[:-1], out=new[1:])
    first = np.flatnonzero(new)
    address, mask = words[first].astype(np.int64), masks[first]
    if len(first) < len(cells):
        again = np.flatnonzero(~new)
        group = again - np.arange(1, len(again) + 1)  # how many words begin before it, less one
        np.bitwise_or.at(mask, group, masks[again])
    return address, mask
