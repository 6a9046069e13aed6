"""The division-cost table: what every way of dividing costs on one network, for one image.

The network runs once in every way, with random weights if it has no others: the counts depend on shapes only, and
come from the same counters as any run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hwsim.datapath.accelerator import Accelerator
from hwsim.datapath.counts import Counts
from hwsim.datapath.plan import WAYS
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
    """

    way: str
    counts: Counts | None
    constant_bits: int
    impossible: str = ""


def division_table(
    network: Network, scaling: Scaling | None = None, format: str = "fp32", batch: int = 1, divider: str = "exact"
) -> list[DivisionCost]:
    """The cost of every way of dividing, for one batch of images.

    Args:
        network: the captured network; its weights may be random.
        scaling: how weights are scaled; by default one constant a layer.
        format: number format of the stored words.
        batch: images in the batch, which share one read of the weights.
        divider: "exact" or "reciprocal".
    """
    images = torch.zeros(batch, *network.input.shape)
    hardened = harden(network, format, scaling or Scaling())
    rows = []
    for way in WAYS:
        if way == "none":
            continue
        try:
            run = Accelerator(network, hardened, way, batch=batch, divider=divider).run(images, chunk=batch)
            rows.append(DivisionCost(way, run.counts, hardened.constant_bits))
        except HwsimError as error:
            rows.append(DivisionCost(way, None, hardened.constant_bits, str(error)))
    return rows
