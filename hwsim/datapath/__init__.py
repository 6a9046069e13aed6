"""The accelerator: runs a hardened network on words read from memory, dividing the scale out, and counts.

`plan` decides where divisions go, from the scale algebra; `planned` and `planner` find the plan of least cost;
`accelerator` executes a plan and counts what it does; `port` reads the words; `counts` holds the counters; `divisions`
is the division-cost table of a network.

Names are loaded when first used, so that costs can be looked up without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.lazy import lazily

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
    "Accelerator": "hwsim.datapath.accelerator",
    "first_overflow": "hwsim.datapath.calibration",
    "plan_divisions": "hwsim.datapath.calibration",
    "COUNTERS": "hwsim.datapath.counts",
    "Counts": "hwsim.datapath.counts",
    "division_table": "hwsim.datapath.divisions",
    "FreePlan": "hwsim.datapath.freedom",
    "Lowered": "hwsim.datapath.freedom",
    "plan_with_free_constants": "hwsim.datapath.freedom",
    "RESULT": "hwsim.datapath.plan",
    "WAYS": "hwsim.datapath.plan",
    "Plan": "hwsim.datapath.plan",
    "Rescaling": "hwsim.datapath.plan",
    "place_divisions": "hwsim.datapath.plan",
    "PlanOptions": "hwsim.datapath.planned",
    "Planned": "hwsim.datapath.planned",
    "Run": "hwsim.datapath.run",
}

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

__getattr__, __dir__ = lazily(__name__, _HOMES)
