"""What a result depends on besides its scenario: versions, and the very network and images."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

import hwsim
from hwsim.experiment.catalogue import LoadedNetwork, load_network
from hwsim.experiment.data import Images
from hwsim.experiment.scenario import Scenario
from hwsim.network import Network, capture

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
    inputs = {"the network": fingerprint(network.parameters)}
    if data is not None:
        inputs["the images"] = fingerprint({"images": data.images, "labels": data.labels})
    return {
        "packages": {"hwsim": hwsim.__version__, **{name: version(name) for name in PACKAGES}},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "seed": scenario.seed,
        "inputs": inputs,
    }


def fingerprint(tensors: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over named tensors: names, shapes and values."""
    digest = hashlib.sha256()
    tensor: Tensor
    for name, tensor in tensors.items():
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
