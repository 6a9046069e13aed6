"""The accuracy study: every point of a scenario, trial by trial, picking up what is already finished."""

from __future__ import annotations

from hwsim.experiment.results import columns
from hwsim.experiment.results.plans import cost_rows, plan_rows
from hwsim.experiment.results.results import Results
from hwsim.experiment.results.store import CONSTANTS, COUNTS, RESULTS, ResultsFolder
from hwsim.experiment.results.summary import count_rows, point_rows
from hwsim.experiment.scenario.points import Point, all_trials, prepared, trials_of
from hwsim.experiment.scenario.scenario import Scenario, Variant
from hwsim.experiment.studies.bench import Given, open_bench
from hwsim.experiment.studies.causes import cause_rows
from hwsim.experiment.studies.progress import Progress
from hwsim.experiment.studies.ready import Ready, prepare
from hwsim.experiment.studies.trials import Bench, Prepared, named, one_thread


@one_thread()
def accuracy_study(
    scenario: Scenario, folder: ResultsFolder, progress: Progress, given: Given | None = None
) -> Results:
    """Run every trial that the folder does not hold yet, and make the tables.

    Raises:
        HwsimError: before the first trial, if the network or the images are not to be had, or a combination that
            the scenario names cannot be run.
    """
    bench, facts, environment = open_bench(scenario, progress, given)
    bench.plans.update(folder.plans(environment))
    facts["causes"] = []
    for fmt, variant in prepared(scenario):
        ready = _prepare(bench, fmt, variant)
        facts["causes"] += cause_rows(fmt, variant, ready.prepared if isinstance(ready, Ready) else ready)

    records = folder.begin(environment, bench.plans)
    if scenario.is_planned:
        facts |= {"plans": plan_rows(scenario, bench.plans), "constants": cost_rows(scenario)}
    todo = [trial for trial in all_trials(scenario) if trial not in records]
    done = 0
    for fmt, variant in prepared(scenario):
        missing = [trial for trial in trials_of(scenario, fmt, variant) if trial not in records]
        if not missing:
            continue
        ready = _prepare(bench, fmt, variant)
        for trial in missing:
            assert isinstance(trial.point, Point)
            progress(f"{fmt}, {variant.name}, BER {trial.point.ber:g}", done, len(todo))
            records[trial] = ready.trial(trial)
            folder.append(trial, records[trial])
            done += 1
    progress("writing the results", done, len(todo))

    rows = point_rows(scenario, facts["images"], records)
    counts = count_rows(scenario, facts["images"], records)
    folder.write_table(RESULTS, columns.of_points(scenario), rows)
    folder.write_table(COUNTS, columns.count_columns(), counts)
    if facts.get("constants"):
        folder.write_table(CONSTANTS, columns.CONSTANTS, facts["constants"])
    return Results(scenario, folder.path, facts, rows, counts, environment)


def _prepare(bench: Bench, fmt: str, variant: Variant) -> Prepared | Ready:
    """One format and variant, with its code if it has one."""
    if bench.scenario.code_of(variant) == "none":
        return bench.prepare(fmt, variant)
    with named(fmt, variant):
        return prepare(bench, fmt, variant)
