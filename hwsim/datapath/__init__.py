"""The accelerator: runs a hardened network on words read from memory, dividing the scale out, and counts.

`plan` decides where divisions go, from the scale algebra; `planned` and `planner` find the plan of least cost;
`accelerator` executes a plan and counts what it does; `port` reads the words; `counts` holds the counters; `divisions`
is the division-cost table of a network.

Names are loaded when first used, so that costs can be looked up without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsim.datapath.accelerator import Accelerator
    from hwsim.datapath.calibration import first_overflow, plan_divisions
    from hwsim.datapath.counts import COUNTERS, Counts
    from hwsim.datapath.divisions import division_table
    from hwsim.datapath.freedom import FreePlan, Lowered, plan_with_free_constants
    from hwsim.datapath.plan import RESULT, WAYS, Plan, Rescaling, place_divisions
    from hwsim.datapath.planned import Planned, PlanOptions
    from hwsim.datapath.run import Run

_HOMES = {
    "accelerator": ("Accelerator",),
    "calibration": ("first_overflow", "plan_divisions"),
    "counts": ("COUNTERS", "Counts"),
    "divisions": ("division_table",),
    "freedom": ("FreePlan", "Lowered", "plan_with_free_constants"),
    "plan": ("RESULT", "WAYS", "Plan", "Rescaling", "place_divisions"),
    "planned": ("PlanOptions", "Planned"),
    "run": ("Run",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "COUNTERS",
    "RESULT",
    "WAYS",
    "Accelerator",
    "Counts",
    "FreePlan",
    "Lowered",
    "Plan",
    "PlanOptions",
    "Planned",
    "Rescaling",
    "Run",
    "division_table",
    "first_overflow",
    "place_divisions",
    "plan_divisions",
    "plan_with_free_constants",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hwsim.datapath' has no attribute {name!r}")
    return getattr(importlib.import_module(f"hwsim.datapath.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
