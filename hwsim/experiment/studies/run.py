"""Runs a scenario: the one straight way from a file to a folder of results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Results
from hwsim.experiment.results.store import RESULTS_JSON, ResultsFolder
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.accuracy import AccuracyStudy
from hwsim.experiment.studies.bench import Bench, Given
from hwsim.experiment.studies.bit_errors import bit_error_study
from hwsim.experiment.studies.effort import check_ends
from hwsim.experiment.studies.job import Job
from hwsim.experiment.studies.lifetime import LifetimeStudy
from hwsim.experiment.studies.progress import Progress, silent
from hwsim.experiment.studies.study import TrialStudy, run_trials

STUDIES: dict[str, TrialStudy] = {"accuracy": AccuracyStudy(), "lifetime": LifetimeStudy()}
"""The studies of trials on images, by the names that scenarios give them."""


def run_scenario(
    source: str | Path | Mapping[str, Any] | Scenario,
    settings: Iterable[str] = (),
    out: str | Path | None = None,
    *,
    fresh: bool = False,
    progress: Progress = silent,
) -> Results:
    """Run a scenario, or what is left of it, and write its tables.

    Finished trials are kept as they finish; running the same scenario again goes on from them.

    Args:
        source: a scenario file, the name of one that comes with hwsim, a mapping of its tables, or a Scenario.
        settings: "key=value" texts put over the source, as in "memory.ber=1e-3".
        out: the results folder; `results/<name>` if None.
        fresh: discard earlier results in that folder.
        progress: called before every step.

    Raises:
        HwsimError: for whatever is wrong with the scenario, the network, the images or the folder, before the
            first trial runs.
    """
    scenario = load_scenario(source, settings)
    path = Path(out) if out is not None else Path("results") / scenario.name
    return run_study(scenario, path, fresh, progress)


def run_study(scenario: Scenario, path: Path, fresh: bool, progress: Progress, given: Given | None = None) -> Results:
    """A resolved scenario with its results in the folder `path`, on the network and images that are given if any.

    Raises `HwsimError` as `run_scenario`.
    """
    check_ends(scenario)
    with ResultsFolder(path, scenario, fresh=fresh) as folder:
        if scenario.study == "bit_errors":
            results = bit_error_study(scenario, folder, progress)
        else:
            results = run_trials(STUDIES[scenario.study], scenario, folder, progress, given)
        folder.write_json(RESULTS_JSON, {"facts": results.facts, "rows": results.rows, "counts": results.counts})
    return results


def run_job(job: Job, bench: Bench) -> Iterator[TrialRecord]:
    """The records of a job's trials, one by one as they are made: all that a process has to do that is sent both."""
    return STUDIES[bench.scenario.study].run(job, bench)
