"""Activation functions of single elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import ATEN, Call
from hwsim.network.operators.bounds import elementwise, increasing
from hwsim.network.operators.conditions import alone_in_front, one_value_and_plain_numbers, reads_a_value
from hwsim.network.operators.operator import overloads, teach, teach_all
from hwsim.network.operators.rewrites import FARTHEST_EXPONENT, scaled_number, scaling
from hwsim.network.operators.rules import Rewrite, Rule
from hwsim.network.scale import ONE, Scale
from hwsim.network.target import Target

_ERF_ROUNDING = 2.0**-20  # 1 + erf(x) near -1 is off by units of 1, not of the result


def in_its_unit(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A constant in front of a function takes up the scale of its input, one behind it gives the result its own."""
    (scale,) = inputs.values()
    if scale.is_one and result.is_one:
        return call
    target, before, behind = call.target, float(ONE / scale), float(result)

    def unit(x: Tensor, *rest: Any, **options: Any) -> Tensor:
        y: Tensor = target((x.double() * before).to(x.dtype), *rest, **options)
        return (y.double() * behind).to(y.dtype)

    return replace(call, target=unit)


def _hard(multiplies: bool) -> Rewrite:
    """x relu6(x + 3) / 6, or relu6(x + 3) / 6: bounds and offset scale with x, the factor 1/6 takes up the rest."""

    def rewrite(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        (scale,) = inputs.values()
        if scale.is_one and result.is_one:
            return call
        offset, bound = scaled_number(3.0, scale), scaled_number(6.0, scale)
        factor = result / (scale * scale if multiplies else scale)
        constant = float(factor) / 6

        def hard(x: Tensor) -> Tensor:
            # The constant comes before the product with x, which would otherwise have the scale squared.
            gate = (torch.clamp(x + offset, 0, bound).double() * constant).float()
            return x * gate if multiplies else gate

        def hard_and_far(x: Tensor) -> Tensor:
            # Between a large scale in front and a small one behind, the gate alone would leave the range.
            return (x.double() * (torch.clamp(x + offset, 0, bound).double() * constant)).float()

        far = multiplies and abs(factor.exponent + scale.exponent) > FARTHEST_EXPONENT
        return replace(call, target=hard_and_far if far else hard)

    return rewrite


def _clamped(args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """With both bounds said."""
    return ATEN.hardtanh.default, (args[0], *args[1:], *(-1.0, 1.0)[len(args) - 1 :])


def _sloped(args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """In evaluation, the mean of the slopes that training draws."""
    lower, upper = args[1] if len(args) > 1 else 1 / 8, args[2] if len(args) > 2 else 1 / 3
    return ATEN.leaky_relu.default, (args[0], (lower + upper) / 2)


_CARRY = Rule("carry", reads_a_value)
teach(ATEN.relu.default, _CARRY, bound=increasing, in_place=Target.of(ATEN.relu_.default))
teach(ATEN.leaky_relu.default, _CARRY, bound=elementwise(0.0), in_place=Target.of(ATEN.leaky_relu_.default))
teach(ATEN.prelu.default, _CARRY, bound=elementwise(0.0))
teach(ATEN.rrelu.default, canonical=_sloped)
teach(
    ATEN.hardtanh.default,
    Rule("carry", one_value_and_plain_numbers, scaling(1, 2, min_val=-1.0, max_val=1.0)),
    bound=increasing,
    in_place=Target.of(ATEN.hardtanh_.default),
    canonical=_clamped,
)
teach(ATEN.relu6.default, canonical=lambda args: (ATEN.hardtanh.default, (args[0], 0.0, 6.0)))
teach(ATEN.threshold.default, Rule("carry", one_value_and_plain_numbers, scaling(1, 2)))
teach_all(
    overloads("hardshrink", "softshrink"),
    Rule("carry", one_value_and_plain_numbers, scaling(1, lambd=0.5)),
    bound=increasing,
)
teach(
    ATEN.hardswish.default,
    Rule("absorb", rewrite=_hard(multiplies=True), offset=3.0),
    bound=elementwise(-1.5),
    shown="hard-swish",
)
teach(
    ATEN.hardsigmoid.default,
    Rule("absorb", rewrite=_hard(multiplies=False), keeps=False, offset=3.0),
    bound=elementwise(),
    shown="hard-sigmoid",
)

# GELU multiplies its argument by 1/sqrt 2 and its result by 1/2; exponentials multiply by log2 e for a power of two.
_UNIT = Rule("absorb", alone_in_front, in_its_unit, keeps=False, inner=True)
teach(
    ATEN.gelu.default,
    _UNIT,
    bound=elementwise(-0.7517915246935645, absolute=_ERF_ROUNDING),  # where Phi(x) = -x phi(x)
    shown="GELU",
)
teach(ATEN.softplus.default, _UNIT, bound=elementwise())
teach(
    ATEN.silu.default,
    Rule("carry", alone_in_front, in_its_unit, inner=True),
    bound=elementwise(-1.2784645427610738),  # where 1 + x = -x / (1 + exp(x))
    shown="SiLU",
)
_EXPONENTIAL = Rule("drop", alone_in_front, in_its_unit, inner=True)
teach(ATEN.sigmoid.default, _EXPONENTIAL, bound=elementwise(), shown="sigmoid")
teach(ATEN.tanh.default, _EXPONENTIAL, bound=elementwise(), shown="tanh")
teach(ATEN.exp.default, _EXPONENTIAL, bound=elementwise())
teach(ATEN.log.default, bound=elementwise())
teach(ATEN.erf.default, bound=elementwise())
teach(ATEN.mish.default, bound=elementwise(-1.1924312145154921))
teach(ATEN.elu.default, bound=elementwise(absolute=_ERF_ROUNDING), shown="ELU")
teach_all(overloads("selu", "celu"), bound=elementwise(absolute=_ERF_ROUNDING))
