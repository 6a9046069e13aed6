"""Attention as a datapath computes it: NaN also where torch's fused form hides what left the range."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import ATEN

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
