"""Where labelled images lie: the library's data sets, foolbox's samples, a folder of a user's own."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import HwsimError, shown, unknown
from hwsim.experiment.catalogue.catalogue_card import (
    CARD,
    DataCard,
    check_sha256,
    class_names,
    library_cards,
    read_card,
)
from hwsim.experiment.catalogue.data_transform import Preprocess
from hwsim.files import kind_of, read_bytes, unpack, user_path

if TYPE_CHECKING:
    from torch import Tensor

FOOLBOX = "foolbox/"


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled images that are not read yet.

    Attributes:
        name: as `load_data` takes it.
        labels: int64, the class of each image, as an index into `classes`.
        classes: names of the classes.
        read: from image numbers to uint8 batches (n, C, H, W), in that order; a batch is one image where
            sizes may differ.
        preprocess: that of networks trained on these images, or None where none is known.
        fixed_classes: whether the numbers of the classes are settled; those of an image folder are not.
    """

    name: str
    labels: np.ndarray
    classes: tuple[str, ...]
    read: Callable[[np.ndarray], Iterator[Tensor]]
    preprocess: Preprocess | None = None
    fixed_classes: bool = True


def find_source(spec: str | Path) -> Source:
    """The images that a name or a folder stands for.

    Raises:
        HwsimError: if there are none.
    """
    name = str(spec)
    folders = library_cards(DataCard)
    if name in folders:
        return idx_source(folders[name])
    if name.startswith(FOOLBOX):
        return foolbox_source(name.removeprefix(FOOLBOX))
    folder = user_path(name)
    found = kind_of(folder)
    if found == "folder":
        return idx_source(folder) if kind_of(folder / CARD) == "file" else folder_source(folder)
    if len(folder.parts) > 1 or found:
        raise HwsimError(f"There is no folder of images {shown(name)}: one folder for each class is expected.")
    raise unknown("data set", name, [*folders, *(FOOLBOX + kind for kind in FOOLBOX_SETS)])


def idx_source(folder: Path) -> Source:
    """The data set that the card in a folder describes, its checksums verified."""
    card = read_card(folder, DataCard)
    images = read_idx(folder / card.images, card.images_sha256)
    labels = read_idx(folder / card.labels, card.labels_sha256).astype(np.int64)
    if images.ndim not in (3, 4) or labels.shape != images.shape[:1]:
        raise HwsimError(
            f"Data set {folder} has images of shape {images.shape} and labels of shape {labels.shape}, "
            f"where (N, height, width) or (N, channels, height, width) and (N,) are expected."
        )
    images = images.reshape(len(images), -1, *images.shape[-2:])

    def read(numbers: np.ndarray) -> Iterator[Tensor]:
        import torch

        yield torch.from_numpy(images[numbers])

    return Source(card.name, labels, card.classes, read, card.preprocess)


def read_idx(path: Path, sha256: str) -> np.ndarray:
    """An array of unsigned bytes from an IDX file packed by xz.

    The form is LeCun's: bytes 0, 0, 8 (unsigned bytes) and the number of dimensions, each size as a
    big-endian 32-bit integer, then the bytes (http://yann.lecun.com/exdb/mnist).

    Raises:
        HwsimError: if the file cannot be read, is not the one of the checksum, or is not in this form.
    """
    content = unpack(read_bytes(path), path)
    check_sha256(content, sha256, f"Data file {path}")
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise HwsimError(f"{path} is not an IDX file of unsigned bytes.")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", content[3], offset=4))
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
    if values.size != math.prod(shape):
        raise HwsimError(f"{path} holds {values.size} bytes, where its shape {shape} needs {math.prod(shape)}.")
    return values.reshape(shape)


# What each of foolbox's samples stands for: where the names of its classes come from, or how many there are.
FOOLBOX_SETS: dict[str, str | int] = {
    "imagenet": "imagenet",
    "cifar10": 10,
    "cifar100": 100,
    "mnist": 10,
    "fashionMNIST": "fashion_mnist",
}


def foolbox_source(kind: str) -> Source:
    """The 20 labelled images of one kind in the package foolbox, whose file names end in the label."""
    if kind not in FOOLBOX_SETS:
        raise unknown("data set", FOOLBOX + kind, [FOOLBOX + known for known in FOOLBOX_SETS])
    package = importlib.util.find_spec("foolbox")
    if package is None or package.origin is None:
        raise HwsimError(f"Data set {FOOLBOX + kind!r} needs a package: `pip install hwsim[imagenet]`.")
    named = re.compile(rf"{kind}_\d+_(\d+)\.(?:png|jpg)")
    folder = Path(package.origin).parent / "data"
    matched = [(path, match) for path in sorted(folder.glob("*")) if (match := named.fullmatch(path.name))]
    if not matched:
        raise HwsimError(f"The package foolbox has no {kind} images in {folder}: version 3.3.4 has.")
    labels = np.array([int(match[1]) for _, match in matched])
    known = FOOLBOX_SETS[kind]
    classes = class_names(known) if isinstance(known, str) else tuple(str(n) for n in range(known))
    return Source(FOOLBOX + kind, labels, classes, _file_reader([p for p, _ in matched]), _foolbox_preprocess(kind))


def _foolbox_preprocess(kind: str) -> Preprocess | None:
    """That of torchvision's first ImageNet networks, or of the library's data set with the same classes."""
    known = FOOLBOX_SETS[kind]
    if known == "imagenet":
        from torchvision.models import ResNet18_Weights

        return Preprocess.of_torchvision(ResNet18_Weights.DEFAULT.transforms())
    return read_card(library_cards(DataCard)[known], DataCard).preprocess if isinstance(known, str) else None


def folder_source(folder: Path) -> Source:
    """Images in one folder for each class, named by the class, in torchvision's ImageFolder layout."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    found: list[tuple[Path, int]] = []
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    for label, name in enumerate(classes):
        paths = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in IMG_EXTENSIONS)
        if not paths:
            raise HwsimError(f"Folder {folder / name} holds no image ({', '.join(IMG_EXTENSIONS)}).")
        found += [(path, label) for path in paths]
    if not found:
        raise HwsimError(f"Folder {folder} holds no folders of images: one for each class is expected.")
    labels = np.array([label for _, label in found], np.int64)
    read = _file_reader([path for path, _ in found])
    return Source(str(folder), labels, tuple(classes), read, fixed_classes=False)


def _file_reader(paths: Sequence[Path]) -> Callable[[np.ndarray], Iterator[Tensor]]:
    def read(numbers: np.ndarray) -> Iterator[Tensor]:
        for number in numbers:
            yield read_image(paths[number])[None]

    return read


def read_image(path: Path) -> Tensor:
    """One image file as uint8 (1, H, W) if it is grey, else (3, H, W).

    Raises:
        HwsimError: if it cannot be read.
    """
    from PIL import Image
    from torchvision.transforms.v2.functional import pil_to_tensor

    try:
        with Image.open(path) as image:
            return pil_to_tensor(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise HwsimError(f"Image {path} cannot be read: {error}.") from None
