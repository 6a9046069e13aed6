"""Runs a scenario: the one straight way from a file to a folder of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hwsim.experiment.accuracy import accuracy_study
from hwsim.experiment.bit_errors import bit_error_study
from hwsim.experiment.lifetime import lifetime_study
from hwsim.experiment.loading import load_scenario
from hwsim.experiment.progress import Progress, silent
from hwsim.experiment.results import Results
from hwsim.experiment.scenario import Scenario
from hwsim.experiment.store import RESULTS_JSON, ResultsFolder

STUDIES = {"accuracy": accuracy_study, "bit_errors": bit_error_study, "lifetime": lifetime_study}


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
    folder = ResultsFolder(path, scenario, fresh=fresh)
    results = STUDIES[scenario.study](scenario, folder, progress)
    folder.write_json(RESULTS_JSON, {"facts": results.facts, "rows": results.rows, "counts": results.counts})
    return results
