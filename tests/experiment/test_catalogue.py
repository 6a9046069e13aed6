"""Networks by name: the right weights, or one sentence that says what would be right."""

from __future__ import annotations

import gzip
import hashlib
import re
import runpy
import shutil
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import get_model

from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.catalogue import LoadedNetwork, list_networks, load_network
from hwsim.experiment.catalogue.catalogue_card import NetworkCard, library_cards, read_card
from hwsim.experiment.catalogue.catalogue_weights import read_state_dict
from hwsim.experiment.catalogue.data import Images, load_data
from hwsim.experiment.catalogue.data_transform import Preprocess
from hwsim.library import library

RESNET = library("models") / "fashion_resnet"


def correct(network: LoadedNetwork, data: Images) -> int:
    with torch.inference_mode():
        predicted = torch.cat([network(batch).argmax(1) for batch in data.images.split(500)])
    return int((predicted == data.labels).sum())


def one_sentence(message: str) -> bool:
    """No line breaks, ended once, and no trace of a library's own error."""
    return "\n" not in message and message[-1] in ".?" and "Traceback" not in message


def fails(*args: object, match: str, **kwargs: object) -> None:
    with pytest.raises(HwsimError, match=match) as caught:
        load_network(*args, **kwargs)  # type: ignore[arg-type]
    assert one_sentence(str(caught.value))


# --- the networks that come with hwsim


@pytest.mark.parametrize(("name", "at_least"), [("fashion_resnet", 9200), ("lenet5", 9000)])
def test_a_shipped_network_is_as_accurate_on_all_test_images_as_its_card_says(name: str, at_least: int) -> None:
    network = load_network(name)
    data = load_data(network=network)
    assert len(data) == 10_000
    measured = correct(network, data)
    assert measured >= at_least
    # A sum in another order may turn over a few images that two classes share almost equally.
    assert network.accuracy is not None
    assert measured / 100 == pytest.approx(network.accuracy.top1, abs=0.03)


def test_efficientnet_lite0_names_eighteen_of_the_twenty_sample_images() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs `pip install hwsim[imagenet]`")
    network = load_network("efficientnet_lite0")
    assert correct(network, load_data(network=network)) == 18


def test_every_shipped_card_states_what_its_network_is() -> None:
    for name, folder in library_cards(NetworkCard).items():
        card = read_card(folder, NetworkCard)
        assert card.name == name
        if card.missing():
            continue
        network = load_network(name)
        assert network.parameters == card.parameters
        with torch.no_grad():
            assert network(torch.zeros(2, *network.input_shape)).shape == (2, network.outputs)


def test_a_loaded_network_is_in_evaluation_mode_and_has_no_gradients() -> None:
    network = load_network("lenet5")
    assert not network.module.training
    assert not any(parameter.requires_grad for parameter in network.module.parameters())


def test_a_loaded_network_prints_what_it_is() -> None:
    text = repr(load_network("fashion_resnet"))
    for fact in ("fashion_resnet", "701,178 parameters", "1 x 28 x 28", "92.88 %", "measured", "train.py"):
        assert fact in text
    assert "top-1" not in repr(load_network("fashion_resnet", "random"))


def test_nothing_that_the_library_ships_exceeds_five_megabytes() -> None:
    sizes = {path: path.stat().st_size for path in library("models").rglob("*") if path.is_file()}
    assert max(sizes.values()) < 5_000_000


def test_the_list_holds_the_shipped_networks_first_and_then_torchvisions() -> None:
    rows = {row.name: row for row in list_networks()}
    assert list(rows)[:3] == ["efficientnet_lite0", "fashion_resnet", "lenet5"]
    assert rows["fashion_resnet"].available == "yes"
    assert rows["fashion_resnet"].top1 == 92.88
    assert rows["torchvision/resnet18"].parameters == 11_689_512
    assert rows["torchvision/resnet18"].top1 == 69.758
    assert not any(row.name.startswith("torchvision/") for row in list_networks(torchvision=False))


# --- the training script


def test_training_gives_the_same_weights_for_the_same_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(1)
    for split, count in (("train", 64), ("t10k", 20)):
        images = generator.integers(0, 256, (count, 28, 28), np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", images[:, 0, 0] % 10)):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (tmp_path / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # the other tests keep theirs

    def train(name: str, seed: int) -> bytes:
        arguments = f"lenet5 --epochs 2 --batch 16 --seed {seed} --data {tmp_path} --out {tmp_path / name}"
        monkeypatch.setattr("sys.argv", ["train.py", *arguments.split()])
        runpy.run_path(str(library("models") / "train.py"), run_name="__main__")
        return (tmp_path / name).read_bytes()

    first, again, other = train("a.safetensors", 1), train("b.safetensors", 1), train("c.safetensors", 2)
    assert first == again != other
    assert hashlib.sha256(other).hexdigest() in capsys.readouterr().out
    assert load_network("lenet5", tmp_path / "a.safetensors").outputs == 10


# --- weights


def test_random_weights_follow_from_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (load_network("squeezenet1_1", "random", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(3), expected)
    weights = [network.module.state_dict()["classifier.1.weight"] for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_a_state_dict_in_a_file_becomes_the_weights(tmp_path: Path, suffix: str, wrapper: str | None) -> None:
    state = {name: value + 1 for name, value in load_file(RESNET / "weights.safetensors").items()}
    path = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    network = load_network("fashion_resnet", path)
    assert all(torch.equal(network.module.state_dict()[name], value) for name, value in state.items())
    assert network.accuracy is None


def test_a_file_without_batchnorms_step_counts_fits(tmp_path: Path) -> None:
    state = load_file(RESNET / "weights.safetensors")
    state |= {name: value + 1 for name, value in state.items() if "num_batches" not in name}
    save_file({name: t for name, t in state.items() if "num_batches" not in name}, tmp_path / "old.safetensors")
    found = load_network("fashion_resnet", tmp_path / "old.safetensors").module.state_dict()
    counts = {name for name in state if "num_batches" in name}
    assert counts
    assert {name for name in state if not torch.equal(found[name], state[name])} <= counts
    assert all(found[name] == 0 for name in counts)  # what PyTorch gives a layer that was never trained


def test_weights_that_do_not_fit_are_refused_in_one_sentence(tmp_path: Path) -> None:
    state = load_file(RESNET / "weights.safetensors")
    state["head.weight"] = state.pop("fc.weight")
    state["conv1.weight"] = torch.zeros(16, 3, 3, 3)
    save_file(state, tmp_path / "other.safetensors")
    fails(
        "fashion_resnet",
        tmp_path / "other.safetensors",
        match=r"do not fit network 'fashion_resnet': 1 tensor missing \(first 'fc.weight'\), 1 tensor "
        r"unexpected \(first 'head.weight'\), 1 tensor of another shape \(first 'conv1.weight'\): "
        r"\(16, 3, 3, 3\) instead of \(16, 1, 3, 3\)\.$",
    )


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    state = load_file(RESNET / "weights.safetensors")
    state["fc.bias"][2] = torch.nan
    save_file(state, tmp_path / "nan.safetensors")
    fails("fashion_resnet", tmp_path / "nan.safetensors", match="NaN or infinity in 'fc.bias'")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("content", [b"", b"hello", bytes(200)])
def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    fails("lenet5", path, match="is corrupt or not a .* file of tensors")


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"fc3.bias": Attack()}, tmp_path / "attack.pt")
    fails("lenet5", tmp_path / "attack.pt", match="corrupt")
    assert not (tmp_path / "executed").exists()


def test_a_file_of_something_other_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "log.pt")
    fails("lenet5", tmp_path / "log.pt", match="holds no state dict")
    with pytest.raises(HwsimError, match=r"must be a file of named tensors: .safetensors, .pt, .pth"):
        read_state_dict(tmp_path / "weights.h5")


def test_one_flipped_byte_in_shipped_weights_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(RESNET, folder)
    assert load_network(folder).name == "fashion_resnet"
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    fails(folder, match=r"weights.safetensors is corrupt or not the file of its card")
    weights.unlink()
    fails(folder, match=r"weights.safetensors cannot be read: No such file")


def test_a_word_that_names_no_weights_is_refused() -> None:
    fails("lenet5", "imagenet", match="'imagenet' of network 'lenet5' are neither a file .* default, random")
    fails("resnet18", "IMAGENET1K_V9", match="nor one of default, random, IMAGENET1K_V1")
    fails("lenet5", "/no/such/weights.pt", match="cannot be read: No such file")


# --- names


@pytest.mark.parametrize(
    ("name", "meant"),
    [("fashion_resnt", "fashion_resnet"), ("resnet81", "resnet18"), ("torchvision/resnet81", "resnet18")],
)
def test_an_unknown_name_suggests_the_nearest(name: str, meant: str) -> None:
    fails(name, match=rf"Unknown .*did you mean '{meant}'")


def test_a_name_unlike_any_says_what_can_be_named() -> None:
    fails("xyzzy", match=r"fashion_resnet, lenet5, a torchvision classifier, a folder .*file.py:function")


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    fails(tmp_path, match=r"has no card.toml")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("parameters = 701_178", "paramters = 701_178"), "missing|did you mean 'parameters'"),
        (("parameters = 701_178", "parameters = 701_179"), "= 701,179, but the network has 701,178: correct"),
        (('licence = "MIT"', 'licence = "MIT"\nlicense = "MIT"'), "did you mean 'licence'"),
        (("input_shape = [1, 28, 28]", "input_shape = [1, 28]"), "'input_shape.*wrong"),
        (("std = [0.3530]", "std = [0.0]"), "'preprocess' .*std of a preprocess must be above 0"),
        (('classes = "fashion_mnist"', 'classes = "fashion_mnst"'), "did you mean 'fashion_mnist'"),
        (('name = "fashion_resnet"', "name = fashion_resnet"), "is not a TOML file"),
        (('"network.py:build"', '"network.py:built"'), "did you mean 'build'"),
        (('"network.py:build"', '"net.py:build"'), "no Python file"),
    ],
)
def test_a_wrong_card_is_one_sentence(tmp_path: Path, change: tuple[str, str], match: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(RESNET, folder)
    text = (folder / "card.toml").read_text()
    assert change[0] in text
    (folder / "card.toml").write_text(text.replace(*change))
    fails(folder, match=match)


def test_missing_packages_are_named_by_what_installs_them(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(library("models") / "efficientnet_lite0", folder)
    text = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(text.replace('"efficientnet_lite_pytorch"', '"package_that_is_not_here"'))
    fails(folder, match=re.escape("`pip install hwsim[imagenet]`"))


# --- torchvision


def test_torchvisions_networks_take_its_own_options() -> None:
    network = load_network("torchvision/resnet18", "random", num_classes=7)
    assert (network.outputs, network.classes, network.input_shape) == (7, None, (3, 224, 224))
    fails("resnet18", "random", num_clases=7, match="cannot be built with {'num_clases': 7}")


def test_a_bare_torchvision_name_means_the_same_network() -> None:
    long, short = (load_network(name, "random") for name in ("torchvision/squeezenet1_1", "squeezenet1_1"))
    assert long.name == short.name == "torchvision/squeezenet1_1"
    assert long.classes is not None
    assert long.classes[207] == "golden retriever"


def test_downloaded_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    state = get_model("squeezenet1_1", weights=None).state_dict()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(state, tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    network = load_network("squeezenet1_1")
    assert torch.equal(network.module.state_dict()["classifier.1.weight"], state["classifier.1.weight"])
    assert network.accuracy is not None
    assert network.accuracy.top1 == 58.178


def test_weights_that_cannot_be_downloaded_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    fails("resnet18", match=r"cannot be had from https://.*no route to host.*weights='random'")


# --- a function in a file

SOURCE = """
from dataclasses import dataclass
from torch import nn
import beside

@dataclass
class Sizes:
    hidden: int = 4

def build(classes=3):
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, Sizes().hidden), nn.Linear(Sizes().hidden, classes))
    network.input_shape = (3, 2, 2)
    return network

def unstated():
    return nn.Flatten()

def no_module():
    return 3

def no_logits():
    return nn.Identity()

def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(SOURCE)
    (tmp_path / "beside.py").write_text("")
    return tmp_path / "net.py"


def test_a_function_in_a_file_gives_a_network(file: Path) -> None:
    network = load_network(f"{file}:build", classes=5)
    assert (network.input_shape, network.outputs, network.classes) == ((3, 2, 2), 5, None)
    again = load_network(f"{file}:build", classes=5)
    assert torch.equal(network(torch.ones(1, 3, 2, 2)), again(torch.ones(1, 3, 2, 2)))


def test_a_function_takes_weights_and_input_shape(file: Path, tmp_path: Path) -> None:
    state = {name: torch.zeros_like(t) for name, t in load_network(f"{file}:build").module.state_dict().items()}
    torch.save(state, tmp_path / "zeros.pt")
    network = load_network(f"{file}:build", tmp_path / "zeros.pt", input_shape=(1, 3, 4))
    assert network.input_shape == (1, 3, 4)
    assert not network(torch.ones(1, 1, 3, 4)).any()


@pytest.mark.parametrize(
    ("function", "match"),
    [
        ("biuld", "did you mean 'build'"),
        ("unstated", r"needs input_shape=\(channels, height, width\)"),
        ("no_module", "returned int, where an nn.Module was expected"),
        ("lazy", "has lazy layers: run it on an image before it is returned"),
    ],
)
def test_a_function_that_gives_no_network_is_one_sentence(file: Path, function: str, match: str) -> None:
    fails(f"{file}:{function}", match=match)


def test_a_network_that_does_not_run_or_gives_no_logits_is_refused(file: Path) -> None:
    fails(f"{file}:build", input_shape=(1, 5, 5), match=r"does not run on an image of shape \(1, 5, 5\)")
    fails(f"{file}:no_logits", input_shape=(1, 5, 5), match=r"logits of shape .* not shape \(1, 1, 5, 5\)")


def test_a_file_that_fails_or_is_missing_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import package_that_is_not_here\n")
    fails(f"{tmp_path}/bad.py:build", match="bad.py fails when it is run: ModuleNotFoundError")
    fails(f"{tmp_path}/none.py:build", match="no Python file")


# --- preprocessing


def test_a_given_preprocess_replaces_the_cards() -> None:
    mine = Preprocess(mean=(0.0,), std=(1.0,))
    assert load_network("lenet5", preprocess=mine).preprocess == mine
