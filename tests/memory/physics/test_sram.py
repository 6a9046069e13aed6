"""SRAM at low voltage, under bias and under particles, against integration, sampling and the measured boards."""

from __future__ import annotations

import csv
import math
from itertools import pairwise, permutations
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from hwsim.errors import HwsimError
from hwsim.memory.physics import sram
from hwsim.memory.technology.constants import technology

MEASURED = Path(__file__).parents[2] / "data" / "bram_undervolting.csv"
KC705 = {"vmin_mean_v": 0.3977, "vmin_sigma_v": 0.03665}
STRESS = {
    "reference_c": 104.85,
    "reference_v": 1.0,
    "activation_energy_ev": 0.1,
    "voltage_exponent": 3.0,
    "time_exponent": 1 / 6,
}
YEARS_10 = 10 * 365.25 * 86400


def counts(board: str) -> np.ndarray:
    with MEASURED.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["board"] == board]
    return np.array([[float(row[name]) for name in ("voltage_v", "faults", "cells")] for row in rows]).T


# Low voltage


@pytest.mark.parametrize(("board", "mean", "sigma_mv"), [("VC707", 0.4334, 33.37), ("KC705-B", 0.3977, 36.65)])
def test_the_fit_of_a_board_is_the_published_one(board: str, mean: float, sigma_mv: float) -> None:
    fitted_mean, fitted_sigma = sram.fit_vmin(*counts(board))
    assert fitted_mean == pytest.approx(mean, abs=5e-5)
    assert 1e3 * fitted_sigma == pytest.approx(sigma_mv, abs=5e-3)


@pytest.mark.parametrize(
    ("voltage", "ratio", "tolerance"),
    [
        (0.54, 1, 0.10), (0.55, 1, 0.10), (0.56, 1, 0.10), (0.57, 1, 0.10),
        (0.58, 1.3, 0.05), (0.59, 1.9, 0.05), (0.60, 2.5, 0.05),
    ],
)  # fmt: skip
def test_vc707_is_within_a_tenth_at_0_54_to_0_57_v_and_too_high_beyond(
    voltage: float, ratio: float, tolerance: float
) -> None:
    volts, faults, cells = counts("VC707")
    row = int(np.argmin(abs(volts - voltage)))
    model = sram.low_voltage_failure(voltage, 0.4334, 0.03337)
    assert model / (faults[row] / cells[row]) == pytest.approx(ratio, rel=tolerance)


def test_a_fit_recovers_what_its_faults_were_made_with() -> None:
    volts = np.linspace(0.5, 0.6, 8)
    faults = 1e12 * stats.norm.cdf((0.42 - volts) / 0.03)
    assert sram.fit_vmin(volts, faults, 1e12) == pytest.approx((0.42, 0.03), rel=1e-9)


@given(st.floats(0.2, 1.0), st.floats(0.001, 0.05))
def test_less_voltage_or_more_age_fails_more_cells(voltage: float, step: float) -> None:
    failing = sram.low_voltage_failure(voltage, **KC705)
    assert sram.low_voltage_failure(voltage - step, **KC705) > failing
    assert sram.low_voltage_failure(voltage, **KC705, shift_v=step) > failing
    assert sram.low_voltage_failure(voltage, **KC705, shift_v=step) == pytest.approx(
        sram.low_voltage_failure(voltage - step, **KC705), rel=1e-9
    )


def test_the_far_tail_keeps_its_precision() -> None:
    with mp.workdps(40):
        exact = float(mp.ncdf((mp.mpf(0.3977) - 1) / mp.mpf(0.03665)))
    assert sram.low_voltage_failure(1.0, **KC705) == pytest.approx(exact, rel=1e-11)


def test_thirty_millivolts_of_ageing_raise_the_rate_71_times() -> None:
    aged, new = (sram.low_voltage_failure(0.60, 0.4334, 0.03337, shift) for shift in (0.030, 0.0))
    assert aged / new == pytest.approx(71, rel=0.01)


def test_a_static_threshold_keeps_every_fault_at_a_lower_voltage() -> None:
    # The study: at least 98.4 % persist. One threshold a cell gives all of them: the model is a little too orderly.
    draw = np.random.default_rng(3).normal(0.3977, 0.03665, 400_000)
    failing = [set(np.flatnonzero(draw > voltage)) for voltage in (0.53, 0.50, 0.47)]
    assert all(failing[k] <= failing[k + 1] for k in range(2))


# Clusters


@pytest.mark.parametrize(("voltage", "published"), [(0.53, 0.719), (0.54, 0.853), (0.55, 0.935)])
def test_blocks_without_a_fault_by_the_two_level_model(voltage: float, published: float) -> None:
    # An independent integral over the block's offset: sigma_block 18.42 mV, sigma_within 31.69 mV.
    def density(offset: float) -> float:
        failing = stats.norm.cdf((0.3977 + offset - voltage) / 0.03169)
        return float(math.exp(8192 * math.log1p(-failing)) * stats.norm.pdf(offset, scale=0.01842))

    exact = integrate.quad(density, -0.2, 0.2, limit=400, epsabs=1e-12)[0]
    total = math.hypot(0.01842, 0.03169)
    share = (0.01842 / total) ** 2
    model = sram.fault_free_block(voltage, 0.3977, total, share, 0, rows=512, columns=16)
    assert model == pytest.approx(exact, rel=1e-8)
    assert model == pytest.approx(published, abs=5e-4)


def test_measured_blocks_without_a_fault_are_met_within_two_percent() -> None:
    tech = technology("sram")
    shape = {"rows": tech["block_rows"].value, "columns": tech["block_columns"].value}
    shares = {f"{part}_share": tech[f"vmin_{part}_share"].value for part in ("block", "column")}
    for voltage, measured in ((0.53, 0.719), (0.54, 0.871), (0.55, 0.937)):
        assert sram.fault_free_block(voltage, **KC705, **shares, **shape) == pytest.approx(measured, rel=0.02)


def test_clusters_are_those_of_drawn_blocks() -> None:
    # 30,000 blocks of 32 x 8 cells at a voltage where every 7th cell in ten fails: means within 4 standard errors,
    # which shows a share that is wrong by a tenth.
    rng, blocks, rows, columns = np.random.default_rng(7), 30_000, 32, 8
    parts = sram.spread(0.03665, 0.3, 0.25)
    vmin = 0.3977 + parts.block * rng.standard_normal((blocks, 1, 1), np.float32)
    vmin = vmin + parts.column * rng.standard_normal((blocks, 1, columns), np.float32)
    vmin = vmin + parts.cell * rng.standard_normal((blocks, rows, columns), np.float32)
    faults = (vmin > 0.47).sum(axis=(1, 2))
    shape = {"rows": rows, "columns": columns, "block_share": 0.3, "column_share": 0.25}
    free = sram.fault_free_block(0.47, **KC705, **shape)
    assert abs((faults == 0).mean() - free) < 4 * math.sqrt(free * (1 - free) / blocks)
    dispersion = faults.var() / faults.mean()
    resampled = [(drawn := rng.choice(faults, blocks)).var() / drawn.mean() for _ in range(200)]
    assert abs(dispersion - sram.faults_dispersion(0.47, **KC705, **shape)) < 4 * np.std(resampled)


def test_independent_cells_do_not_cluster() -> None:
    state = {**KC705, "block_share": 0.0, "column_share": 0.0, "rows": 512, "columns": 16}
    p = sram.low_voltage_failure(0.53, **KC705)
    assert sram.faults_dispersion(0.53, **state) == pytest.approx(1 - p, rel=1e-6)
    assert sram.fault_free_block(0.53, **state) == pytest.approx((1 - p) ** 8192, rel=1e-9)


@given(st.floats(0.45, 0.6), st.floats(0, 0.45), st.floats(0.01, 0.4))
def test_a_pair_fails_together_more_often_the_more_it_shares(voltage: float, shared: float, more: float) -> None:
    pairs = [sram.pair_failure(voltage, **KC705, shared=share) for share in (0, shared, shared + more)]
    p = float(sram.low_voltage_failure(voltage, **KC705))
    assert pairs[0] == pytest.approx(p * p, rel=1e-9)
    assert pairs[0] * (1 - 1e-9) <= pairs[1] < pairs[2] < p


@pytest.mark.parametrize("shared", [0.05, 0.25, 0.6, 0.9])
def test_a_pair_fails_as_a_bivariate_normal_does(shared: float) -> None:
    z = (0.3977 - 0.5) / 0.03665
    with mp.workdps(30):
        exact = mp.quad(
            lambda x: mp.npdf(x) * mp.ncdf((z - mp.sqrt(shared) * x) / mp.sqrt(1 - shared)) ** 2,
            mp.linspace(-12, 12, 25),
        )
    assert sram.pair_failure(0.5, **KC705, shared=shared) == pytest.approx(float(exact), rel=1e-9)


def test_more_in_common_leaves_more_blocks_clean() -> None:
    free = [
        sram.fault_free_block(0.53, **KC705, block_share=block, column_share=column, rows=512, columns=16)
        for block, column in ((0, 0), (0.1, 0), (0.3, 0), (0.3, 0.2))
    ]
    assert all(a < b for a, b in pairwise(free))


def test_the_spread_is_split_by_variance() -> None:
    parts = sram.spread(0.03665, 0.2526, 0)
    assert (parts.block, parts.cell) == pytest.approx((0.01842, 0.03169), rel=1e-3)
    assert math.hypot(*sram.spread(0.03665, 0.2, 0.3)) == pytest.approx(0.03665)


# Bias temperature instability


def advance(shift: float, prefactor: float, time: float, n: float) -> float:
    """The shift after so many seconds more under some stress, as it is written: A ((shift / A)^(1/n) + t)^n."""
    return float(prefactor * ((shift / prefactor) ** (1 / n) + time) ** n) if prefactor else shift


def test_ageing_does_not_depend_on_the_order_of_heat() -> None:
    # 300 K then 350 K, and 350 K then 300 K.
    prefactor = sram.bti_prefactor(0.040, YEARS_10, 1 / 6)
    cool, hot = (prefactor * sram.bti_stress_factor(t, 1.0, 1.0, **STRESS) for t in (26.85, 76.85))
    one = float(sram.bti_of_stress(sram.bti_stress(cool, 1e7, 1 / 6) + sram.bti_stress(hot, 2e7, 1 / 6), 1 / 6))
    assert one == pytest.approx(advance(advance(0.0, cool, 1e7, 1 / 6), hot, 2e7, 1 / 6), rel=1e-12)
    assert one == pytest.approx(advance(advance(0.0, hot, 2e7, 1 / 6), cool, 1e7, 1 / 6), rel=1e-12)
    assert one > sram.bti_shift(cool, 3e7, 1 / 6)
    assert one < sram.bti_shift(hot, 3e7, 1 / 6)


@given(st.lists(st.tuples(st.floats(1e-6, 1e-2), st.floats(1, 1e8)), min_size=1, max_size=4), st.floats(0.1, 0.5))
def test_ageing_adds_up_as_stress(steps: list[tuple[float, float]], n: float) -> None:
    total = sum(float(sram.bti_stress(a, t, n)) for a, t in steps)
    shifts = []
    for order in permutations(steps):
        shift = 0.0
        for prefactor, time in order:
            shift = advance(shift, prefactor, time, n)
        shifts.append(shift)
    np.testing.assert_allclose(shifts, float(sram.bti_of_stress(total, n)), rtol=1e-9)


def test_the_prefactor_meets_the_stated_end_of_life() -> None:
    prefactor = sram.bti_prefactor(0.040, YEARS_10, 1 / 6)
    assert sram.bti_shift(prefactor, YEARS_10, 1 / 6) == pytest.approx(0.040, rel=1e-12)
    assert sram.bti_stress_factor(104.85, 1.0, 1.0, **STRESS) == pytest.approx(1)
    # A tenth of the life gives two thirds of the shift: 10^(-1/6).
    assert sram.bti_shift(prefactor, YEARS_10 / 10, 1 / 6) == pytest.approx(0.040 * 10 ** (-1 / 6))


def test_half_the_duty_is_half_the_time() -> None:
    prefactor = sram.bti_prefactor(0.040, YEARS_10, 1 / 6)
    halved = prefactor * sram.bti_stress_factor(104.85, 1.0, 0.5, **STRESS)
    assert sram.bti_shift(halved, YEARS_10, 1 / 6) == pytest.approx(sram.bti_shift(prefactor, YEARS_10 / 2, 1 / 6))


@given(st.floats(-20, 95), st.floats(0.5, 0.95), st.floats(0.05, 0.9))
def test_heat_voltage_and_duty_each_age_faster(temperature: float, voltage: float, duty: float) -> None:
    base = sram.bti_stress_factor(temperature, voltage, duty, **STRESS)
    assert sram.bti_stress_factor(temperature + 5, voltage, duty, **STRESS) > base
    assert sram.bti_stress_factor(temperature, voltage + 0.05, duty, **STRESS) > base
    assert sram.bti_stress_factor(temperature, voltage, duty + 0.05, **STRESS) > base
    for name, change in (("activation_energy_ev", 0.05), ("voltage_exponent", 1.0), ("time_exponent", 0.1)):
        changed = sram.bti_stress_factor(temperature, voltage, duty, **{**STRESS, name: STRESS[name] + change})
        assert changed < base  # cooler, lower and shorter than the reference: each exponent makes more of that


def test_without_bias_nothing_ages() -> None:
    for voltage, duty in ((0.0, 1.0), (1.0, 0.0)):
        factor = sram.bti_stress_factor(85, voltage, duty, **STRESS)
        assert sram.bti_stress(factor, 1e9, 1 / 6) == 0


def test_the_calibration_lies_between_two_open_codes() -> None:
    prefactor = sram.bti_prefactor(0.040, YEARS_10, 1 / 6) * sram.bti_stress_factor(76.85, 1.0, 1.0, **STRESS)
    assert 0.0165 < sram.bti_shift(prefactor, YEARS_10, 1 / 6) < 0.1286


# Soft errors


def test_soft_errors_of_ten_years() -> None:
    assert sram.soft_error_flip(YEARS_10, 700) == pytest.approx(5.85e-8, rel=1e-3)
    assert sram.soft_error_flip(YEARS_10, 1200) / sram.soft_error_flip(YEARS_10, 700) == pytest.approx(12 / 7, rel=1e-6)
    assert sram.soft_error_flip(1e40, 700) == pytest.approx(0.5, rel=1e-15)


# Bad input


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: sram.low_voltage_failure(-0.1, 0.4, 0.03), "voltage_v = -0.1 must not be negative"),
        (lambda: sram.low_voltage_failure(0.6, 0.4, 0), "vmin_sigma_v = 0 must be above 0"),
        (lambda: sram.spread(0.03, 0.6, 0.5), "are 1.1 together"),
        (lambda: sram.spread(0.03, -0.1, 0.5), "block_share = -0.1 is not a share"),
        (lambda: sram.pair_failure(0.6, 0.4, 0.03, 1.0), "shared = 1 leaves nothing"),
        (lambda: sram.fit_vmin([0.5, 0.6], [10, 0], 1e6), "needs faults at two voltages"),
        (lambda: sram.fit_vmin([0.5, 0.6], [10, 20], 1e6), "say nothing of Vmin"),
        (lambda: sram.bti_shift(0.001, -1, 1 / 6), "time_s = -1 runs backwards"),
        (lambda: sram.bti_shift(0.001, 1, 0), "time_exponent = 0 must be above 0"),
        (lambda: sram.bti_stress_factor(-300, 1, 1, **STRESS), "temperature_c = -300 is not a temperature"),
        (lambda: sram.bti_stress_factor(85, 1, 1.2, **STRESS), "duty = 1.2 is not a share of time"),
        (lambda: sram.soft_error_flip(1, -1), "fit_per_mb = -1 must not be negative"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        call()  # type: ignore[operator]
    assert sentence in str(error.value)
