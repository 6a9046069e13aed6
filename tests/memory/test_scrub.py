"""Years of scrubbing at once give what scrubbing event by event gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hwsim.memory import Memory
from hwsim.memory.cells.weak_cells import Numbers
from hwsim.memory.device import device as device_module
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms.generic import Flips, Replay, StuckAt
from hwsim.memory.mechanisms.mechanism import (
    FORCE_0,
    FORCE_1,
    KEEP,
    OLD,
    TOGGLE,
    Mechanism,
    RandomEvents,
    Rates,
    Situation,
    Traits,
    Upsets,
)
from hwsim.memory.mechanisms.spread_events import SpreadEvents
from hwsim.words import get_format
from tests.memory.dense_device import DenseDevice

HOUR = 3600.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All intervals together, which short lives are not: a device begins with one, then goes through more at a time."""
    monkeypatch.setattr(device_module, "_FIRST", 1 << 40)


CODES = ["none", "parity_zero", "secded", "bch_dec", "bch_dec_ted", "tmr_exponent"]


class WriteErrors(RandomEvents):
    """A write fails more often when it is cold."""

    name = "write error"
    traits = Traits("keeps the old value", "until rewritten", "cell", "per write", "write or scrub")
    stage = "write"
    keeps_old = True

    def __init__(self, rare: bool = False) -> None:
        self.rare = rare

    def rates(self, situation: Situation) -> Rates:
        if self.rare:
            return Rates(0.0003, 0.0002)
        return Rates(0.2, 0.1) if situation.at_write.temperature_c < 50 else Rates(0.05, 0.02)


class Heat(RandomEvents):
    """Flips, many more of them when it is hot."""

    name = "heat"
    traits = Traits("both", "until rewritten", "cell", "since write", "write or scrub")

    def __init__(self, rate_s: float) -> None:
        self.rate_s = rate_s

    def rates(self, situation: Situation) -> Rates:
        flips = situation.since_write.integral(lambda one: self.rate_s * 2 ** ((one.temperature_c - 25) / 10))
        return Rates(-np.expm1(-flips), -np.expm1(-flips / 3))


class Leaky(Mechanism):
    """Cells that lose their charge while it is hot."""

    name = "leaky"
    traits = Traits("1 to 0", "until rewritten", "cell", "since write", "write")

    def upsets(self, situation: Situation) -> Upsets:
        return situation.weak(0.02 if situation.since_write.hottest_c > 50 else 0.001, becomes=FORCE_0)


class WearOut(Mechanism):
    """Cells that stick at 1, ever more of them."""

    name = "wear-out"
    traits = Traits("preferred value", "permanent", "cell", "device life", "nothing")
    stage = "stuck"

    def __init__(self, rate_s: float = 1e-8) -> None:
        self.rate_s = rate_s

    def upsets(self, situation: Situation) -> Upsets:
        return situation.weak(-np.expm1(-situation.life.duration_s * self.rate_s), becomes=FORCE_1)


class NeverWritten(Mechanism):
    """Cells that no write reaches."""

    name = "never written"
    traits = Traits("keeps the old value", "permanent", "cell", "none", "nothing")
    stage = "write"

    def upsets(self, situation: Situation) -> Upsets:
        return situation.weak(0.01, becomes=OLD)


def memory_of(words: int, seed: int = 0, name: str = "q2.5") -> Memory:
    fmt = get_format(name)
    return Memory({"w": np.random.default_rng(seed).integers(0, 1 << fmt.width, words, fmt.dtype)}, fmt)


def both(mechanisms: list[Mechanism], ecc: str, seed: int, words: int) -> tuple[Device, DenseDevice, Memory]:
    memory = memory_of(words, seed)
    device = Device(mechanisms=mechanisms, ecc=ecc, banks=2, interleave=2, block_columns=256, seed=seed)
    device.write(memory)
    dense = DenseDevice(mechanisms, device.geometry, device.code, seed)
    dense.write(memory)
    return device, dense, memory


def check_equal(device: Device, dense: DenseDevice) -> None:
    readout = device.read()
    cells = dense.read()
    wrong = np.sort(dense.cell[(cells != dense.image).reshape(-1)])
    assert readout.cells.tolist() == wrong.tolist()
    assert (dense.interval, dense.cycles) == (device.interval, device.cycles)
    assert dense.life == device.life


class Weak(SpreadEvents):
    """Cells of very different rates: the weakest are struck in every interval, most of them never."""

    name = "weak"
    traits = Traits("both", "until rewritten", "cell", "since write", "write or scrub")

    def hazards(self, condition: Condition, z: Numbers) -> tuple[Numbers, Numbers]:
        rate = 1e-8 * 2 ** ((condition.temperature_c - 25) / 10) * np.exp(-5 * z)
        return rate, rate / 3


MECHANISMS = {
    "weak cells": [Weak(), Heat(3e-8)],
    "events": [Heat(3e-7)],
    "events and stuck cells": [Heat(3e-7), StuckAt(0.01, 0.01)],
    "write errors": [WriteErrors(), Heat(1e-6)],
    "write errors and leaky cells": [WriteErrors(), Heat(3e-7), Leaky(), NeverWritten()],
    "wear-out": [Heat(3e-7), WearOut(), WriteErrors()],
    "noise": [Flips(0.002, per="read", name="noise"), Leaky(), Flips((1e-6, 0.0), per="second")],
}


@pytest.mark.parametrize("ecc", CODES)
@pytest.mark.parametrize("name", MECHANISMS)
def test_many_scrubs_at_once_equal_event_by_event(name: str, ecc: str) -> None:
    # 60 scrubs every 7 hours over a daily cycle, all cells and all intervals simulated one by one.
    device, dense, _ = both(MECHANISMS[name], ecc, seed=5, words=61)
    cold, hot = Condition(25), Condition(85)
    profile = Mission((Phase(12 * HOUR, cold), Phase(12 * HOUR, hot)), repeat_for_s=60.5 * 7 * HOUR)
    device.advance(Mission(profile.phases, profile.repeat_for_s, scrub_every_s=7 * HOUR))
    at = 0.0
    for step in range(1, 122):  # by half intervals, cut where the condition changes
        until = step * 3.5 * HOUR
        while at < until:
            stop = min(until, (at // (12 * HOUR) + 1) * 12 * HOUR)
            dense.advance(stop - at, hot if at // (12 * HOUR) % 2 else cold)
            at = stop
        if step % 2 == 0:
            dense.scrub()
    assert dense.interval == 60
    check_equal(device, dense)


@pytest.mark.parametrize("ecc", ["none", "secded", "parity_zero", "bch_dec"])
@pytest.mark.parametrize("seed", range(8))
def test_long_stretches_between_upsets_may_be_passed_over(seed: int, ecc: str) -> None:
    # 400 scrubs of 32 numbers, the last one in the cold; few events; conditions that repeat every second or fourth
    # scrub; cells that leak in the heat, that are never written, and that wear out one by one.
    mechanisms: list[Mechanism] = [WriteErrors(rare=True), Heat(1e-10), Leaky(), WearOut(2e-9), NeverWritten()]
    if seed >= 4:  # nothing but ageing: two cells of a word fail together from some day on, in the heat only
        mechanisms = [Leaky(), WearOut(1e-9)]
    device, dense, _ = both(mechanisms, ecc, seed, words=32)
    every, scrubs = (6 * HOUR, 402) if seed % 2 else (12 * HOUR, 401)
    day = (Phase(12 * HOUR, Condition(25)), Phase(12 * HOUR, Condition(85)))
    device.advance(Mission(day, scrubs * every + HOUR, scrub_every_s=every))
    for index in range(scrubs + 1):
        condition = day[int(index * every // (12 * HOUR)) % 2].condition
        dense.advance(every if index < scrubs else HOUR, condition)
        if index < scrubs:
            dense.scrub()
    check_equal(device, dense)
    for flips, cells in ((device.locked_in, dense.target), (device._old.flips, dense.old)):
        wrong = np.sort(dense.cell[(cells != dense.image).reshape(-1)])
        assert device._image.placement.set_cells(flips.codeword, flips.masks).tolist() == wrong.tolist()


class TurnedOver(Mechanism):
    """Some cells, all of which turn over; or only in the heat."""

    name = "turned over"
    traits = Traits("both", "while the condition lasts", "cell", "none", "write")

    def __init__(self, cells: list[int], in_heat_only: bool) -> None:
        self.cells, self.in_heat_only = cells, in_heat_only

    def upsets(self, situation: Situation) -> Upsets:
        if self.in_heat_only and situation.now.temperature_c < 50:
            return Upsets.none()
        return Upsets.of(self.cells, TOGGLE)


@pytest.mark.parametrize("days", [1, 2, 3])
@pytest.mark.parametrize("scrubs", range(5, 18))
def test_cells_that_alternate_while_what_they_are_meant_to_hold_is_quiet(scrubs: int, days: int) -> None:
    # Cells that no write reaches keep what they held, and then turn over: a cell that the code corrects at each scrub
    # holds a 0 and a 1 by turns. What is passed over must be an even number of turns of the conditions.
    cells = [3, 80, 200, 301]
    mechanisms = [Replay(np.array(cells), np.full(4, OLD, np.uint8), stage="write"), TurnedOver(cells, days > 1)]
    device, dense, _ = both(mechanisms, "secded", seed=2, words=32)
    profile = tuple(Phase(HOUR, Condition(85 if day == 0 else 25)) for day in range(days))
    device.advance(Mission(profile, (scrubs + 0.5) * HOUR, scrub_every_s=HOUR))
    for index in range(scrubs + 1):
        dense.advance(HOUR if index < scrubs else HOUR / 2, profile[index % days].condition)
        if index < scrubs:
            dense.scrub()
    check_equal(device, dense)


class KeptInHeat(Mechanism):
    """Some cells that a write reaches in the cold only."""

    name = "kept in heat"
    traits = Traits("keeps the old value", "while the condition lasts", "cell", "none", "write")
    stage = "write"

    def __init__(self, cells: list[int]) -> None:
        self.cells = cells

    def upsets(self, situation: Situation) -> Upsets:
        return Upsets.of(self.cells, OLD) if situation.now.temperature_c > 50 else Upsets.none()


class Once(Mechanism):
    """Some cells turn over in one interval."""

    name = "once"
    traits = Traits("both", "until rewritten", "cell", "since write", "write or scrub")
    afresh = True

    def __init__(self, cells: list[int], interval: int) -> None:
        self.cells, self.interval = cells, interval

    def upsets(self, situation: Situation) -> Upsets:
        return Upsets.of(self.cells, TOGGLE) if situation.interval == self.interval else Upsets.none()


@pytest.mark.parametrize("struck", range(5, 10))
@pytest.mark.parametrize("scrubs", range(11, 16))
def test_what_strikes_once_in_a_quiet_time_is_gone_when_the_conditions_come_again(scrubs: int, struck: int) -> None:
    # Cold and hot by turns, quiet for long, then cells turn over. A hot interval right behind keeps them so; one that
    # comes later, after others that wrote them afresh, does not.
    cells = [3, 80, 200, 301]
    device, dense, _ = both([KeptInHeat(cells), Once(cells, struck)], "secded", seed=2, words=32)
    day = (Phase(HOUR, Condition(25)), Phase(HOUR, Condition(85)))
    device.advance(Mission(day, (scrubs + 0.5) * HOUR, scrub_every_s=HOUR))
    for index in range(scrubs + 1):
        dense.advance(HOUR if index < scrubs else HOUR / 2, day[index % 2].condition)
        if index < scrubs:
            dense.scrub()
    check_equal(device, dense)


class LostAt(Mechanism):
    """Some cells read 0 at one temperature."""

    traits = Traits("1 to 0", "while the condition lasts", "cell", "none", "write")

    def __init__(self, cells: list[int], temperature_c: float) -> None:
        self.cells, self.temperature_c = cells, temperature_c
        self.name = f"lost at {temperature_c}"

    def upsets(self, situation: Situation) -> Upsets:
        return Upsets.of(self.cells, FORCE_0) if situation.now.temperature_c == self.temperature_c else Upsets.none()


@pytest.mark.parametrize("rate", [(3e-6, 0.0), (0.0, 3e-6), (1e-7, 3e-6)])
def test_events_that_strike_zeros_and_ones_unequally_are_drawn_at_the_higher_rate(rate: tuple[float, float]) -> None:
    device, dense, _ = both([Flips(rate, per="second")], "none", seed=4, words=64)
    device.advance(Mission((Phase(HOUR),), 20.5 * HOUR, scrub_every_s=HOUR))
    for index in range(21):
        dense.advance(HOUR if index < 20 else HOUR / 2, Condition())
        if index < 20:
            dense.scrub()
    check_equal(device, dense)
    assert device.read().wrong_bits > 10


class FailsInHeat(WriteErrors):
    """A write in the heat fails one time in twenty."""

    def rates(self, situation: Situation) -> Rates:
        return Rates.both(0.05 if situation.at_write.temperature_c > 50 else 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_write_that_may_fail_is_not_passed_over_because_the_intervals_around_it_are_quiet(seed: int) -> None:
    # Three conditions by turns: nothing, one cell of a word wrong, another one wrong. The code corrects each, unless
    # the scrub in between fails to write the first one: then it finds two, and writes both back as they are, for good.
    one, other = np.random.default_rng(seed).permutation(1400)[:40].reshape(2, 20).tolist()
    mechanisms = [LostAt(one, 60), LostAt(other, 90), FailsInHeat()]
    device, dense, _ = both(mechanisms, "secded", seed, words=128)
    hours = tuple(Phase(HOUR, Condition(temperature_c)) for temperature_c in (25, 60, 90))
    scrubs = 120
    device.advance(Mission(hours, (scrubs + 0.5) * HOUR, scrub_every_s=HOUR))
    for index in range(scrubs + 1):
        dense.advance(HOUR if index < scrubs else HOUR / 2, hours[index % 3].condition)
        if index < scrubs:
            dense.scrub()
    check_equal(device, dense)
    assert device.read().wrong_bits


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    ecc=st.sampled_from(CODES),
    name=st.sampled_from(sorted(MECHANISMS)),
    every=st.sampled_from([1, 2, 3, 5, 24, 25]),
    rewrite=st.sampled_from([None, 4, 12, 50]),
    cut=st.integers(0, 80),
)
def test_any_cut_of_a_mission_gives_the_same_as_event_by_event(
    seed: int, ecc: str, name: str, every: int, rewrite: int | None, cut: int
) -> None:
    device, dense, memory = both(MECHANISMS[name], ecc, seed, words=20)
    phases = (Phase(5 * HOUR, Condition(20)), Phase(2 * HOUR, Condition(90)), Phase(3 * HOUR, Condition(20)))
    mission = Mission(
        phases,
        80 * HOUR,
        read_at_s=(cut * HOUR, 80 * HOUR),
        scrub_every_s=every * HOUR,
        rewrite_every_s=rewrite and rewrite * HOUR,
    )
    device = Device(mechanisms=MECHANISMS[name], ecc=ecc, banks=2, interleave=2, block_columns=256, seed=seed)
    dense.now = Condition(20)
    dense.at_write = Condition(20)
    readouts = device.follow(mission, memory)
    for hour in range(81):
        if hour:
            dense.advance(HOUR, Condition(90) if (hour - 1) % 10 in (5, 6) else Condition(20))
        for _ in range((hour == cut) + (hour == 80)):
            wrong = dense.cell[(dense.read() != dense.image).reshape(-1)]
            assert next(readouts).cells.tolist() == np.sort(wrong).tolist()
        if hour and rewrite and hour % rewrite == 0:
            dense.rewrite()
        elif hour and hour % every == 0:
            dense.scrub()


@pytest.mark.parametrize("ecc", ["none", "secded"])
def test_uncorrectable_words_are_as_frequent_as_with_independent_draws(ecc: str) -> None:
    # 40 lives of 200 scrubs each against 40 lives with numpy's own draws, all cells at every interval: wrong cells
    # per life within 4.5 standard errors of the difference; shows a rate that is off by about 15 %.
    lives, words, scrubs, rate = 40, 8 * 64, 200, 1e-4 if ecc == "none" else 8e-4
    memory = memory_of(words)
    counts = []
    for seed in range(lives):
        device = Device(mechanisms=[Flips(rate)], ecc=ecc, seed=("mine", seed))
        device.write(memory)
        device.advance(Mission((Phase(HOUR),), (scrubs + 0.5) * HOUR, scrub_every_s=HOUR))
        counts.append(device.read().wrong_bits)
    dense = DenseDevice([], device.geometry, device.code, 0)
    dense.write(memory)
    independent = []
    for seed in range(lives):
        generator, target = np.random.default_rng(seed), dense.image.copy()
        for index in range(scrubs + 1):
            cells = target ^ (generator.random(target.shape) < rate)
            if index < scrubs:
                data, _, detected = dense.decode(cells)
                stored = device.code.encode(data)
                fresh = np.column_stack(
                    [
                        numbers[:, None] >> np.arange(width, dtype=np.uint64) & np.uint64(1)
                        for numbers, width in zip(stored, (device.code.data_bits, device.code.check_bits), strict=True)
                    ]
                ).astype(np.uint8)
                target = np.where(detected[:, None], cells, fresh)
        independent.append(int((cells != dense.image).sum()))
    mine, other = np.array(counts), np.array(independent)
    assert other.mean() > 5
    error = np.sqrt((mine.var(ddof=1) + other.var(ddof=1)) / lives)
    assert abs(mine.mean() - other.mean()) < 4.5 * error


def test_double_errors_are_as_frequent_as_the_closed_form_says() -> None:
    # P(at least 2 of 72 bits within one of 1,000 intervals), 60 devices of 512 words: 4.5 standard errors of about
    # 2,100 expected words; shows 10 %.
    rate_s = 5e-8
    words, lives, scrubs = 512, 60, 1000
    memory = memory_of(8 * words)
    found = 0
    for seed in range(lives):
        device = Device(mechanisms=[Flips(rate_s, per="second")], ecc="secded", seed=seed)
        device.write(memory)
        device.advance(Mission((Phase(HOUR),), scrubs * HOUR, scrub_every_s=HOUR))
        device.scrub()
        device.count_reads(0)
        found += len(device.locked_in.codeword)
    lost = stats.binom.sf(1, 72, -np.expm1(-rate_s * HOUR))  # in one interval
    expected = float(-np.expm1(scrubs * np.log1p(-lost))) * words * lives
    assert abs(found - expected) < 4.5 * np.sqrt(expected)


def test_scrubbing_without_a_code_locks_errors_in_and_with_one_repairs_single_errors() -> None:
    memory = memory_of(8000)
    for ecc, kept in (("none", True), ("secded", False)):
        device = Device(mechanisms=[Heat(1e-9)], ecc=ecc, seed=1)
        device.write(memory)
        device.advance(Phase(10 * HOUR, Condition(60)))
        before = device.read()
        assert before.wrong_bits > 5
        assert before.outcome.detected == 0
        device.scrub()
        assert device.read().cells.tolist() == (before.cells.tolist() if kept else [])


def test_a_rewrite_repairs_what_a_scrub_does_not() -> None:
    device = Device(mechanisms=[Heat(1e-8)], seed=1)
    device.write(memory_of(8000))
    device.advance(Phase(10 * HOUR, Condition(60)))
    device.scrub()
    assert device.read().wrong_bits
    device.rewrite()
    assert device.read().wrong_bits == 0


@pytest.mark.parametrize("ecc", ["none", "secded"])
@pytest.mark.parametrize("name", MECHANISMS)
def test_intervals_together_and_piece_by_piece_give_the_same(
    name: str, ecc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = (Phase(3 * HOUR, Condition(25)), Phase(4 * HOUR, Condition(85)))
    mission = Mission(phases, 200 * HOUR, scrub_every_s=HOUR, rewrite_every_s=90 * HOUR)

    def lived() -> Device:
        device = Device(mechanisms=MECHANISMS[name], ecc=ecc, seed=5)
        device.write(memory_of(300, 1))
        device.write(memory_of(200, 2))
        device.advance(mission)
        return device

    together = lived()
    cells = together.read().cells.tolist()
    assert cells
    for first, growth, most in ((1, 16, 1 << 21), (1, 2, 1 << 21), (7, 16, 300), (1, 16, 1)):
        for constant, value in (("_FIRST", first), ("_GROWTH", growth), ("_AT_ONCE", most)):
            monkeypatch.setattr(device_module, constant, value)
        pieces = lived()
        assert pieces.read().cells.tolist() == cells
        assert (pieces.interval, pieces.cycles, pieces.life) == (together.interval, together.cycles, together.life)
        assert pieces.locked_in.codeword.tolist() == together.locked_in.codeword.tolist()


def test_ten_years_of_hourly_scrubs_go_through_the_intervals_with_upsets_only() -> None:
    # 87,660 scrubs; asks the mechanism once for each kind of interval, not for each interval.
    asked = []

    class Counted(Heat):
        def rates(self, situation: Situation) -> Rates:
            asked.append(situation)
            return super().rates(situation)

    device = Device(mechanisms=[Counted(1e-14), StuckAt(1e-4)], ecc="secded", seed=1)
    device.write(memory_of(80_000))
    phases = (Phase(12 * HOUR, Condition(25)), Phase(12 * HOUR, Condition(85)))
    device.advance(Mission(phases, 10 * 365.25 * 86400, scrub_every_s=HOUR))
    assert device.interval == 87_659
    assert len(asked) < 10
    assert device.read().outcome.corrected > 0


def test_without_power_there_is_no_scrub() -> None:
    device = Device(mechanisms=[Heat(0)], seed=1)
    device.write(memory_of(10))
    device.advance(Mission((Phase(10 * HOUR), Phase(10 * HOUR, Condition(powered=False))), scrub_every_s=HOUR))
    assert device.interval == 10  # at 1 h to 10 h


def test_a_mechanism_must_say_that_it_ages() -> None:
    class Secret(WearOut):
        ages = False

    device = Device(mechanisms=[Secret()], seed=1)
    device.write(memory_of(10))
    with pytest.raises(ValueError, match=r"looks at Situation\.life, but does not say so: set ages = True"):
        device.read()


def test_a_toggle_of_nothing_changes_nothing() -> None:
    class Idle(Mechanism):
        name = "idle"
        traits = Traits("both", "permanent", "cell", "none", "nothing")

        def upsets(self, situation: Situation) -> Upsets:
            return situation.weak(0.5, becomes=KEEP)

    device = Device(mechanisms=[Idle()], ecc="secded", seed=1)
    device.write(memory_of(1000))
    assert device.read().wrong_bits == 0
