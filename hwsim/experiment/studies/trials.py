"""One trial: a fault map drawn or a device read, the images run, and what came out written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from hwsim.datapath import Accelerator, Plan
from hwsim.errors import HwsimError
from hwsim.experiment.results.plans import KeptPlan, Plans, datapath_config, keep_plan, peaks_of
from hwsim.experiment.results.record import Storage, TrialRecord
from hwsim.experiment.scenario.points import Point, Trial
from hwsim.experiment.scenario.scenario import Scenario, Variant
from hwsim.hardening import Constants, Hardened, Scaling, harden
from hwsim.memory import BitFlips, Faults, Memory
from hwsim.memory.ecc import Code
from hwsim.memory.random import Seed
from hwsim.network import Network
from hwsim.words import get_format


@dataclass(frozen=True, eq=False)
class Bench:
    """What every trial of a scenario needs: the network, the images, and what the network says as it is.

    Attributes:
        network: captured, BatchNorm folded if the scenario says so.
        images: (N, C, H, W), preprocessed.
        labels: (N,).
        logits: (N, classes) of the plain module in FP32, nothing stored, nothing divided: the reference.
        plans: those that are there already; `prepare` adds what it has to make.
    """

    scenario: Scenario
    network: Network
    images: Tensor
    labels: Tensor
    logits: Tensor
    plans: Plans = field(default_factory=dict)

    @cached_property
    def peaks(self) -> dict[str, float]:
        """The largest magnitude of every value of the network, as the planner takes it."""
        return peaks_of(self.network, self.images, self.scenario.datapath.ranges)

    @cached_property
    def predictions(self) -> Tensor:
        return self.logits.argmax(dim=1)

    @property
    def accuracy(self) -> float:
        """Top-1 of the network as it is."""
        return float((self.predictions == self.labels).double().mean())

    def prepare(self, fmt: str, variant: Variant) -> Prepared:
        """The memory and the accelerator of one format and variant.

        Raises:
            HwsimError: if this combination cannot be run exactly; it is named.
        """
        with named(fmt, variant):
            return self.run_on(self.store(fmt, variant), variant)

    def store(self, fmt: str, variant: Variant) -> Hardened:
        """The words of one format and variant, with the constants that its plan chose if it may choose them."""
        stored = store_weights(self.network, self.scenario, fmt, variant)
        if variant.scaling is None or variant.scaling.lowest_target is None:
            return stored
        chosen = self._plan(stored, variant).constants
        return stored.with_constants({weight: Constants.of(scale) for weight, scale in chosen.items()})

    def run_on(self, stored: Hardened, variant: Variant, code: Code | None = None) -> Prepared:
        """The same for words that are there already, protected by a code or alone."""
        config = datapath_config(self.scenario.datapath, variant.guards, code)
        accelerator = Accelerator(stored, self._divide(stored, variant), config)
        return Prepared(self, stored, Memory(stored.words, stored.format), accelerator)

    def _divide(self, stored: Hardened, variant: Variant) -> str | Plan:
        """How a resolved variant divides: by a rule, or by its plan."""
        assert variant.divide is not None
        return self._plan(stored, variant).plan if variant.divide == "planned" else variant.divide

    def _plan(self, stored: Hardened, variant: Variant) -> KeptPlan:
        """The plan of a variant, which is made only once."""
        key = (stored.format.name, variant.name)
        if key not in self.plans:
            lowest = variant.scaling.lowest_target if variant.scaling else None
            self.plans[key] = keep_plan(stored, self.peaks, self.scenario.datapath, lowest)
        return self.plans[key]


@contextmanager
def named(fmt: str, variant: Variant) -> Iterator[None]:
    """What cannot be run is said with its name."""
    try:
        yield
    except HwsimError as error:
        raise HwsimError(f"Variant {variant.name!r} cannot be run in {fmt}: {error}") from None


def store_weights(network: Network, scenario: Scenario, fmt: str, variant: Variant) -> Hardened:
    """The words of one format and variant.

    Raises:
        HwsimError: if the format cannot hold the values, or the target is above its range; names the variant.
    """
    settings = variant.scaling
    scaling = None
    if settings is not None:
        target = None if variant.target == "default" else variant.target
        scaling = Scaling(target, settings.granularity, settings.power_of_two)
    return harden(network, fmt, scaling, scenario.memory.store)


@dataclass(frozen=True, eq=False)
class Prepared:
    """One format and variant, ready for its trials."""

    bench: Bench
    stored: Hardened
    memory: Memory
    accelerator: Accelerator

    def trial(self, trial: Trial) -> TrialRecord:
        """What a trial gives.

        A fault map is a matter of the scenario's seed and the map's number, and of nothing else: two variants under
        one number meet the same weak cells, and a higher rate fails a superset.
        """
        flips = self.flips(trial)
        return self.run(None if flips is None else flips.draw(self.memory, self.seed(trial)))

    def seed(self, trial: Trial) -> Seed:
        """What the weak cells of a trial follow from."""
        return (self.bench.scenario.seed, "fault map", trial.map)

    def flips(self, trial: Trial) -> BitFlips | None:
        """How often cells flip in a trial; None for one without faults."""
        assert isinstance(trial.point, Point)
        ber, settings = trial.point.ber, self.bench.scenario.memory
        if ber == 0:
            return None
        fmt = get_format(trial.point.format)
        immune = 0
        for selector in trial.point.immune.split("+") if trial.point.immune else ():
            immune |= fmt.bit_mask(selector)
        return BitFlips((ber * settings.zero_to_one, ber * settings.one_to_zero), immune=immune)

    def run(self, faults: Faults | None) -> TrialRecord:
        """What the images gave under some faults."""
        bench = self.bench
        run = self.accelerator.run(bench.images, faults, bench.scenario.data.batch)
        storage = Storage(self.stored.stored_bits, self.stored.constant_bits, sum(self.stored.clipped.values()))
        return TrialRecord(
            correct=int((run.predictions == bench.labels).sum()),
            agree=int((run.predictions == bench.predictions).sum()),
            invalid=int(run.invalid.sum()),
            logit_error=_logit_error(run.logits, bench.logits),
            flips=faults.by_field() if faults is not None else _no_flips(self.stored),
            faulty_words=len(faults) if faults is not None else 0,
            overflows=run.nonfinite,
            counts=run.counts.total,
            layers=dict(run.counts) if faults is None else {},
            storage=storage if faults is None else None,
        )


def _no_flips(stored: Hardened) -> dict[str, int]:
    return {field.name: 0 for field in stored.format.fields}


def _logit_error(logits: Tensor, reference: Tensor) -> float | None:
    """Mean absolute difference over the images whose logits are all finite; None if there are none."""
    finite = logits.isfinite().all(dim=1)
    if not finite.any():
        return None
    return float((logits[finite].double() - reference[finite].double()).abs().mean())


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, so that a result does not depend on how many processors a machine has.

    It also keeps small networks fast on a busy machine, where threads that wait for each other cost more than
    they bring.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def reference_logits(module: torch.nn.Module, images: Tensor, batch: int | None = None) -> Tensor:
    """What the plain module says of the images, `batch` of them at a time."""
    return torch.cat([module(part.float()) for part in images.split(min(batch or 50, len(images)))])
