"""Which cells of a memory are weak in two ways together, without looking at the others.

Every cell has two thresholds, both uniform in (0, 1] and independent: how weak it is, and when its turn comes. The
square of both is cut into boxes, and each box strikes each cell with the probability that makes the first box that
strikes it, in a fixed order, the one in which its thresholds lie: `hwsim.memory.cells.weak_cells` in two dimensions.
The order is that of the boxes' probabilities, so that to go as far as a box costs little more than the cells in it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np

from hwsim.memory.cells.weak_cells import RATE_LAYERS, Gaps, Numbers, RateLayer, SortedCells, strikes, thresholds
from hwsim.memory.random import Key


class Box(NamedTuple):
    """Cells whose first threshold lies in one layer and whose second one lies in another."""

    first: RateLayer
    second: RateLayer
    gaps: Gaps


def _boxes() -> tuple[Box, ...]:
    with localcontext(prec=50):  # exact sums and products of the edges, the same on every machine
        sizes = [
            ((one.edges[1] - one.edges[0]) * (other.edges[1] - other.edges[0]), one, other)
            for one in RATE_LAYERS
            for other in RATE_LAYERS
        ]
        boxes, left = [], Decimal(1)
        for size, one, other in sorted(sizes, key=lambda entry: entry[0]):
            boxes.append(Box(one, other, Gaps.of(size, left)))
            left -= size
    return tuple(boxes)


BOXES = _boxes()


class WeakPairs(NamedTuple):
    """Cells that are weak in two ways, in order of address, with both thresholds of each."""

    cell: SortedCells
    first: Numbers
    second: Numbers


def weak_pairs(key: Key, cells: int, concerns: Callable[[Numbers, Numbers], np.ndarray]) -> WeakPairs:
    """The cells in all boxes that are asked for, of `cells` in all.

    Args:
        key: what the thresholds are for.
        cells: how many cells there are.
        concerns: from the two thresholds of the weakest corners of boxes to whether cells there are of interest.

    Raises:
        HwsimError: for more cells than 2^62.
    """
    low = np.array([(box.first.low, box.second.low) for box in BOXES])
    wanted = np.asarray(concerns(low[:, 0], low[:, 1]), bool)
    found, which = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    first, second = [np.empty(0)], [np.empty(0)]
    for index in range(int(np.flatnonzero(wanted)[-1]) + 1 if wanted.any() else 0):
        box = BOXES[index]
        struck = np.concatenate(list(strikes(key.generator(index, 0), cells, box.gaps)))
        found.append(struck)
        which.append(np.full(len(struck), index))
        for values, layer, stream in ((first, box.first, 1), (second, box.second, 2)):
            values.append(thresholds(key.generator(index, stream), len(struck), layer))
    # Boxes come in order and `unique` gives the first occurrence: the first strike counts.
    cell, at = np.unique(np.concatenate(found), return_index=True)
    asked = wanted[np.concatenate(which)[at]]
    return WeakPairs(cell[asked], np.concatenate(first)[at][asked], np.concatenate(second)[at][asked])
