"""Planned variants of a scenario: their settings, and that a plan is made once and kept with its results."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hwsim import Accelerator, HwsimError, Scaling, harden, planner
from hwsim.datapath import DatapathConfig, interval_peaks
from hwsim.datapath.tensor_format import TensorFormats
from hwsim.experiment.results.plans import from_json, peaks_of, to_json
from hwsim.experiment.results.results import Results
from hwsim.experiment.results.store import CONSTANTS, ENVIRONMENT, PLANS, RESULTS, TRIALS
from hwsim.experiment.scenario.loading import as_data, load_scenario, to_toml
from hwsim.experiment.studies.bench import open_bench
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.run import run_scenario
from hwsim.network import Scale

from .conftest import small

PLANNED = {"name": "planned", "scaling": {}, "divide": "planned"}
PRICES = {"shift": 0.5, "reciprocal": 3.0, "division": 20.0}


def planned(**tables: Any) -> dict[str, Any]:
    return small(**{"variants": [PLANNED], "trials": {"fault_maps": 1}, **tables})


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[planner.Problem]:
    """The problems that the planner is given; none is remembered from before."""
    from hwsim.datapath.plans import least_cost as module

    problems: list[planner.Problem] = []
    module._solve.cache_clear()
    solve = planner.plan
    monkeypatch.setattr(planner, "plan", lambda problem, *more: problems.append(problem) or solve(problem, *more))
    return problems


def sentence(data: dict[str, Any]) -> str:
    with pytest.raises(HwsimError) as caught:
        load_scenario(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- settings


@pytest.mark.parametrize(
    ("datapath", "parts"),
    [
        ({"cost": "enrgy"}, ["`datapath.cost`", "did you mean 'energy'"]),
        ({"cost": 3}, ["`datapath.cost`", "3 is no cost", "'count', 'energy', 'cycles', or a table"]),
        ({"cost": {"shift": 1, "reciprocal": 1}}, ["`datapath.cost`", "no price for 'division'"]),
        ({"cost": {**PRICES, "divison": 1}}, ["Unknown kind of rescaling in the cost table 'divison'", "'division'"]),
        ({"cost": {**PRICES, "shift": -1}}, ["`datapath.cost`", "price of 'shift' is -1"]),
        ({"cost": "energy", "activations": "bf16"}, ["no shift in bf16", "fp32, fp16, q2.5"]),
        ({"activations": "fp17"}, ["datapath.activations", "'fp17'"]),
        ({"accumulators": "fp17"}, ["datapath.accumulators", "'fp17'"]),
        ({"ranges": "guess"}, ["`datapath.ranges`", "'guess'", "'images' or 'bounds'"]),
        ({"headroom_bits": -1}, ["`datapath.headroom_bits`", "-1", "0 or more"]),
        ({"precision_bits": -1}, ["`datapath.precision_bits`", "-1", "0 or more"]),
        ({"bias_multiplier": "no"}, ["`datapath.bias_multiplier`", "true or false"]),
        ({"inner_multipliers": 1}, ["`datapath.inner_multipliers`", "true or false"]),
        ({"headroom": 1}, ["datapath.headroom", "headroom_bits"]),
    ],
)
def test_wrong_settings_are_one_sentence(datapath: dict[str, Any], parts: list[str]) -> None:
    message = sentence(planned(datapath=datapath))
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "key", ["cost", "ranges", "headroom_bits", "precision_bits", "bias_multiplier", "inner_multipliers"]
)
def test_what_no_variant_heeds_is_refused_and_not_written(key: str) -> None:
    value = {"cost": "energy", "ranges": "bounds", "bias_multiplier": False, "inner_multipliers": True}.get(key, 1)
    assert f"`datapath.{key}` has no effect" in sentence(small(datapath={key: value}))
    assert key not in as_data(load_scenario(small()))["datapath"]
    absorbed = small(variants=[{"name": "a", "scaling": {}, "divide": "absorbed"}])
    assert (key in as_data(load_scenario(absorbed))["datapath"]) is (key == "bias_multiplier")
    logits = small(variants=[{"name": "l", "scaling": {}, "divide": "logits"}])
    assert (key in as_data(load_scenario(logits))["datapath"]) is (key == "inner_multipliers")
    assert load_scenario(planned(datapath={key: value})).datapath.model_dump()[key] == value


def test_a_resolved_scenario_says_what_its_plans_depend_on(tmp_path: Path) -> None:
    given = {"cost": PRICES, "activations": "fp16", "headroom_bits": 1.5, "ranges": "bounds", "accumulators": "fp32"}
    scenario = load_scenario(planned(datapath=given))
    written = as_data(scenario)["datapath"]
    assert written | given == written
    (tmp_path / "again.toml").write_text(to_toml(scenario))
    assert as_data(load_scenario(tmp_path / "again.toml")) == as_data(scenario)


@pytest.mark.parametrize("divide", ["planned", "logits"])
def test_multipliers_inside_units_are_a_setting_of_the_datapath(tmp_path: Path, divide: str) -> None:
    """GELU's 1/sqrt 2 takes the scale up; without it the pixels are divided, which are fewest, or it is refused."""
    (tmp_path / "own.py").write_text(OWN)

    def shifts(inner: bool) -> int:
        data = small(
            network={"name": f"{tmp_path / 'own.py'}:network", "weights": "random", "input_shape": [1, 28, 28]},
            datapath={"inner_multipliers": inner},
            variants=[{"name": divide, "scaling": {"power_of_two": True}, "divide": divide}],
            memory={"formats": ["fp32"], "ber": 0.0},
        )
        bench = open_bench(load_scenario(data), silent).bench
        run = bench.prepare("fp32", bench.scenario.variants[-1]).accelerator.run(bench.images)
        assert torch.allclose(run.logits, bench.logits, rtol=0, atol=1e-5 * float(bench.logits.abs().max()))
        return run.counts.total.shifts

    assert shifts(True) == 0
    if divide == "planned":
        assert shifts(False) == 40 * 28 * 28
    else:
        with pytest.raises(HwsimError, match=r"aten\.gelu\.default in 1 needs its input unscaled"):
            shifts(False)


OWN = """
from torch import nn

def network():
    return nn.Sequential(nn.Conv2d(1, 10, 5), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


def test_the_formats_of_the_datapath_are_those_of_the_run() -> None:
    results = {}
    for name in ("fp32", "q2.5"):
        bench = open_bench(load_scenario(small(datapath={"activations": name, "accumulators": name})), silent).bench
        variant = bench.scenario.variants[-1]
        results[name] = bench.prepare("q2.5", variant).accelerator.run(bench.images).logits
        stored = harden(bench.network, "q2.5", Scaling())
        plain = Accelerator(stored, "per_layer", DatapathConfig(activations=name, accumulators=name))
        assert torch.equal(results[name], plain.run(bench.images).logits)
    assert not torch.equal(results["fp32"], results["q2.5"])
    assert torch.equal(results["q2.5"] * 32, (results["q2.5"] * 32).round())


# --- plans


def test_every_planning_problem_is_solved_once(tmp_path: Path, solved: list[planner.Problem]) -> None:
    variants = [
        PLANNED,
        {**PLANNED, "name": "guarded", "guards": ["clamp"]},
        {**PLANNED, "name": "half", "scaling": {"target": 0.5}},
    ]
    data = planned(memory={"formats": ["fp32", "bf16"], "ber": [1e-4, 1e-3]}, variants=variants)
    results = run_scenario(data, out=tmp_path)
    # Three of six: a guard changes no constant, and with t = 0.5 both formats have the same ones. The default t is just
    # below 2, which is another number in each format.
    assert len(solved) == 3
    assert [(row["format"], row["variant"], row["gap"]) for row in results.facts["plans"]] == [
        (fmt, name, 0) for fmt in ("fp32", "bf16") for name in ("planned", "guarded", "half")
    ]


def test_a_resumed_run_takes_the_plans_of_its_finished_trials(tmp_path: Path, solved: list[planner.Problem]) -> None:
    data = planned(datapath={"cost": "energy", "activations": "fp16"})
    run_scenario(data, out=tmp_path / "whole")
    run_scenario(data, out=tmp_path / "cut")
    log = (tmp_path / "cut" / TRIALS).read_text().splitlines(keepends=True)
    (tmp_path / "cut" / TRIALS).write_text("".join(log[:2]))
    # A plan that no planner would make: it is what the finished trials had, so the others must have it too.
    plans = json.loads((tmp_path / "cut" / PLANS).read_text())
    plans[0]["cost"] = 123.0
    (tmp_path / "cut" / PLANS).write_text(json.dumps(plans))
    solved.clear()
    again = run_scenario(data, out=tmp_path / "cut")
    assert not solved
    assert again.facts["plans"][0]["cost"] == 123.0
    for name in (RESULTS, TRIALS, CONSTANTS):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_plans_of_another_network_are_not_taken(tmp_path: Path) -> None:
    run_scenario(planned(), out=tmp_path)
    environment = json.loads((tmp_path / ENVIRONMENT).read_text())
    environment["inputs"]["the network"] = "other"
    (tmp_path / ENVIRONMENT).write_text(json.dumps(environment))
    with pytest.raises(HwsimError, match="begun with the network other"):
        run_scenario(planned(), out=tmp_path)
    run_scenario(planned(), out=tmp_path, fresh=True)


@pytest.mark.parametrize("text", [None, "nonsense", "[1]", '[{"format": "q2.5"}]'])
def test_plans_that_are_lost_or_damaged_are_made_anew(tmp_path: Path, text: str | None) -> None:
    run_scenario(planned(), out=tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in (PLANS, TRIALS, RESULTS)}
    if text is None:
        (tmp_path / PLANS).unlink()
    else:
        (tmp_path / PLANS).write_text(text)
    run_scenario(planned(), out=tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before  # the trials had the very same plan


def test_trials_of_another_plan_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = planned(datapath={"bias_multiplier": False})
    run_scenario(data, out=tmp_path)
    before = (tmp_path / RESULTS).read_bytes()
    plans = json.loads((tmp_path / PLANS).read_text())
    plans[0]["rescalings"][0]["divisor"][0] *= 1.25
    (tmp_path / PLANS).write_text(json.dumps(plans))
    run_scenario(data, out=tmp_path)
    assert "3 trials" in caplog.text
    assert (tmp_path / RESULTS).read_bytes() != before
    (tmp_path / PLANS).unlink()
    run_scenario(data, out=tmp_path)
    assert (tmp_path / RESULTS).read_bytes() == before
    assert (tmp_path / TRIALS).read_text().count("planned") == 6


def test_a_plan_is_read_back_as_it_was() -> None:
    data = planned(network={"name": "fashion_resnet", "fold_batchnorm": True}, datapath={"activations": "fp16"})
    bench = open_bench(load_scenario(data), silent).bench
    bench.prepare("q2.5", bench.scenario.variants[-1])
    kept = bench.plans["q2.5", "planned"]
    assert kept.plan.rescalings
    assert from_json(json.loads(json.dumps(to_json(bench.plans)))) == bench.plans
    assert all(isinstance(scale, Scale) for scale in kept.plan.scales.values())


def test_cheaper_kinds_are_what_a_plan_is_made_of() -> None:
    # With powers of two, shifts do; where they are dear, nothing else can be cheaper than what counting finds.
    costs = {}
    for name, cost in (("count", "count"), ("own", PRICES), ("energy", "energy"), ("cycles", "cycles")):
        data = planned(datapath={"cost": cost, "bias_multiplier": False}, memory={"formats": ["fp32"]})
        bench = open_bench(load_scenario(data), silent).bench
        bench.prepare("fp32", bench.scenario.variants[-1])
        costs[name] = bench.plans["fp32", "planned"].cost
    # LeNet-5 needs nothing but its 10 logits divided.
    assert costs == {"count": 10, "own": 10 * 20, "energy": pytest.approx(10 * 26.3), "cycles": 10 * 27}


def test_the_entries_of_the_cost_table_are_in_the_results(tmp_path: Path) -> None:
    results = run_scenario(planned(datapath={"cost": "energy", "activations": "fp32"}), out=tmp_path / "energy")
    with (tmp_path / "energy" / CONSTANTS).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["constant"], row["group"], row["unit"], row["trust"]) for row in rows] == [
        ("fp32 shift energy", "cost", "pJ", "derived"),
        ("fp32 reciprocal energy", "cost", "pJ", "derived"),
        ("fp32 divide_pipelined energy", "cost", "pJ", "derived"),
    ]
    assert rows[-1]["value"] == "26.3"
    assert "Cortex-M4F" in rows[-1]["source"]
    assert Results.load(tmp_path / "energy").facts["constants"] == results.facts["constants"]
    own = run_scenario(planned(datapath={"cost": PRICES}), out=tmp_path / "own").facts["constants"]
    assert [(row["constant"], row["value"], row["trust"]) for row in own] == [
        ("price of shift", "0.5", "given"),
        ("price of reciprocal", "3", "given"),
        ("price of division", "20", "given"),
    ]
    assert run_scenario(planned(), out=tmp_path / "count").facts["constants"] == []
    assert not (tmp_path / "count" / CONSTANTS).exists()


def test_a_tensor_that_fits_at_no_scale_is_named_with_its_variant(tmp_path: Path) -> None:
    with pytest.raises(HwsimError) as caught:
        run_scenario(planned(datapath={"activations": "q1.2"}), out=tmp_path)
    assert "'planned' cannot be run in q2.5: No scale fits the images (up to 2.02" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_bounds_hold_for_every_image_of_the_pixel_values_that_there_are() -> None:
    bench = open_bench(load_scenario(small(data={"images": 100})), silent).bench
    bounds = peaks_of(bench.network, bench.images, "bounds")
    seen = peaks_of(bench.network, bench.images, "images")
    assert bounds.keys() == seen.keys()
    assert all(bounds[name] >= seen[name] for name in seen)
    assert seen == peaks_of(bench.network, bench.images[:32], "images")
    low, high = float(bench.images.min()), float(bench.images.max())
    assert bounds == interval_peaks(bench.network, low, high)
    both = {"activations": "fp16", "accumulators": "fp16"}
    wide = load_scenario(planned(datapath={"ranges": "bounds", **both}, memory={"formats": ["fp32"]}))
    bench = open_bench(wide, silent).bench
    run = bench.prepare("fp32", wide.variants[-1]).accelerator
    assert not run.run(bench.images).nonfinite
    formats = TensorFormats.of("fp16")
    for name, peak in bench.peaks.items():
        scale = run.plan.produced(name)
        assert isinstance(scale, Scale)
        # Two bits of headroom, or the scale that the tensor has by itself.
        assert scale.log2 <= max(0.0, formats.activations.largest_log2 - 2 - torch.tensor(peak).log2().item()) + 1e-6


def test_a_lifetime_study_keeps_its_plans_too(tmp_path: Path, solved: list[planner.Problem]) -> None:
    data = {
        "name": "life",
        "network": {"name": "lenet5"},
        "data": {"images": 20},
        "memory": {"formats": ["q2.5"], "technology": "stt_mram"},
        "mission": {"at": "85 degC", "profile": [{"for": "1 h"}], "read_at": ["0 s", "1 h"]},
        "datapath": {"cost": PRICES},
        "trials": {"fault_maps": 1},
        "variants": [PLANNED],
    }
    whole = run_scenario(data, out=tmp_path / "whole")
    assert {"cost", "constants"} <= {row["group"] for row in whole.facts["constants"]}
    run_scenario(data, out=tmp_path / "cut")
    log = (tmp_path / "cut" / TRIALS).read_text().splitlines(keepends=True)
    (tmp_path / "cut" / TRIALS).write_text("".join(log[:-1]))
    assert len(solved) == 1
    run_scenario(data, out=tmp_path / "cut")
    assert len(solved) == 1
    for name in (RESULTS, TRIALS, CONSTANTS, PLANS):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
