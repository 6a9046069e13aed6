"""Raw bit error rates of flash against 50-digit arithmetic, and every coefficient in its direction."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory.physics import common, nand

WEAR = {"floor": 1.48e-3, "wear": 3.90e-10, "wear_exponent": 2.05}
RETENTION = {"retention": 6.28e-5, "retention_cycle_exponent": 0.14, "retention_time_exponent": 0.54}
DISTURB = {"disturb": 3.73e-9, "disturb_cycle_exponent": 0.33, "disturb_read_exponent": 1.71}
TLC = {**WEAR, **RETENTION, **DISTURB}
LOG_TIME = {"slope": 0.25, "slope_per_cycle": 7.92e-6, "offset": -12.72, "offset_per_cycle": 3.28e-5}
HOUR_S = 3600.0


@pytest.mark.parametrize(("hours", "published"), [(0, 2.030890e-3), (1000, 8.916773e-3)])
def test_tlc_golden_values_at_a_thousand_cycles(hours: float, published: float) -> None:
    assert nand.bit_error_rate(1000, hours * HOUR_S, 0, **TLC) == pytest.approx(published, rel=2e-7)


@given(st.integers(1, 5000), st.floats(0, 2000), st.integers(0, 2000))
def test_tlc_is_the_published_sum(cycles: int, hours: float, reads: int) -> None:
    with mp.workdps(50):
        n, t, r = mp.mpf(cycles), mp.mpf(hours), mp.mpf(reads)
        exact = (
            mp.mpf("1.48e-3")
            + mp.mpf("3.90e-10") * n ** mp.mpf("2.05")
            + mp.mpf("6.28e-5") * n ** mp.mpf("0.14") * t ** mp.mpf("0.54")
            + mp.mpf("3.73e-9") * n ** mp.mpf("0.33") * r ** mp.mpf("1.71")
        )
    assert nand.bit_error_rate(cycles, hours * HOUR_S, reads, **TLC) == pytest.approx(float(exact), rel=1e-12)


def test_the_parts_add_up() -> None:
    parts = (
        nand.wear_error(700, **WEAR)
        + nand.retention_error(700, 9e5, **RETENTION)
        + nand.read_disturb_error(700, 300, **DISTURB)
    )
    assert nand.bit_error_rate(700, 9e5, 300, **TLC) == pytest.approx(parts, rel=1e-15)


@given(st.integers(1, 3000), st.floats(1, 1e7), st.integers(1, 500))
def test_wear_time_and_reads_each_add_errors(cycles: int, time: float, reads: int) -> None:
    rate = nand.bit_error_rate(cycles, time, reads, **TLC)
    assert nand.bit_error_rate(cycles * 2, time, reads, **TLC) > rate
    assert nand.bit_error_rate(cycles, time * 2, reads, **TLC) > rate
    assert nand.bit_error_rate(cycles, time, reads * 2, **TLC) > rate


@pytest.mark.parametrize("name", TLC)
def test_every_coefficient_of_tlc_matters(name: str) -> None:
    rates = [nand.bit_error_rate(2000, 100 * HOUR_S, 200, **{**TLC, name: TLC[name] * k}) for k in (1.0, 1.2)]
    assert rates[1] > rates[0]


@pytest.mark.parametrize("name", LOG_TIME)
def test_every_coefficient_of_log_time_matters(name: str) -> None:
    rates = [nand.log_time_bit_error_rate(2000, 1e6, **{**LOG_TIME, name: LOG_TIME[name] * k}) for k in (1.0, 1.2)]
    assert (rates[1] > rates[0]) == (name != "offset")  # which is negative


def test_a_worn_out_block_is_a_coin() -> None:
    assert nand.bit_error_rate(1e6, 1e12, 1e9, **TLC) == 0.5
    assert nand.log_time_bit_error_rate(1e6, 1e12, **LOG_TIME) == 0.5


@given(st.integers(0, 20_000), st.floats(1, 1e9))
def test_log_time_is_the_published_line(cycles: int, time: float) -> None:
    line = (7.92e-6 * cycles + 0.25) * math.log(time) + 3.28e-5 * cycles - 12.72
    expected = min(math.exp(line), 0.5)
    assert nand.log_time_bit_error_rate(cycles, time, **LOG_TIME) == pytest.approx(expected, rel=1e-12)


def test_flash_that_was_just_programmed_has_lost_nothing() -> None:
    assert nand.log_time_bit_error_rate(0, 0, **LOG_TIME) == 0
    assert nand.retention_error(1000, 0, **RETENTION) == 0
    assert nand.read_disturb_error(1000, 0, **DISTURB) == 0
    assert nand.bit_error_rate(0, 0, 0, **TLC) == 1.48e-3


def test_ten_times_the_time_is_a_constant_factor_on_a_logarithmic_scale() -> None:
    decades = nand.log_time_bit_error_rate(0, 10.0 ** np.arange(3, 9), **LOG_TIME)
    np.testing.assert_allclose(decades[1:] / decades[:-1], 10**0.25, rtol=1e-12)


def test_heat_reaches_flash_as_equivalent_time() -> None:
    month = 30 * 86400.0
    rates = [
        nand.bit_error_rate(1000, common.equivalent_time(month, temperature, 25, 1.1), 0, **TLC)
        for temperature in (0, 25, 40, 55, 85)
    ]
    assert rates == sorted(rates)
    assert rates[1] == nand.bit_error_rate(1000, month, 0, **TLC)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: nand.bit_error_rate(-1, 0, 0, **TLC), "cycles = -1 must not be negative"),
        (lambda: nand.bit_error_rate(1, -5, 0, **TLC), "time_s = -5 runs backwards"),
        (lambda: nand.bit_error_rate(1, 0, -5, **TLC), "reads = -5 must not be negative"),
        (lambda: nand.wear_error(1, **{**WEAR, "wear_exponent": 0}), "wear_exponent = 0 must be above 0"),
        (lambda: nand.log_time_bit_error_rate(1, -5, **LOG_TIME), "time_s = -5 runs backwards"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
