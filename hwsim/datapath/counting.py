"""Counts what an arithmetic does, beside it: results are the same with and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hwsim.datapath.arithmetic.fp32 import Fp32, is_real
from hwsim.datapath.arithmetic.rescaling import is_power_of_two, largest_magnitude
from hwsim.datapath.counts import LayerCounts, Tally
from hwsim.datapath.plan import RESULT, Rescaling
from hwsim.network import Affine, Call, Fetch, Linear, Operation, Scale, operator_of, rule_of


class Counting:
    """An arithmetic that does what another one does, and counts it in a tally.

    Args:
        inner: computes.
        tally: is incremented.
    """

    def __init__(self, inner: Fp32, tally: Tally) -> None:
        self.inner, self.tally = inner, tally
        self._by_multiplier = inner.config.divider == "reciprocal"

    def linear(self, op: Linear, x: Tensor) -> Tensor:
        y = self.inner.linear(op, x)
        macs = operator_of(op.target).macs
        assert macs is not None  # every layer is a product
        self.tally.of(op.name).macs += macs((x, self.inner.parameters[op.weight], None, *op.options), {}, y)
        return y

    def affine(self, op: Affine, x: Tensor) -> Tensor:
        done, elements = self.tally.of(op.name), x.numel()
        if op.addend is not None:
            done.additions += elements
        if op.multiplier is not None:
            done.multiplications += elements
        if self.inner.divides(op):
            plan = self.inner.plan
            scales = plan.seen(op.input.name, op.name), plan.produced(op.name)
            count_division(done, elements, all(map(is_power_of_two, scales)), by_multiplier=True)
        return self.inner.affine(op, x)

    def fetch(self, op: Fetch) -> Tensor:
        return self.inner.fetch(op)

    def call(self, op: Call, inputs: Mapping[str, Any]) -> Any:
        for name, limit in self._limits(op).items():
            if largest_magnitude(inputs[name]) > limit:
                self.tally.see(op.name, "nonfinite", (inputs[name].abs() > limit).sum())
        y, known = self.inner.call(op, inputs), operator_of(op.target)
        if not isinstance(y, Tensor):
            return y
        if known.macs is not None:
            self.tally.of(op.name).macs += known.macs(*self.inner.arguments(op, inputs), y)
        if known.counted:
            done = self.tally.of(op.name)
            setattr(done, known.counted, getattr(done, known.counted) + y.numel())
        return y

    def rescaled(self, rescaling: Rescaling, value: Tensor) -> Tensor:
        done, elements = self.tally.of(_wants(rescaling)), value.numel()
        if rescaling.reason == "join":
            done.alignments += elements
        else:
            count_division(done, elements, is_power_of_two(rescaling.divisor), self._by_multiplier)
        return self.inner.rescaled(rescaling, value)

    def held(self, of: str | Rescaling, value: Any) -> Any:
        if not is_real(value):
            return value
        fmt, rounded = self.inner.format_of(of), self.inner.held(of, value)
        if isinstance(of, Rescaling):
            at, computed = _wants(of), of.reason == "join"
        else:
            op = self.inner.network.named.get(of)
            at, computed = of, op is not None and self._computes(op)
        if computed or ((at in self.inner.network.named or at == RESULT) and not fmt.is_fp32):
            self.tally.see(at, "nonfinite", fmt.overflowed(value, rounded))
        if not fmt.is_fp32:
            self.tally.see(at, "underflows", fmt.underflowed(value, rounded))
        return rounded

    def _computes(self, op: Operation) -> bool:
        """Whether an operation does sums or products that may overflow."""
        if isinstance(op, Affine):
            return not self.inner.accumulates(op)
        if isinstance(op, Call):
            rule = rule_of(op)
            return bool(operator_of(op.target).counted) or (rule is not None and rule.offset > 0)
        return isinstance(op, Linear)

    def _limits(self, op: Call) -> dict[str, float]:
        """Inputs of which an operation makes a power on its way, and the magnitude from which that leaves FP32.

        Where it does, what comes out may be finite: a vector whose norm is infinite is normalised to zero.
        """
        rule = rule_of(op)
        degree = 1.0 if rule is None else rule.degree(op)
        scales = {name: self.inner.plan.seen(name, op.name) for name in op.values} if degree > 1 else {}
        limit = torch.finfo(torch.float32).max ** (1 / degree)
        return {name: limit for name, scale in scales.items() if isinstance(scale, Scale) and scale.log2 > 0}


def count_division(done: LayerCounts, n: int, power_of_two: bool, by_multiplier: bool) -> None:
    """A division is a shift if its divisor is a power of two; else a divider or a multiplier does it."""
    if power_of_two:
        done.shifts += n
    elif by_multiplier:
        done.reciprocal_multiplications += n
    else:
        done.divisions += n


def _wants(rescaling: Rescaling) -> str:
    """The operation that a rescaling is counted for: the one whose constant goes, or the one that wants it gone."""
    return rescaling.value if rescaling.reason == "layer" else rescaling.readers[0]
