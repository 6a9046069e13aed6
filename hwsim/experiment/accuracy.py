"""The accuracy study: every point of a scenario, trial by trial, picking up what is already finished."""

from __future__ import annotations

from hwsim.errors import HwsimError
from hwsim.experiment import columns
from hwsim.experiment.data import load_data
from hwsim.experiment.environment import describe_environment, load_captured
from hwsim.experiment.points import all_trials, prepared, trials_of
from hwsim.experiment.progress import Progress
from hwsim.experiment.results import Results
from hwsim.experiment.scenario import Scenario, Variant
from hwsim.experiment.store import COUNTS, RESULTS, ResultsFolder
from hwsim.experiment.summary import count_rows, point_rows
from hwsim.experiment.trials import Bench, Prepared, one_thread, reference_logits


@one_thread()
def accuracy_study(scenario: Scenario, folder: ResultsFolder, progress: Progress) -> Results:
    """Run every trial that the folder does not hold yet, and make the tables.

    Raises:
        HwsimError: before the first trial, if the network or the images are not to be had, or a combination that
            the scenario names cannot be run.
    """
    progress(f"loading {scenario.network.name}", 0, 0)
    loaded, network = load_captured(scenario)
    settings = scenario.data
    data = load_data(
        settings.name or settings.folder,
        settings.images,
        network=loaded,
        crops=settings.crops,
        seed=scenario.seed,
    )
    progress(f"{len(data):,} images through {loaded.name} as it is", 0, 0)
    logits = reference_logits(loaded.module, data.images, settings.batch)
    bench = Bench(scenario, network, data.images, data.labels, logits)
    for fmt, variant in prepared(scenario):
        _prepare(bench, fmt, variant)

    environment = describe_environment(scenario, network, data)
    records = folder.begin(environment)
    todo = [trial for trial in all_trials(scenario) if trial not in records]
    done = 0
    for fmt, variant in prepared(scenario):
        missing = [trial for trial in trials_of(scenario, fmt, variant) if trial not in records]
        ready = _prepare(bench, fmt, variant) if missing else None
        for trial in missing:
            assert ready is not None
            progress(f"{fmt}, {variant.name}, BER {trial.point.ber:g}", done, len(todo))
            records[trial] = ready.run(trial)
            folder.append(trial, records[trial])
            done += 1
    progress("writing the results", done, len(todo))

    rows = point_rows(scenario, len(data), records)
    counts = count_rows(scenario, len(data), records)
    folder.write_table(RESULTS, columns.ACCURACY, rows)
    folder.write_table(COUNTS, columns.count_columns(), counts)
    facts = {
        "network": loaded.name,
        "parameters": loaded.parameters,
        "weights": loaded.weights,
        "layers": len(network.layers),
        "data": data.source,
        "images": len(data),
        "crops": data.crops,
        "classes": loaded.outputs,
        "accuracy": bench.accuracy,
    }
    return Results(scenario, folder.path, facts, rows, counts, environment)


def _prepare(bench: Bench, fmt: str, variant: Variant) -> Prepared:
    """One format and variant made ready; what cannot be run is said with its name."""
    try:
        return bench.prepare(fmt, variant)
    except HwsimError as error:
        raise HwsimError(f"Variant {variant.name!r} cannot be run in {fmt}: {error}") from None
