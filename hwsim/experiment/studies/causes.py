"""What forces the divisions of a run's datapaths, grouped: facts for its report."""

from __future__ import annotations

from typing import Any

from hwsim.datapath.plans.sites import division_sites, grouped
from hwsim.experiment.scenario.scenario import Variant
from hwsim.experiment.studies.ready import Ready


def cause_rows(fmt: str, variant: Variant, ready: Ready) -> list[dict[str, Any]]:
    """One row for each kind and cause of one format and variant, as in `hwsim.datapath.plans.sites.Group`."""
    accelerator = ready.accelerator
    found = division_sites(ready.stored, accelerator.plan, accelerator.config)
    return [{"format": fmt, "variant": variant.name, **vars(group)} for group in grouped(found)]
