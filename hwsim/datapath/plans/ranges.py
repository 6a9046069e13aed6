"""How large each value of a network gets, which decides what stays in range: seen on images, or bounded for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hwsim.datapath.arithmetic.fp32 import Fp32, is_real, loaded
from hwsim.datapath.arithmetic.intervals import IntervalArithmetic
from hwsim.datapath.arithmetic.rescaling import largest_magnitude
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.plan import Plan
from hwsim.datapath.walk import Walk
from hwsim.errors import HwsimError
from hwsim.network import Network
from hwsim.network.operators.bounds import UNIT, Interval

Peaks = Mapping[str, float]
"""Value -> its largest true magnitude."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""How torchvision's classifiers want pixels from 0 to 1 normalised (published with their weights)."""


def chunk_of(images: Tensor) -> int:
    """Images simulated at a time, unless said."""
    return min(max(2**21 // math.prod(images.shape[1:]), 8), 250)


@torch.inference_mode()
def true_peaks(network: Network, images: Tensor | None = None) -> dict[str, float]:
    """The largest true magnitude of every value of the network, over some images; NaN where one occurs.

    Without images they are normal noise of unit variance, as normalised photographs have.
    """
    if images is None:
        images = torch.randn(4, *network.input.shape, generator=torch.Generator().manual_seed(0))
    parameters = {name: loaded(parameter) for name, parameter in network.parameters.items()}
    plan = Plan("none")
    return peaks_along(Walk(network, plan), Fp32(network, plan, parameters, DatapathConfig()), images)


def peaks_along(walk: Walk, arithmetic: Fp32, images: Tensor) -> dict[str, float]:
    """The largest magnitude of every value that an arithmetic makes of some images."""
    found: dict[str, float] = {}

    def see(name: str, value: Any) -> None:
        if is_real(value):
            peak = largest_magnitude(value)
            before = found.get(name, peak)
            found[name] = peak if math.isnan(peak) or peak > before else before

    fixed = walk.fixed(arithmetic, see)
    for part in images.split(chunk_of(images)):
        walk.result(arithmetic, arithmetic.images(part), fixed, see)
    return found


def normalised_range(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    """The lowest and the highest number of each channel, for normalised pixels that were between 0 and 1."""
    pairs = list(zip(mean, std, strict=True))
    return [-m / s for m, s in pairs], [(1 - m) / s for m, s in pairs]


@torch.inference_mode()
def interval_peaks(
    network: Network, low: float | Sequence[float] | None = None, high: float | Sequence[float] | None = None
) -> dict[str, float]:
    """The largest magnitude that each value of a network can have, for all images within bounds.

    Made for the same use as `true_peaks`, which looks at some images instead: it is never smaller.

    Args:
        network: the network, whose weights count as they are, unscaled.
        low: the lowest number of an image, or one for each channel; None for that of pixels from 0 to 1 normalised
            as ImageNet's are (`normalised_range`): its channels for three channels, else the lowest of them.
        high: the highest number, likewise.

    Returns:
        Value name -> bound of its magnitude.

    Raises:
        HwsimError: if the bounds do not fit the images, an operation has no entry in the table, or a bound is not
            finite: where a divisor may be zero, or bounds have grown beyond 1e308.
    """
    image = _image_bounds(network, low, high)
    peaks: dict[str, float] = {}

    def see(name: str, value: Any) -> None:
        if isinstance(value, Interval) and isinstance(value.low, Tensor):
            peaks[name] = float(value.magnitude.max())

    plan = Plan("none")
    arithmetic, walk = IntervalArithmetic(network), Walk(network, plan)
    walk.result(arithmetic, image, walk.fixed(arithmetic, see), see)
    for layer in network.layers:
        bias = network.sole_affine_after(layer)
        if bias is not None and bias.multiplier is None:  # an accumulator holds the sum with and without its bias
            peaks[layer.name] = max(peaks[layer.name], peaks[bias.name])
    return peaks


def _image_bounds(network: Network, low: Any, high: Any) -> Interval:
    shape = network.input.shape
    usual = normalised_range(IMAGENET_MEAN, IMAGENET_STD)
    if len(shape) != 3 or shape[0] != 3:
        usual = ([min(usual[0])], [max(usual[1])])
    ends = []
    for given, default in zip((low, high), usual, strict=True):
        numbers = torch.tensor(default if given is None else given, dtype=torch.float64).reshape(-1)
        if len(numbers) not in (1, shape[0]):
            raise HwsimError(
                f"{len(numbers)} bounds do not fit images of {shape[0]} channels: give one, or one for each channel."
            )
        ends.append(numbers.reshape(-1, *[1] * (len(shape) - 1)).expand(1, *shape))
    if not bool((ends[0] <= ends[1]).all() and torch.cat(ends).isfinite().all()):
        raise HwsimError("The bounds of the images must be finite, the lowest no higher than the highest.")
    return Interval(ends[0], ends[1]).widened(UNIT)
