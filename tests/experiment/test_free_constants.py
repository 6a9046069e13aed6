"""Variants whose constants the planner chooses: the setting, its words, and what it saved and took."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim import HwsimError
from hwsim.experiment.results.store import PLANS, RESULTS, TRIALS
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies.bench import open_bench
from hwsim.experiment.studies.lifetime import readouts
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.run import run_scenario

from .conftest import small

PRICES = {"shift": 0.5, "reciprocal": 3.0, "division": 20.0}
FREE = {"name": "free", "scaling": {"lowest_target": 1.5}, "divide": "planned"}
FIXED = {"name": "fixed", "scaling": {}, "divide": "planned"}


def free(**tables: Any) -> dict[str, Any]:
    base = {"variants": [FREE, FIXED], "datapath": {"cost": PRICES}, "trials": {"fault_maps": 1}}
    return small(**{**base, **tables})


def test_a_run_says_what_was_saved_and_what_was_given_up(tmp_path: Path) -> None:
    results = run_scenario(free(), out=tmp_path)
    chosen, fixed = results.facts["plans"]
    # Ten logits, divided by a power of two instead of multiplied by a reciprocal.
    assert (chosen["cost"], chosen["fixed_cost"], fixed["cost"]) == (5.0, 30.0, 30.0)
    assert 0 < chosen["largest_bits"] <= math.log2(3.96875 / 1.5)
    assert 0 < chosen["mean_bits"] <= chosen["largest_bits"]
    assert "fixed_cost" not in fixed
    assert results.row(variant="free", ber=0.0)["shifts"] == 10 * 40
    assert results.row(variant="free", ber=0.0)["reciprocal_multiplications"] == 0


def test_words_have_the_chosen_constants() -> None:
    scenario = load_scenario(free())
    bench = open_bench(scenario, silent).bench
    variant = next(variant for variant in scenario.variants if variant.name == "free")
    ready = bench.prepare("q2.5", variant)
    kept = bench.plans["q2.5", "free"]
    assert kept.constants
    for weight, words in ready.stored.words.items():
        (c,) = ready.stored.constants[weight].values
        assert weight not in kept.constants or c == float(kept.constants[weight])
        scaled = bench.network.parameters[weight].double().numpy() * c
        assert np.array_equal(words.view(np.int8), np.clip(np.rint(scaled * 32), -128, 127).astype(np.int8))
        assert 1.5 <= np.abs(scaled).max() <= 3.96875


def test_a_resumed_run_keeps_its_constants(tmp_path: Path) -> None:
    run_scenario(free(), out=tmp_path / "whole")
    run_scenario(free(), out=tmp_path / "cut")
    log = (tmp_path / "cut" / TRIALS).read_text().splitlines(keepends=True)
    (tmp_path / "cut" / TRIALS).write_text("".join(log[:1]))
    run_scenario(free(), out=tmp_path / "cut")
    for name in (RESULTS, TRIALS, PLANS):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_lifetime_takes_them_too_and_gives_its_devices_to_nobody_else(tmp_path: Path) -> None:
    life = {
        "name": "life",
        "network": {"name": "lenet5"},
        "data": {"images": 20},
        "memory": {"formats": ["q2.5"], "technology": "stt_mram", "ecc": "secded"},
        "mission": {"at": "85 degC", "profile": [{"for": "1 h"}], "read_at": ["1 h"]},
        "datapath": {"cost": PRICES},
        "trials": {"fault_maps": 1},
        "variants": [FREE],
    }
    assert run_scenario(life, out=tmp_path).facts["plans"][0]["fixed_cost"] == 30.0
    with pytest.raises(HwsimError, match="follow from its plan, because it has a `lowest_target`"):
        list(readouts(life, "q2.5", "free"))


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({**FREE, "divide": "per_layer"}, "`lowest_target`, which only the planner heeds: set divide = 'planned'"),
        ({**FREE, "scaling": {"lowest_target": 0}}, "lowest_target"),
        ({**FREE, "scaling": {"lowest_target": "half"}}, "lowest_target"),
        ({**FREE, "scaling": {"lowest_traget": 1.0}}, "lowest_target"),
        (
            {**FREE, "scaling": {"target": 1.0, "lowest_target": 1.5}},
            "lowest target is 1.5: it must be above 0",
        ),
        ({**FREE, "scaling": {"granularity": "channel", "lowest_target": 1.0}}, "needs one constant for each layer"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(variant: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(HwsimError) as caught:
        run_scenario(free(variants=[variant]), out=tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
