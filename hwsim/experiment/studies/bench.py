"""Makes a study ready: its network, its images, and what the network says of them as it is."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from hwsim.experiment.catalogue.catalogue import LoadedNetwork
from hwsim.experiment.catalogue.data import Images, load_data
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.effort import announce
from hwsim.experiment.studies.environment import describe_environment, load_captured
from hwsim.experiment.studies.progress import Progress
from hwsim.experiment.studies.trials import Bench, reference_logits
from hwsim.hardening.harden import storable_names
from hwsim.network import Network


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
