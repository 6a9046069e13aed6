"""FP32 arithmetic of the datapath on whole tensors: rescaling by constants, and finding what overflowed.

Constants are kept as hardware keeps them: a significand of 24 bits and an exponent. Multiplying or dividing by one
rounds once, to FP32, also where the constant itself is beyond the range of FP32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hwsim.hardening import Constants
from hwsim.hardening.scaling import reciprocal, to_significand
from hwsim.network import Scale
from hwsim.network.graph import channels

_SMALLEST, _LARGEST = 2.0**-126, float(np.finfo(np.float32).max)  # normal FP32 numbers


def divide(y: Tensor, divisor: Scale | Constants, axis: int, divider: str, in_place: bool = False) -> Tensor:
    """`y` divided by a scale, or by a layer's constants along its channel axis.

    With `divider = "reciprocal"` it is multiplied by the rounded reciprocal, unless that is a power of two.
    """
    numbers = _numbers(divisor)
    out = y if in_place else None
    if divider == "reciprocal" and not is_power_of_two(divisor):
        return _apply(torch.mul, y, torch.from_numpy(reciprocal(numbers)), axis, out)
    return _apply(torch.div, y, torch.from_numpy(numbers), axis, out)


def times(y: Tensor, factor: Scale | Constants | Tensor, axis: int = 0, out: Tensor | None = None) -> Tensor:
    """`y` multiplied by a scale, by a layer's constants, or by doubles of 24-bit significand, along an axis."""
    numbers = factor if isinstance(factor, Tensor) else torch.from_numpy(_numbers(factor))
    return _apply(torch.mul, y, numbers, axis, out)


def ratio(result: Scale | Constants, seen: Scale | Constants) -> Tensor | None:
    """The change of scale from what an operation sees to its result, as doubles; None where there is none."""
    if result == seen:
        return None
    if isinstance(result, Scale) and isinstance(seen, Scale):
        return torch.from_numpy(_numbers(result / seen))
    return torch.from_numpy(to_significand(_numbers(result) / _numbers(seen)))


def multiply(multiplier: Tensor, change: Tensor) -> Tensor:
    """A factor with a change of scale absorbed, both as doubles, rounded to 24 bits."""
    return torch.from_numpy(to_significand((multiplier * change).numpy()))


def largest_magnitude(y: Tensor) -> float:
    """The largest magnitude of a tensor; NaN if there is one. One pass, in the order in which the elements lie."""
    if y.dim() == 4 and y.is_contiguous(memory_format=torch.channels_last):
        y = y.movedim(1, -1)
    low, high = torch.aminmax(y)
    return float(torch.maximum(low.abs(), high.abs()))


def _numbers(scale: Scale | Constants) -> np.ndarray:
    """As doubles of 24-bit significand; the nearest double where a scale is beyond their range."""
    if isinstance(scale, Constants):
        return scale.values
    bounds = np.finfo(np.float64)
    return to_significand(np.array([min(max(float(scale), bounds.tiny), bounds.max)]))


def _apply(operation: Callable[..., Tensor], y: Tensor, numbers: Tensor, axis: int, out: Tensor | None) -> Tensor:
    """`operation(y, numbers)`, rounded once to FP32."""
    spread = channels(numbers, axis, y.dim()) if len(numbers) > 1 else numbers.reshape(())
    magnitudes = numbers[numbers != 0].abs()
    if bool(((magnitudes >= _SMALLEST) & (magnitudes <= _LARGEST)).all()):
        return operation(y, spread.float(), out=out)
    exact = operation(y.double(), spread)
    return exact.float() if out is None else out.copy_(exact)


def is_one(scale: Scale | Constants) -> bool:
    """Whether nothing has to be divided out."""
    return scale.all_one if isinstance(scale, Constants) else scale.is_one


def is_power_of_two(scale: Scale | Constants) -> bool:
    """Whether dividing by a scale, or by each of a layer's constants, is a shift."""
    return scale.powers_of_two if isinstance(scale, Constants) else scale.is_power_of_two
