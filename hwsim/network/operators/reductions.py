"""Operations that make one number of several: sums, means and pools, extremes and sorts, norms, deviations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from torch import Tensor

from hwsim.network.graph import ATEN, Call
from hwsim.network.operators.bounds import Applied, Interval, averaging, increasing
from hwsim.network.operators.conditions import alone_in_front, reads_a_value
from hwsim.network.operators.operator import overloads, teach, teach_all
from hwsim.network.operators.rewrites import multiplied
from hwsim.network.operators.rules import Rule, argument, squares
from hwsim.network.scale import Scale


def _divided_by_its_number(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A mean: the reciprocal of the number of its elements takes up the change of scale."""
    (scale,) = inputs.values()
    return multiplied(call, result / scale)


def _a_norm(call: Call) -> bool:
    """A norm of order zero counts what is not zero, whatever its scale.

    Those of negative order are made by the smallest elements, which no range is planned for.
    """
    return alone_in_front(call) and argument(call, 1, 2) > 0


def _order(call: Call) -> float:
    """The power of its elements that a norm sums."""
    order = argument(call, 1, 2)
    return 1.0 if order == math.inf else max(1.0, float(order))


def _norm(f: Applied) -> Interval:
    """A norm rises with the magnitude of each element."""
    x = f.intervals[0]
    nearest = x.low.clamp(min=0) + (-x.high).clamp(min=0)
    norm = averaging(replace(f, args=(Interval(nearest, x.magnitude), *f.args[1:]))).widened()
    return replace(norm, norm_of=x)


def _rows_first(x: Tensor, *args: Any) -> Any:
    """On tensors of four axes with their channels last torch has no such pool."""
    return ATEN.max_pool3d.default(x.contiguous(), *args)


_CARRY = Rule("carry", reads_a_value)

teach_all(
    overloads(
        *("max_pool1d", "max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "amax"),
        *("amin", "max.dim", "min.dim", "median.dim", "cummax", "cummin", "sort", "sort.stable", "msort", "topk"),
        "kthvalue",
    ),
    _CARRY,
    bound=increasing,
)
teach(ATEN.max_pool3d.default, _CARRY, bound=increasing, computed_by=_rows_first)
teach_all(overloads("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices", "cumsum"), _CARRY)
teach_all(
    overloads(
        *("sum.dim_IntList", "sum", "upsample_linear1d.vec", "upsample_bilinear2d.vec", "upsample_trilinear3d.vec")
    ),
    _CARRY,
    bound=averaging,
)
teach_all(
    overloads(
        *("mean.dim", "mean", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    ),
    Rule("absorb", alone_in_front, _divided_by_its_number, inner=True),
    _CARRY,
    bound=averaging,
)
teach_all(overloads("std", "std.dim", "std.correction"), Rule("carry", reads_a_value, degree=squares))
teach_all(
    overloads("var", "var.dim", "var.correction"),
    Rule("power", reads_a_value, exponent=lambda call: Fraction(2), degree=squares),
)
teach(ATEN.linalg_vector_norm.default, Rule("carry", _a_norm, degree=_order), bound=_norm)
teach_all(overloads("argmax", "argmin", "argsort", "argsort.stable"), Rule("drop", reads_a_value))
