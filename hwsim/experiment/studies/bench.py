"""Makes a study ready: its network, its images, what the network says of them as it is, and the words to run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hwsim.datapath import Accelerator, Plan
from hwsim.experiment.catalogue.catalogue import LoadedNetwork
from hwsim.experiment.catalogue.data import Images, load_data
from hwsim.experiment.results.plans import KeptPlan, Plans, datapath_config, keep_plan, peaks_of
from hwsim.experiment.scenario.scenario import Scenario, Variant
from hwsim.experiment.studies.effort import announce
from hwsim.experiment.studies.environment import describe_environment, load_captured
from hwsim.experiment.studies.job import Job
from hwsim.experiment.studies.life import device_config
from hwsim.experiment.studies.progress import Progress
from hwsim.experiment.studies.ready import Ready, named, store_weights, written
from hwsim.hardening import Constants, Hardened
from hwsim.hardening.harden import storable_names
from hwsim.network import Network

HELD_WORDS = 1 << 26
"""How many stored words a bench holds ready: each is there as it is stored, as it lies in a memory, and as two numbers
of the datapath, which together are about 1 GiB."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What every job of a scenario needs: the network, the images, and what the network says as it is.

    It pickles, and leaves behind what it holds ready.

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
    _held: dict[tuple[str, str], tuple[KeptPlan | None, Ready]] = field(init=False, default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_held": {}}

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

    def ready_for(self, job: Job) -> Ready:
        """The memory and the accelerator of a job, as `prepare` gives them."""
        return self.prepare(job.point.format, self.scenario.variant(job.point.variant))

    def prepare(self, fmt: str, variant: Variant) -> Ready:
        """The memory and the accelerator of one format and variant, made once and held while there is room.

        Raises:
            HwsimError: if this combination cannot be run exactly; it is named.
        """
        key = fmt, variant.name
        plan, ready = self._held.get(key, (None, None))
        if ready is None or plan != self.plans.get(key):
            with named(fmt, variant):
                ready = self._make(fmt, variant)
            self._held.pop(key, None)
            self._hold(key, ready)
        return ready

    def _hold(self, key: tuple[str, str], ready: Ready) -> None:
        """Hold what was just made; the ones before it that came last go where there is no room: the first run first."""
        held = [one for _, one in self._held.values()]
        while self._held and sum(one.memory.layout.words for one in (*held, ready)) > HELD_WORDS:
            self._held.popitem()
            held.pop()
        self._held[key] = self.plans.get(key), ready

    def _make(self, fmt: str, variant: Variant) -> Ready:
        """The memory and the accelerator of one format and variant."""
        scenario, words = self.scenario, self._store(fmt, variant)
        coded = scenario.study == "lifetime" or scenario.code_of(variant) != "none"
        kind = device_config(scenario, variant) if coded else None
        code = kind.code(words.format) if kind else None
        stored, memory, rounded = written(words, code)
        assert variant.divide is not None
        way: str | Plan = self._plan(stored, variant).plan if variant.divide == "planned" else variant.divide
        config = datapath_config(scenario.datapath, variant.guards, code)
        return Ready(stored, memory, Accelerator(stored, way, config), kind, rounded)

    def _store(self, fmt: str, variant: Variant) -> Hardened:
        """The words of one format and variant, with the constants that its plan chose if it may choose them."""
        stored = store_weights(self.network, self.scenario, fmt, variant)
        if variant.scaling is None or variant.scaling.lowest_target is None:
            return stored
        chosen = self._plan(stored, variant).constants
        return stored.with_constants({weight: Constants.of(scale) for weight, scale in chosen.items()})

    def _plan(self, stored: Hardened, variant: Variant) -> KeptPlan:
        """The plan of a variant, which is made only once."""
        key = (stored.format.name, variant.name)
        if key not in self.plans:
            lowest = variant.scaling.lowest_target if variant.scaling else None
            self.plans[key] = keep_plan(stored, self.peaks, self.scenario.datapath, lowest)
        return self.plans[key]


class Given(NamedTuple):
    """What a study is about, where it is in memory and not to be loaded by the names in the scenario."""

    network: LoadedNetwork
    data: Images


class Opened(NamedTuple):
    """A bench, and what the results say of it: `facts` and `environment` as in `Results`."""

    bench: Bench
    facts: dict[str, Any]
    environment: dict[str, Any]


def open_bench(scenario: Scenario, progress: Progress, given: Given | None = None) -> Opened:
    """Load and capture the network, load the images, and run the network on them as it is.

    Args:
        scenario: what to load, and how.
        progress: called before every step.
        given: the network and the images, if they are there already.

    Raises:
        HwsimError: if the network or the images are not to be had.
    """
    progress(f"loading {scenario.network.name}", 0, 0)
    loaded, network = load_captured(scenario, given.network if given else None)
    settings = scenario.data
    data = (
        given.data
        if given
        else load_data(
            settings.name or settings.folder,
            settings.images,
            network=loaded,
            crops=settings.crops,
            seed=scenario.seed,
        )
    )
    progress(f"{len(data):,} images through {loaded.name} as it is", 0, 0)
    start = time.perf_counter()
    logits = reference_logits(loaded.module, data.images, settings.batch)
    announce(scenario, time.perf_counter() - start, progress)
    bench = Bench(scenario, network, data.images, data.labels, logits)
    facts = {
        "network": loaded.name,
        "parameters": loaded.parameters,
        "weights": loaded.weights,
        "layers": len(network.layers),
        **safe_facts(network, scenario),
        "data": data.source,
        "images": len(data),
        "crops": data.crops,
        "classes": loaded.outputs,
        "accuracy": bench.accuracy,
    }
    return Opened(bench, facts, describe_environment(scenario, network, data))


def safe_facts(network: Network, scenario: Scenario) -> dict[str, Any]:
    """Which of the network's parameters a run stores, in a sentence, and the ones that stay in safe memory."""
    found = network.whereabouts(storable_names(network, scenario.memory.store))
    return {"stored": str(found), "safe": found.rows}


@torch.inference_mode()
def reference_logits(module: torch.nn.Module, images: Tensor, batch: int | None = None) -> Tensor:
    """What the plain module says of the images, `batch` of them at a time."""
    return torch.cat([module(part.float()) for part in images.split(min(batch or 50, len(images)))])
