"""Operations that normalise: by a deviation or a root mean square over some axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hwsim.errors import HwsimError
from hwsim.network.graph import ATEN, Call, channels
from hwsim.network.operators.bounds import ROUNDING, UNIT, Applied, Interval, affine
from hwsim.network.operators.conditions import alone_in_front
from hwsim.network.operators.operator import teach
from hwsim.network.operators.rewrites import multiplied, scaled, scaled_number
from hwsim.network.operators.rules import Rewrite, Rule, argument, squares
from hwsim.network.scale import Scale


def _normalisation(gamma: int, eps: int, default: float | None = 1e-5) -> Rewrite:
    """An operation that divides by a deviation or a root mean square, so that the scale of its input goes.

    `gamma` is the position of its factor, that of its addend is one further: they give the result its scale. Without
    a factor, what comes out is multiplied, addend and all. `eps` is added to the variance, which has the scale squared.
    """

    def rewrite(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        (scale,) = inputs.values()
        args = [*call.args, *[None] * (eps + 1 - len(call.args))]
        if len(call.args) <= eps:
            args[eps] = default
        args[eps] = scaled_number(args[eps], scale * scale)
        call = replace(call, args=tuple(args))
        if args[gamma] is None:
            return multiplied(call, result)
        return scaled(call, {position: result for position in (gamma, gamma + 1) if position != eps})

    return rewrite


def _rms_norm(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """Without eps, it is a constant of the number format."""
    x, shape, gamma, eps = (*call.args, None, None)[:4]
    call = replace(call, args=(x, shape, gamma, torch.finfo(torch.float32).eps if eps is None else eps))
    return _normalisation(gamma=2, eps=3)(call, inputs, result)


def _own_statistics(call: Call) -> bool:
    return alone_in_front(call) and argument(call, 3) is None


def _normalised(x: Interval, axes: Sequence[int], eps: float) -> Interval:
    """(x - mean) / sqrt(variance + eps), over some axes.

    No element is more than sqrt(d - 1) deviations from the mean of d; nor is it further from it than its own bounds
    and those of the others allow, in units of sqrt(eps).
    """
    count = math.prod(x.low.shape[axis] for axis in axes)
    low_sum, high_sum = x.low.sum(axes, keepdim=True), x.high.sum(axes, keepdim=True)
    low = x.low - (high_sum - x.high + x.low) / count
    high = x.high - (low_sum - x.low + x.high) / count
    furthest, smallest = math.sqrt(count - 1), math.sqrt(eps)
    if smallest > 0:
        low, high = (low.clamp(max=0) / smallest), (high.clamp(min=0) / smallest)
        return Interval(low.clamp(min=-furthest), high.clamp(max=furthest)).widened(ROUNDING + count * UNIT)
    edge = torch.full_like(low, furthest)
    return Interval(-edge, edge).widened(ROUNDING + count * UNIT)


def _layer_norm(f: Applied) -> Interval:
    x, shape, gamma, beta, eps = (*f.args, *(None, None, 1e-5)[len(f.args) - 2 :])[:5]
    axes = list(range(-len(shape), 0))
    return affine(_normalised(x, axes, eps), gamma, beta)


def _group_norm(f: Applied) -> Interval:
    x, groups, gamma, beta, eps = (*f.args, *(None, None, 1e-5)[len(f.args) - 2 :])[:5]
    return _normalised_groups(x, groups, gamma, beta, eps)


def _instance_norm(f: Applied) -> Interval:
    x, gamma, beta, mean, _, _, _, eps, *_ = f.args
    if mean is not None:
        raise HwsimError("it has statistics of its own, as BatchNorm has")
    return _normalised_groups(x, x.low.shape[1], gamma, beta, eps)


def _normalised_groups(x: Interval, groups: int, gamma: Tensor | None, beta: Tensor | None, eps: float) -> Interval:
    """Channels normalised in groups."""
    shape = x.low.shape
    apart = Interval(x.low.reshape(1, groups, -1), x.high.reshape(1, groups, -1))
    normal = _normalised(apart, [2], eps)
    normal = Interval(normal.low.reshape(shape), normal.high.reshape(shape))
    spread = [None if p is None else channels(p, 1, len(shape)) for p in (gamma, beta)]
    return affine(normal, *spread)


def _rms_normalised(f: Applied) -> Interval:
    """x / sqrt(mean of squares + eps): no element is more than sqrt(d) times the root mean square of d."""
    x, shape, gamma, eps = (*f.args, None, None)[:4]
    count, smallest = math.prod(shape), math.sqrt(torch.finfo(torch.float32).eps if eps is None else eps)
    furthest = math.sqrt(count)
    low, high = (end / smallest if smallest else end.sign() * math.inf for end in (x.low, x.high))
    normal = Interval(low.clamp(-furthest, furthest), high.clamp(-furthest, furthest))
    return affine(normal.widened(ROUNDING + count * UNIT), gamma, None)


teach(
    ATEN.layer_norm.default,
    Rule("absorb", alone_in_front, _normalisation(gamma=2, eps=4), keeps=False, degree=squares),
    bound=_layer_norm,
    shown="LayerNorm",
)
teach(
    ATEN.group_norm.default,
    Rule("absorb", alone_in_front, _normalisation(gamma=2, eps=4), keeps=False, degree=squares),
    bound=_group_norm,
)
teach(
    ATEN.instance_norm.default,
    Rule("absorb", _own_statistics, _normalisation(gamma=1, eps=7), keeps=False, degree=squares),
    bound=_instance_norm,
)
teach(
    ATEN.rms_norm.default,
    Rule("absorb", alone_in_front, _rms_norm, keeps=False, degree=squares),
    bound=_rms_normalised,
)
