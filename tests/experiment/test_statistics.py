"""Intervals: against scipy's closed forms, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwsim.experiment.results.statistics import interval_over_images, interval_over_maps

shares = st.lists(st.floats(0, 1), min_size=2, max_size=30)


@given(shares)
def test_over_maps_it_is_students_t(values: list[float]) -> None:
    found = interval_over_maps(values)
    assert found is not None
    error = stats.sem(values)
    if error == 0:
        assert found.low == pytest.approx(values[0])
        assert found.high == pytest.approx(values[0])
        return
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
    assert found.low == pytest.approx(max(low, 0.0), abs=1e-12)
    assert found.high == pytest.approx(min(high, 1.0), abs=1e-12)


@given(st.integers(1, 100_000), st.data())
def test_over_images_it_is_wilsons(images: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, images))
    expected = stats.binomtest(hits, images).proportion_ci(0.95, method="wilson")
    found = interval_over_images(hits / images, images)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_one_map_says_nothing_about_its_spread() -> None:
    assert interval_over_maps([0.5]) is None


def test_no_image_gives_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        interval_over_images(0.5, 0)


@given(shares)
def test_intervals_stay_within_the_shares_that_there_are(values: list[float]) -> None:
    over_maps = interval_over_maps(values)
    mean = float(np.mean(values))
    over_images = interval_over_images(mean, 100)
    assert over_maps is not None
    for low, high in (over_maps, over_images):
        assert 0 <= low <= mean + 1e-12
        assert mean - 1e-12 <= high <= 1


def test_other_limits_can_be_given() -> None:
    found = interval_over_maps([1.0, 3.0], limits=(-np.inf, np.inf))
    assert found is not None
    assert found.low == pytest.approx(2 - 12.706, abs=1e-3)  # t of one degree of freedom, from a printed table
    assert found.high == pytest.approx(2 + 12.706, abs=1e-3)


def test_over_maps_it_holds_the_true_mean_in_95_of_100_cases() -> None:
    """8,000 experiments of 5 maps, normal, fixed seed: the share of hits is within 4 standard errors (1.0 point)."""
    values = np.random.default_rng(1).normal(0.5, 0.05, (8000, 5))
    found = [interval_over_maps(row) for row in values]
    held = np.mean([low <= 0.5 <= high for low, high in found if low is not None])
    assert abs(held - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 8000)


def test_over_images_it_holds_the_true_share_in_at_least_94_of_100_cases() -> None:
    """Wilson's interval swings around 95 % with the share; for 200 images it is between 94 and 97 % at these."""
    generator = np.random.default_rng(2)
    for share in (0.1, 0.3, 0.5, 0.915):
        hits = generator.binomial(200, share, 8000)
        found = [interval_over_images(hit / 200, 200) for hit in hits]
        held = np.mean([low <= share <= high for low, high in found])
        assert 0.93 < held < 0.98, share


def test_over_images_it_is_conservative_for_a_mean_over_maps() -> None:
    """Images of unlike difficulty under 5 maps: the interval holds the mean over all images more often than 95 %."""
    generator = np.random.default_rng(3)
    held = []
    for _ in range(3000):
        chance = generator.beta(2, 1, 200)  # of each image to be right under a map; its mean is 2/3
        right = generator.random((5, 200)) < chance
        low, high = interval_over_images(float(right.mean()), 200)
        held.append(low <= 2 / 3 <= high)
    assert np.mean(held) > 0.95
