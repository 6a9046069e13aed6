"""A study of trials on images: what it is made of, and the one loop that runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from hwsim.experiment.results import columns
from hwsim.experiment.results.columns import Column
from hwsim.experiment.results.plans import Plans, cost_rows, plan_rows
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Results, Row
from hwsim.experiment.results.store import COUNTS, RESULTS
from hwsim.experiment.results.summary import count_rows, point_rows
from hwsim.experiment.scenario.points import Trial, prepared
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.bench import Bench, Given, open_bench
from hwsim.experiment.studies.causes import cause_rows
from hwsim.experiment.studies.job import Job
from hwsim.experiment.studies.progress import Progress
from hwsim.experiment.studies.ready import Ready, named
from hwsim.experiment.studies.trials import one_thread

Records: TypeAlias = Mapping[Trial, TrialRecord]
Table: TypeAlias = tuple[str, Sequence[Column], Sequence[Row]]
"""The name of its file, its columns and its rows."""


class Beside(NamedTuple):
    """What the results of a study rest on beside the network and the images: facts for them, and fingerprints."""

    facts: Row
    inputs: dict[str, str]


class TrialStudy(Protocol):
    """What there is to run, how one job is run, and which tables are made; a part with a body may stay as it is."""

    def begin(self, scenario: Scenario) -> Beside:
        """What the study rests on. Raises `HwsimError` for what is wrong with it, before anything is loaded."""
        return Beside({}, {})

    def rehearse(self, ready: Ready, scenario: Scenario, first: bool) -> None:
        """Tries what a job does, so that what is wrong is said before a run begins; `first`: nothing was tried yet."""
        return

    def jobs(self, scenario: Scenario) -> Iterator[Job]:
        """All jobs, those of one format and variant after each other."""
        ...

    def run(self, job: Job, bench: Bench) -> Iterator[TrialRecord]:
        """Runs a job; gives the records of its trials one by one as they are made."""
        ...

    def text(self, trial: Trial, scenario: Scenario) -> str:
        """Which trial of its format and variant it is, for the progress."""
        ...

    def findings(self, scenario: Scenario, records: Records) -> Row:
        """Facts that all trials together give."""
        return {}

    def tables(self, facts: Row) -> Iterator[Table]:
        """The tables beside those of points and of counts, which every study has."""
        ...


class TrialStore(Protocol):
    """Where a study keeps what is finished: a folder (`ResultsFolder`), or anything else."""

    path: Path

    def plans(self, environment: Mapping[str, Any]) -> Plans:
        """The plans that are kept from an earlier run."""
        ...

    def begin(self, environment: Mapping[str, Any], plans: Plans | None = None) -> dict[Trial, TrialRecord]:
        """Opens the store for a run, which may change `plans` to those that are kept; gives what is finished."""
        ...

    def append(self, trial: Trial, record: TrialRecord) -> None:
        """Keeps one finished trial."""
        ...

    def write_table(self, name: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Keeps a table."""
        ...


@one_thread()
def run_trials(
    study: TrialStudy, scenario: Scenario, store: TrialStore, progress: Progress, given: Given | None = None
) -> Results:
    """Run every trial that the store does not hold yet, and make the tables.

    Raises:
        HwsimError: before the first trial, if the network or the images are not to be had, a combination that the
            scenario names cannot be run, a constant that it gives is of no use in it, or the weights do not fit the
            device.
    """
    beside = study.begin(scenario)
    bench, facts, environment = open_bench(scenario, progress, given)
    facts |= beside.facts
    environment["inputs"] |= beside.inputs
    bench.plans.update(store.plans(environment))
    facts["causes"] = []
    for at, (fmt, variant) in enumerate(prepared(scenario)):
        progress(f"trying {fmt}, {variant.name}", 0, 0)
        ready = bench.prepare(fmt, variant)
        with named(fmt, variant):
            study.rehearse(ready, scenario, first=at == 0)
        facts["causes"] += cause_rows(fmt, variant, ready)

    records = store.begin(environment, bench.plans)
    if scenario.is_planned:
        facts["plans"] = plan_rows(scenario, bench.plans)
        facts["constants"] = [*facts.get("constants", ()), *cost_rows(scenario)]
    missing = [job for job in (job.without(records) for job in study.jobs(scenario)) if job.trials]
    done, todo = 0, sum(len(job.trials) for job in missing)
    for job in missing:
        made = study.run(job, bench)
        for trial in job.trials:
            progress(f"{trial.point.format}, {trial.point.variant}, {study.text(trial, scenario)}", done, todo)
            records[trial] = next(made)
            store.append(trial, records[trial])
            done += 1
    progress("writing the results", done, todo)

    rows = point_rows(scenario, facts["images"], records)
    counts = count_rows(scenario, facts["images"], records)
    facts |= study.findings(scenario, records)
    store.write_table(RESULTS, columns.of_points(scenario), rows)
    store.write_table(COUNTS, columns.count_columns(), counts)
    for table in study.tables(facts):
        store.write_table(*table)
    return Results(scenario, store.path, facts, rows, counts, environment)
