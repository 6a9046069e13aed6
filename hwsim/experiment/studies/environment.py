"""What a result depends on besides its scenario: versions, and the very network and images."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

import hwsim
from hwsim.experiment.catalogue.catalogue import LoadedNetwork, load_network
from hwsim.experiment.catalogue.data import Images
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.network import Network, capture
from hwsim.network.target import Target

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "ml_dtypes")


def load_captured(scenario: Scenario, loaded: LoadedNetwork | None = None) -> tuple[LoadedNetwork, Network]:
    """The network of a scenario as a module and as a graph, BatchNorm folded if the scenario says so.

    It is loaded by its name unless it is there already.

    Raises:
        HwsimError: if there is no such network, or it cannot be captured.
    """
    settings = scenario.network
    if loaded is None:
        loaded = load_network(settings.name, settings.weights, seed=scenario.seed, input_shape=settings.input_shape)
    network = capture(loaded.module, torch.zeros(2, *loaded.input_shape))
    return loaded, network.fold_batchnorm() if settings.fold_batchnorm else network


def describe_environment(scenario: Scenario, network: Network, data: Images | None = None) -> dict[str, Any]:
    """Versions, seed and fingerprints; nothing of when or where."""
    inputs = {"the network": fingerprint(network.parameters, graph_text(network))}
    if data is not None:
        inputs["the images"] = fingerprint({"images": data.images, "labels": data.labels})
    return {
        "packages": {"hwsim": hwsim.__version__, **{name: version(name) for name in PACKAGES}},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "seed": scenario.seed,
        "inputs": inputs,
    }


def graph_text(network: Network) -> str:
    """What a network computes, an operation a line: the same text in every process and on every Python."""
    return "\n".join(_text(part) for part in (network.input, *network.operations, network.output))


def _text(part: Any) -> str:
    """Plain values as they are written, data classes by their fields, operations by their names."""
    if isinstance(part, Target):
        return part.name.replace(":", ".")
    if is_dataclass(part) and not isinstance(part, type):
        return f"{type(part).__name__}({', '.join(_text(getattr(part, one.name)) for one in fields(part))})"
    if isinstance(part, (tuple, list)):
        return f"[{', '.join(map(_text, part))}]"
    if isinstance(part, Mapping):
        return f"{{{', '.join(f'{key}: {_text(value)}' for key, value in part.items())}}}"
    return repr(part)


def fingerprint(tensors: Any, text: str = "") -> str:
    """The first 16 hexadecimal digits of the SHA-256 over a text and named tensors: names, shapes and values."""
    digest = hashlib.sha256(text.encode())
    tensor: Tensor
    for name, tensor in tensors.items():
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
