"""Labelled images: the right pixels and labels in a fixed order, or one sentence."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.models import get_model_weights
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.catalogue import load_network
from hwsim.experiment.catalogue.catalogue_card import class_names
from hwsim.experiment.catalogue.data import balanced_order, load_data
from hwsim.experiment.catalogue.data_sources import read_idx
from hwsim.experiment.catalogue.data_transform import Preprocess
from hwsim.library import library

FASHION = library("models") / "data" / "fashion_mnist"
ORIGINAL = Path("/usr/share/datasets/fashion-mnist")
PLAIN = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SQUARE = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=8, crop=6)


def fails(*args: object, match: str, **kwargs: object) -> None:
    with pytest.raises(HwsimError, match=match) as caught:
        load_data(*args, **kwargs)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert str(caught.value)[-1] in ".?"


# --- the embedded images


def test_the_embedded_files_are_the_published_ones() -> None:
    published = {
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }
    for name, sha256 in published.items():
        content = lzma.decompress((FASHION / f"{name}.xz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == sha256
        original = ORIGINAL / f"{name}.gz"
        if original.is_file():  # Debian's package dataset-fashion-mnist
            assert gzip.decompress(original.read_bytes()) == content


def test_fashion_mnist_has_a_thousand_images_of_each_class_normalised_for_its_networks() -> None:
    data = load_data("fashion_mnist")
    assert data.images.shape == (10_000, 1, 28, 28)
    assert data.images.dtype == torch.float32
    assert data.labels.bincount().tolist() == [1000] * 10
    assert data.classes[9] == "Ankle boot"
    content = lzma.decompress((FASHION / "t10k-images-idx3-ubyte.xz").read_bytes())
    pixels = np.frombuffer(content, np.uint8, offset=16) / 255
    assert data.images.mean().item() == pytest.approx((pixels.mean() - 0.2860) / 0.3530, abs=1e-5)
    assert data.images.std().item() == pytest.approx(pixels.std() / 0.3530, abs=1e-4)
    for name in ("fashion_resnet", "lenet5"):
        assert torch.equal(load_data(network=load_network(name), images=50).images, data.images[:50])


def test_fewer_images_are_a_part_of_more_and_balanced() -> None:
    data, more = load_data("fashion_mnist", images=500), load_data("fashion_mnist", images=777)
    assert torch.equal(data.images, more.images[:500])
    assert data.labels.bincount().tolist() == [50] * 10
    assert not torch.equal(data.images, load_data("fashion_mnist", images=500, seed=1).images)
    assert str(data) == "500 images of 1 x 28 x 28 from fashion_mnist: 10 of 10 classes"
    assert len(data) == 500


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 5))
def test_the_order_is_a_permutation_whose_prefixes_are_balanced(labels: list[int], seed: int) -> None:
    array = np.array(labels)
    order = balanced_order(array, seed)
    assert sorted(order) == list(range(len(labels)))
    for length in range(1, len(labels) + 1):
        counts = np.bincount(array[order[:length]], minlength=7)
        whole = np.bincount(array, minlength=7)
        unfinished = counts < whole
        # A class that has images left is at most one behind the fullest class.
        assert counts.max() - counts[unfinished].min(initial=counts.max()) <= 1


def test_a_corrupt_data_file_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(FASHION, folder)
    assert load_data(folder, images=3).labels.tolist() == load_data("fashion_mnist", images=3).labels.tolist()
    labels = folder / "t10k-labels-idx1-ubyte.xz"
    content = bytearray(lzma.decompress(labels.read_bytes()))
    content[-1] ^= 1
    labels.write_bytes(lzma.compress(bytes(content)))
    fails(folder, match="labels-idx1-ubyte.xz is corrupt or not the file of its card")
    labels.write_bytes(b"not packed")
    fails(folder, match="is corrupt or not packed by xz")
    labels.unlink()
    fails(folder, match="cannot be read: No such file")


@pytest.mark.parametrize("content", [b"\0\0\x08\x01" + struct.pack(">I", 5) + b"1234", b"\0\0\x0d\x01", b""])
def test_a_file_that_is_not_in_idx_form_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xz").write_bytes(lzma.compress(content))
    with pytest.raises(HwsimError, match=r"not an IDX file|holds 4 bytes, where its shape \(5,\) needs 5"):
        read_idx(tmp_path / "x.xz", hashlib.sha256(content).hexdigest())


# --- foolbox


@pytest.mark.parametrize("kind", ["imagenet", "cifar10", "cifar100", "mnist", "fashionMNIST"])
def test_foolbox_has_twenty_images_of_each_kind(kind: str) -> None:
    pytest.importorskip("foolbox", reason="needs `pip install hwsim[imagenet]`")
    grey = kind in ("mnist", "fashionMNIST")
    data = load_data(f"foolbox/{kind}", preprocess=Preprocess((0.0,), (1.0,), crop=28) if grey else SQUARE)
    assert len(data) == 20
    assert data.images.shape[1] == (1 if grey else 3)
    assert int(data.labels.max()) < len(data.classes)


def test_foolbox_labels_are_those_in_the_file_names() -> None:
    foolbox = pytest.importorskip("foolbox", reason="needs `pip install hwsim[imagenet]`")
    folder = Path(foolbox.__file__).parent / "data"
    data = load_data("foolbox/cifar10", preprocess=PLAIN)
    stored = {
        (path.stem.split("_")[2], (pil_to_tensor(Image.open(path)) / 255).numpy().tobytes())
        for path in folder.glob("cifar10_*")
    }
    loaded = zip(data.labels.tolist(), data.images, strict=True)
    assert {(str(label), image.numpy().tobytes()) for label, image in loaded} == stored
    data = load_data("foolbox/imagenet")
    assert data.images.shape == (20, 3, 224, 224)
    assert data.classes[243] == "bull mastiff"


# --- image folders


def make_folder(root: Path, classes: dict[str, int], size: tuple[int, int] = (12, 10)) -> Path:
    for number, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = np.full((size[1], size[0], 3), 10 * number + index, np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def test_an_image_folder_gives_its_pixels_and_sorted_classes(tmp_path: Path) -> None:
    make_folder(tmp_path, {"zebra": 2, "ant": 3})
    data = load_data(tmp_path, preprocess=PLAIN)
    assert data.classes == ("ant", "zebra")
    assert data.images.shape == (5, 3, 10, 12)
    values = sorted(zip(data.labels.tolist(), (data.images[:, 0, 0, 0] * 255).tolist(), strict=True))
    assert values == pytest.approx(np.array([(0, 10), (0, 11), (0, 12), (1, 0), (1, 1)]))


def test_class_folders_take_the_networks_numbers_by_name_or_number(tmp_path: Path) -> None:
    network = load_network("squeezenet1_1", "random", input_shape=(3, 64, 64), preprocess=SQUARE_64)
    by_name = make_folder(tmp_path / "names", {"Golden_Retriever": 1, "tench": 1})
    assert sorted(load_data(by_name, network=network).labels.tolist()) == [0, 207]
    by_number = make_folder(tmp_path / "numbers", {"0207": 1, "999": 1})
    assert sorted(load_data(by_number, network=network).labels.tolist()) == [207, 999]
    assert load_data(by_number, network=network).classes == network.classes


SQUARE_64 = Preprocess(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), resize=64, crop=64)


def test_as_many_class_folders_as_the_network_has_classes_go_in_sorted_order(tmp_path: Path) -> None:
    network = load_network("lenet5")
    make_folder(tmp_path, {f"n{wnid:08}": 1 for wnid in range(10)}, size=(28, 28))
    data = load_data(tmp_path, network=network)
    assert sorted(data.labels.tolist()) == list(range(10))
    assert data.images.shape == (10, 1, 28, 28)
    assert data.classes == network.classes


def test_class_folders_that_cannot_be_matched_are_one_sentence(tmp_path: Path) -> None:
    network = load_network("squeezenet1_1", "random")
    wnids = make_folder(tmp_path / "wnids", {"n01440764": 1, "n02102040": 1})
    fails(wnids, network=network, match="Folder 'n01440764' .* is no class of network 'torchvision/squeezenet1_1'")
    ambiguous = make_folder(tmp_path / "twice", {"cardigan": 1, "tench": 1})
    fails(ambiguous, network=network, match=r"Folder 'cardigan' .* names 2 classes .*\[264, 474\]")
    beyond = make_folder(tmp_path / "beyond", {"1000": 1})
    fails(beyond, network=network, match="labels up to 1000, where .* has only 1000 classes")


def test_folders_without_images_are_one_sentence(tmp_path: Path) -> None:
    fails(tmp_path / "none", match="There is no folder of images")
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", match="holds no folders of images")
    make_folder(tmp_path / "half", {"ant": 1})
    (tmp_path / "half" / "bee").mkdir()
    fails(tmp_path / "half", match=r"bee holds no image \(\.jpg")


def test_a_corrupt_image_and_images_of_different_sizes_are_one_sentence(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, {"ant": 1})
    Image.new("RGB", (7, 9)).save(folder / "ant" / "other.png")
    fails(folder, preprocess=PLAIN, match="differ in size")
    assert load_data(folder, preprocess=SQUARE).images.shape == (2, 3, 6, 6)
    (folder / "ant" / "other.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    fails(folder, preprocess=PLAIN, match="other.png cannot be read")


# --- what does not suit


def test_wrong_requests_are_one_sentence(tmp_path: Path) -> None:
    fails("fashion_mnst", match="did you mean 'fashion_mnist'")
    fails("foolbox/imagnet", match="did you mean 'foolbox/imagenet'")
    fails("fashion_mnist", images=10_001, match="has 10,000 images: ask for 1 to 10,000, not 10,001")
    fails("fashion_mnist", images=0, match="ask for 1 to 10,000")
    fails("fashion_mnist", images=1, crops=0, match="crops must be 1 or more")
    fails(match="Name a data set")
    fails(make_folder(tmp_path, {"ant": 1}), match="has no preprocess of its own")


def test_images_and_labels_must_suit_the_network(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n"
        "def build(pixels=784, classes=10):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes))\n"
    )
    few = load_network(f"{file}:build", classes=4, input_shape=(1, 28, 28))
    fails("fashion_mnist", images=9, network=few, match="labels up to 9, where .* has only 4 classes")
    large = load_network(f"{file}:build", pixels=900, input_shape=(1, 30, 30))
    fails("fashion_mnist", images=9, network=large, match=r"\(1, 28, 28\) after .* takes \(1, 30, 30\)")


def test_an_absent_package_is_named_by_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    fails("foolbox/imagenet", match=r"`pip install hwsim\[imagenet\]`")


# --- crops


def test_crops_are_fixed_by_seed_image_and_number_alone() -> None:
    three = load_data("fashion_mnist", images=4, crops=3)
    five = load_data("fashion_mnist", images=9, crops=5)
    assert three.images.shape == (12, 1, 28, 28)
    assert three.labels.tolist() == load_data("fashion_mnist", images=4).labels.repeat_interleave(3).tolist()
    grouped, more = three.images.view(4, 3, 1, 28, 28), five.images.view(9, 5, 1, 28, 28)
    assert torch.equal(grouped, more[:4, :3])
    assert torch.equal(grouped[:, 0], load_data("fashion_mnist", images=4).images)
    assert len({crop.numpy().tobytes() for crop in five.images}) == 45
    other = load_data("fashion_mnist", images=10_000, crops=1, seed=8)
    assert len(other) == 10_000
    assert "3 crops of each photograph" in str(three)


def test_a_crop_shows_a_part_of_its_image_in_the_same_colours(tmp_path: Path) -> None:
    ramp = np.arange(0, 240, 4, np.uint8)  # brighter from left to right, so that a place is a value
    (tmp_path / "ramp").mkdir()
    Image.fromarray(np.repeat(ramp[None], 60, axis=0)).save(tmp_path / "ramp" / "0.png")
    grey = Preprocess(mean=(0.0,), std=(1.0,), crop=30)
    crops = load_data(tmp_path, crops=200, preprocess=grey).images[1:, 0] * 255
    spans = (crops[:, 15, -1] - crops[:, 15, 0]).abs() / 4 + 1  # pixels of the original
    assert spans.min() >= 27  # half of 60, less the blur at the edges
    assert spans.max() <= 60
    mirrored = int((crops[:, 0, -1] < crops[:, 0, 0]).sum())
    assert 65 <= mirrored <= 134  # binomial(199, 1/2): outside with probability 1e-6


@pytest.mark.parametrize("shape", [(40, 120), (120, 40)])
def test_a_crop_takes_from_half_to_all_of_the_shorter_side(tmp_path: Path, shape: tuple[int, int]) -> None:
    ramp = np.arange(0, 240, 2, np.uint8)  # along the longer side, so that a place is a value
    pixels = np.broadcast_to(ramp if shape[1] == 120 else ramp[:, None], shape)
    (tmp_path / "ramp").mkdir()
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "ramp" / "0.png")
    grey = Preprocess(mean=(0.0,), std=(1.0,), crop=30)
    crops = load_data(tmp_path, crops=200, preprocess=grey).images[1:, 0] * 255
    along = crops if shape[1] == 120 else crops.transpose(1, 2)
    spans = (along[:, 15, -1] - along[:, 15, 0]).abs() / 2 + 1  # pixels of the original
    assert 17 <= spans.min() < 22  # half of 40, less the blur at the edges
    assert 36 < spans.max() <= 40
    assert along.min() < 20  # from one end of the image
    assert along.max() > 218  # to the other


# --- preprocessing


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b1", "vit_l_16", "inception_v3", "mobilenet_v2"])
def test_a_torchvision_preset_is_reproduced_to_the_bit(name: str) -> None:
    preset = get_model_weights(name).DEFAULT.transforms()
    image = torch.randint(0, 256, (3, 301, 413), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(Preprocess.of_torchvision(preset)(image), preset(to_pil_image(image)))


def test_grey_and_colour_are_turned_into_what_the_network_takes() -> None:
    grey = torch.full((2, 1, 4, 4), 51, dtype=torch.uint8)
    assert torch.allclose(PLAIN(grey), torch.full((2, 3, 4, 4), 0.2))
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4)
    assert torch.allclose(Preprocess((0.0,), (1.0,))(red), torch.full((1, 4, 4), 0.299), atol=0.003)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"mean": (0.0, 0.0)}, "1 or 3 channels"),
        ({"std": (1.0, 1.0, 1.0)}, "not 1 and 3"),
        ({"std": (0.0,)}, "above 0"),
        ({"resize": 0}, "1 or more"),
        ({"interpolation": "bilinar"}, "did you mean 'bilinear'"),
    ],
)
def test_a_preprocess_that_makes_no_sense_is_refused(wrong: dict[str, object], match: str) -> None:
    with pytest.raises(HwsimError, match=match):
        Preprocess(**{"mean": (0.0,), "std": (1.0,), **wrong})  # type: ignore[arg-type]


def test_a_preprocess_takes_bytes_only() -> None:
    with pytest.raises(HwsimError, match="dtype uint8"):
        PLAIN(torch.zeros(3, 4, 4))


def test_class_names_of_imagenet_and_of_a_data_set() -> None:
    assert len(class_names("imagenet")) == 1000
    assert class_names("fashion_mnist")[0] == "T-shirt/top"
    with pytest.raises(HwsimError, match="did you mean 'imagenet'"):
        class_names("imagnet")
