"""Heat, hazards and the combination of probabilities, against exact sums, integrals and 50-digit arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants as si
from scipy import integrate

from hwsim.errors import HwsimError
from hwsim.memory.physics import common

YEAR_S = si.Julian_year
TEMPERATURES = st.floats(-50, 250)
ENERGIES = st.floats(0.01, 3)
CHANCES = st.one_of(st.floats(0, 1), st.floats(-30, 0).map(lambda exponent: 10.0**exponent))


# Heat


def test_arrhenius_is_the_quotient_of_two_boltzmann_factors() -> None:
    boltzmann = si.k / si.e
    for hot, cold, energy in ((85, 25, 0.6), (125, 55, 1.1), (-40, 25, 0.7)):
        quotient = math.exp(-energy / (boltzmann * (hot + 273.15))) / math.exp(-energy / (boltzmann * (cold + 273.15)))
        assert common.acceleration(hot, cold, energy) == pytest.approx(quotient, rel=1e-9)


@given(TEMPERATURES, TEMPERATURES, TEMPERATURES, ENERGIES)
def test_acceleration_composes(a: float, b: float, c: float, energy: float) -> None:
    direct = common.acceleration(a, c, energy)
    assert common.acceleration(a, b, energy) * common.acceleration(b, c, energy) == pytest.approx(direct, rel=1e-9)


@given(st.floats(-50, 240), st.floats(0.1, 10), ENERGIES, st.floats(0.1, 2))
def test_heat_ages_faster_and_more_so_at_a_higher_energy(t: float, step: float, energy: float, more: float) -> None:
    assert common.acceleration(t + step, t, energy) > 1
    assert common.acceleration(t + step, t, energy + more) > common.acceleration(t + step, t, energy)
    assert common.acceleration(t, t + step, energy) < 1


def test_a_process_without_an_energy_of_activation_is_indifferent_to_heat() -> None:
    assert common.acceleration(200, -40, 0) == 1


@given(st.lists(st.tuples(st.floats(0.01, 100), TEMPERATURES), min_size=1, max_size=6), ENERGIES)
def test_the_mean_kinetic_temperature_ages_as_the_profile_does(steps: list[tuple[float, float]], energy: float) -> None:
    times, temperatures = (np.array(column) for column in zip(*steps, strict=True))
    kinetic = common.mean_kinetic_temperature(times, temperatures, energy)
    assert temperatures.min() - 1e-9 <= kinetic <= temperatures.max() + 1e-9
    whole = common.equivalent_time(times.sum(), kinetic, 25, energy)
    assert whole == pytest.approx(common.equivalent_time(times, temperatures, 25, energy).sum(), rel=1e-9)


def test_a_hot_hour_counts_for_more_than_the_average_temperature_says() -> None:
    assert common.mean_kinetic_temperature([1, 1], [25, 55], 1.1) > 40


@pytest.mark.parametrize("hours", [(500, 52), (96, 66)])
def test_jesd218_bakes_are_equivalent_to_a_year_within_five_percent(hours: tuple[float, float]) -> None:
    stated, temperature = hours
    assert common.equivalent_time(YEAR_S, 30, temperature, 1.1) / 3600 == pytest.approx(stated, rel=0.05)


# Hazards


@given(st.floats(0, 1e9), st.floats(1e-15, 1e-3), st.floats(0, 1e-3))
def test_a_two_state_hazard_solves_its_equation(time: float, rate: float, back: float) -> None:
    with mp.workdps(50):
        total = mp.mpf(rate) + mp.mpf(back)
        exact = mp.mpf(rate) / total * -mp.expm1(-total * mp.mpf(time))
        assert common.two_state(time, rate, back) == pytest.approx(float(exact), rel=1e-13)


def test_a_two_state_hazard_is_the_solution_of_the_master_equation() -> None:
    solution = integrate.solve_ivp(
        lambda _, p: 2e-4 * (1 - p) - 5e-5 * p, (0, 5e4), [0.0], rtol=1e-10, atol=1e-14, t_eval=[10.0, 1e3, 5e4]
    )
    np.testing.assert_allclose(common.two_state(solution.t, 2e-4, 5e-5), solution.y[0], rtol=1e-7)


def test_a_symmetric_hazard_saturates_at_one_half() -> None:
    assert common.two_state(1e30, 1e-9, 1e-9) == 0.5
    assert common.two_state(1e30, 3e-9, 1e-9) == pytest.approx(0.75)
    assert common.two_state(1e30, 0, 1e-9) == 0
    assert common.two_state(5.0, 0, 0) == 0


def test_a_small_hazard_keeps_its_precision() -> None:
    assert common.failed(1.0, 1e-30) == 1e-30
    assert common.two_state(1.0, 1e-30, 1e-30) == 1e-30


@given(st.lists(CHANCES, min_size=1, max_size=7))
def test_flips_combine_to_an_odd_number_of_them(chances: list[float]) -> None:
    exact = Fraction(0)
    for outcome in itertools.product((0, 1), repeat=len(chances)):
        if sum(outcome) % 2:
            exact += math.prod(Fraction(p) if hit else 1 - Fraction(p) for p, hit in zip(chances, outcome, strict=True))
    assert common.combine_flips(*chances) == pytest.approx(float(exact), rel=1e-13, abs=0)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=6))
def test_flips_combine_by_the_product_rule_in_any_order(chances: list[float]) -> None:
    product = 0.5 * (1 - math.prod(1 - 2 * p for p in chances))
    assert common.combine_flips(*chances) == pytest.approx(product, abs=1e-14)
    assert common.combine_flips(*chances) == pytest.approx(common.combine_flips(*reversed(chances)), rel=1e-13)


@given(st.lists(CHANCES, max_size=4))
def test_a_coin_stays_a_coin(chances: list[float]) -> None:
    assert common.combine_flips(0.5, *chances) == pytest.approx(0.5, rel=1e-15)


@given(CHANCES, st.integers(0, 10**6))
def test_ever_is_the_complement_of_never(chance: float, times: int) -> None:
    with mp.workdps(60):
        exact = 1 - (1 - mp.mpf(chance)) ** times
    assert common.ever(chance, times) == pytest.approx(float(exact), rel=1e-10)


# Words


@given(st.integers(0, 6), st.integers(1, 80), CHANCES)
def test_the_chance_of_some_errors_in_a_word_is_a_binomial_tail(errors: int, bits: int, chance: float) -> None:
    with mp.workdps(80):
        p = mp.mpf(chance)
        # Summed from the tail's own side, so the oracle does not cancel either.
        exact = mp.fsum(mp.binomial(bits, k) * p**k * (1 - p) ** (bits - k) for k in range(errors, bits + 1))
    assert common.at_least(errors, bits, chance) == pytest.approx(float(exact), rel=1e-11, abs=1e-300)


def test_two_errors_in_a_word_do_not_cancel_at_tiny_rates() -> None:
    assert common.at_least(2, 72, 1e-20) == pytest.approx(72 * 71 / 2 * 1e-40, rel=1e-12)


def test_more_errors_than_bits_cannot_be() -> None:
    np.testing.assert_array_equal(common.at_least([0, 2, 2], [5, 1, 2], [0.3, 0.3, 0.5]), [1, 0, 0.25])


# Rates


def test_fit_are_failures_in_a_billion_hours() -> None:
    assert common.rate_of_fit(1.0) == pytest.approx(1 / (1e9 * 3600), rel=1e-15)
    assert common.rate_of_fit_per_mb(700) == pytest.approx(700e-9 / 3600 / 2**20, rel=1e-14)


# The normal distribution


@pytest.mark.parametrize("z", [-37.0, -20.0, -8.0, -1.0, 0.0, 2.0, 8.0])
def test_normal_tails_are_right_to_the_last_digits(z: float) -> None:
    with mp.workdps(50):
        assert common.normal_cdf(z) == pytest.approx(float(mp.ncdf(z)), rel=1e-13)
        assert common.normal_log_cdf(z) == pytest.approx(float(mp.log(mp.ncdf(z))), rel=1e-13)


@pytest.mark.parametrize("z", [-1e3, -60.0])
def test_the_logarithm_goes_on_where_the_tail_underflows(z: float) -> None:
    with mp.workdps(50):
        assert common.normal_log_cdf(z) == pytest.approx(float(mp.log(mp.ncdf(z))), rel=1e-12)


@given(st.floats(-37, 37), st.floats(0.01, 80))
def test_an_interval_is_precise_in_both_tails(low: float, width: float) -> None:
    high = low + width
    with mp.workdps(80):
        exact = mp.ncdf(high) - mp.ncdf(low) if low <= 0 else mp.ncdf(-low) - mp.ncdf(-high)
    assert common.normal_between(low, high) == pytest.approx(float(exact), rel=1e-10, abs=1e-305)


def test_open_intervals_cover_everything() -> None:
    assert common.normal_between(-np.inf, np.inf) == 1
    assert common.normal_between(-np.inf, -3) == common.normal_cdf(-3)
    assert common.normal_between(9, np.inf) == common.normal_cdf(-9)


@pytest.mark.parametrize("s", [0.3, 1.0, 6.0])
def test_an_average_over_a_normal_variable_finds_far_tails(s: float) -> None:
    # E[exp(s z)] = exp(s^2 / 2): most of it comes from z = s.
    assert common.normal_average(lambda z: np.exp(s * z)) == pytest.approx(math.exp(s * s / 2), rel=1e-12)


# Bad input


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: common.acceleration(-274, 25, 1.1), "temperature_c = -274 is not a temperature: absolute zero"),
        (lambda: common.acceleration(25, -273.15, 1.1), "reference_c = -273.15 is not a temperature"),
        (lambda: common.acceleration(25, 25, -1), "activation_energy_ev = -1 must not be negative"),
        (lambda: common.equivalent_time(-1, 25, 25, 1), "time_s = -1 runs backwards"),
        (lambda: common.equivalent_time([1, 2, -3], 25, 25, 1), "time_s = -3 runs backwards"),
        (lambda: common.equivalent_time(math.nan, 25, 25, 1), "time_s = nan is not finite"),
        (lambda: common.equivalent_time("long", 25, 25, 1), "time_s = 'long' is not a number"),
        (lambda: common.mean_kinetic_temperature([0, 0], [25, 85], 1.1), "lasts 0 s"),
        (lambda: common.mean_kinetic_temperature([1], [25], 0), "activation_energy_ev = 0 must be above 0"),
        (lambda: common.combine_flips(0.1, 1.5), "probability = 1.5 is not a probability"),
        (lambda: common.at_least(2, 72, -0.1), "bit_error = -0.1 is not a probability"),
        (lambda: common.two_state(1, -1, 0), "rate_s = -1 must not be negative"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError, match=r".") as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
    assert str(error.value).endswith(".")
