"""The division-cost table: what every way of dividing costs on one network, and what forces each division.

The network runs once in every way, with random weights if it has no others: the counts depend on shapes only, and
come from the same counters as any run. Images are noise, of unit variance as normalised photographs have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from hwsim.datapath.accelerator import Accelerator
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.counts import Counts
from hwsim.datapath.plan import WAYS, Plan, place_divisions
from hwsim.datapath.plans.least_cost import PlanOptions, first_out_of_range, least_cost_plan
from hwsim.datapath.plans.ranges import true_peaks
from hwsim.datapath.plans.repairs import Repair, repairs
from hwsim.datapath.plans.sites import Site, division_sites, price
from hwsim.errors import HwsimError
from hwsim.hardening import Scaling, harden
from hwsim.network import Network
from hwsim.words import get_format


@dataclass(frozen=True)
class DivisionCost:
    """One row of the table.

    Attributes:
        way: way of dividing.
        counts: what the datapath did for the batch of images; None if the way is impossible.
        constant_bits: safe memory for all scaling constants, in bits, whatever the way.
        impossible: the reason why this way cannot be exact on this network, else empty.
        plan: the scales and rescalings; None if the way is impossible.
        sites: every division site; they add up to the counts.
        cost: what these cost for one image, in the prices of the options.
        images: images in the batch.
        overflow: the first layer that left the range of its format in the run; empty if none did.
        predicted: the first layer that leaves it by the plan's scales and the magnitudes of its values, likewise.
        repairs: what keeps a way in range that leaves it, the cheapest first.
    """

    way: str
    counts: Counts | None
    constant_bits: int
    impossible: str = ""
    plan: Plan | None = None
    sites: tuple[Site, ...] = ()
    cost: float = 0.0
    images: int = 1
    overflow: str = ""
    predicted: str = ""
    repairs: tuple[Repair, ...] = ()

    @property
    def absorbed(self) -> int:
        """Sites where a multiplier that is there anyway takes a scale up, for nothing."""
        return sum(site.kind == "absorbed" for site in self.sites)

    @property
    def divisor_words(self) -> int:
        """Constants that the datapath keeps in safe memory to divide by: words."""
        return sum(site.constants for site in self.sites)

    @property
    def divisor_bits(self) -> int:
        """The same in bits."""
        return sum(site.constant_bits for site in self.sites)

    def each_image(self, counter: str) -> float:
        """A counter's share of one image of the batch."""
        assert self.counts is not None
        return self.counts.total.as_dict()[counter] / self.images


def division_table(
    network: Network,
    scaling: Scaling | None = None,
    format: str = "fp32",
    config: DatapathConfig | None = None,
    options: PlanOptions | None = None,
) -> list[DivisionCost]:
    """The cost of every way of dividing, for one batch of images, and what forces it.

    Args:
        network: the captured network; its weights may be random.
        scaling: how weights are scaled; by default one constant a layer.
        format: number format of the stored words.
        config: what the datapath is made of; as many images run as share one read of the weights.
        options: prices, and margins of the range.

    Raises:
        HwsimError: if the format is unknown, or the weights cannot be stored.
    """
    config, options = config or DatapathConfig(), options or PlanOptions()
    batch = config.batch
    images = torch.randn(batch, *network.input.shape, generator=torch.Generator().manual_seed(0))
    words = get_format(format)
    peaks = true_peaks(network, images)  # whose copies of the weights are gone before the next ones are made
    hardened = harden(network, words, scaling or Scaling())
    rows = []
    for way in WAYS:
        if way == "none":
            continue
        try:
            if way == "planned":
                plan = least_cost_plan(hardened, peaks, config, options)
            else:
                plan = place_divisions(hardened, way, config)
            accelerator = Accelerator(hardened, plan, config)
        except HwsimError as error:
            rows.append(DivisionCost(way, None, hardened.constant_bits, str(error)))
            continue
        counts = accelerator.run(images, chunk=batch).counts
        del accelerator  # its weights, before those of the next way are made
        found = division_sites(hardened, plan, config)
        first = first_out_of_range(network, plan, peaks, config.formats)
        row = DivisionCost(
            way,
            counts,
            hardened.constant_bits,
            plan=plan,
            sites=found,
            cost=price(found, options.prices, batch),
            images=batch,
            overflow=next(iter(counts.nonfinite), ""),
            predicted="" if first is None else network.named[first].label if first in network.named else first,
        )
        if row.overflow and way != "planned":
            changes = repairs(hardened, way, peaks, config, options)
            row = replace(row, repairs=tuple(changes))
        rows.append(row)
    return rows
