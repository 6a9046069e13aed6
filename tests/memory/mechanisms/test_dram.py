"""DRAM: cells that leak before they are refreshed, and parts of chips that fail at published rates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Exposure, Mission, Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.dram import DramRetention, PermanentFailure, TransientFailure
from hwsim.memory.mechanisms.mechanism import FORCE_0, FORCE_1, Situation, Traits
from hwsim.memory.physics import dram
from hwsim.memory.physics.common import rate_of_fit
from hwsim.memory.random import Key
from hwsim.memory.technology.constants import technology
from tests.memory.mechanisms.on_device import DAY, HOUR, SIGMAS, YEAR, agrees, cells_of, counts, made, mechanism

LAW = {"reference_mean": 5.753, "sigma": 1.23, "reference_c": 85.0, "slope_per_c": 0.054}
NO_FAILURES = {f"{kind}_{mode}_fit": 0.0 for kind in ("transient", "permanent") for mode in dram.FIELD_SCOPES}
SMALL = {"banks": 4, "block_rows": 64, "block_columns": 512}


def leaky(**changes: object) -> DramRetention:
    one = mechanism("dram", "retention", changes)
    assert isinstance(one, DramRetention)
    return one


def under(seconds: float = 10.0, temperature_c: float = 85.0, **more: object) -> Exposure:
    return Exposure({Condition(temperature_c, **more): seconds})  # type: ignore[arg-type]


# Retention


@pytest.mark.parametrize(
    ("refresh_s", "published"), [(0.064, 2.4e-12), (0.128, 1.09e-10), (0.256, 3.64e-9), (1.0, 1.46e-6)]
)
def test_leaked_cells_at_85_degc_have_their_published_check_points(refresh_s: float, published: float) -> None:
    assert leaky().leaked(under(refresh_every_s=refresh_s)) == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize("temperature_c", [45.0, 65.0, 85.0, 95.0])
def test_the_rate_is_the_closed_form_at_every_temperature_and_refresh(temperature_c: float) -> None:
    for refresh_s in (0.064, 1.0, 8.0):
        rate = leaky().leaked(under(100.0, temperature_c, refresh_every_s=refresh_s))
        assert rate == pytest.approx(dram.retention_failure(refresh_s, temperature_c, **LAW), rel=1e-9)


@pytest.mark.parametrize(("refresh_s", "temperature_c"), [(0.256, 85), (0.5, 85), (1.0, 75), (1.0, 85)])
def test_ten_degrees_leak_seven_to_thirteen_times_as_many(refresh_s: float, temperature_c: float) -> None:
    few, many = (leaky().leaked(under(1, temperature_c + heat, refresh_every_s=refresh_s)) for heat in (0, 10))
    assert 7 < many / few < 13


def test_refresh_is_twice_as_frequent_above_85_degc_unless_a_condition_says_how_frequent() -> None:
    assert leaky().longest_s(under(1, 85.0)) == pytest.approx(0.064)
    assert leaky().longest_s(under(1, 85.1)) == pytest.approx(0.032 * np.exp(0.054 * 0.1))
    assert leaky().longest_s(under(1, 95.0, refresh_every_s=0.5)) == pytest.approx(0.5 * np.exp(0.54))
    assert leaky(refresh_interval="32 ms").longest_s(under(1, 85.0)) == pytest.approx(0.032)


def test_no_cell_leaks_longer_than_it_was_left() -> None:
    assert leaky().longest_s(under(0.01, refresh_every_s=1.0)) == pytest.approx(0.01)
    assert leaky().leaked(Exposure()) == 0


def test_the_hottest_condition_while_refreshed_decides_and_time_without_power_adds_up() -> None:
    hot, cold = under(5, 85, refresh_every_s=1), under(5000, 45, refresh_every_s=1)
    assert leaky().longest_s(hot + cold) == leaky().longest_s(hot)
    off = under(3, 85, powered=False) + under(4, 85, powered=False, duty=0.5)
    assert leaky().longest_s(off) == pytest.approx(7)
    assert leaky().longest_s(off + hot) == pytest.approx(7)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_true_cells_lose_ones_and_anti_cells_zeros(share: float) -> None:
    # 8 million cells of each value, 1 s at 95 degC: about 100,000 leak, half of a share show: 4 % and better.
    device = made("dram", "retention", {"true_cell_share": share}, words=2_000_000)
    device.advance(Phase(10, Condition(95, refresh_every_s=8)))
    leaked = float(dram.retention_failure(8, 95, **LAW))
    (up, zeros), (down, ones) = counts(device, device.read())
    rates = dram.flips(leaked, share)
    assert min(up, down) > 300
    assert agrees(up, zeros, float(rates[0]))
    assert agrees(down, ones, float(rates[1]))


def test_equal_shares_give_as_many_rises_as_falls() -> None:
    # Of 4,000 wrong cells, whatever was written: 7 %.
    device = made("dram", "retention", words=2_000_000)
    device.advance(Phase(10, Condition(95, refresh_every_s=8)))
    (up, _), (down, _) = counts(device, device.read())
    assert abs(up - down) < SIGMAS * (up + down) ** 0.5


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"refresh_every_s": 4}, {"refresh_every_s": 8}),
        ({"temperature_c": 75}, {"temperature_c": 95}),
        ({"retention_log_mean": 6.0}, {"retention_log_mean": 5.753}),
        ({"retention_log_sigma": 1.1}, {"retention_log_sigma": 1.23}),
        ({"retention_slope": "0.040 1/degC"}, {"retention_slope": "0.054 1/degC"}),
    ],
)
def test_rarer_refreshes_heat_and_leakier_parts_fail_a_superset(
    mild: dict[str, object], harsh: dict[str, object]
) -> None:
    def cells(temperature_c: float = 95, refresh_every_s: float = 8, **changes: object) -> set[int]:
        device = made("dram", "retention", changes, words=200_000)
        device.advance(Phase(10, Condition(temperature_c, refresh_every_s=refresh_every_s)))
        return cells_of(device)

    few, many = cells(**mild), cells(**harsh)  # type: ignore[arg-type]
    assert few < many


def test_what_is_lost_stays_lost_until_a_rewrite_and_the_same_cells_leak_again() -> None:
    device = made("dram", "retention")
    device.advance(Phase(10, Condition(95, refresh_every_s=8)))
    lost = cells_of(device)
    assert lost
    device.advance(Phase(HOUR, Condition(25)))
    assert cells_of(device) == lost
    device.rewrite()
    assert not cells_of(device)
    device.advance(Phase(20, Condition(95, refresh_every_s=8)))
    assert cells_of(device) == lost


def test_a_scrub_without_a_code_locks_lost_bits_in() -> None:
    device = made("dram", "retention")
    device.advance(Phase(10, Condition(95, refresh_every_s=8)))
    lost = cells_of(device)
    device.advance(Mission.constant(Condition(25), 10 * HOUR, scrub_every_s=HOUR))
    assert cells_of(device) == lost


# Failures in the field


def failing(mode: str, kind: str = "permanent", *, words: int = 400_000, fit: float, **more: object) -> Device:
    """A device in which one mode of failures is so frequent that it strikes within a year."""
    changes = {**NO_FAILURES, f"{kind}_{mode}_fit": fit}
    return made("dram", "field_failures", changes, words=words, **{**SMALL, **more})


def test_the_table_name_stands_for_one_mechanism_a_mode_with_its_scope() -> None:
    named = {one.name: one for one in mechanisms_of(technology("dram"))}
    assert len(named) == 1 + 2 * len(dram.FIELD_SCOPES)
    scopes = {"bit": "cell", "n_bank": "bank", "n_rank": "bank"}
    for mode in dram.FIELD_SCOPES:
        scope = scopes.get(mode, mode)
        transient, permanent = named[f"transient_{mode}"], named[f"permanent_{mode}"]
        assert transient.traits == ("both", "until rewritten", scope, "since write", "write or scrub")
        assert permanent.traits == ("preferred value", "permanent", scope, "device life", "repair")
        assert (transient.stage, permanent.stage) == ("retain", "stuck")
        assert (transient.ages, permanent.ages) == (False, True)
    assert named["retention"].traits == Traits(
        "charged to discharged", "until rewritten", "cell", "since refresh", "write"
    )


@pytest.mark.parametrize("kind", ["transient", "permanent"])
@pytest.mark.parametrize("mode", dram.FIELD_SCOPES)
@pytest.mark.parametrize("chips", [1, 3])
def test_a_memory_of_whole_chips_meets_the_published_failures_of_its_chips(kind: str, mode: str, chips: int) -> None:
    part = {one.name: one for one in mechanisms_of(technology("dram"))}[f"{kind}_{mode}"]
    assert isinstance(part, TransientFailure | PermanentFailure)
    geometry = Geometry.for_words(chips * 2**27, word_bits=64, banks=16, block_columns=8192)
    units = part.mode.units(geometry, geometry.cells)
    expected = chips * float(rate_of_fit(technology("dram")[f"{kind}_{mode}_fit"].to("FIT"))) * YEAR
    assert units * part.mode.rate(geometry, YEAR) == pytest.approx(expected, rel=1e-4)  # of rare failures


@pytest.mark.parametrize(("mode", "scope"), [("word", "word"), ("column", "column"), ("row", "row"), ("bank", "bank")])
def test_a_permanent_failure_sticks_half_of_the_bits_of_one_unit_wrong(mode: str, scope: str) -> None:
    fit = {"word": 3e9, "column": 3e9, "row": 1e9, "bank": 5e4}[mode]
    device = failing(mode, fit=fit)
    device.advance(Phase(YEAR))
    geometry, readout = device.geometry, device.read()
    every = geometry.unit(scope, np.arange(geometry.cells))
    sizes = np.bincount(every)
    failed, wrong = np.unique(geometry.unit(scope, readout.cells), return_counts=True)
    assert len(failed) > 0
    one = next(one for one in device.mechanisms if one.name == f"permanent_{mode}")
    rate = one.mode.rate(geometry, YEAR)  # type: ignore[attr-defined]
    shown = 1 - 0.5 ** sizes[failed].mean()
    assert agrees(len(failed), len(sizes), rate * shown)
    assert agrees(int(wrong.sum()), int(sizes[failed].sum()), 0.5, 5)


def test_permanent_failures_grow_with_life_and_no_rewrite_repairs_them() -> None:
    device = failing("row", fit=1e9)
    found = [cells_of(device)]
    for _ in range(3):
        device.advance(Phase(YEAR))
        found.append(cells_of(device))
        device.rewrite()
        assert cells_of(device) == found[-1]
    assert all(few < many for few, many in pairwise(found))


def test_stuck_cells_stick_whatever_is_written() -> None:
    zeros, ones = (failing("row", fit=1e9, pattern=pattern) for pattern in (0, 255))
    for device in (zeros, ones):
        device.advance(Phase(YEAR))
    assert not cells_of(zeros) & cells_of(ones)
    row = zeros.geometry.unit("row", np.array(sorted(cells_of(zeros) | cells_of(ones))))
    assert set(np.bincount(row).tolist()) <= {0, zeros.geometry.columns}


def test_a_transient_bit_failure_flips_single_cells_of_both_values_until_a_rewrite() -> None:
    # 3.2 million cells at 2e-3: 6,400 flips, 6 %.
    device = failing("bit", "transient", fit=2e12)
    device.advance(Phase(YEAR))
    one = next(one for one in device.mechanisms if one.name == "transient_bit")
    rate = one.mode.rate(device.geometry, YEAR)  # type: ignore[attr-defined]
    for count, cells in counts(device, device.read()):
        assert count > 500
        assert agrees(count, cells, rate)
    struck = cells_of(device)
    device.advance(Phase(YEAR))
    assert struck < cells_of(device)
    device.rewrite()
    assert not cells_of(device)


@pytest.mark.parametrize(
    ("mode", "fit"), [("word", 3e9), ("column", 3e9), ("row", 1e9), ("bank", 3e4), ("n_bank", 4e5)]
)
def test_a_transient_failure_flips_half_of_a_unit_until_a_rewrite_and_others_after_it(mode: str, fit: float) -> None:
    scope = "bank" if mode == "n_bank" else mode
    device = failing(mode, "transient", fit=fit, seed=6)
    device.advance(Phase(YEAR))
    struck = device.read().cells
    geometry = device.geometry
    unit = np.unique(geometry.unit(scope, struck))
    size = int(np.isin(geometry.unit(scope, np.arange(geometry.cells)), unit).sum())
    assert len(struck) > 0
    assert agrees(len(struck), size, 0.5, 5)
    device.rewrite()
    assert not cells_of(device)
    device.advance(Phase(YEAR))
    assert cells_of(device) != set(struck.tolist())


def test_scrubbed_failures_are_those_of_interval_after_interval() -> None:
    # A scrub a week for a year at once, and one by one.
    at_once, by_hand = (failing("row", "transient", fit=2e10, words=50_000) for _ in range(2))
    at_once.advance(Mission.constant(Condition(), 364 * DAY, scrub_every_s=7 * DAY))
    for week in range(52):
        by_hand.advance(7 * DAY)
        if week < 51:
            by_hand.scrub()
    assert cells_of(at_once) == cells_of(by_hand) != set()


def test_a_larger_network_meets_the_failures_of_a_smaller_one() -> None:
    geometry = Geometry.for_words(2**20, word_bits=64, banks=4, block_rows=64)
    for kind in ("transient", "permanent"):
        for mode in ("bit", "word", "column", "row"):
            changes = {**NO_FAILURES, f"{kind}_{mode}_fit": {"bit": 1e12, "word": 1e11}.get(mode, 1e10)}
            part = {one.name: one for one in mechanisms_of(technology("dram").override(changes))}[f"{kind}_{mode}"]
            time = Exposure({Condition(): YEAR})
            small, large = (
                part.upsets(Situation(geometry, cells, Key(5), since_write=time, life=time))
                for cells in (geometry.columns * 64 * 4 * 8, geometry.cells)
            )
            assert len(small.cell) > 0
            edge = large.cell < geometry.columns * 64 * 4 * 8
            assert small.cell.tolist() == large.cell[edge].tolist()
            if kind == "permanent":
                assert set(small.becomes.tolist()) == {FORCE_0, FORCE_1}
