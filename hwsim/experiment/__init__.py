"""Scenarios, trials, statistics and results; networks and images by name.

Names are loaded when first used: reading a scenario or listing them needs neither torch nor torchvision.
"""

from __future__ import annotations

from hwsim.lazy import lazily

_HOMES = {
    "Images": "hwsim.experiment.data",
    "LoadedNetwork": "hwsim.experiment.catalogue",
    "NetworkFacts": "hwsim.experiment.catalogue",
    "Preprocess": "hwsim.experiment.data_transform",
    "Results": "hwsim.experiment.results",
    "Scenario": "hwsim.experiment.scenario",
    "list_networks": "hwsim.experiment.catalogue",
    "load_data": "hwsim.experiment.data",
    "load_network": "hwsim.experiment.catalogue",
    "load_scenario": "hwsim.experiment.loading",
    "readouts": "hwsim.experiment.lifetime",
    "run_scenario": "hwsim.experiment.run",
    "sweep": "hwsim.experiment.in_memory",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazily(__name__, _HOMES)
