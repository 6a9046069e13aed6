"""The accuracy study: words whose bits flip at a rate, bare or in codewords."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.experiment.results import columns
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Row
from hwsim.experiment.results.store import CONSTANTS
from hwsim.experiment.scenario.memory_settings import MemorySettings
from hwsim.experiment.scenario.points import Point, Trial, all_trials
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.bench import Bench
from hwsim.experiment.studies.job import Job
from hwsim.experiment.studies.study import Table, TrialStudy
from hwsim.experiment.studies.trials import run_faulty, run_sound
from hwsim.memory import BitFlips
from hwsim.memory.device.coded_flips import read_coded
from hwsim.words import get_format


class AccuracyStudy(TrialStudy):
    """Every fault map at every rate is a job; see `TrialStudy`."""

    def jobs(self, scenario: Scenario) -> Iterator[Job]:
        """One job for each trial."""
        return (Job((trial,)) for trial in all_trials(scenario))

    def run(self, job: Job, bench: Bench) -> Iterator[TrialRecord]:
        """The images under one fault map.

        A fault map is a matter of the scenario's seed and the map's number, and of nothing else: two variants under
        one number meet the same weak cells, and a higher rate fails a superset.
        """
        ready, point = bench.ready_for(job), job.point
        assert isinstance(point, Point)
        if point.fault_free:
            yield run_sound(bench, ready)
            return
        flips, seed = _flips(point, bench.scenario.memory), (bench.scenario.seed, "fault map", job.number)
        if ready.kind is None:
            yield run_faulty(bench, ready, flips.draw(ready.memory, seed))
        else:
            yield run_faulty(bench, ready, read_coded(flips, ready.memory, ready.kind, seed))

    def text(self, trial: Trial, scenario: Scenario) -> str:
        """The rate."""
        assert isinstance(trial.point, Point)
        return f"BER {trial.point.ber:g}"

    def tables(self, facts: Row) -> Iterator[Table]:
        """The prices that plans rest on, if there are any."""
        if facts.get("constants"):
            yield CONSTANTS, columns.CONSTANTS, facts["constants"]


def _flips(point: Point, settings: MemorySettings) -> BitFlips:
    """How often cells flip at a point with faults."""
    fmt = get_format(point.format)
    immune = 0
    for selector in point.immune.split("+") if point.immune else ():
        immune |= fmt.bit_mask(selector)
    return BitFlips((point.ber * settings.zero_to_one, point.ber * settings.one_to_zero), immune=immune)
