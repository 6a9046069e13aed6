"""A job: trials that are run together, anywhere.

It is small, it pickles, and the bench is all that it needs besides: the process that runs it may be another one, on
another machine, if that has one thread for PyTorch as here (`hwsim.experiment.studies.trials.one_thread`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from hwsim.experiment.scenario.points import AnyPoint, Trial


@dataclass(frozen=True)
class Job:
    """Trials of one memory: one fault map, or some reads of one device in the order of its life.

    Attributes:
        trials: at least one; their points are of one format and variant.
    """

    trials: tuple[Trial, ...]

    @property
    def point(self) -> AnyPoint:
        """The point of the first trial: its format and variant are those of all."""
        return self.trials[0].point

    @property
    def number(self) -> int:
        """Which fault map, or device."""
        return self.trials[0].map

    def without(self, done: Container[Trial]) -> Job:
        """The job without what is done."""
        return Job(tuple(trial for trial in self.trials if trial not in done))
