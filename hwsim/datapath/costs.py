"""What operations of the datapath cost, and the prices at which the planner weighs rescalings.

    operation_costs()["fp32"]["divide_pipelined"].energy     26.3 pJ, with its source and how far to trust it
    prices("energy", "fp32").values                          {"shift": 0.05, "reciprocal": 3.7, "division": 26.3}

The numbers are in `hwsim/datapath/tables/costs.toml`, the one place of operation costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hwsim.constants import Constant, load_table
from hwsim.errors import HwsimError, unknown
from hwsim.planner import COUNT, RESCALING_KINDS

COSTS = {
    "count": "every rescaled element costs one, whatever its kind",
    "energy": "pJ for one element; divisions in a pipelined divider where the table has one",
    "cycles": "cycles for which one unit is busy with one element; divisions in an iterative divider, as a pipelined "
    "unit takes one element a cycle whatever it does",
}
"""What a plan may minimise by name."""

_UNITS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "shift": {"energy": ("shift",), "cycles": ("shift",)},
    "reciprocal": {"energy": ("reciprocal",), "cycles": ("reciprocal",)},
    "division": {"energy": ("divide_pipelined", "divide_iterative"), "cycles": ("divide_iterative",)},
}
"""Which operation of the table a kind of rescaling is: the first of these that a format has."""

_QUANTITIES = {"energy": "energy", "cycles": "interval"}


@dataclass(frozen=True)
class OperationCost:
    """What one operation costs in one number format.

    A constant of three values is the lowest, a typical and the highest one.

    Attributes:
        title: the operation in words.
        energy: of one operation, pJ.
        area: of the unit that does it, um2.
        latency: cycles until its result is there.
        interval: cycles until the unit takes the next one.
    """

    title: str
    energy: Constant
    area: Constant
    latency: Constant
    interval: Constant


@dataclass(frozen=True)
class Prices:
    """What one rescaled element costs.

    Attributes:
        values: kind of rescaling -> price, as `PlanOptions` takes them.
        entries: the constants that they come from; none for a count.
    """

    values: Mapping[str, float]
    entries: tuple[Constant, ...] = ()


def typical(constant: Constant) -> float:
    """The value of a constant, or the typical one of a range."""
    return float(constant.value[1] if isinstance(constant.value, tuple) else constant.value)


@cache
def operation_costs() -> Mapping[str, Mapping[str, OperationCost]]:
    """Number format -> operation -> what it costs."""
    return {
        fmt: {name: _operation(f"{fmt} {name}", entry) for name, entry in operations.items()}
        for fmt, operations in load_table(__package__, "tables/costs.toml").items()
    }


def prices(cost: str | Mapping[str, float] = "count", activations: str = "fp32") -> Prices:
    """The prices of rescaling one element.

    Args:
        cost: a name of `COSTS`, or a price for each kind: {"shift": 0.05, "reciprocal": 3.7, "division": 26.3}.
        activations: number format in which is rescaled, for `energy` and `cycles`.

    Raises:
        HwsimError: if there is no such cost, a price is missing or no number of zero or more, or the table has no
            entry for an operation in that format.
    """
    if not isinstance(cost, str):
        check_prices(cost)
        return Prices(
            cost, tuple(Constant(f"price of {kind}", cost[kind], "1", "given", "given") for kind in RESCALING_KINDS)
        )
    if cost not in COSTS:
        raise unknown("cost", cost, COSTS)
    if cost == "count":
        return Prices(COUNT)
    entries = {kind: _entry(kind, cost, activations) for kind in RESCALING_KINDS}
    return Prices({kind: typical(entry) for kind, entry in entries.items()}, tuple(entries.values()))


def check_prices(table: Mapping[str, float]) -> None:
    """Check that a table has a price, zero or more, for every kind of rescaling and nothing else.

    Raises:
        HwsimError: otherwise.
    """
    for kind in table:
        if kind not in RESCALING_KINDS:
            raise unknown("kind of rescaling in the cost table", kind, RESCALING_KINDS)
    for kind in RESCALING_KINDS:
        price = table.get(kind)
        if price is None:
            raise HwsimError(
                f"The cost table has no price for {kind!r}: it needs {', '.join(map(repr, RESCALING_KINDS))}."
            )
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
            raise HwsimError(f"The price of {kind!r} is {price!r}: it must be a finite number, zero or more.")


def _entry(kind: str, cost: str, activations: str) -> Constant:
    """The constant of the table that is the price of a kind."""
    operations = operation_costs().get(activations, {})
    for name in _UNITS[kind][cost]:
        if name in operations:
            found: Constant = getattr(operations[name], _QUANTITIES[cost])
            return found
    known = [fmt for fmt, of in operation_costs().items() if any(name in of for name in _UNITS[kind][cost])]
    raise HwsimError(
        f"The cost table has no {kind} in {activations}, only in {', '.join(known)}: give the prices as a table, "
        "{ shift = ..., reciprocal = ..., division = ... }."
    )


def _operation(name: str, entry: Mapping[str, Any]) -> OperationCost:
    constants = {
        quantity: replace(constant, name=f"{name} {quantity}")
        for quantity, constant in entry.items()
        if isinstance(constant, Constant)
    }
    return OperationCost(entry["title"], **constants)
