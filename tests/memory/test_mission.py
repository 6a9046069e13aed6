"""Missions: closed forms against stepping, and what is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory.life.mission import Condition, Exposure, Mission, Phase, to_ticks
from hwsim.memory.physics.common import mean_kinetic_temperature

HOUR, DAY, YEAR = 3600.0, 86400.0, 365.25 * 86400.0
DAILY = Mission((Phase(12 * HOUR, Condition(25)), Phase(12 * HOUR, Condition(55))), repeat_for_s=10 * YEAR)

CONDITIONS = st.builds(
    Condition,
    temperature_c=st.sampled_from([-40.0, 25.0, 85.0]),
    voltage_v=st.sampled_from([None, 0.6]),
    powered=st.booleans(),
)
PHASES = st.lists(st.builds(Phase, st.integers(1, 50).map(float), CONDITIONS), min_size=1, max_size=6)


def stepped(phases: list[Phase], start: int, stop: int) -> Exposure:
    """Second by second."""
    seconds: dict[Condition, float] = {}
    each = [phase.condition for phase in phases for _ in range(int(phase.duration_s))]
    for second in range(start, stop):
        condition = each[second % len(each)]
        seconds[condition] = seconds.get(condition, 0) + 1
    return Exposure(seconds)


@given(phases=PHASES, times=st.tuples(st.integers(0, 400), st.integers(0, 400)))
def test_exposure_in_closed_form_equals_stepping_exactly(phases: list[Phase], times: tuple[int, int]) -> None:
    start, stop = sorted(times)
    assert Mission(tuple(phases), 400).exposure(start, stop) == stepped(phases, start, stop)


@given(phases=PHASES, cuts=st.lists(st.integers(0, 4000).map(lambda n: n / 10), max_size=5))
def test_exposures_of_parts_add_up_to_that_of_the_whole(phases: list[Phase], cuts: list[float]) -> None:
    mission = Mission(tuple(phases), 400)
    edges = [0.0, *sorted(cuts), 400.0]
    total = Exposure()
    for start, stop in itertools.pairwise(edges):
        total += mission.exposure(start, stop)
    assert total == mission.exposure(0, 400)
    assert total.duration_s == 400


@given(phases=PHASES, energy=st.sampled_from([0.0, 0.6, 1.1]))
def test_the_order_of_phases_does_not_matter_to_any_integral(phases: list[Phase], energy: float) -> None:
    turned = Mission(tuple(reversed(phases)))
    one, other = Mission(tuple(phases)).exposure(0, turned.period_s), turned.exposure(0, turned.period_s)
    assert one == other
    assert hash(one) == hash(other)
    assert one.equivalent_time_s(energy, 25) == other.equivalent_time_s(energy, 25)


@pytest.mark.parametrize(("energy", "acceleration"), [(0.6, 4.728), (1.1, 25.552)])
def test_equivalent_time_has_the_golden_values(energy: float, acceleration: float) -> None:
    exposure = DAILY.exposure(0, 10 * YEAR)
    assert exposure.equivalent_time_s(energy, 25) / (10 * YEAR) == pytest.approx(acceleration, rel=2e-4)
    durations, temperatures = list(exposure.values()), [condition.temperature_c for condition in exposure]
    assert mean_kinetic_temperature(durations, temperatures, energy) == pytest.approx(
        {0.6: 46.25, 1.1: 49.42}[energy], abs=0.005
    )


def test_ten_years_hold_a_nanosecond() -> None:
    mission = Mission.constant(Condition(25), 10 * YEAR)
    assert mission.exposure_ticks(0, int(10 * YEAR) * 10**9 - 1).ticks == int(10 * YEAR) * 10**9 - 1


@given(phases=PHASES, moments=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_the_condition_at_a_moment_is_the_one_that_ends_there(phases: list[Phase], moments: list[int]) -> None:
    mission = Mission(tuple(phases), 400)
    each = [phase.condition for phase in phases for _ in range(int(phase.duration_s))]
    for moment in moments:
        assert mission.condition_at(moment) == each[(moment - 1) % len(each)]
    assert mission.condition_at(0) == each[0]


@given(phases=PHASES, every=st.integers(1, 60), write=st.integers(0, 100), cuts=st.tuples(*[st.integers(0, 400)] * 2))
def test_events_are_those_on_the_grid_with_power(
    phases: list[Phase], every: int, write: int, cuts: tuple[int, int]
) -> None:
    mission = Mission(tuple(phases), 400, write_at_s=write, scrub_every_s=every)
    start, stop = max(min(cuts), write), max(*cuts, write)
    found = mission.events(every, start * 10**9, stop * 10**9) // 10**9
    grid = [t for t in range(write + every, 401, every) if start <= t < stop and mission.condition_at(t).powered]
    assert found.tolist() == grid


def test_times_are_counted_to_the_nearest_nanosecond() -> None:
    # As doubles, 8.2 s and 1.001 s times 1e9 are a little less than whole numbers.
    assert [to_ticks("time", seconds) for seconds in (8.2, 1.001, 1e-9, 0.4e-9)] == [8_200_000_000, 1_001_000_000, 1, 0]


def test_scrubs_are_counted_from_the_first_write() -> None:
    # Ten million in the second half of 4,000 s, as many as may be; one more is refused.
    mission = Mission.constant(Condition(), 4000.0, write_at_s=2000.0, scrub_every_s=2e-4)
    assert len(mission.events(2e-4, 2000 * 10**9, 4000 * 10**9)) == 10**7 - 1  # that at the end comes after it
    with pytest.raises(HwsimError, match="more than the 10,000,000"):
        Mission.constant(Condition(), 4000.0, write_at_s=1999.9, scrub_every_s=2e-4)


def test_reads_follow_from_the_rate_of_reads() -> None:
    exposure = Exposure({Condition(25, reads_per_s=100): 10, Condition(85, reads_per_s=5): 2})
    assert exposure.reads == 1010
    assert exposure.hottest_c == 85
    assert Exposure().hottest_c == -math.inf


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Condition(-273.15), "absolute zero is -273.15 degC"),
        (lambda: Condition(float("nan")), "is not a temperature"),
        (lambda: Condition(voltage_v=-1), "is not a supply voltage"),
        (lambda: Condition(duty=2), "is not a share of time"),
        (lambda: Condition(refresh_every_s=0), "is no interval"),
        (lambda: Condition(reads_per_s=-1), "is no rate of reads"),
        (lambda: Phase(-1), "goes back in time"),
        (lambda: Phase(0), "takes no time"),
        (lambda: Mission(()), "has no phases"),
        (lambda: Mission((Phase(1),), -1), "goes back in time"),
        (lambda: Mission((Phase(1),), 400 * YEAR), "290 years"),
        (lambda: Mission((Phase(9),), write_at_s=2, read_at_s=(1,)), "read_at_s = 1 s comes before the write at 2 s"),
        (lambda: Mission((Phase(9),), read_at_s=(3, 2)), "read_at_s = 2 s comes before the read at 3 s"),
        (lambda: Mission((Phase(9),), read_at_s=(10,)), "Read at 10 s comes after the end of the mission at 9 s"),
        (lambda: Mission((Phase(9),), scrub_every_s=0), "scrub_every_s = 0 is no interval"),
        (lambda: Mission((Phase(9),)).exposure(2, 1), "time does not go back"),
        (lambda: Mission((Phase(9),)).exposure(0, 10), "after the end of the mission"),
    ],
)
def test_what_makes_no_mission_is_refused_in_one_sentence(make: object, message: str) -> None:
    with pytest.raises(HwsimError, match=message.replace("(", r"\(")) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_exposures_and_conditions_speak() -> None:
    shown = repr(Exposure({Condition(85, 0.6, 0.5, refresh_every_s=0.064, reads_per_s=3): 2}))
    assert shown == "<Exposure: 2 s at 85 degC, 0.6 V, duty 0.5, refresh every 0.064 s, 3 reads/s>"
    assert str(Condition(powered=False)) == "25 degC, without power"
    assert np.isclose(DAILY.duration_s, 10 * YEAR)
