"""The points that a resolved scenario runs, in the order in which they are run.

An accuracy study: formats x variants x immune bits x bit error rates. A lifetime study: formats x variants x what is
swept x times to read at. Each point has `fault_maps` trials, a fault-free point has one. Everything that does not
change the stored words changes fastest, so that each format and variant is prepared once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from hwsim.experiment.scenario.mission_settings import Sweep
from hwsim.experiment.scenario.scenario import Scenario, Variant


class Point(NamedTuple):
    """One line of the results of an accuracy study: `immune` names the bits that never flip, joined by "+"."""

    format: str
    variant: str
    immune: str
    ber: float

    @property
    def fault_free(self) -> bool:
        return self.ber == 0

    def without_faults(self) -> Point:
        """The fault-free point that this one is compared with."""
        return self._replace(ber=0.0)


class LifePoint(NamedTuple):
    """One line of the results of a lifetime study; without a time to read at, that of a memory without faults.

    The temperature, voltage and time between refreshes are those of `Sweep`.
    """

    format: str
    variant: str
    temperature_c: float | None = None
    voltage_v: float | None = None
    refresh_every_s: float | None = None
    read_at_s: float | None = None

    @property
    def fault_free(self) -> bool:
        return self.read_at_s is None

    @property
    def sweep(self) -> Sweep:
        """What the device lives under."""
        return Sweep(self.temperature_c, self.voltage_v, self.refresh_every_s)

    def without_faults(self) -> LifePoint:
        """The fault-free point that this one is compared with."""
        return LifePoint(self.format, self.variant)


AnyPoint: TypeAlias = Point | LifePoint


class Trial(NamedTuple):
    """One fault map, or device, at one point; `map` is its number, 0 first."""

    point: AnyPoint
    map: int

    def to_json(self) -> dict[str, Any]:
        """What a line of the trial log says it is of: see `trial_of`."""
        return {**self.point._asdict(), "map": self.map}


def immune_label(bits: tuple[str, ...]) -> str:
    return "+".join(bits)


def prepared(scenario: Scenario) -> Iterator[tuple[str, Variant]]:
    """Each format and variant that has its own stored words and accelerator."""
    for fmt in scenario.memory.formats:
        for variant in scenario.variants:
            if variant.runs_in(fmt):
                yield fmt, variant


def points_of(scenario: Scenario, fmt: str, variant: Variant) -> Iterator[AnyPoint]:
    """The points of one format and variant, the fault-free one of a lifetime study first."""
    if scenario.mission is None:
        for bits in scenario.memory.immune:
            for ber in scenario.memory.ber:
                yield Point(fmt, variant.name, immune_label(bits), ber)
        return
    yield LifePoint(fmt, variant.name)
    for sweep in scenario.mission.sweeps:
        for read_at_s in scenario.mission.read_at_s:
            yield LifePoint(fmt, variant.name, *sweep, read_at_s)


def trials_of(scenario: Scenario, fmt: str, variant: Variant) -> Iterator[Trial]:
    """The trials of one format and variant."""
    for point in points_of(scenario, fmt, variant):
        for number in range(1 if point.fault_free else scenario.trials.fault_maps):
            yield Trial(point, number)


def all_trials(scenario: Scenario) -> list[Trial]:
    return [trial for fmt, variant in prepared(scenario) for trial in trials_of(scenario, fmt, variant)]


def lives_of(scenario: Scenario, fmt: str, variant: Variant) -> Iterator[tuple[Trial, ...]]:
    """The devices of one format and variant: a trial for each read of one."""
    assert scenario.mission is not None
    for sweep in scenario.mission.sweeps:
        points = [LifePoint(fmt, variant.name, *sweep, read_at_s) for read_at_s in scenario.mission.read_at_s]
        for number in range(scenario.trials.fault_maps):
            yield tuple(Trial(point, number) for point in points)


def trial_of(scenario: Scenario, record: Mapping[str, Any]) -> Trial:
    """The trial that a line of the trial log is of."""
    kind: type[Point] | type[LifePoint] = Point if scenario.mission is None else LifePoint
    return Trial(kind(**{name: record[name] for name in kind._fields}), record["map"])
