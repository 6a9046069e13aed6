"""Networks by name: those that come with hwsim, torchvision's classifiers, and a user's own."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import HwsimError, cut, shown, unknown
from hwsim.experiment.catalogue.catalogue_card import (
    CARD,
    Accuracy,
    NetworkCard,
    class_names,
    library_cards,
    read_card,
)
from hwsim.experiment.catalogue.catalogue_weights import SUFFIXES, fit, function_in_file, read_state_dict, seeded
from hwsim.experiment.catalogue.data_transform import Preprocess
from hwsim.files import kind_of, user_path

if TYPE_CHECKING:
    from torch import Tensor, nn

TORCHVISION = "torchvision/"
PYTHON = "python:"
"""How the name of a network begins that was given as a module, and that no name can load."""


@dataclass(frozen=True, eq=False, repr=False)
class LoadedNetwork:
    """A classifier with its weights, ready to run: in evaluation mode, without gradients.

    Attributes:
        module: the network; (N, *input_shape) floats in, (N, outputs) logits out.
        name: as `load_network` takes it.
        input_shape: of one image: (channels, height, width).
        outputs: number of logits.
        classes: what each logit stands for, or None where that is not known.
        preprocess: from stored bytes to what the network takes; None to leave that to the data.
        data: the data set that the network was made for, as `load_data` takes it, or None.
        weights: where the weights came from, in words.
        card: facts of the network, or None for one that a function of the user returned.
        accuracy: top-1 of these very weights, or None where it is not known.
    """

    module: nn.Module
    name: str
    input_shape: tuple[int, int, int]
    outputs: int
    classes: tuple[str, ...] | None
    preprocess: Preprocess | None
    data: str | None
    weights: str
    card: NetworkCard | None = None
    accuracy: Accuracy | None = None

    @property
    def parameters(self) -> int:
        """Number of parameters of the module."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, outputs) of preprocessed images (N, *input_shape)."""
        return self.module(images)

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.card.title}" if self.card else self.name]
        shape = " x ".join(str(size) for size in self.input_shape)
        lines.append(f"{self.parameters:,} parameters, images of {shape}, {self.outputs:,} classes")
        lines.append(f"weights: {self.weights}")
        if self.accuracy:
            of = f"{self.accuracy.images:,} of {self.accuracy.of}"
            lines.append(f"top-1: {self.accuracy.top1} % ({self.accuracy.kind}; {of})")
        return "\n  ".join(lines)


@dataclass(frozen=True)
class NetworkFacts:
    """One row of `hwsim networks`.

    Attributes:
        name: as `load_network` takes it.
        title: what it is.
        parameters: how many it has.
        top1: accuracy in percent of its trained weights on all images of their test set, or None.
        data: the data set that it was made for, as `load_data` takes it.
        licence: of its weights.
        available: "yes", or what to do to get its trained weights.
    """

    name: str
    title: str
    parameters: int
    top1: float | None
    data: str | None
    licence: str
    available: str


def load_network(
    spec: str | Path,
    weights: str | Path | None = None,
    *,
    seed: int = 0,
    input_shape: tuple[int, int, int] | None = None,
    preprocess: Preprocess | None = None,
    **options: Any,
) -> LoadedNetwork:
    """A network by name, with trained, given or random weights.

    Args:
        spec: one of

            - a network that comes with hwsim (`hwsim networks` lists them);
            - `torchvision/NAME`, any classifier of torchvision; the bare NAME will do;
            - a folder with a `card.toml`, whose keys are those of `NetworkCard`;
            - `path/file.py:function`, where the function returns an nn.Module.
        weights: None or "default" for the network's own trained weights (torchvision downloads them,
            or takes them from its cache); the name of other torchvision weights, "IMAGENET1K_V1" say;
            "random" for initial weights; or a state dict in a `.safetensors`, `.pt` or `.pth` file,
            read without executing anything in it. A function's own weights are those that it returns.
        seed: of random weights.
        input_shape: (channels, height, width) of one image, instead of the one that is known; a function
            needs it, unless its module has an attribute of this name.
        preprocess: instead of the one that is known.
        options: handed to torchvision's builder (`num_classes=10`) or to the function.

    Raises:
        HwsimError: if the name is unknown, a package or weights are missing, a weight file is corrupt or
            does not fit, or the network does not run on images of its input shape.
    """
    name = str(spec)
    if name.startswith(PYTHON):
        raise HwsimError(f"Network {name!r} was given in Python as a module: call hwsim.sweep with that module again.")
    shipped = library_cards(NetworkCard)
    if ".py:" in name:
        found = _from_function(name, weights, seed, input_shape, options)
    elif name in shipped:
        found = _from_card(shipped[name], weights, seed, options)
    elif kind_of(user_path(name)) == "folder":
        folder = user_path(name)
        if kind_of(folder / CARD) != "file":
            raise HwsimError(f"Folder {cut(name, 100)} has no {CARD}, so it is no network.")
        found = _from_card(folder, weights, seed, options)
    else:
        found = _from_torchvision(_torchvision_name(name, shipped), weights, seed, options)
    return _finished(found, input_shape, preprocess)


def network_of(module: nn.Module, input_shape: tuple[int, int, int]) -> LoadedNetwork:
    """A module as a network of the catalogue. What is run is a copy on the CPU: the module stays as it is.

    Raises:
        HwsimError: if it does not turn an image of this shape into logits.
    """
    name = f"{PYTHON}{type(module).__name__}"
    try:
        copied = copy.deepcopy(module).cpu()
    except (RuntimeError, TypeError) as error:
        raise HwsimError(f"{type(module).__name__} cannot be copied by copy.deepcopy: {error}.") from error
    return _finished(_Found(copied, name, "those of the module"), input_shape, None)


def list_networks(torchvision: bool = True) -> list[NetworkFacts]:
    """The networks that `load_network` knows by name: hwsim's own, then torchvision's classifiers.

    Args:
        torchvision: whether to list those, which takes the seconds that importing torchvision takes.
    """
    rows = [_facts(read_card(folder, NetworkCard)) for folder in library_cards(NetworkCard).values()]
    if torchvision:
        rows += [_facts(_torchvision_card(name)) for name in _torchvision_names()]
    return rows


def _facts(card: NetworkCard) -> NetworkFacts:
    return NetworkFacts(
        name=card.name,
        title=card.title,
        parameters=card.parameters,
        top1=card.accuracy.top1 if card.accuracy else None,
        data=card.data,
        licence=card.licence,
        available="downloads" if card.weights is None else card.missing() or "yes",
    )


@dataclass(frozen=True)
class _Found:
    """A module as its source gave it, before it is checked."""

    module: nn.Module
    name: str
    weights: str
    card: NetworkCard | None = None
    own_weights: bool = False
    own_classes: bool = True


def _finished(found: _Found, input_shape: tuple[int, int, int] | None, preprocess: Preprocess | None) -> LoadedNetwork:
    from torch.nn.parameter import is_lazy

    card, module = found.card, found.module.eval()
    if any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        raise HwsimError(f"Network {found.name!r} has lazy layers: run it on an image before it is returned.")
    module.requires_grad_(False)
    shape = input_shape or (card.input_shape if card else getattr(module, "input_shape", None))
    if shape is None:
        raise HwsimError(
            f"Network {found.name!r} needs input_shape=(channels, height, width), as an argument or as "
            f"an attribute of the module."
        )
    classes = class_names(card.classes) if card and found.own_classes else None
    known = classes is not None and input_shape is None
    return LoadedNetwork(
        module=module,
        name=found.name,
        input_shape=tuple(shape),
        outputs=len(classes) if classes and known else _outputs(module, tuple(shape), found.name),
        classes=classes,
        preprocess=preprocess or (card.preprocess if card else None),
        data=card.data if card and found.own_classes else None,
        weights=found.weights,
        card=card,
        accuracy=card.accuracy if card and found.own_weights else None,
    )


def _outputs(module: nn.Module, shape: tuple[int, ...], name: str) -> int:
    """Number of logits, from a run on one black image."""
    import torch

    try:
        with torch.no_grad():
            logits = module(torch.zeros(1, *shape))
    except Exception as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise HwsimError(f"Network {name!r} does not run on an image of shape {shape}: {reason}.") from error
    if not torch.is_tensor(logits) or logits.ndim != 2:
        got = f"shape {tuple(logits.shape)}" if torch.is_tensor(logits) else type(logits).__name__
        raise HwsimError(f"Network {name!r} must return logits of shape (images, classes), not {got}.")
    return logits.shape[1]


def _from_function(
    spec: str,
    weights: str | Path | None,
    seed: int,
    input_shape: tuple[int, int, int] | None,
    options: dict[str, Any],
) -> _Found:
    from torch import nn

    function = function_in_file(spec)
    module = _built(function, spec, seed, options)
    if not isinstance(module, nn.Module):
        raise HwsimError(f"{spec} returned {type(module).__name__}, where an nn.Module was expected.")
    if weights in (None, "default"):
        return _Found(module, spec, f"as the function returned them (seed {seed})")
    if weights == "random":
        return _Found(module, spec, f"random (seed {seed})")
    path = _weight_file(weights, spec, ["default", "random"])
    fit(module, read_state_dict(path), spec, path)
    return _Found(module, spec, str(path))


def _from_card(folder: Path, weights: str | Path | None, seed: int, options: dict[str, Any]) -> _Found:
    card = read_card(folder, NetworkCard)
    if install := card.missing():
        raise HwsimError(f"Network {card.name!r} needs packages that are not here: `{install}`.")
    module = _built(function_in_file(card.builder, folder), card.name, seed, options)
    from torch.nn.parameter import is_lazy

    known = not any(map(is_lazy, module.parameters()))
    count = sum(parameter.numel() for parameter in module.parameters()) if known else card.parameters
    if count != card.parameters and not options:
        raise HwsimError(
            f"The card of {card.name!r} says parameters = {card.parameters:,}, but the network has {count:,}: correct "
            f"`parameters` in {folder / 'card.toml'}."
        )
    if weights == "random" or (weights is None and card.weights is None):
        return _Found(module, card.name, f"random (seed {seed})", card)
    if weights in (None, "default"):
        path = _card_weights(card, folder)
        fit(module, read_state_dict(path, card.sha256), card.name, path)
        return _Found(module, card.name, card.source, card, own_weights=True)
    path = _weight_file(weights, card.name, ["default", "random"])
    fit(module, read_state_dict(path), card.name, path)
    return _Found(module, card.name, str(path), card)


def _card_weights(card: NetworkCard, folder: Path) -> Path:
    if card.weights is None:
        raise HwsimError(f"Network {card.name!r} has no weights of its own: give 'random' or a file.")
    if ".py:" in card.weights:
        return Path(function_in_file(card.weights, folder)())
    return folder / card.weights


def _from_torchvision(name: str, weights: str | Path | None, seed: int, options: dict[str, Any]) -> _Found:
    from torch.hub import get_dir
    from torchvision.models import VisionTransformer, get_model, get_model_builder, get_model_weights

    card = _torchvision_card(name)
    own_classes = options.get("num_classes", len(class_names(card.classes))) == len(class_names(card.classes))
    trained = get_model_weights(name)

    # A vision transformer is built for one size of images: for that of the weights which the card describes.
    transformer = get_model_builder(name).__annotations__["return"] in (VisionTransformer, VisionTransformer.__name__)
    sized = {"image_size": card.input_shape[1]} if transformer else {}

    def untrained() -> nn.Module:
        return _built(lambda **kwargs: get_model(name, weights=None, **kwargs), card.name, seed, {**sized, **options})

    if weights == "random":
        return _Found(untrained(), card.name, f"random (seed {seed})", card, own_classes=own_classes)
    if weights is not None and str(weights) not in ("default", *trained.__members__):
        path = _weight_file(weights, card.name, ["default", "random", *trained.__members__])
        module = untrained()
        fit(module, read_state_dict(path), card.name, path)
        return _Found(module, card.name, str(path), card, own_classes=own_classes)
    chosen = trained.DEFAULT if weights in (None, "default") else trained[str(weights)]
    card = _torchvision_card(name, chosen)
    try:
        module = get_model(name, weights=chosen, progress=True, **options)
    except (OSError, RuntimeError) as error:  # no network, no such file, a wrong checksum
        raise HwsimError(
            f"The weights of {card.name} cannot be had from {chosen.url} ({error}): "
            f"put that file into {get_dir()}/checkpoints, or give weights='random' or a state dict in a file."
        ) from None
    except (TypeError, ValueError) as error:
        raise HwsimError(f"{card.name} cannot be built with {options}: {error}.") from None
    return _Found(module, card.name, f"torchvision's {chosen}", card, own_weights=True)


def _torchvision_names() -> list[str]:
    import torchvision

    return torchvision.models.list_models(module=torchvision.models)


def _torchvision_name(name: str, shipped: dict[str, Path]) -> str:
    bare = name.removeprefix(TORCHVISION)
    names = _torchvision_names()
    if bare in names:
        return bare
    if name.startswith(TORCHVISION):
        raise unknown("torchvision classifier", bare, names)
    error = unknown("network", name, [*shipped, *names])
    if "did you mean" in str(error):
        raise error
    raise HwsimError(
        f"Unknown network {shown(name)}: give one of {', '.join(shipped)}, a torchvision classifier, a folder "
        f"with a {CARD}, or path/file.py:function."
    )


def _torchvision_card(name: str, weights: Any = None) -> NetworkCard:
    """The facts that torchvision states of a classifier with its default or the given weights."""
    from torchvision.models import get_model_weights

    weights = weights or get_model_weights(name).DEFAULT
    transform = Preprocess.of_torchvision(weights.transforms())
    assert transform.crop is not None  # torchvision's presets for classification always crop
    return NetworkCard(
        name=TORCHVISION + name,
        title=f"torchvision's {name}",
        licence=weights.meta.get("license", "BSD-3-Clause"),
        source=weights.url,
        preprocess=transform,
        builder=f"torchvision.models.{name}",
        input_shape=(len(transform.mean), transform.crop, transform.crop),
        classes="imagenet",
        parameters=weights.meta["num_params"],
        data="foolbox/imagenet",
        accuracy=Accuracy(
            top1=weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
            images=50_000,
            of="the ImageNet-1k validation images",
            kind="published",
        ),
    )


def _built(function: Callable[..., Any], name: str, seed: int, options: dict[str, Any]) -> Any:
    """What a builder returns, with its random weights drawn from the seed."""
    with warnings.catch_warnings():
        # Two of torchvision's builders announce that their way of drawing initial weights will change.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return seeded(lambda: function(**options), seed)
        except Exception as error:
            given = f" with {options}" if options else ""
            raise HwsimError(f"Network {name!r} cannot be built{given}: {type(error).__name__}: {error}.") from error


def _weight_file(weights: str | Path | None, network: str, words: list[str]) -> Path:
    path = user_path(str(weights))
    if path.suffix in SUFFIXES or kind_of(path) == "file":
        return path
    raise HwsimError(
        f"Weights {shown(str(weights))} of network {network!r} are neither a file ({', '.join(SUFFIXES)}) "
        f"nor one of {', '.join(words)}."
    )
