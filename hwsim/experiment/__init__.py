"""Scenarios, trials, statistics and results; networks and images by name.

Names are loaded when first used: reading a scenario or listing them needs neither torch nor torchvision.
"""

from __future__ import annotations

from hwsim.lazy import lazily

_HOMES = {
    "Images": "hwsim.experiment.catalogue.data",
    "LoadedNetwork": "hwsim.experiment.catalogue.catalogue",
    "NetworkFacts": "hwsim.experiment.catalogue.catalogue",
    "Preprocess": "hwsim.experiment.catalogue.data_transform",
    "Results": "hwsim.experiment.results.results",
    "Scenario": "hwsim.experiment.scenario.scenario",
    "list_networks": "hwsim.experiment.catalogue.catalogue",
    "load_data": "hwsim.experiment.catalogue.data",
    "load_network": "hwsim.experiment.catalogue.catalogue",
    "load_scenario": "hwsim.experiment.scenario.loading",
    "readouts": "hwsim.experiment.studies.lifetime",
    "run_scenario": "hwsim.experiment.studies.run",
    "sweep": "hwsim.experiment.studies.in_memory",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazily(__name__, _HOMES)
