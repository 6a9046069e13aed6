"""Resistive memory: levels that relax, and stuck cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.physics import reram
from hwsim.memory.physics.levels import bit_errors, likeliest_thresholds, symbol_error
from hwsim.memory.technology.constants import technology
from tests.memory.mechanisms.on_device import DAY, YEAR, agrees, cells_of, counts, made, situation

MLC = {"bits_per_cell": 2}


def relaxed(time_s: float, *, words: int = 8, **changes: object) -> Device:
    device = made("reram", "relaxation", {**MLC, **changes}, words=words)
    device.advance(time_s)
    return device


def matrix(device: Device) -> np.ndarray:
    """Level errors of the only mechanism now."""
    (one,) = device.mechanisms
    return one.errors(situation(device, one))  # type: ignore[attr-defined]


# Relaxation


def test_fresh_cells_of_two_bits_have_the_published_symbol_error() -> None:
    assert symbol_error(matrix(relaxed(0))) == pytest.approx(7.9e-9, rel=0.01)


def test_a_day_doubles_the_spread_between_thresholds_that_stay() -> None:
    table = technology("reram")
    means, sigmas = (np.array(table[f"{name}_2bit"].value) for name in ("levels", "sigmas"))
    edges = np.concatenate([[-np.inf], likeliest_thresholds(means, sigmas), [np.inf]])
    expected = np.diff(stats.norm.cdf((edges - means[:, None]) / (2 * sigmas[:, None])), axis=1)
    np.testing.assert_allclose(matrix(relaxed(DAY)), expected, rtol=1e-6, atol=1e-15)


def test_cells_of_one_bit_do_not_relax_into_each_other() -> None:
    device = made("reram", "relaxation")
    device.advance(10 * YEAR)
    assert device.read().wrong_bits == 0


def test_drawn_errors_have_the_rates_of_their_bits() -> None:
    # 8 million zeros and ones, thousands of errors each: 6 %.
    device = relaxed(10 * YEAR, words=2_000_000)
    expected = bit_errors(matrix(device))
    (up, zeros), (down, ones) = counts(device, device.read())
    assert min(up, down) > 2000
    assert agrees(up, zeros, float(np.mean(expected.zero_to_one)))
    assert agrees(down, ones, float(np.mean(expected.one_to_zero)))


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"time_s": DAY}, {"time_s": YEAR}),
        ({"relaxation_growth": 1.5}, {"relaxation_growth": 2.0}),
        ({"relaxation_end": "10 days"}, {"relaxation_end": "1 day"}),
        ({"sigmas_2bit": [0.008, 0.03, 0.025, 0.003]}, {"sigmas_2bit": [0.009, 0.035, 0.03, 0.004]}),
    ],
)
def test_longer_and_stronger_relaxation_misreads_more(mild: dict[str, object], harsh: dict[str, object]) -> None:
    few, many = (symbol_error(matrix(relaxed(**{"time_s": 30 * DAY, **one}))) for one in (mild, harsh))  # type: ignore[arg-type]
    assert few < many


def test_relaxed_cells_stay_wrong_until_a_rewrite_and_others_relax_after_it() -> None:
    device = relaxed(YEAR, words=400_000)
    first = cells_of(device)
    device.advance(Phase(9 * YEAR, Condition(85)))
    assert {cell // 2 for cell in first} < {cell // 2 for cell in cells_of(device)}
    device.rewrite()
    assert not cells_of(device)
    device.advance(YEAR)
    assert len(cells_of(device) & first) < len(first) / 4


# Stuck cells


def test_one_cell_in_ten_is_stuck_mostly_in_high_resistance() -> None:
    # 800,000 cells of each value: 8,000 and 72,000.
    device = made("reram", "stuck", words=200_000)
    (up, zeros), (down, ones) = counts(device, device.read())
    assert agrees(up, zeros, 0.01)
    assert agrees(down, ones, 0.09)
    stuck = cells_of(device)
    device.rewrite()
    assert cells_of(device) == stuck


@pytest.mark.parametrize(("cycles", "published"), [(10_000, 4e-6), (1000, 4.1e-8)])
def test_worn_cells_are_as_many_as_published_after_their_writes(cycles: int, published: float) -> None:
    worn = mechanisms_of(technology("reram"))[-1]
    assert worn.share(cycles) == pytest.approx(published, rel=0.03)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"stuck_low": 0.001}, {"stuck_low": 0.002}),
        ({"stuck_high": 0.001}, {"stuck_high": 0.002}),
        ({"endurance": 1e4}, {"endurance": 1e3}),
        ({"endurance_failure": 1e-4}, {"endurance_failure": 1e-3}),
    ],
)
def test_worse_parts_have_more_stuck_cells(mild: dict[str, float], harsh: dict[str, float]) -> None:
    base = {"stuck_low": 0.001, "stuck_high": 0.001, "endurance_failure": 1e-3}
    few, many = (made("reram", "stuck", {**base, **one}, cycles=5000).read().wrong_bits for one in (mild, harsh))
    assert few < many


def test_stuck_cells_read_as_the_closed_form_of_relaxed_and_stuck_cells() -> None:
    device = made("reram", ("relaxation", "stuck"), MLC, words=500_000)
    device.advance(10 * YEAR)
    table = technology("reram")
    errors = reram.relaxed_read_errors(
        table["levels_2bit"].value, table["sigmas_2bit"].value, 10 * YEAR, start_s=1.0, end_s=DAY, growth=2.0
    )
    stuck = 0.9 * errors  # nine cells in a hundred read the lowest level, one the highest, whatever is stored
    stuck[:, 0] += 0.09
    stuck[:, -1] += 0.01
    expected = bit_errors(stuck)
    # 2 million zeros and ones: stuck cells take both of their bits, so the counts are wider than independent ones.
    for (count, cells), rates in zip(
        counts(device, device.read()), (expected.zero_to_one, expected.one_to_zero), strict=True
    ):
        rate = float(np.mean(rates))
        assert abs(count - rate * cells) < 4.5 * math.sqrt(2 * rate * cells)


def test_traits_are_those_of_the_contract() -> None:
    relaxes, stuck, worn = mechanisms_of(technology("reram"))
    assert relaxes.traits == ("both", "until rewritten", "cell", "since write", "write or scrub")
    assert stuck.traits == ("preferred value", "permanent", "cell", "none", "nothing")
    assert worn.traits == ("preferred value", "permanent", "cell", "cycles", "nothing")
    assert [one.stage for one in (relaxes, stuck, worn)] == ["retain", "stuck", "stuck"]
