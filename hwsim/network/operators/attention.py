"""Attention as a datapath computes it: NaN also where torch's fused form hides what left the range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import ATEN, Call, Ref
from hwsim.network.operators.activations import in_its_unit
from hwsim.network.operators.bounds import Applied, Interval, averaged, between, highest, lowest
from hwsim.network.operators.conditions import alone_in_front
from hwsim.network.operators.operator import teach
from hwsim.network.operators.rules import Rule, argument, is_value, squares
from hwsim.network.scale import ONE, Scale

_FUSED = ATEN.scaled_dot_product_attention.default


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale query key^T + mask) value, over (..., positions, features); `scale` is by default 1/sqrt(features).

    The fused form of the CPU puts out zeros for a query whose products with all keys are NaN or infinite. So faults in
    keys or queries that are not numbers, or so large that a product may leave FP32, the softmax is computed apart too:
    where it is NaN, so is the result. All else is what the fused form computes.
    """
    options: dict[str, Any] = {"scale": scale, "enable_gqa": enable_gqa}
    fused: Tensor = _FUSED(query, key, value, mask, 0.0, is_causal, **options)
    # No product of a query and a key is larger; NaN and infinity stay what they are.
    bound = _largest(query) * _largest(key) * query.shape[-1]
    sound = bool(bound.isfinite()) and (mask is None or mask.dtype == torch.bool or not bool(_hidden(mask)))
    if sound:
        return fused
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = (query @ key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    weights = torch.ops.aten._safe_softmax.default(scores, -1)
    return fused.masked_fill(weights.isnan().any(-1, keepdim=True), math.nan)


def _largest(x: Tensor) -> Tensor:
    low, high = torch.aminmax(x)
    return torch.maximum(low.abs(), high.abs())


def _hidden(mask: Tensor) -> Tensor:
    """Whether a mask that is added has more than numbers and minus infinity."""
    return ~(mask.amax() < math.inf)


def _rescaled(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """softmax(q k^T / sqrt(d)) v: the factor in front of the softmax takes up the scales of q and k."""
    query, key = (inputs[arg.name] if isinstance(arg, Ref) else ONE for arg in call.args[:2])
    if query.is_one and key.is_one:
        return call
    change = float(ONE / (query * key))

    def rescaled(query: Tensor, *rest: Any, scale: float | None = None, **options: Any) -> Tensor:
        usual = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        return attention(query, *rest, scale=usual * change, **options)

    return replace(call, target=rescaled)


def _queries_keys_and_values(call: Call) -> bool:
    """Attention in which the values depend on the image, and the mask is another tensor than the three."""
    mask = argument(call, 3)
    return is_value(call.args[2]) and not (is_value(mask) and call.inputs.count(mask.name) > 1)


def _within_values(f: Applied) -> Interval:
    """softmax(...) v: averages of the values, which heads in groups share."""
    shape, values = f.at(lowest).shape, f.args[2]
    low, high = lowest(values), highest(values)
    if low.dim() > 2 and low.shape[-3] not in (1, shape[-3]):
        low, high = (end.repeat_interleave(shape[-3] // end.shape[-3], -3) for end in (low, high))
    return averaged(Interval(low, high), shape, low.shape[-2])


def _softmax(f: Applied) -> Interval:
    axis, dim = f.args[1], f.intervals[0].low.dim()
    return replace(between(0.0, 1.0)(f), averages=axis in (-1, dim - 1))


def _of_attention(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    query, key, value = args[:3]
    return y.numel() // int(value.shape[-1]) * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])


teach(
    _FUSED,
    Rule(
        "carry",
        _queries_keys_and_values,
        _rescaled,
        carried=2,
        absorbs_others=True,
        unscaled=(3,),
        degree=squares,
    ),
    bound=_within_values,
    macs=_of_attention,
    computed_by=attention,
    shown="attention",
)
teach(
    ATEN.softmax.int,
    Rule("drop", alone_in_front, in_its_unit, inner=True),
    bound=_softmax,
    shown="softmax",
)
