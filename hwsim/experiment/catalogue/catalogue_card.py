"""Cards: what `card.toml` says about a network or a data set, in the library or in a user's folder."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsim.errors import HwsimError, unknown
from hwsim.experiment.catalogue.data_transform import Preprocess
from hwsim.files import read_toml
from hwsim.library import library

CARD = "card.toml"


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    licence: str
    source: str
    preprocess: Preprocess


class Accuracy(BaseModel):
    """A top-1 accuracy in percent, of how many images, and whether it was measured here or published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top1: float = Field(ge=0, le=100)
    images: int = Field(ge=1)
    of: str
    kind: str


class NetworkCard(_Card):
    """A network: how it is built, where its weights lie, and what it takes and gives.

    Attributes:
        builder: "file.py:function", relative to the card; the function returns an nn.Module.
        weights: a file beside the card, or "file.py:function" where the function returns a path.
        sha256: of the weight file.
        input_shape: of one image: (channels, height, width).
        classes: class names, or where they are to be had: "imagenet" or a data set of the library.
        parameters: how many the network has.
        data: the data set that it was made for, as `load_data` takes it.
        packages: modules that must be importable, installed by hwsim's extra `extra`.
    """

    builder: str
    weights: str | None = None
    sha256: str | None = None
    input_shape: tuple[int, int, int]
    classes: str | tuple[str, ...]
    parameters: int
    data: str | None = None
    packages: tuple[str, ...] = ()
    extra: str | None = None
    accuracy: Accuracy | None = None

    def missing(self) -> str | None:
        """What to type so that the packages of this network are there; None if they are."""
        if all(importlib.util.find_spec(package) for package in self.packages):
            return None
        return f"pip install hwsim[{self.extra}]" if self.extra else f"pip install {' '.join(self.packages)}"


class DataCard(_Card):
    """A labelled data set: two IDX files, their checksums when unpacked, and the names of its classes."""

    images: str
    labels: str
    images_sha256: str
    labels_sha256: str
    classes: tuple[str, ...]


AnyCard = TypeVar("AnyCard", bound=_Card)


def read_card(folder: Path, kind: type[AnyCard]) -> AnyCard:
    """The card in a folder.

    Raises:
        HwsimError: if it cannot be read, is not TOML, or a key is missing, unknown or of the wrong type.
    """
    path = folder / CARD
    try:
        return kind.model_validate(read_toml(path))
    except ValidationError as error:
        raise _sentence(error, path, kind) from None


def library_cards(kind: type[AnyCard]) -> dict[str, Path]:
    """The folders of the networks (`NetworkCard`) or data sets (`DataCard`) that come with hwsim, by name."""
    root = library("models") if kind is NetworkCard else library("models") / "data"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD}"))}


def class_names(classes: str | tuple[str, ...]) -> tuple[str, ...]:
    """Names of classes in the order of their numbers, from a card's `classes`.

    Raises:
        HwsimError: if a name is neither "imagenet" nor a data set of the library.
    """
    if not isinstance(classes, str):
        return classes
    if classes == "imagenet":
        from torchvision.models import ResNet18_Weights

        return tuple(ResNet18_Weights.DEFAULT.meta["categories"])
    folders = library_cards(DataCard)
    if classes not in folders:
        raise unknown("set of classes", classes, ["imagenet", *folders])
    return read_card(folders[classes], DataCard).classes


def check_sha256(content: bytes, expected: str, what: str) -> None:
    """Check that `content` is the file that a card describes.

    Raises:
        HwsimError: if it is another one.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected.lower():
        raise HwsimError(
            f"{what} is corrupt or not the file of its card: its SHA-256 is {found[:16]}..., "
            f"not {expected[:16]}...; restore the file or correct the card."
        )


def _sentence(error: ValidationError, path: Path, kind: type[_Card]) -> HwsimError:
    first: Any = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        return unknown(f"key in {path}", key, kind.model_fields)
    if first["type"] == "missing":
        return HwsimError(f"The key {key!r} is missing in {path}.")
    text = str(first.get("ctx", {}).get("error", first["msg"])).rstrip(".")
    return HwsimError(f"The key {key!r} in {path} is wrong: {text}.")
