"""Bounds in place of numbers: each value is the lowest and the highest that it can be, in double precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hwsim.datapath.plan import Rescaling
from hwsim.errors import HwsimError
from hwsim.network import Affine, Call, Fetch, Linear, Network, Operation, Ref, operator_of, rule_of
from hwsim.network.graph import Parameter, channels, substitute
from hwsim.network.operators.bounds import UNIT, Applied, Interval, affine, lowest


class IntervalArithmetic:
    """The arithmetic of a network with true weights, whose images lie within bounds."""

    def __init__(self, network: Network) -> None:
        numbers = network.parameters.items()
        self._parameters = {name: p.double() if p.is_floating_point() else p for name, p in numbers}
        self._operations = {op.name: op for op in network.operations}

    def linear(self, op: Linear, x: Interval) -> Interval:
        """W c +- |W| r, for centre c and radius r; each of its sums is rounded once a term."""
        weight = self._parameters[op.weight]
        terms = weight[0].numel()
        centre, radius = (x.low + x.high) / 2, (x.high - x.low) / 2
        radius = op.target(radius + (terms + 1) * UNIT * x.magnitude, weight.abs(), None, *op.options)
        centre = op.target(centre, weight, None, *op.options)
        return Interval(centre - radius, centre + radius).widened()

    def affine(self, op: Affine, x: Interval) -> Interval:
        numbers = (self._parameters.get(name or "") for name in (op.multiplier, op.addend))
        return affine(x, *(None if n is None else channels(n, op.channel_axis, x.low.dim()) for n in numbers))

    def fetch(self, op: Fetch) -> Interval:
        return Interval(self._parameters[op.weight], self._parameters[op.weight])

    def call(self, op: Call, inputs: Mapping[str, Any]) -> Any:
        """What depends on no interval is itself."""

        def value_of(leaf: Any) -> Any:
            if isinstance(leaf, Ref):
                return inputs[leaf.name]
            return self._parameters[leaf.name] if isinstance(leaf, Parameter) else leaf

        kwargs = {key: substitute(value, value_of) for key, value in op.kwargs.items()}
        applied = Applied(op.target, substitute(op.args, value_of), kwargs)
        rule = rule_of(op)
        if not applied.intervals or (rule is not None and rule.effect == "size"):
            fixed = applied.at(lowest)
            floating = isinstance(fixed, Tensor) and fixed.is_floating_point()
            return Interval(fixed, fixed).widened() if floating else fixed
        bound = operator_of(op.target).bound
        if bound is None:
            raise HwsimError(
                f"{op.target} in {op.layer or 'the network'} has no interval bounds: take ranges from images, or say "
                "how large its result gets with hwsim.network.teach."
            )
        try:
            return bound(applied)
        except HwsimError as error:
            raise _unbounded(op, str(error)) from error

    def rescaled(self, rescaling: Rescaling, value: Interval) -> Interval:
        raise AssertionError("true values are not rescaled")

    def held(self, of: str | Rescaling, value: Any) -> Any:
        """As it is, if it is finite."""
        op = self._operations.get(of) if isinstance(of, str) else None
        bounded = isinstance(value, Interval) and isinstance(value.low, Tensor)
        if op is not None and bounded and not math.isfinite(float(value.magnitude.max())):
            raise _unbounded(op, "bounds have grown beyond 1e308, or it is not finite somewhere within them")
        return value


def _unbounded(op: Operation, reason: str) -> HwsimError:
    return HwsimError(
        f"{op.target} in {op.layer or 'the network'} has no finite bounds: {reason}; take ranges from images instead."
    )
