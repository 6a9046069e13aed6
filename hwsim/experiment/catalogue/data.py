"""Labelled images by name, in a fixed order and ready for a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import HwsimError
from hwsim.experiment.catalogue.data_sources import Source, find_source
from hwsim.experiment.catalogue.data_transform import Preprocess
from hwsim.memory.random import Key
from hwsim.tensors import labels_of, tensor_of

if TYPE_CHECKING:
    from torch import Tensor

    from hwsim.experiment.catalogue.catalogue import LoadedNetwork

# The side of a random crop, as a share of the image's shorter side: from half of it to all of it.
CROP_SHARE = (0.5, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Labelled images, preprocessed.

    Attributes:
        images: float32 (N, channels, height, width).
        labels: int64 (N,): the class of each image, an index into `classes` and into a network's logits.
        classes: names of the classes.
        source: where the images came from, as `load_data` takes it.
        crops: how many of the images in a row show the same photograph, the first one its centre.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    crops: int = 1

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = " x ".join(str(size) for size in self.images.shape[1:])
        seen = len(self.labels.unique())
        crops = f", {self.crops} crops of each photograph" if self.crops > 1 else ""
        classes = f"{seen} of {len(self.classes)} classes"
        return f"{len(self):,} images of {shape} from {self.source}: {classes}{crops}"


def load_data(
    spec: str | Path | None = None,
    images: int | None = None,
    *,
    network: LoadedNetwork | None = None,
    preprocess: Preprocess | None = None,
    crops: int = 1,
    seed: int = 0,
) -> Images:
    """The first `images` images of a data set, in an order that the seed fixes.

    The order takes one image of every class, then another one of every class, and so on, so that any
    number of images is as balanced over the classes as it can be; fewer images are a part of more.

    The class folders of an image folder get the numbers of a network's classes by their names (case, "_"
    and "-" do not count), or by their numbers if they are called "0", "1", ..., or else in sorted order if
    there are as many as the network has classes (which is right for the folders of ImageNet). Without a
    network they are numbered in sorted order.

    Args:
        spec: a data set that comes with hwsim ("fashion_mnist"); "foolbox/imagenet" (or /cifar10,
            /cifar100, /mnist, /fashionMNIST), the 20 labelled images of the package foolbox; a folder of
            a `card.toml` and two IDX files; or a folder with one folder of images for each class. None
            for the data set that `network` was made for.
        images: how many; None for all.
        network: the network they are for: its preprocess is used, and labels and shape must suit it.
        preprocess: instead of the network's; without either, the one stored with the data set.
        crops: how many to make of each image. The first is the usual centre; each other is a square at
            a random place, of half to all of the image's shorter side, mirrored half the time. They
            depend on the seed, the image and the number of the crop alone.
        seed: of the order and of the crops.

    Raises:
        HwsimError: if there is no such data, fewer images than asked for, no preprocess to use, or the
            images do not suit the network.
    """
    if spec is None:
        if network is None or network.data is None:
            raise HwsimError("Name a data set: the network has none of its own.")
        spec = network.data
    source = find_source(spec)
    total = len(source.labels)
    if images is not None and not 1 <= images <= total:
        raise HwsimError(f"Data set {source.name!r} has {total:,} images: ask for 1 to {total:,}, not {images:,}.")
    if crops < 1:
        raise HwsimError(f"The number of crops must be 1 or more, not {crops}.")
    labels, classes = _matched_classes(source, network)
    chosen = balanced_order(source.labels, seed)[:images]
    prepared = _prepared(source, chosen, _preprocess(source, network, preprocess), crops, seed)
    if network is not None and tuple(prepared.shape[1:]) != network.input_shape:
        raise HwsimError(
            f"Images of {source.name!r} have the shape {tuple(prepared.shape[1:])} after preprocessing, "
            f"where network {network.name!r} takes {network.input_shape}."
        )
    import torch

    repeated = torch.from_numpy(np.repeat(labels[chosen], crops))
    return Images(prepared, repeated, classes, source.name, crops)


def images_of(images: Any, labels: Any) -> Images:
    """Images and labels in memory, of torch or numpy, checked.

    Args:
        images: (N, channels, height, width) real numbers, as the network takes them: preprocessed.
        labels: (N,) whole numbers, the class of each image.

    Raises:
        HwsimError: if they are not that; says what they are.
    """
    pictures = tensor_of(images, "images").detach().cpu()
    shape = tuple(pictures.shape)
    if len(shape) != 4 or 0 in shape:
        raise HwsimError(
            f"The images must be (images, channels, height, width), and at least one, not of shape {shape}."
        )
    if not pictures.is_floating_point():
        kind = str(pictures.dtype).removeprefix("torch.")
        raise HwsimError(
            f"The images are of {kind}: give floats, preprocessed as the network was trained to take them."
        )
    if not pictures.isfinite().all():
        raise HwsimError("The images hold a NaN or an infinity: give finite numbers.")
    numbers = labels_of(labels, len(pictures))
    return Images(pictures.float(), numbers, tuple(map(str, range(int(numbers.max()) + 1))), "arrays in Python")


def balanced_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Image numbers such that every prefix is as balanced over the classes as the labels allow.

    Within a class the order is random; the order of the classes is random too, and the same in each round.
    """
    generator = Key(seed, "image order").generator()
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    classes, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rounds = np.arange(len(labels)) - np.repeat(starts, counts)
    turn = np.repeat(generator.permutation(len(classes)), counts)
    return by_class[np.lexsort((turn, rounds))]


def _preprocess(source: Source, network: LoadedNetwork | None, given: Preprocess | None) -> Preprocess:
    found = given or (network.preprocess if network else None) or source.preprocess
    if found is None:
        raise HwsimError(f"Data set {source.name!r} has no preprocess of its own: give network=... or preprocess=...")
    return found


def _prepared(source: Source, numbers: np.ndarray, preprocess: Preprocess, crops: int, seed: int) -> Tensor:
    """The preprocessed images (N * crops, C, H, W), crops of one image in a row."""
    import torch

    batches = source.read(numbers)
    if crops == 1:
        parts = [preprocess(batch) for batch in batches]
    else:
        single = (image for batch in batches for image in batch)
        parts = [
            torch.stack(_cropped(image, preprocess, crops, seed, int(number)))
            for number, image in zip(numbers, single, strict=True)
        ]
    if len({part.shape[1:] for part in parts}) > 1:
        raise HwsimError(f"Images of {source.name!r} differ in size: the preprocess needs a crop (side, pixels).")
    return torch.cat(parts)


def _cropped(image: Tensor, preprocess: Preprocess, crops: int, seed: int, number: int) -> list[Tensor]:
    centre = preprocess(image)
    size = centre.shape[-1]
    if centre.shape[-2] != size:
        raise HwsimError("Crops of images that are not square need a preprocess with a crop (side, pixels).")
    made = [centre]
    height, width = image.shape[-2:]
    for crop in range(1, crops):
        generator = Key(seed, "crop", number, crop).generator()
        side = max(1, round(generator.uniform(*CROP_SHARE) * min(height, width)))
        top, left = (int(generator.integers(0, length - side + 1)) for length in (height, width))
        made.append(preprocess.cut(image, top, left, side, bool(generator.integers(2)), size))
    return made


def _matched_classes(source: Source, network: LoadedNetwork | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels as numbers of the network's logits, and the names that belong to these numbers."""
    labels, classes = source.labels, source.classes
    if network is not None and network.classes is not None and not source.fixed_classes:
        labels, classes = _class_numbers(source, network)[labels], network.classes
    if network is not None and labels.max() >= network.outputs:
        raise HwsimError(
            f"Data set {source.name!r} has labels up to {labels.max()}, where network {network.name!r} "
            f"has only {network.outputs} classes."
        )
    return labels, classes


def _class_numbers(source: Source, network: LoadedNetwork) -> np.ndarray:
    """For each class folder the number of the class in the network."""
    assert network.classes is not None
    own = [_plain(name) for name in network.classes]
    names = [_plain(name) for name in source.classes]
    if all(name in own for name in names):
        for name, folder in zip(names, source.classes, strict=True):
            if own.count(name) > 1:
                numbers = [number for number, other in enumerate(own) if other == name]
                raise HwsimError(
                    f"Folder {folder!r} of {source.name!r} names {len(numbers)} classes of network "
                    f"{network.name!r}: call all folders by class numbers instead ({numbers} here)."
                )
        return np.array([own.index(name) for name in names])
    if all(name.isdecimal() for name in names):
        return np.array([int(name) for name in names])
    if len(names) == len(own):
        return np.arange(len(own))
    odd = next(folder for name, folder in zip(names, source.classes, strict=True) if name not in own)
    raise HwsimError(
        f"Folder {odd!r} of {source.name!r} is no class of network {network.name!r}: call the folders by the "
        f"names or numbers of its {len(own)} classes, or give a folder for every class."
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()
