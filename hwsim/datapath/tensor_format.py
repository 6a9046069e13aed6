"""Number formats of what the datapath computes: tensors between operations, and accumulators.

The arithmetic itself is FP32; a narrower format rounds what an operation puts out, to nearest even. Overflow is what
the format says: an infinity, NaN in FP8 E4M3, the largest code in fixed point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hwsim.network import Fetch, Linear, Network, Operation
from hwsim.words import WordFormat, get_format

_CASTS = {"fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class TensorFormat:
    """A word format as that of a tensor.

    Attributes:
        words: the format.
    """

    words: WordFormat

    @classmethod
    def of(cls, name: str | WordFormat) -> TensorFormat:
        """By name: fp32, fp16, bf16, fp8_e5m2, fp8_e4m3, qM.N.

        Raises:
            HwsimError: if there is no such format.
        """
        return cls(get_format(name))

    @property
    def is_fp32(self) -> bool:
        """Whether nothing has to be rounded."""
        return self.words.name == "fp32"

    @property
    def largest_log2(self) -> float:
        """Logarithm of the largest magnitude that does not overflow or saturate."""
        return math.log2(self.words.largest)

    @property
    def smallest_log2(self) -> float:
        """Logarithm of the smallest magnitude held with a relative precision: the smallest normal number, or a step."""
        smallest = math.log2(self.words.smallest)
        return smallest + self.fraction_bits if self.words.is_floating else smallest

    @property
    def fraction_bits(self) -> int:
        """Bits of the fraction field."""
        return next((field.width for field in self.words.fields if field.name == "fraction"), 0)

    def rounded(self, y: Tensor) -> Tensor:
        """`y`, an FP32 tensor, as the format holds it."""
        if self.is_fp32:
            return y
        cast = _CASTS.get(self.words.name)
        if cast is not None:
            return y.to(cast).float()
        layout = torch.channels_last if y.dim() == 4 and y.is_contiguous(memory_format=torch.channels_last) else None
        values = np.ascontiguousarray(y.numpy())
        result = torch.from_numpy(self.words.decode(self.words.encode(values)))
        return result if layout is None else result.contiguous(memory_format=layout)

    def overflowed(self, y: Tensor, rounded: Tensor) -> Tensor | int:
        """How many elements of `y` do not fit: NaN or infinite once rounded, or saturated in fixed point."""
        if self.words.is_floating:
            return count_nonfinite(rounded)
        half = self.words.smallest / 2
        return y.numel() - ((y <= self.words.largest + half) & (y >= self.words.lowest - half)).sum()

    def underflowed(self, y: Tensor, rounded: Tensor) -> Tensor:
        """How many elements of `y` are zero only once rounded."""
        return torch.count_nonzero(y) - torch.count_nonzero(rounded)


@dataclass(frozen=True)
class TensorFormats:
    """The formats of one datapath: of tensors between operations, and of the MAC array's sums."""

    activations: TensorFormat
    accumulators: TensorFormat

    @classmethod
    def of(cls, activations: str = "fp32", accumulators: str = "fp32") -> TensorFormats:
        """By name."""
        return cls(TensorFormat.of(activations), TensorFormat.of(accumulators))

    def of_value(self, network: Network, op: Operation | None, rescaled: bool) -> TensorFormat:
        """The format of what an operation puts out (the images, if there is none).

        A sum is an accumulator's if a multiply-add or a rescaling comes before anything else reads it.
        """
        if isinstance(op, Fetch):
            return TensorFormat.of("fp32")  # words as they are decoded, or divided
        if isinstance(op, Linear) and (rescaled or network.sole_affine_after(op) is not None):
            return self.accumulators
        return self.activations


def count_nonfinite(y: Tensor) -> Tensor | int:
    """How many elements are NaN or infinite. On a processor a sum tells in one pass whether there are any."""
    if y.device.type == "cpu" and y.sum().isfinite():
        return 0
    return y.numel() - y.isfinite().sum()
