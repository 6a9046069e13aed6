"""The accelerator: runs a hardened network on words read from memory, dividing the scale out, and counts.

`config` is what it is made of; `placement` makes the plan of where divisions go; `walk` follows the network's
operations in an arithmetic; `counting` counts what that does; `port` reads the words; `divisions` is the division-cost
table of a network.

Names are loaded when first used, so that costs can be looked up without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.lazy import lazily

if TYPE_CHECKING:
    from hwsim.datapath.accelerator import Accelerator
    from hwsim.datapath.config import DIVIDERS, DatapathConfig
    from hwsim.datapath.counts import COUNTERS, Counts
    from hwsim.datapath.divisions import division_table
    from hwsim.datapath.plan import RESULT, WAYS, Plan, Rescaling
    from hwsim.datapath.plans.free_constants import FreePlan, Lowered, plan_with_free_constants
    from hwsim.datapath.plans.least_cost import PlanOptions, first_out_of_range
    from hwsim.datapath.plans.placement import make_plan
    from hwsim.datapath.plans.ranges import interval_peaks, true_peaks
    from hwsim.datapath.run import Run

_HOMES = {
    "Accelerator": "hwsim.datapath.accelerator",
    "DIVIDERS": "hwsim.datapath.config",
    "DatapathConfig": "hwsim.datapath.config",
    "COUNTERS": "hwsim.datapath.counts",
    "Counts": "hwsim.datapath.counts",
    "division_table": "hwsim.datapath.divisions",
    "FreePlan": "hwsim.datapath.plans.free_constants",
    "Lowered": "hwsim.datapath.plans.free_constants",
    "plan_with_free_constants": "hwsim.datapath.plans.free_constants",
    "make_plan": "hwsim.datapath.plans.placement",
    "RESULT": "hwsim.datapath.plan",
    "WAYS": "hwsim.datapath.plan",
    "Plan": "hwsim.datapath.plan",
    "Rescaling": "hwsim.datapath.plan",
    "PlanOptions": "hwsim.datapath.plans.least_cost",
    "first_out_of_range": "hwsim.datapath.plans.least_cost",
    "interval_peaks": "hwsim.datapath.plans.ranges",
    "true_peaks": "hwsim.datapath.plans.ranges",
    "Run": "hwsim.datapath.run",
}

__all__ = [
    "COUNTERS",
    "DIVIDERS",
    "RESULT",
    "WAYS",
    "Accelerator",
    "Counts",
    "DatapathConfig",
    "FreePlan",
    "Lowered",
    "Plan",
    "PlanOptions",
    "Rescaling",
    "Run",
    "division_table",
    "first_out_of_range",
    "interval_peaks",
    "make_plan",
    "plan_with_free_constants",
    "true_peaks",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
