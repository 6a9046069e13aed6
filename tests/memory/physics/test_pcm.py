"""Phase-change memory: the published drift, and read errors of drifted cells against integration and sampling."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from hwsim.errors import HwsimError
from hwsim.memory.physics import common, levels, pcm

MEAN = {"log_slope": -0.0155, "offset": 0.0244, "low": 0.049, "high": 0.1}
SIGMA = {"log_slope": -0.0125, "offset": -0.0059, "low": 0.008, "high": 0.045}
NOISE_US = [0.26348, 1.965, -1.1731]
DAY_S, YEARS_10 = 86400.0, 10 * 365.25 * 86400
CRYSTAL = {
    "activation_energy_ev": 2.5,
    "reference_c": 150.0,
    "reference_s": YEARS_10,
    "reference_failure": 1e-6,
}
SINGLE, SINGLE_THRESHOLD = [0.01, 1.0], [0.1]
MULTI = [0.01, 1 / 3, 2 / 3, 1.0]
HALFWAY = np.diff(MULTI) / 2 + MULTI[:-1]


def misread(g: list[float], thresholds: list[float], time_s: float, tracking: float = 0.0) -> np.ndarray:
    return pcm.read_errors(
        g,
        thresholds,
        time_s,
        sigma=pcm.programming_sigma(g, NOISE_US) / 25,
        exponent_mean=pcm.drift_exponent(g, **MEAN),
        exponent_sigma=pcm.drift_exponent(g, **SIGMA),
        reference_s=20.0,
        tracking_exponent=tracking,
    )


# Drift and noise


@pytest.mark.parametrize(("g", "day", "decade"), [(1, 0.664, 0.444), (0.1, 0.605, 0.369), (0.01, 0.449, 0.204)])
def test_drift_after_a_day_and_ten_years(g: float, day: float, decade: float) -> None:
    left = pcm.drift_factor([DAY_S, YEARS_10], pcm.drift_exponent(g, **MEAN), 20)
    np.testing.assert_allclose(left, [day, decade], atol=6e-4)


@given(st.floats(1e-6, 1))
def test_the_exponent_is_the_clipped_line_in_ln_g(g: float) -> None:
    assert pcm.drift_exponent(g, **MEAN) == pytest.approx(min(max(-0.0155 * math.log(g) + 0.0244, 0.049), 0.1))
    assert pcm.drift_exponent(g, **SIGMA) == pytest.approx(min(max(-0.0125 * math.log(g) - 0.0059, 0.008), 0.045))


def test_an_empty_cell_drifts_at_the_limit() -> None:
    assert pcm.drift_exponent(0, **MEAN) == 0.1


@given(st.floats(20, 1e10), st.floats(1.01, 100), st.floats(0.001, 0.2))
def test_conductances_fall_with_time_and_faster_at_a_larger_exponent(time: float, later: float, nu: float) -> None:
    assert pcm.drift_factor(time * later, nu, 20) < pcm.drift_factor(time, nu, 20)
    assert pcm.drift_factor(time * later, nu * 1.1, 20) < pcm.drift_factor(time * later, nu, 20)
    assert pcm.drift_factor(time, nu, 20) == pytest.approx((time / 20) ** -nu)


def test_before_the_first_read_nothing_has_drifted() -> None:
    np.testing.assert_array_equal(pcm.drift_factor([0, 1, 20], 0.05, 20), 1)


def test_programming_noise_agrees_with_an_independent_fit_to_nine_percent() -> None:
    # CrossSim's quadratic fit to figure 3b of Joshi et al., in uS over G in uS.
    g = np.linspace(0, 1, 101)
    other = 0.28638599 + 0.07585724 * (25 * g) - 0.00178767 * (25 * g) ** 2
    assert abs(other / pcm.programming_sigma(g, NOISE_US) - 1).max() < 0.09


# Read errors


@pytest.mark.parametrize("time_s", [20.0, 3600.0, DAY_S, YEARS_10])
def test_read_errors_are_the_double_integral(time_s: float) -> None:
    thresholds = [0.17, 0.5, 5 / 6]
    errors = misread(MULTI, thresholds, time_s)
    drift = math.log(time_s / 20)
    for stored, g in enumerate(MULTI):
        sigma = float(pcm.programming_sigma(g, NOISE_US)) / 25
        m, s = float(pcm.drift_exponent(g, **MEAN)), float(pcm.drift_exponent(g, **SIGMA))

        def above(threshold: float, g: float = g, sigma: float = sigma, m: float = m, s: float = s) -> float:
            def density(x: float) -> float:
                return float(
                    stats.norm.pdf(x) * stats.norm.sf((threshold * math.exp(abs(m + s * x) * drift) - g) / sigma)
                )

            return integrate.quad(density, -10, 10, points=[-m / s], limit=500, epsabs=1e-14, epsrel=1e-12)[0]

        exceed = [1.0, *(above(t) for t in thresholds), 0.0]
        np.testing.assert_allclose(errors[stored], [a - b for a, b in pairwise(exceed)], atol=2e-12)


def test_read_errors_are_those_of_drawn_cells() -> None:
    # 400,000 cells a level after a day: shares within 5 standard errors and 5 cells.
    rng, cells = np.random.default_rng(5), 400_000
    thresholds = [0.1, 0.4, 0.6]
    g = np.array(MULTI)[:, None]
    programmed = g + pcm.programming_sigma(g, NOISE_US) / 25 * rng.standard_normal((4, cells))
    nu = abs(pcm.drift_exponent(g, **MEAN) + pcm.drift_exponent(g, **SIGMA) * rng.standard_normal((4, cells)))
    read = programmed * (DAY_S / 20) ** -nu
    counted = np.stack([np.bincount(np.searchsorted(thresholds, row), minlength=4) / cells for row in read])
    exact = misread(MULTI, thresholds, DAY_S)
    assert np.all(abs(counted - exact) <= 5 * np.sqrt(exact * (1 - exact) / cells) + 5 / cells)


def test_undrifted_cells_read_as_programmed() -> None:
    thresholds = HALFWAY
    plain = levels.read_errors(MULTI, pcm.programming_sigma(MULTI, NOISE_US) / 25, thresholds)
    np.testing.assert_allclose(misread(MULTI, list(thresholds), 20.0), plain, rtol=1e-10, atol=1e-300)


def test_every_row_sums_to_one() -> None:
    np.testing.assert_allclose(misread(MULTI, [0.17, 0.5, 5 / 6], YEARS_10).sum(axis=1), 1, rtol=1e-12)


def test_drift_helps_single_level_cells() -> None:
    # A RESET cell is misread ever less; SET stays far above the threshold for ten years.
    times = [20.0, 3600.0, DAY_S, YEARS_10]
    reset = [misread(SINGLE, SINGLE_THRESHOLD, t)[0, 1] for t in times]
    assert reset == sorted(reset, reverse=True)
    assert reset[-1] < 0.01 * reset[0] < 1e-16
    assert misread(SINGLE, SINGLE_THRESHOLD, YEARS_10)[1, 0] < 1e-20


def test_drift_hurts_the_middle_levels_of_a_multi_level_cell() -> None:
    thresholds = list(HALFWAY)
    fresh, aged = misread(MULTI, thresholds, 20.0), misread(MULTI, thresholds, DAY_S)
    assert aged[2, 1] > 100 * fresh[2, 1]  # the upper middle level sinks into the lower one
    assert aged[1, 0] > fresh[1, 0]
    assert aged[0, 0] >= fresh[0, 0]  # RESET has nowhere lower to go
    symbol = [levels.symbol_error(misread(MULTI, thresholds, t)) for t in (20.0, 3600.0, DAY_S, YEARS_10)]
    assert symbol == sorted(symbol)


def test_thresholds_that_drift_along_save_most_levels() -> None:
    thresholds = list(HALFWAY)
    fixed, tracking = (levels.symbol_error(misread(MULTI, thresholds, DAY_S, nu)) for nu in (0.0, 0.06))
    assert tracking < 0.1 * fixed


# Crystallisation


def test_the_qualified_retention_loses_what_it_may() -> None:
    assert pcm.crystallised(YEARS_10, 150, **CRYSTAL) == pytest.approx(1e-6, rel=1e-12)
    assert pcm.crystallised(0, 150, **CRYSTAL) == 0
    assert pcm.crystallised(1e30, 250, **CRYSTAL) == 1


@given(st.floats(0, 240), st.floats(1, 10), st.floats(2, 3))
def test_heat_crystallises(temperature: float, hotter: float, energy: float) -> None:
    state = {**CRYSTAL, "activation_energy_ev": energy}
    assert pcm.crystallised(DAY_S, temperature + hotter, **state) > pcm.crystallised(DAY_S, temperature, **state)


def test_a_higher_activation_energy_spares_the_cool_cell() -> None:
    cool = [pcm.crystallised(YEARS_10, 85, **{**CRYSTAL, "activation_energy_ev": e}) for e in (2, 2.5, 3)]
    assert cool == sorted(cool, reverse=True)
    small = float(common.acceleration(85, 150, 2.5)) * 1e-6
    assert cool[1] == pytest.approx(small, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: pcm.drift_factor(-1, 0.05, 20), "time_s = -1 runs backwards"),
        (lambda: pcm.drift_factor(1, 0.05, 0), "reference_s = 0 must be above 0"),
        (lambda: pcm.drift_exponent(1.2, **MEAN), "g = 1.2 is not a conductance over Gmax"),
        (lambda: pcm.programming_sigma(-0.1, NOISE_US), "g = -0.1 is not a conductance over Gmax"),
        (lambda: pcm.crystallised(1, -280, **CRYSTAL), "temperature_c = -280 is not a temperature"),
        (lambda: misread(SINGLE, [0.1, 0.2], 1.0), "2 levels need 1 rising thresholds"),
        (lambda: misread([0.5, 0.4], [0.45], 1.0), "two or more rising numbers"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
