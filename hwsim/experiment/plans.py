"""The plans of a run: one for each format and variant that is planned, made once and kept with the results.

A plan depends on the largest magnitudes seen, to the last bit, and if it ran out of time on the machine. So trials
that are resumed, or run elsewhere, take the plan that the finished ones had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

from hwsim.datapath import Plan, PlanOptions, Rescaling
from hwsim.datapath.accelerator import true_peaks
from hwsim.datapath.bounds import interval_peaks
from hwsim.datapath.costs import prices
from hwsim.datapath.planned import least_cost_plan
from hwsim.datapath.tensor_format import TensorFormats
from hwsim.experiment.scenario import DatapathSettings, Scenario
from hwsim.hardening import Constants, Hardened
from hwsim.memory.technology import show
from hwsim.network import Network, Scale

CALIBRATION_IMAGES = 32
"""The first images show the planner how large tensors get; its headroom covers the others."""

TIME_LIMIT_S = 600.0
"""When a scenario stops proving that no plan is cheaper: late, so that plans depend on no machine's speed."""

Row = dict[str, Any]


@dataclass(frozen=True)
class KeptPlan:
    """A plan, what it costs for one image, and the proven lower bound on the cost of any."""

    plan: Plan
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """How much of the cost is not proven to be necessary, as a fraction."""
        return max(0.0, 1 - self.bound / self.cost) if self.cost - self.bound > 1e-9 * self.cost else 0.0


Plans: TypeAlias = dict[tuple[str, str], KeptPlan]
"""The plans by format and variant."""


def make_plan(network: Network, stored: Hardened, peaks: Mapping[str, float], settings: DatapathSettings) -> KeptPlan:
    """The plan of least cost under a scenario's settings.

    Raises:
        HwsimError: if there is none; the tensors are named.
    """
    options = PlanOptions(
        prices=prices(settings.cost, settings.activation_format).values,
        divider=settings.divider,
        bias_multiplier=settings.bias_multiplier,
        headroom_bits=settings.headroom_bits,
        precision_bits=settings.precision_bits,
        time_limit_s=TIME_LIMIT_S,
    )
    formats = TensorFormats.of(settings.activation_format, settings.accumulator_format)
    planned = least_cost_plan(network, stored, peaks, options, formats)
    return KeptPlan(planned.plan, planned.solution.cost, planned.solution.bound)


def peaks_of(network: Network, images: Tensor, ranges: str) -> dict[str, float]:
    """The largest magnitude of every value: over the first images, or over any image within the bounds of these."""
    if ranges == "images":
        return true_peaks(network, images[:CALIBRATION_IMAGES])
    lowest, highest = images.float().movedim(1, 0).flatten(1).aminmax(dim=1)
    return interval_peaks(network, lowest.tolist(), highest.tolist())


def plan_rows(plans: Plans) -> list[Row]:
    """One row for each plan, for the facts of a run."""
    return [
        {
            "format": fmt,
            "variant": variant,
            "rescalings": len(kept.plan.rescalings),
            "cost": kept.cost,
            "gap": kept.gap,
        }
        for (fmt, variant), kept in plans.items()
    ]


def cost_rows(scenario: Scenario) -> list[Row]:
    """The entries of the cost table that plans rest on; keys as in `columns.CONSTANTS`."""
    if not scenario.is_planned:
        return []
    settings = scenario.datapath
    return [
        {
            "constant": entry.name,
            "group": "cost",
            "value": show(entry.value),
            "unit": entry.unit,
            "trust": entry.trust,
            "source": entry.source,
            "default": None,
            "note": entry.note,
        }
        for entry in prices(settings.cost, settings.activation_format).entries
    ]


# --- as JSON: numbers of Python read back as they were written


def to_json(plans: Plans) -> list[Row]:
    """The plans as plain data, from which `from_json` makes equal ones."""
    return [
        {
            "format": fmt,
            "variant": variant,
            "cost": kept.cost,
            "bound": kept.bound,
            "scales": {name: _pair(scale) for name, scale in kept.plan.scales.items()},
            "rescalings": [vars(one) | {"divisor": _pair(one.divisor)} for one in kept.plan.rescalings],
            "multipliers": dict(kept.plan.multipliers),
        }
        for (fmt, variant), kept in plans.items()
    ]


def from_json(rows: list[Row]) -> Plans:
    """The plans that `to_json` wrote. Anything else is a `KeyError`, `TypeError` or `ValueError`."""
    return {(row["format"], row["variant"]): KeptPlan(_plan(row), row["cost"], row["bound"]) for row in rows}


def _plan(row: Row) -> Plan:
    return Plan(
        "planned",
        scales={name: Scale(*pair) for name, pair in row["scales"].items()},
        rescalings=tuple(
            Rescaling(**one | {"readers": tuple(one["readers"]), "divisor": Scale(*one["divisor"])})
            for one in row["rescalings"]
        ),
        multipliers={name: tuple(why) for name, why in row["multipliers"].items()},
    )


def _pair(scale: Scale | Constants) -> tuple[float, int]:
    assert isinstance(scale, Scale)  # the planner has one constant a layer
    return scale.significand, scale.exponent
