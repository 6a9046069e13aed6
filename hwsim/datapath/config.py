"""What a datapath is made of, whatever network it runs and however it divides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hwsim.datapath.tensor_format import TensorFormats
from hwsim.errors import HwsimError, unknown

if TYPE_CHECKING:
    from hwsim.memory.ecc import Code

DIVIDERS = ("exact", "reciprocal")


@dataclass(frozen=True)
class DatapathConfig:
    """The units of a datapath, and the formats of what passes between them.

    Attributes:
        guards: names of guards at the read port, of `hwsim.hardening.GUARDS`.
        batch: images that share one read of the weights.
        divider: "exact" divides; "reciprocal" multiplies by 1/c rounded to FP32 precision, whose result may differ
            in the last bit.
        bias_multiplier: whether the bias addition has a multiplier, which `absorbed` and `planned` then use.
        inner_multipliers: whether the constants inside units can be changed, such as GELU's 1/sqrt 2, 1/N of a mean or
            the log2 e of exponentials, which `logits` and `planned` then use.
        activations: number format of the tensors between operations.
        accumulators: number format in which the MAC array puts its sums out, before a bias or a division.
        code: what protects the words in memory, whose check cells are then read too; None for words alone.

    Raises:
        HwsimError: for a batch without images, or an unknown divider or format.
    """

    guards: tuple[str, ...] = ()
    batch: int = 1
    divider: str = "exact"
    bias_multiplier: bool = True
    inner_multipliers: bool = False
    activations: str = "fp32"
    accumulators: str = "fp32"
    code: Code | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise HwsimError(
                f"Datapath batch {self.batch} is not positive: at least one image needs a read of the weights."
            )
        if self.divider not in DIVIDERS:
            raise unknown("divider", self.divider, DIVIDERS)
        object.__setattr__(self, "guards", tuple(self.guards))
        _ = self.formats  # an unknown format is said at once

    @cached_property
    def formats(self) -> TensorFormats:
        """The number formats of its tensors."""
        return TensorFormats.of(self.activations, self.accumulators)
