"""FP32 arithmetic of the datapath on whole tensors: rescaling by constants, and finding what overflowed."""

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


def divide_by_constants(y: Tensor, constants: Constants, axis: int, divider: str) -> Tensor:
    """`y / c` in place, where `c` has one number for the tensor or one for each channel along `axis`."""
    divisor = torch.from_numpy(constants.values)
    if divider == "reciprocal" and not constants.powers_of_two:
        return rescale(y, torch.from_numpy(reciprocal(constants.values)), axis, torch.mul, out=y)
    return rescale(y, divisor, axis, torch.div, out=y)


def divide_by_scale(y: Tensor, scale: Scale, divider: str) -> Tensor:
    """`y / s` as a new tensor."""
    if divider == "reciprocal" and not scale.is_power_of_two:
        return multiply_by_scale(y, Scale() / scale)
    return rescale(y, _constant(scale), 0, torch.div)


def multiply_by_scale(y: Tensor, scale: Scale) -> Tensor:
    """`s * y` as a new tensor."""
    return rescale(y, _constant(scale), 0, torch.mul)


def rescale(
    y: Tensor, numbers: Tensor, axis: int, operation: Callable[..., Tensor], out: Tensor | None = None
) -> Tensor:
    """`operation(y, numbers)`, rounded once to FP32 also where a number is no normal FP32 number.

    Args:
        y: FP32 tensor.
        numbers: doubles of 24-bit significand: one, or one for each channel along `axis`.
        axis: the channel axis of `y`.
        operation: `torch.mul` or `torch.div`.
        out: where to put the result; a new tensor if None.
    """
    spread = channels(numbers, axis, y.dim()) if len(numbers) > 1 else numbers
    magnitudes = numbers[numbers != 0].abs()
    if bool(((magnitudes >= _SMALLEST) & (magnitudes <= _LARGEST)).all()):
        return operation(y, spread.float(), out=out)
    exact = operation(y.double(), spread)
    return exact.float() if out is None else out.copy_(exact)


def _constant(scale: Scale) -> Tensor:
    """A scale as hardware keeps it, with a significand of 24 bits; the nearest double where it is beyond them."""
    value = min(max(float(scale), np.finfo(np.float64).tiny), np.finfo(np.float64).max)
    return torch.from_numpy(to_significand(np.array([value])))


def count_nonfinite(y: Tensor) -> int:
    """How many elements are NaN or infinite. A sum tells in one pass whether there are any."""
    if y.sum().isfinite():
        return 0
    return y.numel() - int(y.isfinite().sum())
