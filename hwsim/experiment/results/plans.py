"""The plans of a run: one for each format and variant that is planned, made once and kept with the results.

A plan depends on the largest magnitudes seen, to the last bit, and if it ran out of time on the machine. So trials
that are resumed, or run elsewhere, take the plan that the finished ones had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from hwsim.constants import show
from hwsim.datapath import (
    DatapathConfig,
    Plan,
    PlanOptions,
    Rescaling,
    interval_peaks,
    make_plan,
    plan_with_free_constants,
    true_peaks,
)
from hwsim.datapath.costs import prices
from hwsim.datapath.plans.ranges import Peaks
from hwsim.experiment.scenario.points import prepared
from hwsim.experiment.scenario.scenario import DatapathSettings, Scenario
from hwsim.hardening import Constants, Hardened
from hwsim.memory.ecc import Code
from hwsim.network import Network, Scale

CALIBRATION_IMAGES = 32
"""The first images show the planner how large tensors get; its headroom covers the others."""

TIME_LIMIT_S = 600.0
"""When a scenario stops proving that no plan is cheaper: late, so that plans depend on no machine's speed."""

FREE_TIME_LIMIT_S = 30.0
"""The same for each of two plans where constants may be chosen: proofs take far longer than finding what saves."""

Row = dict[str, Any]


@dataclass(frozen=True)
class ConstantChoice:
    """What the choice of constants brought, and what it took.

    Attributes:
        fixed_cost: cost of the plan for the constants as they were.
        largest_bits: bits of t given up by the layer that gave up most.
        mean_bits: mean over all layers.
    """

    fixed_cost: float
    largest_bits: float
    mean_bits: float


@dataclass(frozen=True)
class KeptPlan:
    """A plan, what it costs for one image, and the proven lower bound on the cost of any.

    Attributes:
        constants: weight -> the constant that was chosen, where that is not the one of its t.
        freedom: None if constants could not be chosen.
    """

    plan: Plan
    cost: float
    bound: float
    constants: Mapping[str, Scale] = field(default_factory=dict)
    freedom: ConstantChoice | None = None

    @property
    def gap(self) -> float:
        """How much of the cost is not proven to be necessary, as a fraction."""
        return max(0.0, 1 - self.bound / self.cost) if self.cost - self.bound > 1e-9 * self.cost else 0.0


Plans: TypeAlias = dict[tuple[str, str], KeptPlan]
"""The plans by format and variant."""


def datapath_config(settings: DatapathSettings, guards: Iterable[str] = (), code: Code | None = None) -> DatapathConfig:
    """What a scenario's datapath is made of, with the guards and the code of a variant."""
    return DatapathConfig(
        tuple(guards),
        settings.batch,
        settings.divider,
        settings.bias_multiplier,
        settings.inner_multipliers,
        settings.activation_format,
        settings.accumulator_format,
        code,
    )


def keep_plan(
    stored: Hardened, peaks: Peaks, settings: DatapathSettings, lowest_target: float | None = None
) -> KeptPlan:
    """The plan of least cost under a scenario's settings, with the constants chosen if a lowest t is given.

    Raises:
        HwsimError: if there is none; the tensors are named.
    """
    config = datapath_config(settings)
    options = PlanOptions(
        prices=prices(settings.cost, settings.activation_format).values,
        headroom_bits=settings.headroom_bits,
        precision_bits=settings.precision_bits,
        time_limit_s=TIME_LIMIT_S if lowest_target is None else FREE_TIME_LIMIT_S,
    )
    if lowest_target is None:
        plan = make_plan(stored, "planned", config, peaks, options)
        assert plan.solution is not None
        return KeptPlan(plan, plan.solution.cost, plan.solution.bound)
    free = plan_with_free_constants(stored, lowest_target, config, peaks, options)
    assert free.plan.solution is not None
    assert free.fixed.solution is not None
    return KeptPlan(
        free.plan,
        free.plan.solution.cost,
        free.bound,
        {layer.weight: free.hardened.constants[layer.weight].scale for layer in free.lowered},
        ConstantChoice(free.fixed.solution.cost, free.largest_bits, free.mean_bits),
    )


def peaks_of(network: Network, images: Tensor, ranges: str) -> dict[str, float]:
    """The largest magnitude of every value: over the first images, or over any image within the bounds of these."""
    if ranges == "images":
        return true_peaks(network, images[:CALIBRATION_IMAGES])
    lowest, highest = images.float().movedim(1, 0).flatten(1).aminmax(dim=1)
    return interval_peaks(network, lowest.tolist(), highest.tolist())


def plan_rows(scenario: Scenario, plans: Plans) -> list[Row]:
    """One row for each plan of a scenario, in its order, for the facts of a run."""
    return [
        {
            "format": fmt,
            "variant": variant,
            "rescalings": len(kept.plan.rescalings),
            "cost": kept.cost,
            "gap": kept.gap,
            **(vars(kept.freedom) if kept.freedom else {}),
        }
        for fmt, variant in ((fmt, variant.name) for fmt, variant in prepared(scenario))
        if (kept := plans.get((fmt, variant))) is not None
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
            "constants": {weight: _pair(scale) for weight, scale in kept.constants.items()},
            "freedom": vars(kept.freedom) if kept.freedom else None,
        }
        for (fmt, variant), kept in plans.items()
    ]


def from_json(rows: list[Row]) -> Plans:
    """The plans that `to_json` wrote. Anything else is a `KeyError`, `TypeError` or `ValueError`."""
    return {(row["format"], row["variant"]): _kept(row) for row in rows}


def _kept(row: Row) -> KeptPlan:
    constants = {weight: Scale(*pair) for weight, pair in row["constants"].items()}
    freedom = ConstantChoice(**row["freedom"]) if row["freedom"] else None
    return KeptPlan(_plan(row), row["cost"], row["bound"], constants, freedom)


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
