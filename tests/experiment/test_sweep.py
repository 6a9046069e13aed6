"""A sweep of a module and images in memory: the same figures as a scenario's and as torch's own, and clear errors."""

from __future__ import annotations

import gc
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hwsim
from hwsim.memory import BitFlips, Memory
from tests.experiment.conftest import small


class Net(nn.Module):
    """A classifier as a user writes it, with layers that evaluation changes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(36, 5))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(2)
    return Net()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(24, 1, 8, 8, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def labels() -> Tensor:
    return torch.randint(5, (24,), generator=torch.Generator().manual_seed(6))


def quick(model: Any, images: Any, labels: Any, **settings: Any) -> hwsim.experiment.Results:
    return hwsim.sweep(model, images, labels, **{"ber": 1e-2, "formats": "q2.5", "fault_maps": 2, **settings})


def test_a_sweep_gives_the_tables_of_the_scenario_that_says_the_same(tmp_path: Path) -> None:
    said = small(variants=[{"name": "scaled", "scaling": {}}, {"name": "clamped", "guards": ["clamp"]}])
    network = hwsim.load_network("lenet5")
    data = hwsim.load_data("fashion_mnist", images=40, network=network, seed=said["seed"])
    expected = hwsim.run_scenario(said, out=tmp_path / "scenario")
    found = hwsim.sweep(
        network,
        data.images,
        data.labels,
        ber=said["memory"]["ber"],
        formats=["q2.5"],
        fault_maps=3,
        seed=3,
        variants=said["variants"],
        out=tmp_path / "sweep",
    )
    assert (found.rows, found.counts) == (expected.rows, expected.counts)
    assert found.environment == expected.environment  # the fingerprints of weights and images, too
    for table in ("results.csv", "counts.csv"):
        assert (tmp_path / "sweep" / table).read_bytes() == (tmp_path / "scenario" / table).read_bytes()


def test_the_accuracy_of_a_point_is_that_of_the_plain_module_with_the_faulty_weights_put_in(
    net: Net, images: Tensor, labels: Tensor
) -> None:
    """The flips of each map are put into the weights by hand, and torch runs the module: no datapath."""
    found = quick(net, images, labels, formats="fp16", seed=7, ber=3e-3, fault_maps=4)
    stored = hwsim.harden(hwsim.capture(net.eval(), images[:2]), "fp16")
    memory = Memory(stored.words, stored.format)
    shares = []
    for number in range(4):
        faults = BitFlips(3e-3).draw(memory, (7, "fault map", number))
        words = memory.flat.copy()
        words[faults.address] = faults.after
        state = dict(net.state_dict())
        for region in memory.layout.regions:
            values = words[region.first_word : region.end].view(np.float16).astype(np.float32)
            state[region.name] = torch.from_numpy(values).reshape(region.shape)
        wrong = Net().eval()
        wrong.load_state_dict(state)
        with torch.no_grad():
            logits = wrong(images)
        right = (logits.argmax(1) == labels) & ~logits.isnan().any(1)
        shares.append(right.double().mean().item())
    assert len(set(shares)) > 1  # the flips matter
    row = found.row(variant="unscaled", ber=3e-3)
    assert row["accuracy"] == pytest.approx(math.fsum(shares) / 4, abs=1e-12)
    assert row["flips"] > 0


def test_a_module_stays_as_it_is(net: Net, images: Tensor, labels: Tensor) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    quick(net, images, labels)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [np.int64, np.int32, np.uint8])
def test_arrays_of_numpy_give_what_tensors_give(net: Net, dtype: Any, whole: Any) -> None:
    images = np.random.default_rng(4).integers(-8, 8, (10, 1, 8, 8)) / 4  # exact in every float
    labels = np.arange(10) % 5
    expected = quick(net, torch.from_numpy(images).float(), torch.from_numpy(labels))
    assert quick(net, images.astype(dtype), labels.astype(whole)).rows == expected.rows


def test_a_classifier_of_torchvision_can_be_swept() -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(1)
    images = torch.randn(2, 3, 64, 64)
    model = squeezenet1_1(weights=None).eval()
    with torch.no_grad():
        expected = model(images).argmax(1)
    found = hwsim.sweep(model, images, expected, ber=1e-6, formats="fp32", fault_maps=1)
    assert found.row(variant="unscaled", ber=0.0)["accuracy"] == 1
    assert found.facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_each_way_of_dividing_is_a_variant_beside_the_unscaled_network(
    net: Net, images: Tensor, labels: Tensor
) -> None:
    found = quick(net, images, labels, divide=["per_weight", "per_layer"], ber=[1e-3, 1e-2])
    assert {(row["variant"], row["divide"]) for row in found.rows} == {
        ("unscaled", "none"),
        ("scaled, per_weight", "per_weight"),
        ("scaled, per_layer", "per_layer"),
    }
    assert {row["ber"] for row in found.rows} == {0.0, 1e-3, 1e-2}
    weights = 4 * 9 + 36 * 5
    assert found.row(variant="scaled, per_weight", ber=0.0)["divisions"] == 24 * weights
    assert found.row(variant="scaled, per_layer", ber=0.0)["divisions"] == 24 * (4 * 36 + 5)


def test_further_settings_are_a_scenarios_own(net: Net, images: Tensor, labels: Tensor) -> None:
    found = quick(
        net,
        images,
        labels,
        seed=9,
        name="mine",
        memory={"one_to_zero": 0.0},
        trials={},
        network={"fold_batchnorm": True},
        data={"batch": 5},
        datapath={"batch": 3},
    )
    scenario = found.scenario
    assert (scenario.name, scenario.seed, scenario.memory.one_to_zero, scenario.datapath.batch) == ("mine", 9, 0.0, 3)
    assert (scenario.network.fold_batchnorm, scenario.data.batch, scenario.data.images) == (True, 5, 24)
    assert quick(net, images, labels, seed=9).rows != found.rows


def test_a_mission_makes_it_a_lifetime(net: Net, images: Tensor, labels: Tensor) -> None:
    mission = {"profile": [{"for": "10 years", "at": "85 degC"}], "read_at": ["1 year", "10 years"]}
    found = hwsim.sweep(
        net, images, labels, formats="q2.5", fault_maps=1, memory={"technology": "pcm"}, mission=mission
    )
    assert found.scenario.study == "lifetime"
    assert {row["read_at_s"] for row in found.rows} == {None, 365.25 * 86_400, 3652.5 * 86_400}


def test_without_a_folder_the_files_go_when_the_results_do(net: Net, images: Tensor, labels: Tensor) -> None:
    found = quick(net, images, labels)
    folder = found.folder
    assert hwsim.write_report(found) == folder / "report.html"
    assert (folder / "figures" / "accuracy.svg").is_file()
    del found
    gc.collect()
    assert not folder.exists()


def test_a_kept_sweep_goes_on_and_can_be_loaded_but_not_with_another_module(
    net: Net, images: Tensor, labels: Tensor, tmp_path: Path
) -> None:
    steps: list[str] = []

    def progress(text: str, done: int, total: int) -> None:
        if total:
            steps.append(text)

    first = quick(net, images, labels, out=tmp_path / "kept", progress=progress)
    assert len(steps) == 7  # two variants: a fault-free trial and two with faults each; writing the results
    steps.clear()
    assert quick(net, images, labels, out=tmp_path / "kept", progress=progress).rows == first.rows
    assert steps == []  # no trial is left
    assert hwsim.experiment.Results.load(tmp_path / "kept").rows == first.rows
    with torch.no_grad():
        net.head[1].bias += 1
    with pytest.raises(hwsim.HwsimError, match="was begun with the network"):
        quick(net, images, labels, out=tmp_path / "kept")
    assert quick(net, images, labels, out=tmp_path / "kept", fresh=True).environment != first.environment


def test_the_saved_scenario_says_that_its_network_was_a_module(
    net: Net, images: Tensor, labels: Tensor, tmp_path: Path
) -> None:
    quick(net, images, labels, out=tmp_path / "kept")
    with pytest.raises(hwsim.HwsimError, match="'python:Net' was given in Python as a module: call "):
        hwsim.run_scenario(tmp_path / "kept" / "scenario.toml", out=tmp_path / "again")


def test_nothing_is_left_of_a_sweep_that_failed(
    net: Net, images: Tensor, labels: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(hwsim.HwsimError, match="Variant 'odd' cannot be run"):
        quick(
            net, images, labels, variants=[{"name": "odd", "scaling": {"granularity": "channel"}, "divide": "logits"}]
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"model": "lenet5"}, "needs an nn.Module, not str"),
        ({"model": nn.Flatten(0)}, "must return logits of shape"),
        ({"model": nn.Linear(3, 3)}, "does not run on an image of shape (1, 8, 8)"),
        ({"images": "pictures"}, "The images must be a tensor of torch or an array of numpy, not str"),
        ({"images": np.zeros((24, 8, 8))}, "not of shape (24, 8, 8)"),
        ({"images": np.zeros((0, 1, 8, 8))}, "at least one"),
        ({"images": np.zeros((24, 1, 8, 8), np.uint8)}, "are of uint8: give floats"),
        ({"images": np.full((24, 1, 8, 8), np.nan)}, "NaN"),
        ({"labels": np.zeros(23, int)}, "24 whole numbers, one for each image, not int64 of shape (23,)"),
        ({"labels": np.zeros(24)}, "not float64 of shape (24,)"),
        ({"labels": np.zeros((24, 5), int)}, "of shape (24, 5)"),
        ({"labels": np.full(24, -1)}, "from 0, not -1"),
        ({"labels": np.full(24, 5)}, "go up to 5, where the network has 5 classes"),
        ({"labels": None}, "labels must be a tensor"),
        ({"ber": 2}, "`memory.ber`"),
        ({"formats": "fp33"}, "did you mean 'fp32'"),
        ({"divide": "per_leyer"}, "'per_layer'"),
        ({"divide": "logits", "variants": []}, "not both"),
        ({"fault_maps": 0}, "`trials.fault_maps`"),
        ({"memory": {"ber": 0.1}}, "give ber=..."),
        ({"memory": 3}, "must be a table"),
        ({"network": {"name": "lenet5"}}, "`network.name` has no effect in a sweep"),
        ({"data": {"crops": 2}}, "`data.crops` has no effect in a sweep"),
        ({"fault_map": 3}, "fault_map"),
        ({"study": "bit_errors"}, "no effect in a 'bit_errors' study"),
        ({"fresh": True}, "no effect without a folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_input_is_one_sentence(
    net: Net, images: Tensor, labels: Tensor, changed: dict[str, Any], part: str
) -> None:
    arguments = {"model": net, "images": images, "labels": labels, **changed}
    with pytest.raises(hwsim.HwsimError) as error:
        quick(**arguments)
    assert part in str(error.value)
    assert "\n" not in str(error.value)
