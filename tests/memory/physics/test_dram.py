"""DRAM retention and field failures, against the published abstracts and independent formulas."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwsim.errors import HwsimError
from hwsim.memory.physics import dram
from hwsim.memory.technology.constants import technology

CELLS = {"reference_mean": 5.753, "sigma": 1.23, "reference_c": 85.0, "slope_per_c": 0.054}


@pytest.mark.parametrize(("time_s", "published"), [(0.064, 2.4e-12), (0.128, 1.09e-10), (0.256, 3.64e-9), (1, 1.46e-6)])
def test_retention_at_85_degrees(time_s: float, published: float) -> None:
    assert dram.retention_failure(time_s, 85, **CELLS) == pytest.approx(published, rel=0.006)


def test_retention_is_a_lognormal_distribution() -> None:
    times = np.array([0.01, 1, 50, 315, 1e4])
    exact = stats.lognorm.cdf(times, s=1.23, scale=math.exp(5.753))
    np.testing.assert_allclose(dram.retention_failure(times, 85, **CELLS), exact, rtol=1e-9)


def test_ten_degrees_move_the_quantile_by_0_439() -> None:
    z = stats.norm.ppf(dram.retention_failure([1.0, 1.0], [85, 95], **CELLS))
    assert z[1] - z[0] == pytest.approx(0.439, abs=5e-4)
    assert dram.slope_per_c(0.439, 10, 1.23) == pytest.approx(0.0540, abs=5e-5)


def test_ten_degrees_are_7_to_13_times_between_a_quarter_of_a_second_and_one() -> None:
    ratio = [float(np.divide(*dram.retention_failure(t, [95, 85], **CELLS))) for t in (1.0, 0.256)]
    assert 7 < ratio[0] < 8
    assert 12 < ratio[1] < 13


@given(st.floats(1e-3, 1e4), st.floats(-40, 120), st.floats(1.05, 10), st.floats(1, 30))
def test_longer_or_hotter_loses_more(time: float, temperature: float, longer: float, hotter: float) -> None:
    lost = dram.retention_failure(time, temperature, **CELLS)
    assert dram.retention_failure(time * longer, temperature, **CELLS) >= lost
    assert dram.retention_failure(time, temperature + hotter, **CELLS) >= lost
    assert dram.retention_failure(0, temperature, **CELLS) == 0


@given(st.floats(0.01, 1e3), st.floats(25, 95))
def test_every_constant_of_retention_matters_in_its_direction(time: float, temperature: float) -> None:
    lost = dram.retention_failure(time, temperature, **CELLS)
    changed = {name: dram.retention_failure(time, temperature, **{**CELLS, name: CELLS[name] * 1.1}) for name in CELLS}
    assert changed["reference_mean"] < lost  # longer-lived cells
    assert (changed["sigma"] > lost) == (lost < 0.5)  # a wider tail
    assert changed["reference_c"] < lost  # the same life at a hotter reference
    assert (changed["slope_per_c"] < lost) == (temperature < 85) or temperature == 85


@pytest.mark.parametrize("time_s", [0.064, 1.0, 100.0, 1e4])
def test_the_log_slope_is_the_derivative(time_s: float) -> None:
    with mp.workdps(60):
        cdf = lambda log_t: mp.log(mp.ncdf((log_t - mp.mpf("5.753")) / mp.mpf("1.23")))  # noqa: E731
        exact = mp.diff(cdf, mp.log(time_s))
    assert dram.retention_log_slope(time_s, 85, **CELLS) == pytest.approx(float(exact), rel=1e-9)


def test_rapid_pages_are_flatter_than_the_model() -> None:
    # 99 % of pages hold more than 3 s and 85 % more than 10 s: 2.31. The model's tail is nearly twice as steep.
    published = math.log(math.log(0.85) / math.log(0.99)) / math.log(10 / 3)
    assert published == pytest.approx(2.31, abs=0.005)
    cells = -math.log(0.99) / 32768
    time_s = math.exp(5.753 + 1.23 * stats.norm.ppf(cells))
    assert dram.retention_log_slope(time_s, 85, **CELLS) / published == pytest.approx(1.82, abs=0.02)


def test_equal_shares_of_true_and_anti_cells_flip_either_value_equally() -> None:
    up, down = dram.flips(1e-6, 0.5)
    assert up == down == 5e-7
    up, down = dram.flips(1e-6, 1.0)
    assert (up, down) == (0, 1e-6)  # true cells: a 1 leaks to 0
    up, down = dram.flips(1e-6, 0.0)
    assert (up, down) == (1e-6, 0)  # anti cells: a 0 leaks to 1


def test_hot_rows_are_refreshed_twice_as_often() -> None:
    np.testing.assert_allclose(dram.refresh_interval([25, 85, 85.1, 105], 0.064, 85), [0.064, 0.064, 0.032, 0.032])


@pytest.mark.parametrize(("kind", "total"), [("transient", 19.2), ("permanent", 46.9)])
def test_field_failures_sum_to_the_published_total(kind: str, total: float) -> None:
    tech = technology("dram")
    fit = [tech[f"{kind}_{scope}_fit"].to("FIT") for scope in dram.FIELD_SCOPES]
    assert sum(fit) == pytest.approx(total, abs=1e-9)
    five_years = 5 * 365.25 * 86400
    together = 1 - np.prod([1 - dram.field_failure(five_years, rate) for rate in fit])
    assert together == pytest.approx(total * 1e-9 * five_years / 3600, rel=2e-3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: dram.retention_failure(-1, 85, **CELLS), "time_s = -1 runs backwards"),
        (lambda: dram.retention_failure(1, -300, **CELLS), "temperature_c = -300 is not a temperature"),
        (lambda: dram.retention_failure(1, 85, **{**CELLS, "sigma": 0}), "sigma = 0 must be above 0"),
        (lambda: dram.flips(2, 0.5), "leaked = 2 is not a probability"),
        (lambda: dram.flips(0.1, -1), "true_cell_share = -1 is not a probability"),
        (lambda: dram.refresh_interval(25, 0, 85), "interval_s = 0 must be above 0"),
        (lambda: dram.field_failure(1, -1), "fit = -1 must not be negative"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
