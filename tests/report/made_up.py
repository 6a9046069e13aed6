"""Results that no run gave: a number of its own in every column of every row, so that a misplaced cell is seen."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from hwsim.datapath.counts import COUNTERS
from hwsim.experiment.results import columns
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import points_of, prepared

NETWORK = {"name": "lenet5"}
VARIANTS = [{"name": "scaled", "scaling": {}}, {"name": "coded & <b>", "ecc": "secded"}]
ENVIRONMENT = {
    "packages": {"hwsim": "1.2.3", "torch": "4.5.6"},
    "python": "3.99",
    "platform": "here",
    "inputs": {"the network": "abc", "the images": "def"},
}
TEXTS = {
    "target": None,
    "granularity": None,
    "power_of_two": None,
    "divide": "none",
    "guards": "",
    "overflow_layers": "conv1",
    "field": "sign",
    "ecc": "none",
}


def _facts() -> dict[str, Any]:
    return {
        "network": "lenet5",
        "parameters": 61_706,
        "layers": 5,
        "weights": "trained by `train.py`",
        "data": "fashion_mnist",
        "images": 800,
        "crops": 1,
        "classes": 10,
        "accuracy": 0.9375,
    }


def _fill(names: list[str], known: dict[str, Any], numbers: itertools.count[int]) -> dict[str, Any]:
    """A row: what is known of it, and numbers of its own elsewhere; shares lie off the middle of their intervals."""
    row: dict[str, Any] = {}
    for name in names:
        if name in known:
            row[name] = known[name]
        elif name in TEXTS:
            row[name] = TEXTS[name]
        elif name.endswith("_words"):
            row[name] = next(numbers) + 1000.5
        elif name.split("_")[0] in ("accuracy", "agreement"):
            measure, *end = name.split("_")
            if not end:
                row[name] = 0.2 + 0.0053 * (next(numbers) % 101)
            else:
                near, far = (0.011, 0.031) if end[0] == "maps" else (0.047, 0.059)
                share, step = row[measure], 0.0004 * (next(numbers) % 7)
                row[name] = share - far - step if end[1] == "low" else share + near + step
        elif name in ("invalid", "raw_ber"):
            row[name] = 1e-5 * next(numbers)
        elif name.endswith("_error") or name.startswith("decode_"):
            row[name] = 0.001 * next(numbers)
        else:
            row[name] = next(numbers)
    return row


def made_up(study: str) -> Results:
    """Results of a study of two formats and three variants."""
    memory: dict[str, Any] = {"formats": ["fp16", "q2.5"]}
    source: dict[str, Any] = {"name": "made_up", "study": study, "network": NETWORK, "memory": memory}
    if study == "accuracy":
        memory["ber"] = [1e-4, 2e-2]
        source["variants"] = [VARIANTS[0], {"name": "kept & <b>", "guards": ["clamp"]}]
    elif study == "lifetime":
        memory["technology"] = "stt_mram"
        source["mission"] = {"profile": {"for": "10 years"}, "read_at": ["0 s", "1 year", "10 years"]}
        source["variants"] = VARIANTS
    else:
        source["variants"] = [VARIANTS[0], {"name": "smaller & <b>", "scaling": {"target": 0.5}}]
    scenario = load_scenario(source)
    numbers = itertools.count(101)
    facts = _facts()
    if study == "bit_errors":
        rows = [
            _fill(
                [column.name for column in columns.BIT_ERRORS],
                {"format": fmt, "variant": variant.name, "bit": bit, "field": field, "words": 50_000 + bit},
                numbers,
            )
            for fmt, variant in prepared(scenario)
            for bit, field in _bits(fmt)
        ]
        return Results(scenario, Path("nowhere"), facts, rows, [], ENVIRONMENT)
    names = [column.name for column in (columns.ACCURACY if study == "accuracy" else columns.LIFETIME)]
    rows = []
    for fmt, variant in prepared(scenario):
        code = "secded" if variant.ecc == "secded" else "none"
        storage = _fill([*names[names.index("stored_bits") :]], {}, numbers)
        for point in points_of(scenario, fmt, variant):
            known = (
                point._asdict() | {"fault_maps": 1 if point.fault_free else 10, "images": 800, "ecc": code} | storage
            )
            row = _fill(names, known, numbers)
            if point.fault_free:
                row |= {
                    f"{measure}_maps_{end}": None for measure in ("accuracy", "agreement") for end in ("low", "high")
                }
                row["overflows"] = 0
            rows.append(row)
    counts = [
        {"format": fmt, "variant": variant.name, "layer": layer, "images": 800}
        | {name: 800 * next(numbers) for name in COUNTERS}
        for fmt, variant in prepared(scenario)
        for layer in ("conv1", "total")
    ]
    facts["causes"] = [
        {
            "format": fmt,
            "variant": variant.name,
            "kind": kind,
            "cause": f"cause {next(numbers)}",
            "sites": next(numbers),
            "elements": 1000 * next(numbers),
        }
        for fmt, variant in prepared(scenario)
        if variant.scaling
        for kind in ("division", "reciprocal", "shift", "alignment", "absorbed")
    ]
    facts["plans"] = [
        {
            "format": fmt,
            "variant": variant.name,
            "rescalings": next(numbers),
            "cost": 0.5 + next(numbers),
            "gap": 0.0123,
        }
        | ({"fixed_cost": next(numbers), "largest_bits": 0.125, "mean_bits": 0.0625} if fmt == "fp16" else {})
        for fmt, variant in prepared(scenario)
        if variant.scaling
    ]
    facts["constants"] = [
        {
            "constant": f"constant_{at}",
            "group": f"group {at}",
            "value": f"value {at}",
            "unit": f"unit {at}",
            "trust": f"trust {at}",
            "source": f"source {at}",
            "default": f"default {at}" if at == 1 else None,
            "note": f"note {at}" if at == 2 else "",
        }
        for at in range(3)
    ]
    return Results(scenario, Path("nowhere"), facts, rows, counts, ENVIRONMENT)


def _bits(fmt: str) -> list[tuple[int, str]]:
    fields = {"fp16": ("sign", 1, "exponent", 5, "fraction", 10), "q2.5": ("sign", 1, "integer", 2, "fraction", 5)}[fmt]
    named = [name for name, width in zip(fields[::2], fields[1::2], strict=True) for _ in range(int(width))]
    return list(zip(range(len(named) - 1, -1, -1), map(str, named), strict=True))
