"""The accuracy study: the same scenario gives the same bytes, interrupted or not, and says what it counted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hwsim
from hwsim.datapath import DatapathConfig
from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.catalogue import load_network
from hwsim.experiment.results.columns import ACCURACY, count_columns
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import all_trials
from hwsim.experiment.studies.run import run_scenario
from hwsim.experiment.studies.trials import _logit_error

from .conftest import small

TABLES = ("scenario.toml", "environment.json", "trials.jsonl", "results.csv", "results.json", "counts.csv")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


class InterruptAt:
    """A progress that acts as a person who types Ctrl-C before the n-th trial."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, text: str, done: int, total: int) -> None:
        if total and done == self.n:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A scenario with everything in it that the tables tell apart."""
    scenario = small(
        memory={"formats": ["q2.5", "fp16"], "ber": [1e-3, 2e-2]},
        variants=[
            {"name": "per weight", "scaling": {}, "divide": "per_weight"},
            {"name": "per layer", "scaling": {"power_of_two": True, "target": 1}, "divide": "per_layer"},
            {"name": "clamped", "guards": ["clamp"], "formats": ["fp16"]},
        ],
        datapath={"batch": 8},
    )
    return run_scenario(scenario, out=tmp_path_factory.mktemp("results") / "r")


def test_equal_scenarios_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run_scenario(small(), out=tmp_path / name)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.parametrize("stops", [[0], [1], [5], [3, 9]])
def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path, stops: list[int]) -> None:
    run_scenario(small(), out=tmp_path / "whole")
    total = len(all_trials(load_scenario(small())))
    kept = 0
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            run_scenario(small(), out=tmp_path / "cut", progress=InterruptAt(stop - kept))
        kept = stop
        log = tmp_path / "cut" / "trials.jsonl"
        assert (len(log.read_text().splitlines()) if log.exists() else 0) == stop
        with pytest.raises(HwsimError, match="has not finished"):
            Results.load(tmp_path / "cut")
    seen: list[int] = []
    run_scenario(small(), out=tmp_path / "cut", progress=lambda text, done, n: seen.append(n))
    assert max(seen) == total - kept
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "whole")


def test_the_number_of_threads_changes_nothing_and_is_left_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run_scenario(small(), out=tmp_path / str(threads))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    run_scenario(small(), out=tmp_path)
    before = bytes_of(tmp_path)
    totals: list[int] = []
    run_scenario(small(), out=tmp_path, progress=lambda text, done, total: totals.append(total))
    assert max(totals) == 0
    assert bytes_of(tmp_path) == before


def test_images_at_a_time_change_no_count_and_no_prediction(tmp_path: Path) -> None:
    rows = [run_scenario(small(data={"batch": n}), out=tmp_path / str(n)).rows for n in (7, 40)]
    for one, other in zip(*rows, strict=True):
        close = one.pop("logit_error"), other.pop("logit_error")
        assert close[0] == pytest.approx(close[1], rel=1e-4, abs=1e-6)
        assert one == other


def test_the_order_of_variants_and_other_variants_beside_it_change_nothing(tmp_path: Path) -> None:
    scaled = {"name": "scaled", "scaling": {}}
    clamped = {"name": "clamped", "guards": ["clamp"]}
    alone = run_scenario(small(variants=[scaled]), out=tmp_path / "a")
    both = run_scenario(small(variants=[clamped, scaled]), out=tmp_path / "b")
    for row in alone.rows:
        assert row == both.row(variant=row["variant"], ber=row["ber"])


def test_a_harsher_rate_alone_gives_the_same_map_as_among_others(tmp_path: Path) -> None:
    one = run_scenario(small(memory={"ber": 1e-2}), out=tmp_path / "a")
    many = run_scenario(small(memory={"ber": [1e-4, 1e-2, 0.3]}), out=tmp_path / "b")
    assert one.row(variant="scaled", ber=1e-2) == many.row(variant="scaled", ber=1e-2)


def test_variants_meet_the_same_weak_cells(finished: Results) -> None:
    log = [json.loads(line) for line in (finished.folder / "trials.jsonl").read_text().splitlines()]
    for fmt in ("q2.5", "fp16"):
        for ber in (1e-3, 2e-2):
            found = {
                (trial["map"], trial["faulty_words"], sum(trial["flips"].values()))
                for trial in log
                if (trial["format"], trial["ber"]) == (fmt, ber)
            }
            assert len(found) == 3  # one for each map, whatever the variant


def test_another_seed_draws_other_maps(tmp_path: Path) -> None:
    rows = [run_scenario(small(seed=seed), out=tmp_path / str(seed)).row(variant="scaled", ber=1e-2) for seed in (3, 4)]
    assert rows[0]["flips"] != rows[1]["flips"]


def test_the_number_of_flips_is_binomial(tmp_path: Path) -> None:
    """Mean over 12 maps of 8 x 61,470 cells at 1e-2: within 4.5 standard errors, an error in 150,000."""
    results = run_scenario(small(trials={"fault_maps": 12}, memory={"ber": 1e-2}), out=tmp_path)
    row = results.row(variant="unscaled", ber=1e-2)
    cells, p = row["stored_bits"], 1e-2
    assert abs(row["flips"] - cells * p) < 4.5 * np.sqrt(cells * p * (1 - p) / 12)
    assert row["flips"] == pytest.approx(sum(row[f"flips_{field}"] for field in ("sign", "integer", "fraction")))
    assert row["flips_exponent"] is None


def test_directions_and_immune_bits_arrive_at_the_memory(tmp_path: Path) -> None:
    scenario = small(
        memory={"formats": ["fp16"], "ber": 0.05, "immune": [[], ["exponent", "sign"]], "one_to_zero": 0.0}
    )
    results = run_scenario(scenario, out=tmp_path)
    free = results.row(variant="scaled", ber=0.05, immune="")
    spared = results.row(variant="scaled", ber=0.05, immune="exponent+sign")
    assert free["flips_exponent"] > 0
    assert (spared["flips_exponent"], spared["flips_sign"]) == (0, 0)
    assert spared["flips_fraction"] == free["flips_fraction"]  # the same weak cells
    both = run_scenario(small(memory={"formats": ["fp16"], "ber": 0.05}), out=tmp_path / "both")
    assert 0.3 < free["flips"] / both.row(variant="scaled", ber=0.05)["flips"] < 0.7  # only the stored zeros flip


def test_biases_are_stored_on_request(tmp_path: Path) -> None:
    rows = [
        run_scenario(small(memory={"store": store}), out=tmp_path / "+".join(store)).row(variant="unscaled", ber=0)
        for store in (["weights"], ["weights", "biases"])
    ]
    assert rows[1]["stored_bits"] - rows[0]["stored_bits"] == 8 * (61_706 - rows[0]["stored_bits"] // 8)


def test_a_row_is_what_the_python_interface_gives(finished: Results) -> None:
    """The same trial by hand: harden, draw, run."""
    model = hwsim.load_network("lenet5", seed=3)
    data = hwsim.load_data("fashion_mnist", 40, network=model, seed=3)
    network = hwsim.capture(model, data.images[:2])
    stored = hwsim.harden(network, "q2.5", hwsim.Scaling())
    memory = hwsim.Memory(stored.words, stored.format)
    right, flips = [], []
    for number in range(3):
        faults = hwsim.BitFlips(2e-2).draw(memory, (3, "fault map", number))
        run = hwsim.Accelerator(stored, "per_weight", DatapathConfig(batch=8)).run(data.images, faults)
        right.append(int((run.predictions == data.labels).sum()))
        flips.append(faults.flips)
    row = finished.row(format="q2.5", variant="per weight", ber=2e-2)
    assert row["accuracy"] == pytest.approx(np.mean(right) / 40)
    assert row["flips"] == pytest.approx(np.mean(flips))
    assert row["divisions"] == run.counts.total.divisions == 5 * 61_470
    assert row["words_read"] == run.counts.total.words_read


def test_rows_have_the_columns_that_are_explained(finished: Results) -> None:
    assert [set(row) for row in finished.rows] == [{column.name for column in ACCURACY}] * len(finished.rows)
    names = {column.name for column in count_columns()}
    assert [set(row) for row in finished.counts] == [names] * len(finished.counts)
    with (finished.folder / "results.csv").open(newline="") as table:
        assert next(csv.reader(table)) == [column.name for column in ACCURACY]


def test_totals_are_the_sums_of_the_layers(finished: Results) -> None:
    for fmt, variant in {(row["format"], row["variant"]) for row in finished.counts}:
        mine = [row for row in finished.counts if (row["format"], row["variant"]) == (fmt, variant)]
        total = next(row for row in mine if row["layer"] == "total")
        for name in ("macs", "divisions", "shifts", "words_read"):
            assert total[name] == sum(row[name] for row in mine if row["layer"] != "total")


def test_every_point_has_its_fault_free_value_and_its_baseline(finished: Results) -> None:
    for row in finished.rows:
        assert finished.row(format=row["format"], variant=row["variant"], ber=0)["fault_maps"] == 1
        assert finished.row(format=row["format"], variant="unscaled", ber=row["ber"])["images"] == 40


def test_intervals_hold_their_means_and_one_map_has_none_over_maps(finished: Results) -> None:
    for row in finished.rows:
        for name in ("accuracy", "agreement"):
            assert row[f"{name}_images_low"] <= row[name] <= row[f"{name}_images_high"]
            if row["ber"] == 0:
                assert row[f"{name}_maps_low"] is None
            else:
                assert row[f"{name}_maps_low"] <= row[name] <= row[f"{name}_maps_high"]


def test_results_are_read_back_as_they_were(finished: Results) -> None:
    again = Results.load(finished.folder)
    assert again == finished
    assert "per weight" in str(again)
    with pytest.raises(HwsimError, match="6 rows"):
        again.row(variant="per weight")


def test_images_without_a_result_count_as_wrong(tmp_path: Path) -> None:
    """At a BER of 0.2 almost every FP16 layer has an exponent of ones somewhere: NaN everywhere."""
    results = run_scenario(small(memory={"formats": ["fp16"], "ber": 0.2}), out=tmp_path)
    row = results.row(variant="unscaled", ber=0.2)
    assert row["invalid"] > 0.5
    assert row["accuracy"] <= 1 - row["invalid"] + 1e-12
    assert row["agreement"] <= 1 - row["invalid"] + 1e-12
    assert row["overflows"] > 0
    assert row["overflow_layers"]


def test_the_logit_error_leaves_out_images_that_are_not_finite() -> None:
    reference = torch.zeros(3, 2)
    logits = torch.tensor([[1.0, 3.0], [float("inf"), 0.0], [float("nan"), 0.0]])
    assert _logit_error(logits, reference) == 2.0
    assert _logit_error(logits[1:], reference[1:]) is None


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        small(variants=[{"name": "a", "scaling": {"granularity": "channel"}, "divide": "logits"}]),
        ["Variant 'a' cannot be run in q2.5", "channel"],
    ),
    (small(variants=[{"name": "b", "guards": ["mask_exponent_msb"]}]), ["Variant 'b'", "q2.5", "exponent"]),
    (
        small(
            memory={"formats": ["fp32"]},
            variants=[{"name": "c", "scaling": {"target": 3}, "guards": ["mask_exponent_msb"]}],
        ),
        ["Variant 'c'", "fp32", "t below 2"],
    ),
    (
        small(memory={"formats": ["fp16"]}, variants=[{"name": "d", "scaling": {"target": 1e6}}]),
        ["Variant 'd'", "fp16", "65504"],
    ),
    (small(network={"name": "lenet"}), ["lenet"]),
    (small(network={"weights": "lost.safetensors"}), ["lost.safetensors"]),
    (small(data={"name": "fashion_mnst"}), ["fashion_mnst", "fashion_mnist"]),
    (small(data={"images": 10_001}), ["10,000"]),
    (small(data={"name": None, "folder": "lost/photos"}), ["lost/photos"]),
]


@pytest.mark.parametrize(("scenario", "parts"), REFUSED, ids=[parts[0] for _, parts in REFUSED])
def test_what_cannot_run_is_said_before_anything_is_written(
    tmp_path: Path, scenario: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(HwsimError) as caught:
        run_scenario(scenario, out=tmp_path / "r")
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_the_folder_is_checked_before_the_network_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    with pytest.raises(HwsimError, match="cannot be written"):
        run_scenario(small(), out=tmp_path / "file" / "r", progress=lambda text, done, total: said.append(text))
    assert said == []


def test_results_go_to_a_folder_of_the_scenarios_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_scenario(small(name="mine", memory={"ber": 0})).folder == Path("results/mine")
    assert (tmp_path / "results" / "mine" / "results.csv").is_file()


def test_a_network_of_ones_own_runs_like_any_other(tmp_path: Path) -> None:
    """A function in a file, its input shape in the scenario, BatchNorm folded, random weights from the seed."""
    source = tmp_path / "mine.py"
    source.write_text(
        "from torch import nn\n"
        "def net():\n"
        "    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(2704, 10)]\n"
        "    return nn.Sequential(*layers)\n"
    )
    scenario = small(network={"name": f"{source}:net", "input_shape": [1, 28, 28], "fold_batchnorm": True})
    results = run_scenario(scenario, out=tmp_path / "r")
    assert results.facts["layers"] == 2
    assert results.row(variant="unscaled", ber=0)["stored_bits"] == 8 * (4 * 9 + 27040)
    other = run_scenario({**scenario, "seed": 5}, out=tmp_path / "s")
    assert other.environment["inputs"]["the network"] != results.environment["inputs"]["the network"]


def test_a_folder_that_lost_its_environment_is_not_reported_and_is_whole_after_another_run(tmp_path: Path) -> None:
    scenario = small(data={"images": 4}, memory={"ber": [1e-2]}, trials={"fault_maps": 1})
    run_scenario(scenario, out=tmp_path / "r")
    before = {name: (tmp_path / "r" / name).read_bytes() for name in TABLES}
    (tmp_path / "r" / "environment.json").unlink()
    with pytest.raises(HwsimError, match=r"has lost its environment\.json: run its scenario again"):
        Results.load(tmp_path / "r")
    run_scenario(scenario, out=tmp_path / "r")
    assert before == {name: (tmp_path / "r" / name).read_bytes() for name in TABLES}
    assert Results.load(tmp_path / "r").environment["packages"]


@pytest.mark.parametrize("kept", ["zero_to_one", "one_to_zero"])
def test_only_the_bits_flip_that_may(kept: str, tmp_path: Path) -> None:
    """At a rate of one the signs flip of all negative weights, or of all others."""
    memory = {"ber": 1.0, "immune": [["integer", "fraction"]], kept: 0.0}
    scenario = small(data={"images": 2}, memory=memory, trials={"fault_maps": 1}, variants=None)
    row = run_scenario(scenario, out=tmp_path / "r").row(variant="unscaled", ber=1.0)
    weights = [w for name, w in load_network("lenet5").module.state_dict().items() if name.endswith("weight")]
    negative = sum(int((torch.round(w.double() * 32) < 0).sum()) for w in weights)  # in steps of q2.5
    assert row["flips"] == (negative if kept == "zero_to_one" else sum(w.numel() for w in weights) - negative)
