"""Going on in a folder: what is added is run, what is finished is not, and nothing is taken that does not belong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import all_trials
from hwsim.experiment.studies.run import run_scenario

from .conftest import small
from .test_lifetime_study import life

SCALED = {"name": "scaled", "scaling": {}, "divide": "per_layer"}
CLAMPED = {"name": "clamped", "guards": ["clamp"]}
PLANNED = {"name": "planned", "scaling": {}, "divide": "planned"}
HALF = {"name": "half", "scaling": {"target": 0.5}, "divide": "planned"}


def tables(folder: Path) -> dict[str, bytes]:
    """All that is made of trials."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".toml")} | {
        "results.json": (folder / "results.json").read_bytes()
    }


def ran(scenario: dict[str, Any], folder: Path) -> int:
    """Runs a scenario; how many trials it had to run."""
    seen = [0]
    run_scenario(scenario, out=folder, progress=lambda text, done, total: seen.append(total))
    return max(seen)


EXTENDED = {
    "fault maps": (small(), small(trials={"fault_maps": 5})),
    "rates": (small(), small(memory={"ber": [1e-4, 1e-3, 1e-2, 0.1]})),
    "formats": (small(), small(memory={"formats": ["fp16", "q2.5"]})),
    "immune bits": (small(), small(memory={"immune": [[], ["sign"]]})),
    "variants": (small(), small(variants=[CLAMPED, SCALED])),
    "a planned variant": (small(), small(variants=[SCALED, PLANNED])),
    "planned variants": (small(variants=[PLANNED]), small(variants=[HALF, PLANNED])),
    "all": (small(), small(memory={"ber": [1e-4, 1e-3]}, trials={"fault_maps": 4}, variants=[PLANNED, SCALED])),
    "devices": (life(), life(trials={"fault_maps": 3})),
    "later reads": (life(), life(mission={"read_at": ["0 s", "1 month", "1 year", "2 years"]})),
    "temperatures": (life(mission={"at": ["60 degC"]}), life(mission={"at": ["25 degC", "60 degC"]})),
}


@pytest.mark.parametrize("name", EXTENDED)
def test_more_adds_trials_and_fewer_takes_rows_away_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    few, many = EXTENDED[name]
    asked = {key: set(all_trials(load_scenario(data))) for key, data in (("few", few), ("many", many))}
    for data in ("few", "many"):
        run_scenario({"few": few, "many": many}[data], out=tmp_path / data)
    folder = tmp_path / "grown"
    assert ran(few, folder) == len(asked["few"])
    assert ran(many, folder) == len(asked["many"] - asked["few"])
    assert tables(folder) == tables(tmp_path / "many")
    assert ran(few, folder) == 0
    assert tables(folder) == tables(tmp_path / "few")
    assert ran(many, folder) == 0
    assert tables(folder) == tables(tmp_path / "many")


def test_a_read_before_the_others_is_a_read_more_of_the_same_device(tmp_path: Path) -> None:
    """Reading counts as an access, so a later read is not the one of a device that was not read before."""
    late, both = (life(mission={"read_at": times}) for times in (["1 year"], ["1 month", "1 year"]))
    run_scenario(both, out=tmp_path / "both")
    run_scenario(late, out=tmp_path / "grown")
    assert ran(both, tmp_path / "grown") == 2 * 2 * 2  # the sound ones of two variants are there already
    assert tables(tmp_path / "grown") == tables(tmp_path / "both")


def test_a_variant_that_comes_back_under_other_settings_is_run_again(tmp_path: Path) -> None:
    run_scenario(small(variants=[PLANNED]), out=tmp_path)
    run_scenario(small(variants=[]), out=tmp_path)
    other = small(variants=[{**PLANNED, "scaling": {"target": 0.5}}])
    assert ran(other, tmp_path) == 7
    run_scenario(other, out=tmp_path.with_name("other"))
    assert tables(tmp_path) == tables(tmp_path.with_name("other"))


def test_an_extension_that_is_not_finished_shows_no_tables_of_before(tmp_path: Path) -> None:
    def interrupt(text: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    run_scenario(small(), out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_scenario(small(trials={"fault_maps": 4}), out=tmp_path, progress=interrupt)
    with pytest.raises(HwsimError, match="has not finished"):
        Results.load(tmp_path)
    assert not (tmp_path / "results.csv").exists()


# --- the network that the trials are of

NET = """
from torch import nn, manual_seed

def net():
    manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10), nn.Softmax(dim=1))
    module.input_shape = (1, 28, 28)
    return module
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("nn.ReLU()", "nn.Tanh()"), ("nn.ReLU()", "nn.LeakyReLU(0.1)"), (", nn.Softmax(dim=1)", ""), ("dim=1", "dim=-1")],
)
def test_another_computation_with_the_same_parameters_is_another_network(
    tmp_path: Path, before: str, after: str
) -> None:
    path = tmp_path / "nets.py"
    path.write_text(NET)
    data = small(network={"name": f"{path}:net"})
    run_scenario(data, out=tmp_path / "r")
    assert ran(data, tmp_path / "r") == 0
    path.write_text(NET.replace(before, after))
    with pytest.raises(HwsimError, match=r"begun with the network .* and this is"):
        run_scenario(data, out=tmp_path / "r")


TEXT = """
import sys, torch
from hwsim.experiment.catalogue.catalogue import load_network
from hwsim.experiment.studies.environment import graph_text
from hwsim.network import capture
for name in ("fashion_resnet", "mobilenet_v2", "swin_t"):
    loaded = load_network(name, "random")
    print(graph_text(capture(loaded.module, torch.zeros(2, *loaded.input_shape))))
"""


def test_the_text_of_a_network_is_the_same_in_every_process() -> None:
    texts = [
        subprocess.run(
            [sys.executable, "-c", TEXT],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) > 300
    assert not re.search(r"0x[0-9a-f]{6}| at 0x|object at", texts[0])


def test_a_record_names_what_it_follows_from(tmp_path: Path) -> None:
    seals = {}
    for name, data in (("a", small()), ("b", small(seed=4)), ("c", small(name="other", trials={"fault_maps": 5}))):
        run_scenario(data, out=tmp_path / name)
        log = [json.loads(line) for line in (tmp_path / name / "trials.jsonl").read_text().splitlines()]
        seals[name] = {record["seal"] for record in log}
    assert not seals["a"] & seals["b"]
    assert seals["a"] < seals["c"]
