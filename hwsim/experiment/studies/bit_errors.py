"""The error that one flip makes at each bit position, over all stored weights (the paper's Fig. 2).

Nothing is sampled: every stored word has this bit flipped in turn, and the error is that of the weight as it is
used, after dividing by its constant.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hwsim.experiment.results import columns
from hwsim.experiment.results.results import Results, Row
from hwsim.experiment.results.store import RESULTS, ResultsFolder
from hwsim.experiment.scenario.points import prepared
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.bench import safe_facts
from hwsim.experiment.studies.environment import describe_environment, load_captured
from hwsim.experiment.studies.progress import Progress
from hwsim.experiment.studies.ready import store_weights
from hwsim.hardening import Hardened, flip_errors
from hwsim.hardening.flips import SumOfSquares


def bit_error_study(scenario: Scenario, folder: ResultsFolder, progress: Progress) -> Results:
    """The errors of every format and variant.

    Raises:
        HwsimError: before anything is written, if the network is not to be had or cannot be stored as asked.
    """
    progress(f"loading {scenario.network.name}", 0, 0)
    loaded, network = load_captured(scenario)
    stored = [(fmt, variant, store_weights(network, scenario, fmt, variant)) for fmt, variant in prepared(scenario)]
    environment = describe_environment(scenario, network)
    folder.begin(environment)
    rows: list[Row] = []
    total = sum(words.format.width for _, _, words in stored)
    for fmt, variant, words in stored:
        for row in bit_error_rows(words):
            rows.append({"format": fmt, "variant": variant.name, "target": variant.target, **row})
            progress(f"{fmt}, {variant.name}, bit {row['bit']}", len(rows), total)
    folder.write_table(RESULTS, columns.BIT_ERRORS, rows)
    facts = {
        "network": loaded.name,
        "parameters": loaded.parameters,
        "weights": loaded.weights,
        "layers": len(network.layers),
        **safe_facts(network, scenario),
    }
    return Results(scenario, folder.path, facts, rows, [], environment)


def bit_error_rows(stored: Hardened) -> Iterator[Row]:
    """One row a bit, the most significant first; keys as in `columns.BIT_ERRORS`, without format and variant."""
    fmt = stored.format
    words = sum(tensor.size for tensor in stored.words.values())
    for bit in reversed(range(fmt.width)):
        largest = total = 0.0
        squares = SumOfSquares()
        finite = 0
        for name, tensor in stored.words.items():
            errors = flip_errors(tensor, bit, fmt) / stored.constants[name].spread(tensor.shape)
            errors = errors[np.isfinite(errors)]
            finite += errors.size
            largest = max(largest, float(errors.max(initial=0.0)))
            total += float(errors.sum())
            squares.add(errors)
        yield {
            "bit": bit,
            "field": fmt.field_of(bit).name,
            "words": words,
            "nonfinite": words - finite,
            "mean_error": total / finite if finite else None,
            "rms_error": squares.root_mean(finite) if finite else None,
            "max_error": largest if finite else None,
        }
