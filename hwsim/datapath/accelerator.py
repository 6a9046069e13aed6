"""The accelerator: executes a network under a plan, on words read from memory, and counts what it does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hwsim.datapath.arithmetic.fp32 import Fp32
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.counting import Counting, count_division
from hwsim.datapath.counts import Tally
from hwsim.datapath.plan import WAYS, Plan
from hwsim.datapath.plans.placement import make_plan
from hwsim.datapath.plans.ranges import chunk_of, peaks_along
from hwsim.datapath.plans.sites import COUNTER_OF, division_sites
from hwsim.datapath.port import ReadPort
from hwsim.datapath.run import Run
from hwsim.datapath.walk import Walk
from hwsim.errors import HwsimError
from hwsim.hardening import Guards, Hardened
from hwsim.network.graph import storable
from hwsim.tabular import Shown, Tabular
from hwsim.tensors import tensor_of

if TYPE_CHECKING:
    from hwsim.memory import Faults


class Accelerator(Shown):
    """A datapath with one network loaded.

    Args:
        hardened: the network's parameters as stored words.
        plan: what it does about scales; the name of a way is the plan that `make_plan` gives for it.
        config: what it is made of.

    Raises:
        HwsimError: if the network cannot be run exactly in this way (see `make_plan`), the plan needs a multiplier
            that the datapath does not have, or a guard does not fit.
    """

    def __init__(self, hardened: Hardened, plan: str | Plan = "none", config: DatapathConfig | None = None) -> None:
        if not isinstance(hardened, Hardened):
            raise HwsimError(
                f"An accelerator reads stored words, not {type(hardened).__name__}: `hwsim.harden(network, ...)` makes "
                "them of a network, which they then bring along."
            )
        self.hardened, self.network = hardened, hardened.network
        self.config = config or DatapathConfig()
        self.plan = make_plan(hardened, plan, self.config) if isinstance(plan, str) else plan
        self.guards = Guards(self.config.guards)
        self._port = ReadPort(hardened, self.plan, self.guards, self.config)
        self._arithmetic = Fp32(self.network, self.plan, self._port.tensors, self.config)
        self._walk = Walk(self.network, self.plan)

    def _table(self) -> Tabular:
        """What it is made of, and what it rescales for one image, by its plan and the shapes alone."""
        config, batch = self.config, self.config.batch
        rescaled = dict.fromkeys(COUNTER_OF.values(), 0.0)
        for site in division_sites(self.hardened, self.plan, config):
            if site.kind in COUNTER_OF:
                rescaled[COUNTER_OF[site.kind]] += site.elements / (batch if site.per_read else 1)
        shape = " x ".join(map(str, self.network.input.shape))
        rows = [
            ["network", f"{len(self.network.operations)} operations, images of {shape}"],
            ["stored", self.hardened.summary],
            ["divided", f"{self.plan.way}: {WAYS.get(self.plan.way, 'by a plan of its own')}"],
            ["divider", config.divider],
            ["guards", ", ".join(self.guards.names) or "none"],
            ["batch", f"{batch} image{'s' if batch > 1 else ''} for each read of the weights"],
            ["activations", config.formats.activations.words.name],
            ["accumulators", config.formats.accumulators.words.name],
            *([f"{name.replace('_', ' ')} an image", f"{count:,.10g}"] for name, count in rescaled.items()),
        ]
        return Tabular("Accelerator", ("what", "as it is"), rows)

    @torch.inference_mode()
    def run(self, images: Any, faults: Faults | None = None, chunk: int | None = None) -> Run:
        """The network's logits for `images`, with the counts of everything done for them.

        Args:
            images: (N, C, H, W), preprocessed, of torch or numpy.
            faults: what a memory that was written with `hardened.words` gives wrong; None for a sound memory.
            chunk: images simulated at a time: a matter of the simulator's speed and memory, not of the results.

        Raises:
            HwsimError: if the images do not have the network's input shape, or the faults are of other words.
        """
        images, expected = tensor_of(images, "images"), self.network.input.shape
        if images.dim() != len(expected) + 1 or images.shape[1] != expected[0] or len(images) == 0:
            shape = ", ".join(map(str, expected))
            raise HwsimError(f"Images of shape {tuple(images.shape)} do not fit the network, which takes (N, {shape}).")
        reads = math.ceil(len(images) / self.config.batch)
        tally, once = self._of_reads(reads), Tally()
        counting = Counting(self._arithmetic, tally)
        logits: list[Tensor] = []
        with self._port.reading(faults, tally):
            fixed = self._walk.fixed(Counting(self._arithmetic, once))
            tally.add(once, reads)
            for part in images.split(chunk or chunk_of(images)):
                logits.append(self._walk.result(counting, self._arithmetic.images(part), fixed))
        return Run(torch.cat(logits), tally.counts({op.name: op.label for op in self.network.operations}))

    @torch.inference_mode()
    def peaks(self, images: Tensor) -> dict[str, float]:
        """The largest magnitude of every value as it is held, scaled, over `images`; NaN where one occurs."""
        return peaks_along(self._walk, self._arithmetic, images)

    def _of_reads(self, reads: int) -> Tally:
        """Stored words cross the port once for every `batch` images, and are divided there if at all."""
        tally = Tally()
        for op in self.network.operations:
            name = storable(op)
            if name is None or name not in self.hardened.words:
                continue
            done, words = tally.of(op.name), reads * self.hardened.words[name].size
            done.words_read += words
            done.bits_read += reads * self._port.cells[name]
            done.comparisons += words * self._port.comparisons
            if self._port.divides(name):
                powers = self.hardened.constants[name].powers_of_two
                count_division(done, words, powers, self.config.divider == "reciprocal")
        return tally
