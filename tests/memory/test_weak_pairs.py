"""Cells that are weak in two ways: two independent thresholds for each cell, the same ones whatever is asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hwsim.memory.cells.weak_cells import Numbers
from hwsim.memory.cells.weak_pairs import BOXES, weak_pairs
from hwsim.memory.random import Key


def everywhere(first: Numbers, second: Numbers) -> np.ndarray:
    return np.ones(len(first), bool)


def test_boxes_fill_the_square() -> None:
    area = 0.0
    left = 1.0
    for box in BOXES:
        size = (box.first.high - box.first.low) * (box.second.high - box.second.low)
        assert box.gaps.probability == pytest.approx(size / left, rel=1e-6)
        area, left = area + size, left - size
    assert area == pytest.approx(1, rel=1e-12)
    assert all(one.gaps.scale >= 0 for one in BOXES)
    sizes = [(box.first.high - box.first.low) * (box.second.high - box.second.low) for box in BOXES]
    assert all(one <= other * (1 + 1e-9) for one, other in pairwise(sizes))


def test_thresholds_are_uniform_and_independent() -> None:
    # 200,000 cells: Kolmogorov and Smirnov show a deviation of 0.5 %, the square in 100 parts one of 10 % in a part.
    cells = 200_000
    found = weak_pairs(Key(1), cells, everywhere)
    assert found.cell.tolist() == list(range(cells))
    for threshold in (found.first, found.second):
        assert 0 < threshold.min() <= threshold.max() <= 1
        assert stats.kstest(threshold, "uniform").pvalue > 1e-5
    table = np.histogram2d(found.first, found.second, bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.reshape(-1)).pvalue > 1e-5
    assert abs(stats.spearmanr(found.first, found.second).statistic) < 4.5 / np.sqrt(cells)
    neighbours = np.corrcoef(found.first[1:], found.first[:-1])[0, 1]
    assert abs(neighbours) < 4.5 / np.sqrt(cells)


@pytest.mark.parametrize(("first", "second"), [(1e-4, 0.5), (2e-5, 1.0), (1.0, 1e-5), (3e-3, 2e-2)])
def test_rare_corners_have_their_share_of_the_cells(first: float, second: float) -> None:
    # About 5,000 cells: 4.5 standard errors are 6 %.
    cells = int(5000 / (first * second))
    found = weak_pairs(Key(2), cells, lambda one, other: (one < first) & (other < second))
    count = int(((found.first <= first) & (found.second <= second)).sum())
    assert abs(count - 5000) < 4.5 * np.sqrt(5000)
    inside = (found.first <= first) & (found.second <= second)
    assert stats.kstest(found.cell[inside] / cells, "uniform").pvalue > 1e-5


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 100),
    cells=st.integers(0, 5000),
    first=st.floats(1e-6, 1),
    second=st.floats(1e-6, 1),
    smaller=st.floats(0, 1),
)
def test_what_is_asked_for_changes_no_threshold(
    seed: int, cells: int, first: float, second: float, smaller: float
) -> None:
    every = weak_pairs(Key(seed), cells, everywhere)
    some = weak_pairs(Key(seed), int(cells * smaller), lambda one, other: one / first + other / second < 1)
    inside = (every.first / first + every.second / second < 1) & (every.cell < int(cells * smaller))
    mine = some.first / first + some.second / second < 1
    for column in range(3):
        assert some[column][mine].tolist() == every[column][inside].tolist()
