"""SRAM: low-voltage faults cluster and nest, age raises them, particles strike at their rate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Exposure, Mission, Phase
from hwsim.memory.mechanisms.mechanism import FORCE_0, FORCE_1
from hwsim.memory.mechanisms.sram import Ageing
from hwsim.memory.physics import sram
from tests.memory.mechanisms.on_device import HOUR, YEAR, agrees, cells_of, counts, made, mechanism, situation

KC705 = (0.3977, 0.03665)
SHARES = (0.209, 0.211)
BLOCK = 512 * 16


def at(voltage_v: float, seed: int = 1, blocks: int = 7168, pattern: int = 255, **changes: object) -> Device:
    """A device at a low voltage for a nanosecond, so that it has not aged."""
    device = made("sram", "low_voltage", changes, words=blocks * BLOCK // 8, pattern=pattern, seed=seed)
    device.advance(Phase(1e-9, Condition(voltage_v=voltage_v)))
    return device


def per_block(device: Device) -> np.ndarray:
    unit = device.geometry.unit("block", device.read().cells)
    return np.bincount(unit, minlength=device.geometry.blocks)


# Low voltage


def test_nothing_fails_at_the_nominal_voltage() -> None:
    device = made("sram", ("low_voltage", "bti"), words=100_000)
    assert device.read().wrong_bits == 0


@pytest.mark.parametrize(("voltage", "published"), [(0.53, 0.719), (0.54, 0.853), (0.55, 0.935)])
def test_drawn_blocks_without_a_fault_are_as_many_as_published_for_kc705_b(voltage: float, published: float) -> None:
    # The two-level model of the published figures: sigma_block 18.42 mV, sigma_within 31.69 mV. 28,672 blocks: four
    # standard errors are 0.011, 0.008, 0.006; independent cells would give 0.285 at 0.53 V.
    shares = {"vmin_block_share": 0.2526, "vmin_column_share": 0.0}
    free = np.mean([np.mean(per_block(at(voltage, seed, **shares)) == 0) for seed in range(4)])
    assert abs(free - published) < 4 * np.sqrt(published * (1 - published) / 28_672) + 5e-4


@pytest.mark.parametrize("voltage", [0.53, 0.54, 0.55])
def test_drawn_faults_have_the_rate_and_the_clusters_of_the_closed_forms(voltage: float) -> None:
    # 43,008 blocks. What is averaged over them is compared in their own standard errors: of the rate 3 % and of the
    # pairs 10 to 20 % (few blocks hold most of them).
    rows, columns = 512, 16
    faults, in_column, in_block = [], [], []
    for seed in range(6):
        device = at(voltage, seed)
        cells = device.read().cells
        n = per_block(device)
        column = np.bincount(device.geometry.unit("column", cells), minlength=16 * len(n)).reshape(-1, 16)
        faults.append(n)
        in_column.append((column * (column - 1) / 2).sum(axis=1))
        in_block.append(n * (n - 1) / 2 - in_column[-1])
    share, state = SHARES, (voltage, *KC705)
    expected = (
        BLOCK * float(sram.low_voltage_failure(*state)),
        columns * rows * (rows - 1) / 2 * sram.pair_failure(*state, sum(share)),
        (BLOCK * (BLOCK - rows)) / 2 * sram.pair_failure(*state, share[0]),
    )
    for found, mean in zip((faults, in_column, in_block), expected, strict=True):
        drawn = np.concatenate(found)
        assert abs(drawn.mean() - mean) < 4 * drawn.std() / np.sqrt(len(drawn))
    free = sram.fault_free_block(*state, *share, rows, columns)
    assert abs(np.mean(np.concatenate(faults) == 0) - free) < 4 * np.sqrt(free * (1 - free) / 43_008)


def test_without_shared_parts_faults_are_independent() -> None:
    # Chi-square of 7,168 blocks against Poisson: a share of the variance of 0.01 in common would fail it.
    device = at(0.53, vmin_block_share=0.0, vmin_column_share=0.0)
    n = per_block(device)
    expected = float(sram.low_voltage_failure(0.53, *KC705)) * BLOCK
    assert agrees(int(n.sum()), len(n) * BLOCK, expected / BLOCK)
    assert stats.chi2.sf((len(n) - 1) * n.var(ddof=1) / n.mean(), len(n) - 1) > 1e-4


def test_faults_at_one_voltage_persist_at_every_lower_one() -> None:
    found = [cells_of(at(voltage, blocks=1000)) for voltage in (0.57, 0.55, 0.53, 0.50, 0.46)]
    for few, many in pairwise(found):
        assert few < many


def test_a_larger_memory_has_the_weak_cells_of_a_smaller_one() -> None:
    # Whole lines of the smaller memory; both have the same geometry but for their number of rows.
    small, large = at(0.50, blocks=100), at(0.50, blocks=1000)
    edge = small.geometry.cells
    assert cells_of(small) == {cell for cell in cells_of(large) if cell < edge}


@pytest.mark.parametrize("worse", [{"vmin_mean": "0.41 V"}, {"vmin_sigma": "40 mV"}])
def test_a_worse_part_fails_more_cells(worse: dict[str, object]) -> None:
    assert at(0.53, blocks=2000).read().wrong_bits < at(0.53, blocks=2000, **worse).read().wrong_bits


@pytest.mark.parametrize("share", ["vmin_block_share", "vmin_column_share"])
def test_a_larger_shared_part_leaves_more_blocks_without_a_fault(share: str) -> None:
    free = [np.mean(per_block(at(0.53, blocks=2000, **{share: value})) == 0) for value in (0.0, 0.2, 0.4)]
    assert free == sorted(free)
    assert free[2] > free[0] + 0.1


def test_cells_fall_to_their_preferred_value_and_only_the_others_show() -> None:
    # 9,000 weak cells of 59 million: a share of 0.3 within 0.022.
    zeros, ones = (at(0.53, pattern=pattern, preferred_one_share=0.3) for pattern in (0, 255))
    to_one, to_zero = zeros.read().wrong_bits, ones.read().wrong_bits
    assert not cells_of(zeros) & cells_of(ones)
    assert agrees(to_one, to_one + to_zero, 0.3)
    assert counts(at(0.53, pattern=0), at(0.53, pattern=0).read())[0][0] == 0  # by default all fall to 0
    both = mechanism("sram", "low_voltage", {"preferred_one_share": 0.5})
    upsets = both.upsets(situation(zeros, both))
    assert set(upsets.becomes.tolist()) == {FORCE_0, FORCE_1}


def test_faults_are_there_while_the_voltage_is_low_whatever_is_written_meanwhile() -> None:
    device = at(0.53, blocks=1000)
    weak = cells_of(device)
    assert weak
    device.rewrite()
    assert cells_of(device) == weak
    device.advance(Phase(1, Condition(voltage_v=1.0)))
    assert not cells_of(device)
    device.advance(Phase(1, Condition(voltage_v=0.53)))
    assert cells_of(device) == weak


def test_without_power_all_cells_fall_to_the_value_that_they_prefer_until_rewritten() -> None:
    device = made("sram", "low_voltage", {"preferred_one_share": 0.3}, words=10_000, pattern=255)
    device.advance(Phase(1, Condition(powered=False)))
    device.advance(Phase(1))
    assert agrees(device.read().wrong_bits, 80_000, 0.7)
    device.rewrite()
    assert device.read().wrong_bits == 0


# Ageing


def aged(**changes: object) -> Ageing:
    one = mechanism("sram", "bti", changes)
    assert isinstance(one, Ageing)
    return one


def life(years: float, temperature_c: float = 104.85, voltage_v: float = 1.0, **more: object) -> Exposure:
    return Exposure({Condition(temperature_c, voltage_v, **more): years * YEAR})  # type: ignore[arg-type]


def test_a_reference_life_shifts_by_what_the_table_says() -> None:
    assert aged().shift_v(life(10)) == pytest.approx(0.040, rel=1e-12)
    assert aged().shift_v(life(10 / 64)) == pytest.approx(0.020, rel=1e-12)  # t^(1/6)
    assert aged().shift_v(Exposure()) == 0


def test_the_order_of_conditions_does_not_matter_and_the_shift_is_that_of_step_by_step_ageing() -> None:
    cold, hot = life(3, 27), life(2, 77)
    total = aged().shift_v(cold + hot)
    prefactor = sram.bti_prefactor(0.040, 10 * YEAR, 1 / 6)
    for order in ((cold, hot), (hot, cold)):
        shift = 0.0
        for part in order:
            ((condition, seconds),) = part.items()
            stressed = prefactor * aged()._factor(condition)
            shift = float(stressed * ((shift / stressed) ** 6 + seconds) ** (1 / 6))
        assert total == pytest.approx(shift, rel=1e-12)


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        (life(5), life(6)),
        (life(5, 25), life(5, 85)),
        (life(5, voltage_v=0.8), life(5, voltage_v=1.0)),
        (life(5, duty=0.5), life(5, duty=1.0)),
        (life(5, powered=False), life(1e-6)),
    ],
)
def test_longer_hotter_higher_voltage_and_more_duty_age_more(mild: Exposure, harsh: Exposure) -> None:
    assert aged().shift_v(mild) < aged().shift_v(harsh)


def test_without_power_nothing_ages_and_half_the_bias_time_counts_half() -> None:
    assert aged().shift_v(life(5, powered=False)) == 0
    assert aged(bti_duty=0.5).shift_v(life(10)) == pytest.approx(aged().shift_v(life(5)), rel=1e-12)


def test_age_fails_what_the_shifted_closed_form_says_and_a_superset_of_what_failed_when_new() -> None:
    # At 0.55 V the aged rate is 9e-4, new it is 2e-5; 7,168 blocks show 20 % of it.
    def after(years: float) -> Device:
        device = made("sram", ("low_voltage", "bti"), words=7168 * BLOCK // 8, pattern=255)
        device.advance(Phase(years * YEAR, Condition(104.85, 1.0)))
        device.advance(Phase(1e-9, Condition(104.85, 0.55)))
        return device

    new, old = after(1e-9), after(10)
    assert cells_of(new) < cells_of(old)
    n = per_block(old)
    expected = BLOCK * float(sram.low_voltage_failure(0.55, *KC705, 0.040))
    assert abs(n.mean() - expected) < 4 * n.std() / np.sqrt(len(n))
    changed = old.read().changed
    assert changed["low_voltage"] > 0 < changed["bti"]
    before = cells_of(old)
    old.rewrite()
    assert before <= cells_of(old)


def test_ten_years_of_daily_cycles_and_scrubs_age_as_ten_years_at_once() -> None:
    day = (Phase(12 * HOUR, Condition(25, 1.0)), Phase(12 * HOUR, Condition(85, 1.0)))
    device = made("sram", ("bti",), words=BLOCK * 100 // 8, pattern=255)
    device.advance(Mission(day, 1 * YEAR, scrub_every_s=30 * 24 * HOUR))
    device.advance(Phase(1e-9, Condition(25, 0.53)))
    at_once = made("sram", ("bti",), words=BLOCK * 100 // 8, pattern=255)
    for phase in day:
        at_once.advance(Phase(YEAR / 2, phase.condition))
    at_once.advance(Phase(1e-9, Condition(25, 0.53)))
    assert cells_of(device) == cells_of(at_once) != set()


# Soft errors


def test_particles_strike_both_values_at_their_rate_until_a_write() -> None:
    # 12.8 million cells for 10 years at 1e6 times the rate of sea level: 73,000 flips, 2 %.
    device = made("sram", "soft_error", {"soft_error_rate": 7e7}, words=1_600_000, pattern=None)
    assert device.read().wrong_bits == 0
    device.advance(Phase(YEAR))
    rate = float(sram.soft_error_flip(YEAR, 7e7))
    assert rate == pytest.approx(5.85e-4, rel=2e-3)
    for count, cells in counts(device, device.read()):
        assert agrees(count, cells, rate)
    hit = cells_of(device)
    device.advance(Phase(YEAR))
    assert hit < cells_of(device)
    device.rewrite()
    assert device.read().wrong_bits == 0


def test_traits_are_those_of_the_contract() -> None:
    low, bti, soft = (mechanism("sram", name) for name in ("low_voltage", "bti", "soft_error"))
    assert low.traits == ("preferred value", "while the condition lasts", "cell", "none", "raising the voltage")
    assert bti.traits == ("preferred value", "permanent", "cell", "device life", "nothing")
    assert soft.traits == ("both", "until rewritten", "cell", "since write", "write or scrub")
    assert (low.ages, bti.ages, soft.ages) == (False, True, False)
