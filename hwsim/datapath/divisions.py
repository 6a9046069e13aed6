"""The division-cost table: what every way of dividing costs on one network, for one image.

The network runs once in every way, with random weights if it has no others: the counts depend on shapes only, and
come from the same counters as any run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hwsim.datapath.accelerator import Accelerator
from hwsim.datapath.counts import Counts
from hwsim.datapath.plan import WAYS, Plan
from hwsim.errors import HwsimError
from hwsim.hardening import Scaling, harden
from hwsim.network import Network


@dataclass(frozen=True)
class DivisionCost:
    """One row of the table.

    Attributes:
        way: way of dividing.
        counts: what the datapath did for the images; None if the way is impossible.
        constant_bits: safe memory for the scaling constants, in bits.
        impossible: the reason why this way cannot be exact on this network, else empty.
        plan: the scales and rescalings; None if the way is impossible.
    """

    way: str
    counts: Counts | None
    constant_bits: int
    impossible: str = ""
    plan: Plan | None = None

    @property
    def overflow(self) -> str:
        """The first layer that left the range of its format, on images of noise; empty if none did."""
        return "" if self.counts is None else next((name for name, c in self.counts.items() if c.nonfinite), "")


def division_table(
    network: Network,
    scaling: Scaling | None = None,
    format: str = "fp32",
    batch: int = 1,
    divider: str = "exact",
    activations: str = "fp32",
) -> list[DivisionCost]:
    """The cost of every way of dividing, for one batch of images.

    Args:
        network: the captured network; its weights may be random.
        scaling: how weights are scaled; by default one constant a layer.
        format: number format of the stored words.
        batch: images in the batch, which share one read of the weights.
        divider: "exact" or "reciprocal".
        activations: number format of the tensors between operations.
    """
    images = torch.randn(batch, *network.input.shape, generator=torch.Generator().manual_seed(0))
    hardened = harden(network, format, scaling or Scaling())
    rows = []
    for way in WAYS:
        if way == "none":
            continue
        try:
            accelerator = Accelerator(network, hardened, way, batch=batch, divider=divider, activations=activations)
            counts = accelerator.run(images, chunk=batch).counts
            rows.append(DivisionCost(way, counts, hardened.constant_bits, plan=accelerator.plan))
        except HwsimError as error:
            rows.append(DivisionCost(way, None, hardened.constant_bits, str(error)))
    return rows
