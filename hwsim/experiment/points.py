"""The points that a resolved scenario runs, in the order in which they are run.

formats x variants x immune bits x bit error rates; each point has `fault_maps` trials, the fault-free
point has one. Everything that does not change the stored words changes fastest, so that each format and
variant is prepared once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hwsim.experiment.scenario import Scenario, Variant


class Point(NamedTuple):
    """One line of the results: `immune` names the bits that never flip, joined by "+"."""

    format: str
    variant: str
    immune: str
    ber: float


class Trial(NamedTuple):
    """One fault map at one point; `map` is its number, 0 first."""

    point: Point
    map: int


def immune_label(bits: tuple[str, ...]) -> str:
    return "+".join(bits)


def prepared(scenario: Scenario) -> Iterator[tuple[str, Variant]]:
    """Each format and variant that has its own stored words and accelerator."""
    for fmt in scenario.memory.formats:
        for variant in scenario.variants:
            if variant.runs_in(fmt):
                yield fmt, variant


def trials_of(scenario: Scenario, fmt: str, variant: Variant) -> Iterator[Trial]:
    """The trials of one format and variant."""
    for bits in scenario.memory.immune:
        for ber in scenario.memory.ber:
            point = Point(fmt, variant.name, immune_label(bits), ber)
            for number in range(maps_at(scenario, ber)):
                yield Trial(point, number)


def all_trials(scenario: Scenario) -> list[Trial]:
    return [trial for fmt, variant in prepared(scenario) for trial in trials_of(scenario, fmt, variant)]


def maps_at(scenario: Scenario, ber: float) -> int:
    return scenario.trials.fault_maps if ber > 0 else 1
