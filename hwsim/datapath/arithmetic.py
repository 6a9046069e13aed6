"""FP32 arithmetic of the datapath on whole tensors: rescaling by constants, and finding what overflowed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hwsim.hardening import Constants
from hwsim.hardening.scaling import reciprocal
from hwsim.network import Scale
from hwsim.network.graph import channels

_SMALLEST, _LARGEST = 2.0**-126, float(np.finfo(np.float32).max)  # normal FP32 numbers


def divide_by_constants(y: Tensor, constants: Constants, axis: int, divider: str) -> Tensor:
    """`y / c` in place, where `c` has one number for the tensor or one for each channel along `axis`."""
    values = constants.values
    if divider == "reciprocal" and not constants.powers_of_two:
        factors = torch.from_numpy(reciprocal(values))
        return rescale(y, factors if constants.per_channel else factors.item(), axis, torch.Tensor.mul_)
    divisor = torch.from_numpy(values) if constants.per_channel else float(values[0])
    return rescale(y, divisor, axis, torch.Tensor.div_)


def divide_by_scale(y: Tensor, scale: Scale, divider: str) -> Tensor:
    """`y / s` as a new tensor; a scale beyond the range of FP32 is split into significand and exponent."""
    if divider == "reciprocal" and not scale.is_power_of_two:
        return multiply_by_scale(y, Scale() / scale)
    return (y.double() / scale.significand * 2.0 ** (-scale.exponent)).float()


def multiply_by_scale(y: Tensor, scale: Scale) -> Tensor:
    """`s * y` as a new tensor, with s rounded to the significand of an FP32 number."""
    significand = float(np.float32(scale.significand))
    return (y.double() * significand * 2.0**scale.exponent).float()


def rescale(y: Tensor, number: Tensor | float, axis: int, operation: Callable[..., Tensor]) -> Tensor:
    """`operation(y, number)` in place, rounded once to FP32, also where a number is no normal FP32 number.

    Args:
        y: FP32 tensor.
        number: one double, or one for each channel along `axis`, of 24-bit significand.
        axis: the channel axis of `y`.
        operation: `Tensor.mul_` or `Tensor.div_`.
    """
    peak = np.abs(np.asarray(number))
    peak = peak[peak > 0] if (peak > 0).any() else np.ones(1)
    spread = channels(number, axis, y.dim()) if isinstance(number, Tensor) else number
    if peak.min() >= _SMALLEST and peak.max() <= _LARGEST:
        return operation(y, spread.float() if isinstance(spread, Tensor) else spread)
    return y.copy_(operation(y.double(), spread))


def count_nonfinite(y: Tensor) -> int:
    """How many elements are NaN or infinite. A sum tells in one pass whether there are any."""
    if y.sum().isfinite():
        return 0
    return y.numel() - int(y.isfinite().sum())
