"""Each thing that the manual says how to add (`docs/contributing.md`), added once and used, by public names alone."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import hwsim
from hwsim.constants import Constant, load_table
from hwsim.datapath import DatapathConfig, PlanOptions, interval_peaks, make_plan
from hwsim.datapath.costs import prices, typical
from hwsim.experiment.catalogue.catalogue import network_of
from hwsim.experiment.catalogue.data import images_of
from hwsim.experiment.results.columns import Column
from hwsim.experiment.results.plans import Plans
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Row
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import Trial
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.accuracy import AccuracyStudy
from hwsim.experiment.studies.bench import Bench, Given
from hwsim.experiment.studies.job import Job
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.study import Records, Table, run_trials
from hwsim.experiment.studies.trials import run_faulty, run_sound
from hwsim.memory import Condition, Device, Memory, Phase
from hwsim.memory.ecc import LinearCode, add_code, get_code, names
from hwsim.memory.mechanisms.mechanism import FORCE_0, TOGGLE, Mechanism, Situation, Traits, Upsets
from hwsim.memory.technology.constants import technology
from hwsim.network import Rule, operators, teach
from hwsim.network.operators.bounds import increasing
from hwsim.words import FloatFormat, WordFormat, get_format

IMAGES = torch.linspace(-1, 1, 4 * 3 * 6 * 6).reshape(4, 3, 6, 6)


def small(between: nn.Module) -> nn.Module:
    """A convolution, something, and a layer of logits."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), between, nn.Flatten(), nn.Linear(64, 5)).eval()


def logits(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return module(IMAGES)


# A number format


def test_a_format_of_ones_own_holds_weights() -> None:
    own = FloatFormat("fp8_e3m4", 3, 4)
    assert own.encode([1.5, -0.25, 15.5]).tolist() == [0b0_011_1000, 0b1_001_0000, 0b0_110_1111]
    assert own.largest == (2 - 2**-4) * 2**3
    module = small(nn.ReLU())
    stored = hwsim.harden(hwsim.capture(module, IMAGES), own, hwsim.Scaling())
    reference = logits(module)
    error = (hwsim.Accelerator(stored, "per_layer").run(IMAGES).logits - reference).abs().max()
    assert 0 < error < 2 * 2**-5 * reference.abs().max()  # two layers, each weight rounded to 5 bits


# An operation


@torch.library.custom_op("contributing::halved_below", mutates_args=())
def halved_below(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x < 0, x / 2, x)


@halved_below.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


class HalvedBelow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.contributing.halved_below(x)


def test_an_operation_that_is_taught_is_planned_bounded_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators.operator, "_TABLE", dict(operators.operator._TABLE))
    module = small(HalvedBelow())
    network = hwsim.capture(module, IMAGES)
    stored = hwsim.harden(network, "fp32", hwsim.Scaling())
    with pytest.raises(hwsim.HwsimError, match=r"contributing.halved_below.default in 1 needs its input unscaled"):
        make_plan(stored, "logits")
    teach(torch.ops.contributing.halved_below.default, Rule("carry"), bound=increasing)
    reference = logits(module)
    for way in ("per_layer", "logits"):
        assert torch.allclose(hwsim.Accelerator(stored, way).run(IMAGES).logits, reference, rtol=1e-4, atol=1e-5)
    peaks = interval_peaks(network, -1, 1)
    assert all(math.isfinite(peak) for peak in peaks.values())
    assert max(peaks.values()) >= reference.abs().max()


# A technology and a mechanism

TABLE = """
title = "Leaky cells"
mechanisms = []

[constants.leak_rate]
value = 0.02
unit = "1/h"
source = "chosen for a test"
trust = "assumed"

[geometry.banks]
value = 2
unit = "1"
source = "chosen for a test"
trust = "assumed"
"""


class Leak(Mechanism):
    """Charge that is lost at a constant rate, until a cell is written again."""

    name = "leak"
    traits = Traits("1 to 0", "until rewritten", "cell", "since write", "write")
    stage = "retain"

    def __init__(self, rate_per_s: float) -> None:
        self.rate_per_s = rate_per_s

    def upsets(self, situation: Situation) -> Upsets:
        return situation.weak(-math.expm1(-self.rate_per_s * situation.since_write.duration_s), becomes=FORCE_0)


def test_a_technology_of_ones_own_lives_with_its_mechanism(tmp_path: Path) -> None:
    (tmp_path / "leaky.toml").write_text(TABLE, encoding="utf-8")
    leaky = technology(tmp_path / "leaky.toml")
    assert (leaky.name, leaky.title) == ("leaky", "Leaky cells")
    device = Device(leaky, [Leak(leaky["leak_rate"].to("1/s"))], seed=1)
    bits = 8 * 5000
    device.write(Memory({"w": np.full(bits // 8, 0xFF, np.uint8)}, get_format("int8")))
    lost = []
    for _ in range(2):
        device.advance(Phase(10 * 3600, Condition()))
        lost.append(int(np.bitwise_count(device.read().faults.before ^ device.read().faults.after).sum()))
    for hours, count in zip((10, 20), lost, strict=True):
        share = 1 - math.exp(-0.02 * hours)
        assert abs(count - bits * share) < 4.5 * math.sqrt(bits * share * (1 - share))


MODULE = """
from hwsim.memory.mechanisms.generic import Flips


def build(technology):
    return {"loss": lambda: Flips((0.0, technology["leak_rate"].to("1/s")), "second", "loss")}
"""
LIFE = """
import numpy as np

from hwsim.memory import Condition, Device, Memory, Phase
from hwsim.memory.technology.constants import technologies
from hwsim.words import get_format

assert "leaky_cells" in technologies()
device = Device("leaky_cells", seed=1)
device.write(Memory({"w": np.full(5000, 0xFF, np.uint8)}, get_format("int8")))
device.advance(Phase(10 * 3600, Condition()))
readout = device.read()
print(*readout.changed, int(np.bitwise_count(readout.faults.before ^ readout.faults.after).sum()))
"""


def test_a_technology_that_comes_along_is_a_table_and_a_module(tmp_path: Path) -> None:
    """In a copy of the package, to which two files are added and in which none is changed."""
    copy = tmp_path / "hwsim"
    shutil.copytree(Path(hwsim.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    table = TABLE.replace("mechanisms = []", 'mechanisms = ["loss"]')
    (copy / "memory" / "technology" / "tables" / "leaky_cells.toml").write_text(table, encoding="utf-8")
    (copy / "memory" / "mechanisms" / "leaky.py").write_text(MODULE, encoding="utf-8")
    lived = subprocess.run(
        [sys.executable, "-c", LIFE], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    name, count = lived.stdout.split()
    bits, share = 8 * 5000, 1 - math.exp(-0.02 * 10)
    assert name == "loss"
    assert abs(int(count) - bits * share) < 4.5 * math.sqrt(bits * share * (1 - share))


# A code


class OneCell(Mechanism):
    """One cell of a memory reads the other way round."""

    name = "one_cell"
    traits = Traits("both", "permanent", "cell", "none", "nothing")
    stage = "read"

    def upsets(self, situation: Situation) -> Upsets:
        return Upsets.of([5], TOGGLE)


def hamming(name: str, word_bits: int, fmt: WordFormat) -> LinearCode:
    """The (12, 8) code of Hamming's paper: the syndrome is the place of the wrong cell, counted from one."""
    places = tuple(place for place in range(1, 13) if place.bit_count() > 1)
    return LinearCode(name=name, data_bits=8, check_bits=4, columns=places, corrects=1, detects=1)


@pytest.fixture
def own_code(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(names, "_BUILDERS", dict(names._BUILDERS))
    add_code("hamming", hamming)
    return "hamming"


def test_a_code_of_ones_own_protects_a_device(own_code: str) -> None:
    code = get_code(own_code, 64, "int8")
    data = np.arange(256)
    cells = code.encode(data)
    for cell in range(12):
        flip = (1 << cell, 0) if cell < 8 else (0, 1 << cell - 8)
        assert (code.decode(cells.data ^ np.uint64(flip[0]), cells.check ^ np.uint64(flip[1])).data == data).all()
    memory = Memory({"w": np.arange(64, dtype=np.uint8)}, get_format("int8"))
    for ecc, wrong in (("none", 1), (own_code, 0)):
        device = Device(mechanisms=[OneCell()], ecc=ecc, seed=1)
        device.write(memory)
        assert len(device.read().faults) == wrong
    with pytest.raises(hwsim.HwsimError, match="There is a code called 'secded' already"):
        add_code("secded", hamming)


# An entry of a cost table

COSTS = """
[bf16.shift]
energy = { value = [0.01, 0.02, 0.04], unit = "pJ", source = "chosen for a test", trust = "assumed" }
[bf16.reciprocal]
energy = { value = "900 fJ", unit = "pJ", source = "chosen for a test", trust = "assumed" }
[bf16.division]
energy = { value = 6, unit = "pJ", source = "chosen for a test", trust = "assumed" }
"""


def test_a_cost_table_of_ones_own_is_what_a_plan_minimises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_costs").mkdir()
    (tmp_path / "own_costs" / "__init__.py").touch()
    (tmp_path / "own_costs" / "costs.toml").write_text(COSTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    table = load_table("own_costs", "costs.toml")["bf16"]
    assert table["division"]["energy"] == Constant("energy", 6, "pJ", "chosen for a test", "assumed")
    own = prices({kind: typical(entry["energy"]) for kind, entry in table.items()}).values
    assert own == pytest.approx({"shift": 0.02, "reciprocal": 0.9, "division": 6})
    stored = hwsim.harden(hwsim.capture(small(nn.ReLU()), IMAGES), "fp32", hwsim.Scaling())
    for divider, price in (("exact", 6), ("reciprocal", 0.9)):
        config = DatapathConfig(divider=divider, bias_multiplier=False)
        plan = make_plan(stored, "planned", config, options=PlanOptions(prices=own))
        assert plan.solution is not None
        assert plan.solution.cost == pytest.approx(5 * price)  # of the logits alone


# A study


class Remembering:
    """A store that keeps everything in memory, and nothing from an earlier run."""

    path = Path("nowhere")

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.tables: dict[str, Sequence[Row]] = {}

    def plans(self, environment: Mapping[str, Any]) -> Plans:
        return {}

    def begin(self, environment: Mapping[str, Any], plans: Plans | None = None) -> dict[Trial, TrialRecord]:
        return {}

    def append(self, trial: Trial, record: TrialRecord) -> None:
        self.trials.append(trial)

    def write_table(self, name: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        self.tables[name] = rows


class SignStudy(AccuracyStudy):
    """The sign of every weight is wrong, and a table of its own says how many these are."""

    def run(self, job: Job, bench: Bench) -> Iterator[TrialRecord]:
        ready = bench.ready_for(job)
        immune = (1 << ready.memory.format.width - 1) - 1
        faults = hwsim.BitFlips(ber=1, immune=immune).draw(ready.memory, seed=1)
        yield run_faulty(bench, ready, faults) if job.point.ber else run_sound(bench, ready)

    def findings(self, scenario: Scenario, records: Records) -> Row:
        return {"signs": max(record.faulty_words for record in records.values())}

    def tables(self, facts: Row) -> Iterator[Table]:
        yield "signs.csv", (Column("signs", "words", "words whose sign is wrong"),), [{"signs": facts["signs"]}]


def test_a_study_of_ones_own_is_run_by_the_loop_of_all() -> None:
    module = small(nn.ReLU())
    labels = logits(module).argmax(1)
    network = network_of(module, (3, 6, 6))
    tables = {"name": "signs", "network": {"name": network.name}, "trials": {"fault_maps": 1},
              "data": {"name": "mine", "images": 4}, "memory": {"formats": "fp32", "ber": 1e-3}}  # fmt: skip
    store = Remembering()
    given = Given(network, images_of(IMAGES, labels))
    results = run_trials(SignStudy(), load_scenario(tables), store, silent, given)
    weights = 4 * 3 * 9 + 64 * 5
    assert store.tables["signs.csv"] == [{"signs": weights}]
    assert [trial.point.ber for trial in store.trials] == [0, 1e-3]
    with torch.no_grad():
        for parameter in (module[0].weight, module[3].weight):
            parameter.neg_()
    negated = float((logits(module).argmax(1) == labels).double().mean())
    assert [row["accuracy"] for row in results.rows] == [1.0, negated]


# The page itself


def files_of(text: str) -> Iterator[str]:
    for part in text.split("`")[1::2]:
        if part.startswith(("hwsim/", "tests/", "docs/")) and "<" not in part:
            yield part


def test_the_files_that_the_page_names_are_there_and_no_list_has_more_than_three() -> None:
    root = Path(__file__).parents[1]
    text = (root / "docs" / "contributing.md").read_text(encoding="utf-8")
    assert [file for file in files_of(text) if not (root / file).exists()] == []
    lists: dict[str, int] = {}
    for section in text.partition("## How to add")[2].partition("\n## ")[0].split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        lists[title] = sum(line[:3] in {f"{n}. " for n in range(1, 10)} for line in body.splitlines())
    assert len(lists) == 7
    assert all(1 <= count <= 3 for count in lists.values())
