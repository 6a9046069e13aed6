"""Which cells are weak: the right number of them, in the right places, the same ones always.

Statistical tests have fixed seeds. Their limits are at four to five standard errors, so a sound generator
fails fewer than one in ten thousand seeds; each says how large an error it would show.
"""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import hwsim.memory.cells.weak_cells as weak
from hwsim.errors import HwsimError
from hwsim.memory.cells.weak_cells import weak_cells, weak_thresholds, weak_words
from hwsim.memory.random import Key

RATES = [3e-7, 1e-6, 4e-5, 1e-3, 7e-3, 0.1, 0.37, 0.5, 0.8]
ANY_RATE = st.one_of(st.floats(0, 1), st.floats(-8, 0).map(lambda exponent: 10.0**exponent))
LAYERS = range(len(weak.RATE_LAYERS))


# The number of weak cells


@pytest.mark.parametrize("rate", RATES)
def test_the_number_of_weak_cells_is_binomial(rate: float) -> None:
    # 600 memories of about 40 weak cells (fewer where that takes too few cells): shows a mean that is wrong by
    # 3 %, and a standard deviation that is wrong by 15 % (a fixed number of faults has none).
    cells, memories = max(50, int(40 / rate)), 600
    counts = np.array([len(weak_cells(Key(seed, "binomial"), cells, rate)) for seed in range(memories)])
    mean, variance = cells * rate, cells * rate * (1 - rate)
    assert abs(counts.mean() - mean) < 4.5 * np.sqrt(variance / memories)
    dispersion = (memories - 1) * counts.var(ddof=1) / variance
    assert stats.chi2.sf(dispersion, memories - 1) > 1e-5
    assert stats.chi2.cdf(dispersion, memories - 1) > 1e-5


def test_a_memory_of_few_cells_has_binomial_counts_too() -> None:
    # 20,000 memories of 8 cells at 0.05: each count from 0 to 3 and more within 4.5 standard errors.
    counts = np.array([len(weak_cells(Key(seed, "few"), 8, 0.05)) for seed in range(20_000)])
    for value in range(3):
        expected = stats.binom.pmf(value, 8, 0.05)
        error = np.sqrt(expected * (1 - expected) / len(counts))
        assert abs((counts == value).mean() - expected) < 4.5 * error


def test_rate_zero_fails_none_and_rate_one_fails_all() -> None:
    for cells in (0, 1, 1000, 200_000):
        assert weak_cells(Key(1), cells, 0.0).tolist() == []
        assert (weak_cells(Key(1), cells, 1.0) == np.arange(cells)).all()
        assert len(weak_cells(Key(1), cells, 0)) == 0
        assert len(weak_cells(Key(1), cells, 1)) == cells


# Their places


def test_weak_cells_are_uniform_over_the_addresses() -> None:
    # 1e5 weak cells in 100 equal parts: shows a part that is off by 15 %.
    cells = 10_000_000
    parts = np.bincount(weak_cells(Key(2), cells, 1e-2) * 100 // cells, minlength=100)
    assert stats.chisquare(parts).pvalue > 1e-5


def test_gaps_between_weak_cells_are_geometric() -> None:
    # 1e5 gaps at the rate 0.03 in 60 classes; covers the merging of 11 layers.
    rate = 0.03
    gaps = np.diff(weak_cells(Key(3), 4_000_000, rate))
    observed = np.bincount(np.minimum(gaps, 60), minlength=61)[1:]
    expected = stats.geom.pmf(np.arange(1, 61), rate)
    expected[-1] = stats.geom.sf(59, rate)
    assert stats.chisquare(observed, expected * len(gaps)).pvalue > 1e-5


def test_neighbouring_cells_fail_independently() -> None:
    # 40,000 pairs expected at each distance: shows a correlation of 0.3 % of the greatest one.
    cells, rate = 1_000_000, 0.2
    flags = np.zeros(cells, bool)
    flags[weak_cells(Key(4), cells, rate)] = True
    for distance in (1, 2, 8, 32):
        pairs = int((flags[distance:] & flags[:-distance]).sum())
        expected = (cells - distance) * rate**2
        assert abs(pairs - expected) < 5 * np.sqrt(expected * (1 + 2 * rate))


def test_layers_strike_independently_of_each_other() -> None:
    # Cells struck by two layers, in all pairs of layers above 1e-2: about N p q of them.
    cells = 400_000
    struck = []
    for index in LAYERS[9:-1]:
        flags = np.zeros(cells, bool)
        for chunk in weak.strikes(Key(5).generator(index, 0), cells, weak.RATE_LAYERS[index].gaps):
            flags[chunk] = True
        struck.append(flags)
        assert abs(flags.mean() / weak.RATE_LAYERS[index].gaps.probability - 1) < 0.05
    for one, other in ((a, b) for i, a in enumerate(struck) for b in struck[:i]):
        expected = cells * one.mean() * other.mean()
        assert abs((one & other).sum() - expected) < 4.5 * np.sqrt(expected)


def test_seeds_are_independent_of_each_other() -> None:
    cells, rate = 1_000_000, 0.05
    maps = [weak_cells(Key(seed), cells, rate) for seed in range(6)]
    for one, other in ((a, b) for i, a in enumerate(maps) for b in maps[:i]):
        assert abs(len(np.intersect1d(one, other)) - cells * rate**2) < 4.5 * np.sqrt(cells) * rate


# Thresholds


@pytest.mark.parametrize(("cells", "rate"), [(100_000, 1.0), (10_000_000, 3e-3), (2**36, 5e-7)])
def test_thresholds_are_uniform(cells: int, rate: float) -> None:
    # Kolmogorov-Smirnov on 30,000 to 100,000 thresholds: shows a distribution that is off by 1.5 %.
    _, threshold = weak_thresholds(Key(6), cells, rate)
    assert len(threshold) > 25_000
    assert stats.kstest(threshold / rate, "uniform").pvalue > 1e-5


def test_thresholds_of_neighbours_are_uncorrelated() -> None:
    _, threshold = weak_thresholds(Key(7), 100_000, 1.0)
    for distance in (1, 8, 32):
        assert abs(np.corrcoef(threshold[distance:], threshold[:-distance])[0, 1]) < 4.5 / np.sqrt(len(threshold))


@given(st.integers(0, 5000), ANY_RATE, st.integers(0, 2**40))
def test_a_cell_fails_if_its_threshold_is_at_most_the_rate(cells: int, rate: float, seed: int) -> None:
    cell, threshold = weak_thresholds(Key(seed), cells, 1.0)
    assert (cell == np.arange(cells)).all()
    assert ((threshold > 0) & (threshold <= 1)).all()
    assert (weak_cells(Key(seed), cells, rate) == cell[threshold <= rate]).all()
    some, theirs = weak_thresholds(Key(seed), cells, rate)
    assert (some == cell[threshold <= rate]).all()
    assert (theirs == threshold[threshold <= rate]).all()


# The same cells always


@given(st.integers(0, 200_000), ANY_RATE, ANY_RATE)
def test_a_harsher_rate_fails_a_superset(cells: int, one: float, other: float) -> None:
    mild, harsh = sorted((one, other))
    key = Key(cells, "nested")
    assert np.isin(weak_cells(key, cells, mild), weak_cells(key, cells, harsh)).all()


@given(st.integers(0, 200_000), st.integers(0, 200_000), ANY_RATE)
def test_a_larger_memory_begins_with_the_weak_cells_of_a_smaller_one(one: int, other: int, rate: float) -> None:
    small, large = sorted((one, other))
    extended = weak_cells(Key("prefix"), large, rate)
    assert (weak_cells(Key("prefix"), small, rate) == extended[extended < small]).all()


@pytest.mark.parametrize("rate", [1e-6, 3e-6])
def test_a_memory_of_more_than_32_bits_of_address_continues_a_smaller_one(rate: float) -> None:
    narrow, wide = (weak_cells(Key("wide"), cells, rate) for cells in (2**32, 2**32 + 2**26))
    assert narrow.dtype == wide.dtype == np.int64
    assert (wide[wide < 2**32] == narrow).all()
    assert len(wide) > len(narrow)


@pytest.mark.parametrize("rate", [2e-4, 3e-2, 1.0])
def test_the_size_of_chunks_changes_nothing(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = weak_cells(Key(8), 500_000, rate)
    words = weak_words(Key(8), 50_000, 10, rate)
    for chunk in (1000, 4096):
        monkeypatch.setattr(weak, "_CHUNK", chunk)
        assert (weak_cells(Key(8), 500_000, rate) == cells).all()
        for one, other in zip(weak_words(Key(8), 50_000, 10, rate), words, strict=True):
            assert (one == other).all()


def test_fault_maps_never_change() -> None:
    # Results are reproduced from seeds: whoever moves these numbers changes every published fault map.
    rare = [83732, 147340, 336070, 407163, 455213, 462561, 507569, 591113, 650248, 731554, 911997]
    assert weak_cells(Key(1), 1_000_000, 1e-5).tolist() == rare
    assert weak_cells(Key(1), 800, 1.5e-2).tolist() == [69, 109, 116, 184, 369, 381, 392, 569, 678, 695]
    cell, threshold = weak_thresholds(Key(1), 300, 1e-2)
    assert cell.tolist() == [69, 109, 116]
    assert threshold == pytest.approx([0.0014837, 0.00495728, 0.00803859], rel=1e-5)


# Words


@given(st.integers(0, 3000), st.sampled_from([1, 7, 8, 11, 16, 31, 32]), ANY_RATE)
def test_words_gather_exactly_the_weak_cells(words: int, width: int, rate: float) -> None:
    address, mask = weak_words(Key(words, width), words, width, rate)
    assert (np.diff(address) > 0).all()
    assert (mask > 0).all()
    cells = [
        word * width + bit
        for word, m in zip(address.tolist(), mask.tolist(), strict=True)
        for bit in range(32)
        if m >> bit & 1
    ]
    assert cells == weak_cells(Key(words, width), words * width, rate).tolist()


# Exactness, cost, limits


def test_layers_below_a_rate_compose_to_it() -> None:
    survives = 1.0
    for layer, (low, high) in zip(weak.RATE_LAYERS, pairwise(weak._EDGES), strict=True):
        assert (layer.low, layer.high) == (float(low), float(high))
        survives *= 1 - layer.gaps.probability
        assert 1 - survives == pytest.approx(layer.high, rel=1e-9)
        assert layer.gaps.scale == (pytest.approx(-1 / np.log1p(-layer.gaps.probability)) if layer.high < 1 else 0)


@pytest.mark.parametrize("rate", ["1e-6", "1e-9", "1e-15"])
def test_addresses_are_exact_whole_numbers_up_to_the_largest_memory(rate: str) -> None:
    layer = weak._layer("0", rate)
    cells = min(int(2000 / float(rate)), weak.MOST_CELLS)
    address = np.concatenate(list(weak.strikes(Key(9).generator(), cells, layer.gaps)))
    exponentials = Key(9).generator().standard_exponential(len(address) + 1)
    expected, last = [], -1
    for gap in (exponentials * layer.gaps.scale).tolist():
        last += 1 + int(gap)  # Python's integers are exact
        expected.append(last)
    assert address.tolist() == expected[:-1]
    assert expected[-1] >= cells
    assert stats.kstest(address / cells, "uniform").pvalue > 1e-5


def test_gaps_at_the_smallest_rates_keep_their_resolution() -> None:
    # Their low bits are uniform: no rounding to multiples.
    layer = weak._layer("0", "1e-12")
    address = np.concatenate(list(weak.strikes(Key(10).generator(), 2**54, layer.gaps)))
    assert stats.chisquare(np.bincount(address % 16, minlength=16)).pvalue > 1e-5


def test_memory_use_is_in_proportion_to_the_weak_cells() -> None:
    cells = 2**33  # 1 GiB
    tracemalloc.start()
    found = len(weak_cells(Key(11), cells, 1e-6))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(cells * 1e-6, rel=0.1)
    assert peak < 100 * found


@pytest.mark.parametrize("rate", [-1e-9, 1.0000001, float("nan"), float("inf")])
def test_a_rate_is_a_probability(rate: float) -> None:
    for draw in (weak_cells, weak_thresholds):
        with pytest.raises(HwsimError, match=r"is not a probability: give a number from 0 to 1\.$"):
            draw(Key(1), 10, rate)


@pytest.mark.parametrize("cells", [-1, 2**62 + 1])
def test_the_number_of_cells_is_limited(cells: int) -> None:
    with pytest.raises(HwsimError, match=r"cannot be simulated: give from 0 to 2\^62 cells\.$"):
        weak_cells(Key(1), cells, 1e-9)
