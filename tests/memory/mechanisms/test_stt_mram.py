"""STT-MRAM: retention in both directions, writes that keep the old bit, reads that turn cells one way."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.mechanism import Rates
from hwsim.memory.physics import stt_mram
from hwsim.memory.technology.constants import technology
from tests.memory.mechanisms.on_device import (
    DAY,
    HOUR,
    SIGMAS,
    YEAR,
    agrees,
    cells_of,
    counts,
    image,
    made,
    mechanism,
    situation,
)

TAU0 = 1e-9
PLAIN = {"delta_sigma": 0.0, "delta_asymmetry": 0.0}


def retention(time_s: float, temperature_c: float = 25.0, **changes: object) -> Rates:
    """The rates that the mechanism says after a time."""
    device = made("stt_mram", "retention", changes, words=8)
    device.advance(Phase(time_s, Condition(temperature_c)))
    (one,) = device.mechanisms
    return one.rates(situation(device, one))  # type: ignore[attr-defined]


# Retention


@pytest.mark.parametrize(("delta", "time_s", "published"), [(60, 3.15576e8, 2.763345e-9), (45, DAY, 2.473213e-6)])
def test_retention_has_its_published_check_points(delta: float, time_s: float, published: float) -> None:
    for rate in retention(time_s, delta=delta, **PLAIN):
        assert rate == pytest.approx(published, rel=5e-6)  # the way back, which the check points leave aside, is 2e-6


@pytest.mark.parametrize("name", ["intel_2018", "gf_2018"])
def test_a_published_part_loses_what_its_survey_says(name: str) -> None:
    part = technology(f"stt_mram/{name}")
    years, heat, lost = {"intel_2018": (10, 200, 5e-7), "gf_2018": (20, 220, 1e-6)}[name]
    assert {one.name for one in mechanisms_of(part)} == {"retention", "write_error", "read_disturb"}
    delta, reference = part["delta"].to("1"), part["delta_reference_temperature"].to("degC")
    rates = retention(years * YEAR, heat, delta=delta, delta_reference_temperature=f"{reference} degC", **PLAIN)
    assert rates.zero_to_one == pytest.approx(lost, rel=0.06)  # delta is tabulated to three digits


@pytest.mark.parametrize(("time_s", "temperature_c"), [(DAY, 25), (DAY, 85), (10 * YEAR, 105), (YEAR, 200)])
@pytest.mark.parametrize("sigma", [0.0, 3.0, 6.0])
def test_the_spread_over_cells_is_that_of_the_closed_form(time_s: float, temperature_c: float, sigma: float) -> None:
    # To and fro between equal barriers is half of what is lost one way in twice the time, for every cell.
    scale = 298.15 / (temperature_c + 273.15)
    one_way = stt_mram.retention_failure_spread(2 * time_s, 60 * scale, sigma * scale, TAU0)
    for rate in retention(time_s, temperature_c, delta_sigma=sigma, delta_asymmetry=0.0):
        assert rate == pytest.approx(one_way / 2, rel=1e-6)
    if sigma == 3 and temperature_c == 25:
        effective = 60 - 3**2 / 2  # E[exp(-Delta)] of a normal Delta
        assert one_way / 2 == pytest.approx(stt_mram.retention_failure(time_s, effective, TAU0), rel=1e-3)


def test_unequal_barriers_lose_zeros_e_to_the_asymmetry_times_as_often() -> None:
    up, down = retention(DAY, 25, delta_asymmetry=2.0)
    assert up / down == pytest.approx(math.exp(2.0), rel=1e-3)
    assert retention(DAY, 25, delta_asymmetry=-2.0) == pytest.approx((down, up), rel=1e-9)


def test_after_ages_cells_hold_either_value_as_the_barriers_say() -> None:
    up, down = retention(1e9, 500, delta_sigma=0.0)
    ratio = math.exp(2.0 * 298.15 / 773.15)
    assert up == pytest.approx(ratio / (1 + ratio), rel=1e-9)
    assert up + down == pytest.approx(1, rel=1e-9)


def test_drawn_flips_have_the_rate_of_their_direction() -> None:
    # 8 million cells of each value, 60,000 and 9,000 flips: 2 % and 5 %.
    device = made("stt_mram", "retention", {"delta": 50}, words=2_000_000)
    device.advance(Phase(DAY, Condition(85)))
    (one,) = device.mechanisms
    rates = one.rates(situation(device, one))  # type: ignore[attr-defined]
    for (count, cells), rate in zip(counts(device, device.read()), rates, strict=True):
        assert count > 2000
        assert agrees(count, cells, rate)


def test_independent_cells_fail_in_different_words() -> None:
    # Chi-square of the faults in 1,000 parts of the memory: a spread 1.15 times that of chance fails.
    device = made("stt_mram", "retention", {"delta": 50}, words=1_000_000)
    device.advance(Phase(DAY, Condition(85)))
    n = np.bincount(device.read().cells * 1000 // device.geometry.cells, minlength=1000)
    dispersion = n.var(ddof=1) / n.mean()
    assert abs(dispersion - 1) < SIGMAS * math.sqrt(2 / 999)


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"time_s": DAY}, {"time_s": YEAR}),
        ({"temperature_c": 70}, {"temperature_c": 90}),
        ({"delta": 60}, {"delta": 55}),
        ({"delta_sigma": 2.0}, {"delta_sigma": 4.0}),
        ({"tau0": "2 ns"}, {"tau0": "0.5 ns"}),
    ],
)
def test_more_time_heat_and_spread_and_lower_barriers_lose_more(
    mild: dict[str, object], harsh: dict[str, object]
) -> None:
    before, after = (retention(**{"time_s": YEAR, "temperature_c": 85, **one}) for one in (mild, harsh))  # type: ignore[arg-type]
    assert before.zero_to_one < after.zero_to_one
    assert before.one_to_zero < after.one_to_zero


def test_older_and_hotter_fails_a_superset_until_a_rewrite() -> None:
    device = made("stt_mram", "retention", {"delta": 50})
    found = [cells_of(device)]
    for temperature_c in (25, 85, 85, 25, 105):
        device.advance(Phase(DAY, Condition(temperature_c)))
        found.append(cells_of(device))
    assert found[0] == set()
    assert all(few <= many for few, many in pairwise(found))
    assert len(found[1]) < len(found[2]) < len(found[3]) <= len(found[4]) < len(found[5])
    device.rewrite()
    assert not cells_of(device)
    device.advance(Phase(2 * DAY, Condition(85)))
    assert len(cells_of(device) & found[3]) < len(found[3]) / 4


def test_a_daily_cycle_is_its_conditions_added_up() -> None:
    device = made("stt_mram", "retention", {"delta": 52, **PLAIN}, words=8)
    device.advance(Mission((Phase(DAY / 2, Condition(25)), Phase(DAY / 2, Condition(85))), 30 * DAY))
    (one,) = device.mechanisms
    hazard = sum(15 * DAY / TAU0 * math.exp(-52 * 298.15 / (heat + 273.15)) for heat in (25, 85))
    assert one.rates(situation(device, one)).zero_to_one == pytest.approx(-math.expm1(-2 * hazard) / 2, rel=1e-9)  # type: ignore[attr-defined]


def test_a_scrub_without_a_code_locks_flips_in() -> None:
    device = made("stt_mram", "retention", {"delta": 50})
    device.advance(Phase(DAY, Condition(85)))
    flipped = cells_of(device)
    device.scrub()
    assert cells_of(device) == flipped != set()


# Writes


def test_a_failed_write_keeps_the_old_bit_and_only_changes_fail() -> None:
    # 6,400,000 cells: a write error near 1.2e-3 within 5 % in each direction.
    words, changes = 1_600_000, {"write_pulse": "10 ns"}
    first = made("stt_mram", "write_error", changes, words=words)
    (one,) = first.mechanisms
    rates = one.rates(situation(first, one))  # type: ignore[attr-defined]
    (lost, zeros), (kept, ones) = counts(first, first.read())
    assert lost == 0 < zeros  # new cells hold 0
    assert agrees(kept, ones, rates.zero_to_one)
    first.write(image(words, None, seed=9))
    old, new = image(words, None).flat, image(words, None, seed=9).flat
    log = first.read().faults.log()
    address = first.read().faults.address
    bit = log["bit"]
    which = log["index"]
    assert len(address) <= len(which)
    held = new[which] >> bit & 1
    # Where the first write failed too, old bits are not those of the first image: one in a thousand.
    differs = (old[which] ^ new[which]) >> bit & 1
    assert (differs == 0).mean() < 0.01
    for value, rate in ((1, rates.zero_to_one), (0, rates.one_to_zero)):
        changes_to = int(np.bitwise_count((old ^ new) & (new if value else ~new)).sum())
        assert agrees(int(((held == value) & (differs == 1)).sum()), changes_to, rate)


def test_a_new_memory_fails_where_it_is_not_what_is_written() -> None:
    ones = made("stt_mram", "write_error", words=500_000, new="ones")
    (lost, zeros), (kept, _) = counts(ones, ones.read())
    (one,) = ones.mechanisms
    assert kept == 0
    assert agrees(lost, zeros, one.rates(situation(ones, one)).one_to_zero)  # type: ignore[attr-defined]


def test_a_rewrite_of_the_same_words_tries_again() -> None:
    device = made("stt_mram", "write_error", {"write_pulse": "6 ns"})
    failed = device.read().wrong_bits
    device.rewrite()
    assert device.read().wrong_bits < failed / 4
    for _ in range(6):
        device.rewrite()
    assert device.read().wrong_bits == 0


@pytest.mark.parametrize(
    ("overdrive", "delta", "pulse", "published"),
    [(2, 60, 5, 2.159750e-3), (3, 60, 3.5, 7.681040e-5), (2, 80, 8, 7.145513e-6)],
)
def test_write_errors_have_their_published_check_points(
    overdrive: float, delta: float, pulse: float, published: float
) -> None:
    unit_s = float(stt_mram.relaxation_time(0.01, 0.3))
    changes = {"delta": delta, "write_overdrive": overdrive, "write_pulse": f"{pulse * unit_s!r} s", **PLAIN}
    device = made("stt_mram", "write_error", changes, words=8)
    (one,) = device.mechanisms
    assert one.rates(situation(device, one)) == pytest.approx((published, published), rel=1e-6)  # type: ignore[attr-defined]
    tried = mechanism("stt_mram", "write_error", {**changes, "write_tries": 3})
    assert tried.rates(situation(device, one)).zero_to_one == pytest.approx(published**3, rel=1e-5)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"write_pulse": "10 ns"}, {"write_pulse": "8 ns"}),
        ({"write_overdrive": 2.5}, {"write_overdrive": 2.0}),
        ({"write_tries": 2}, {"write_tries": 1}),
        ({"delta": 50}, {"delta": 70}),
    ],
)
def test_shorter_weaker_and_fewer_pulses_fail_a_superset(mild: dict[str, object], harsh: dict[str, object]) -> None:
    few, many = (cells_of(made("stt_mram", "write_error", one)) for one in (mild, harsh))
    assert few < many


def test_hot_writes_fail_less_often() -> None:
    device = made("stt_mram", "write_error", {"write_pulse": "6 ns"}, words=1_000_000)
    cold = device.read().wrong_bits
    before = Phase(1, Condition(125))
    hot = made("stt_mram", "write_error", {"write_pulse": "6 ns"}, words=1_000_000, before=before)
    assert hot.read().wrong_bits < 0.9 * cold


@pytest.mark.parametrize("overdrive", [1.0, 1.49])
def test_an_overdrive_for_which_no_formula_holds_is_refused_with_its_range(overdrive: float) -> None:
    with pytest.raises(HwsimError, match=r"overdrive = 1.* is out of range: .* holds from 1.5 times"):
        made("stt_mram", "write_error", {"write_overdrive": overdrive})


# Reads


def disturbed(reads: int, **changes: object) -> Rates:
    device = made("stt_mram", "read_disturb", changes, words=8)
    device.count_reads(reads)
    (one,) = device.mechanisms
    return one.rates(situation(device, one))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("exponent", "published"), [(1, 5.749522e-18), (2, 1.705070e-12)])
def test_read_disturb_has_its_published_check_points(exponent: float, published: float) -> None:
    # Per read of Delta 60 at I / Ic = 0.3 for 10 ns.
    rates = disturbed(1, read_exponent=exponent, **PLAIN)
    assert rates.one_to_zero == pytest.approx(published, rel=1e-6)
    assert rates.zero_to_one == 0


def test_reads_turn_cells_towards_the_state_that_the_current_favours() -> None:
    # A million reads of 8 million cells: 16,000 flips, 4 %.
    changes = {"delta": 45, "read_exponent": 2.0}
    device = made("stt_mram", "read_disturb", changes, words=2_000_000)
    assert device.read().wrong_bits == 0
    device.count_reads(1_000_000)
    (one,) = device.mechanisms
    rates = one.rates(situation(device, one))  # type: ignore[attr-defined]
    (up, _), (down, ones) = counts(device, device.read())
    assert up == 0 < down
    assert agrees(down, ones, rates.one_to_zero)
    other = made("stt_mram", "read_disturb", {**changes, "read_disturb_to_one": 1.0}, words=100_000)
    other.count_reads(1_000_000)
    (up, _), (down, _) = counts(other, other.read())
    assert up > down == 0
    assert other.mechanisms[0].traits.direction == "0 to 1"


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"read_pulse": "5 ns"}, {"read_pulse": "10 ns"}),
        ({"read_current_ratio": 0.2}, {"read_current_ratio": 0.4}),
        ({"read_exponent": 1.0}, {"read_exponent": 1.5}),
        ({"delta": 60}, {"delta": 50}),
        ({"delta_sigma": 1.0}, {"delta_sigma": 4.0}),
        ({"reads": 10}, {"reads": 100}),
    ],
)
def test_longer_stronger_and_more_reads_disturb_more(mild: dict[str, object], harsh: dict[str, object]) -> None:
    few, many = (disturbed(**{"reads": 1000, **one}).one_to_zero for one in (mild, harsh))  # type: ignore[arg-type]
    assert few < many


def test_reads_add_up_over_conditions_and_stay_until_a_write() -> None:
    changes = {"delta": 42, "read_exponent": 2.0}
    device = made("stt_mram", "read_disturb", changes)
    found = [cells_of(device)]
    for temperature_c in (85, 25, 105):
        device.advance(Phase(HOUR, Condition(temperature_c, reads_per_s=1000)))
        device.count_reads(1000)
        found.append(cells_of(device))
    assert all(few <= many for few, many in pairwise(found))
    assert 0 < len(found[1]) < len(found[3])
    device.rewrite()
    assert not cells_of(device)


def test_a_read_current_above_the_critical_one_is_refused() -> None:
    with pytest.raises(HwsimError, match=r"current_ratio = 1\.2 is not a read current below the critical one"):
        mechanism("stt_mram", "read_disturb", {"read_current_ratio": 1.2})
    with pytest.raises(HwsimError, match="read_disturb_to_one = 2 is not a share of the reads"):
        mechanism("stt_mram", "read_disturb", {"read_disturb_to_one": 2})


# Together


def test_traits_are_those_of_the_contract() -> None:
    kept, write, read = (mechanism("stt_mram", name) for name in ("retention", "write_error", "read_disturb"))
    assert kept.traits == ("both", "until rewritten", "cell", "since write", "write or scrub")
    assert write.traits == ("keeps the old value", "until rewritten", "cell", "per write", "write or scrub")
    assert read.traits == ("1 to 0", "until rewritten", "cell", "reads", "write or scrub")
    assert [one.stage for one in (kept, write, read)] == ["retain", "write", "retain"]


def test_all_three_act_on_one_device_writes_first() -> None:
    device = made("stt_mram", ("retention", "write_error", "read_disturb"), {"delta": 50})
    assert [one.name for one in device.mechanisms] == ["write_error", "retention", "read_disturb"]
    device.advance(Phase(DAY, Condition(85, reads_per_s=1e6)))
    changed = device.read().changed
    assert min(changed.values()) > 0


@pytest.mark.parametrize("name", ["delta", "delta_sigma", "delta_asymmetry"])
def test_barriers_that_no_number_holds_are_refused(name: str) -> None:
    with pytest.raises(HwsimError, match=rf"^{name} = 1e\+308 is not a barrier over kT that can be computed with"):
        mechanisms_of(technology("stt_mram").override({name: 1e308}))
