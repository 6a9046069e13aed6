"""Weak cells that fail again and again: against closed forms for one, two and many intervals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from hwsim.memory import Memory
from hwsim.memory.cells.weak_cells import Numbers
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms.mechanism import Traits
from hwsim.memory.mechanisms.spread_events import SpreadEvents, next_event
from hwsim.memory.physics.common import normal_average, two_state
from hwsim.memory.random import Key
from hwsim.words import get_format

HOUR = 3600.0
COLD, HOT = Condition(25), Condition(85)


class Spread(SpreadEvents):
    """Rates that are lognormal over the cells, ten times as high in the heat, and twice as high out of 0."""

    name = "spread"
    traits = Traits("both", "until rewritten", "cell", "since write", "write or scrub")
    width = 0.5

    def __init__(self, per_hour: float, sigma: float) -> None:
        self.per_hour, self.sigma = per_hour, sigma

    def hazards(self, condition: Condition, z: Numbers) -> tuple[Numbers, Numbers]:
        rate = self.per_hour / HOUR * (10 if condition.temperature_c > 50 else 1) * np.exp(-self.sigma * z)
        return rate, rate / 2


def chance(mechanism: Spread, intervals: list[tuple[float, Condition]], value: int) -> float:
    """The probability that one cell that holds `value` fails in each of some intervals of so many hours."""

    def wrong(z: Numbers) -> Numbers:
        together = np.ones_like(z)
        for hours, condition in intervals:
            up, down = (hours * HOUR * rate for rate in mechanism.hazards(condition, z))
            together = together * (two_state(1.0, down, up) if value else two_state(1.0, up, down))
        return together

    return float(normal_average(wrong, width=0.2))


def device_of(mechanism: Spread, pattern: int, words: int, seed: int = 1) -> Device:
    device = Device(mechanisms=[mechanism], seed=seed)
    device.write(Memory({"w": np.full(words, pattern, np.uint8)}, get_format("q2.5")))
    return device


def wrong_cells(device: Device) -> set[int]:
    return set(device.read().cells.tolist())


def agrees(count: int, cells: int, chance: float) -> bool:
    return abs(count - cells * chance) < 4.5 * np.sqrt(cells * chance)


# The process


def test_events_come_as_a_poisson_process_of_rate_one() -> None:
    # 20,000 cells, three events in a row from 2.5 on: gaps are exponential (0.015 of the distribution shows).
    cell = np.arange(20_000)
    at, forever = np.full(len(cell), 2.5), np.full(len(cell), 1e9)
    gaps = []
    for _ in range(3):
        event = next_event(Key(3), cell, at, forever)
        assert (event > at).all()
        gaps.append(event - at)
        at = event
    for gap in gaps:
        assert stats.kstest(gap, "expon").pvalue > 1e-5
    assert abs(np.corrcoef(gaps[0], gaps[1])[0, 1]) < 4.5 / np.sqrt(len(cell))


def test_the_next_event_does_not_depend_on_where_one_asks_from() -> None:
    cell = np.arange(500)
    until = np.full(len(cell), 30.0)
    events = [np.zeros(len(cell))]
    while np.isfinite(events[-1]).any():
        events.append(next_event(Key(4), cell, events[-1], until))
    every = np.array(events[1:])
    for after in (0.0, 0.3, 5.0, 11.7, 29.99):
        first = np.where(every > after, every, np.inf).min(axis=0)
        found = next_event(Key(4), cell, np.full(len(cell), after), until)
        assert found[first <= 30].tolist() == first[first <= 30].tolist()
        assert (found[first > 30] > 30).all()


# Against closed forms: about 5,000 or more failures each, so that 6 % shows


@pytest.mark.parametrize("sigma", [0.0, 1.5, 3.0])
@pytest.mark.parametrize("value", [0, 1])
def test_failures_of_one_interval_are_as_frequent_as_the_spread_says(sigma: float, value: int) -> None:
    mechanism = Spread(2e-4, sigma)
    device = device_of(mechanism, 255 * value, words=1_000_000)
    device.advance(Mission((Phase(10 * HOUR, COLD), Phase(2 * HOUR, HOT))))
    up, down = mechanism.rates(device._situation(mechanism, device._moment(), 1))
    rate = down if value else up
    assert agrees(device.read().wrong_bits, 8_000_000, rate)
    if sigma == 0:
        expected = [30 * 2e-4, 15 * 2e-4][value] * (1 - np.exp(-45 * 2e-4)) / (45 * 2e-4)
        assert rate == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("second", [(10.0, COLD), (3.0, HOT)])
@pytest.mark.parametrize(("per_hour", "sigma"), [(1e-4, 2.0), (1e-5, 3.0), (3e-2, 1.0)])
def test_cells_that_failed_fail_again_as_often_as_their_weakness_says(
    per_hour: float, sigma: float, second: tuple[float, Condition]
) -> None:
    mechanism = Spread(per_hour, sigma)
    device = device_of(mechanism, 0, words=250_000)
    device.advance(Phase(10 * HOUR, COLD))
    first_cells = wrong_cells(device)
    device.rewrite()
    assert not wrong_cells(device)
    device.advance(Phase(second[0] * HOUR, second[1]))
    second_cells = wrong_cells(device)
    first, both = (10.0, COLD), chance(mechanism, [(10.0, COLD), second], 0)
    assert agrees(len(first_cells), 2_000_000, chance(mechanism, [first], 0))
    assert agrees(len(second_cells), 2_000_000, chance(mechanism, [second], 0))
    assert agrees(len(first_cells & second_cells), 2_000_000, both)
    independent = chance(mechanism, [first], 0) * chance(mechanism, [second], 0)
    assert (both - independent) * 2_000_000 > 20 * np.sqrt(2_000_000 * both)  # what is drawn anew would show


def test_cells_that_always_fail_are_found_in_every_interval() -> None:
    # Rates of up to thousands of events an interval, 40 of them: half of the cells are wrong at each, anew.
    mechanism = Spread(1.0, 4.0)
    device = device_of(mechanism, 0, words=250)
    counts = []
    for _ in range(40):
        device.advance(Phase(HOUR, HOT))
        counts.append(device.read().wrong_bits)
        device.rewrite()
    mean = chance(mechanism, [(1.0, HOT)], 0)
    # The cells' weakness is the same in all of them: the error of the mean is that of 2,000 cells, at most.
    assert abs(np.mean(counts) / 2000 - mean) < 4.5 * np.sqrt(mean * (1 - mean) / 2000)


def test_scrubs_without_a_code_lose_the_weak_cells_and_few_others() -> None:
    # A cell that was lost flips back and forth: in the end it holds either value, as a free cell would.
    mechanism, hours = Spread(1e-5, 3.0), 2000
    device = device_of(mechanism, 255, words=50_000)
    device.advance(Mission((Phase(HOUR, COLD),), (hours + 0.001) * HOUR, scrub_every_s=HOUR))
    free = device_of(mechanism, 255, words=50_000, seed=2)
    free.advance(Phase(hours * HOUR, COLD))
    _up, down = mechanism.rates(free._situation(mechanism, free._moment(), 1))
    assert agrees(free.read().wrong_bits, 400_000, down)
    assert agrees(device.read().wrong_bits, 400_000, down)


def test_a_life_before_the_first_write_changes_no_rate() -> None:
    mechanism = Spread(2e-4, 2.0)
    device = Device(mechanisms=[mechanism], seed=1)
    device.advance(Phase(1000 * HOUR, HOT))
    device.write(Memory({"w": np.zeros(250_000, np.uint8)}, get_format("q2.5")))
    assert not wrong_cells(device)
    device.advance(Phase(10 * HOUR, COLD))
    assert agrees(len(wrong_cells(device)), 2_000_000, chance(mechanism, [(10.0, COLD)], 0))


# What does not depend on what


def test_failed_cells_stay_failed_and_a_smaller_memory_has_the_same_ones() -> None:
    mechanism = Spread(1e-3, 2.0)
    device, small = device_of(mechanism, 0, words=20_000), device_of(mechanism, 0, words=5_000)
    found = [wrong_cells(device)]
    for phase in (Phase(HOUR, COLD), Phase(10 * HOUR, COLD), Phase(5 * HOUR, HOT)):
        device.advance(phase)
        small.advance(phase)
        found.append(wrong_cells(device))
        assert wrong_cells(small) == {cell for cell in found[-1] if cell < 40_000}
    assert all(few < many for few, many in pairwise(found))
