"""Sums, products, quotients and powers of single elements; comparisons; what takes the larger or smaller one."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from hwsim.errors import HwsimError
from hwsim.network.graph import ATEN, Call
from hwsim.network.operators.bounds import (
    ROUNDING,
    UNIT,
    Applied,
    Interval,
    elementwise,
    increasing,
    no_smaller,
)
from hwsim.network.operators.conditions import (
    alone_in_front,
    by_a_size,
    one_value,
    one_value_and_plain_numbers,
    reads_a_value,
    size_by,
    starts_with_a_value,
    two_values,
)
from hwsim.network.operators.operator import overloads, teach, teach_all
from hwsim.network.operators.products import multiplies
from hwsim.network.operators.rewrites import joins, scaling, scaling_addend, scaling_divisor
from hwsim.network.operators.rules import Rule, is_value


def _divides_a_constant(call: Call) -> bool:
    return one_value(call) and is_value(call.args[1])


def _compared_with_zero(call: Call) -> bool:
    return starts_with_a_value(call) and call.args[1] == 0


_LARGEST_DENOMINATOR = 64
"""Of an exponent: beyond it, a float such as 0.3 stands for no fraction that is worth the arithmetic."""


def _exponent(call: Call) -> Fraction:
    return Fraction(call.args[1])


def _rational_exponent(call: Call) -> bool:
    exponent = call.args[1]
    real = isinstance(exponent, int | float) and math.isfinite(exponent) and exponent != 0
    return starts_with_a_value(call) and real and Fraction(exponent).denominator <= _LARGEST_DENOMINATOR


def always(exponent: Fraction | int) -> Callable[[Call], Fraction]:
    return lambda call: Fraction(exponent)


def _product(f: Applied) -> Interval:
    """Element by element; a square is no product of independent numbers."""
    if isinstance(f.args[0], Interval) and f.args[0] is f.args[1]:
        return elementwise(0.0)(Applied(torch.square, f.args[:1]))
    return elementwise()(f)


def _quotient(f: Applied) -> Interval:
    """No element is larger than the norm it is divided by; other divisors must not be zero."""
    x, divisor = f.args[:2]
    if isinstance(x, Interval) and isinstance(divisor, Interval) and divisor.norm_of is x:
        return Interval(-(x.low < 0).double(), (x.high > 0).double()).widened(ROUNDING + x.low.numel() * UNIT)
    if isinstance(divisor, Interval) and bool(((divisor.low <= 0) & (divisor.high >= 0)).any()):
        raise HwsimError("its divisor may be zero")
    return elementwise()(f)


def _squared(args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """What torch computes, in words that the scale algebra knows."""
    return ATEN.mul.Tensor, (args[0], args[0])


def _power(args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    return _squared(args) if args[1] == 2 else (ATEN.pow.Tensor_Scalar, args)


_SUM = (Rule("join", two_values), Rule("carry", one_value, scaling_addend))
teach(ATEN.add.Tensor, *_SUM, bound=elementwise(), counted="additions", shown="the sum")
teach(ATEN.sub.Tensor, *_SUM, bound=elementwise(), counted="additions", shown="the difference")
teach(ATEN.rsub.Tensor, *_SUM, bound=elementwise())
_SHIFTED = Rule("carry", one_value, scaling_addend)
teach(ATEN.add.Scalar, _SHIFTED, bound=elementwise(), counted="additions", shown="the sum")
teach(ATEN.sub.Scalar, _SHIFTED, bound=elementwise(), counted="additions", shown="the difference")
teach(ATEN.rsub.Scalar, _SHIFTED, bound=elementwise())

_PRODUCT = multiplies(factors=(0, 1))
_SIZED = (Rule("carry", by_a_size), Rule("carry", size_by, carried=1))
teach(ATEN.mul.Tensor, *_PRODUCT, *_SIZED, bound=_product, counted="multiplications", shown="the product")
teach(ATEN.mul.Scalar, *_PRODUCT, bound=elementwise(), counted="multiplications", shown="the product")
teach(ATEN.linalg_cross.default, *_PRODUCT)
teach(ATEN.addcmul.default, *multiplies(factors=(1, 2), addend=0))
teach(
    ATEN.div.Tensor,
    Rule("quotient", two_values),
    Rule("absorb", alone_in_front, scaling_divisor),
    Rule("power", _divides_a_constant, exponent=always(-1)),
    Rule("carry", by_a_size),
    bound=_quotient,
    shown="the quotient",
)
teach(ATEN.div.Scalar, Rule("absorb", alone_in_front, scaling_divisor), bound=_quotient, shown="the quotient")
teach(ATEN.sqrt.default, Rule("power", exponent=always(Fraction(1, 2))), bound=elementwise())
teach(ATEN.rsqrt.default, Rule("power", exponent=always(Fraction(-1, 2))), bound=elementwise())
teach(ATEN.reciprocal.default, Rule("power", exponent=always(-1)), bound=elementwise(0.0))
teach(
    ATEN.pow.Tensor_Scalar,
    Rule("power", _rational_exponent, exponent=_exponent),
    bound=elementwise(0.0),
    canonical=_power,
)
teach(ATEN.square.default, bound=elementwise(0.0), canonical=_squared)
teach(ATEN.neg.default, Rule("carry", reads_a_value), bound=elementwise())
teach(ATEN.abs.default, Rule("carry", reads_a_value), bound=elementwise(0.0))

teach(ATEN.maximum.default, joins(0, 1), bound=increasing, shown="the maximum")
teach(ATEN.minimum.default, joins(0, 1), bound=increasing, shown="the minimum")
teach_all(overloads("fmax", "fmin", "max.other", "min.other"), joins(0, 1), bound=increasing)
teach_all(overloads("clamp_min.Tensor", "clamp_max.Tensor"), joins(0, 1), bound=increasing)
teach_all(overloads("hypot", "complex", "lerp.Scalar", "lerp.Tensor"), joins(0, 1))
teach(ATEN.clamp.Tensor, joins(0, 1, 2), bound=increasing)
teach(ATEN.clamp.default, Rule("carry", one_value_and_plain_numbers, scaling(1, 2)), bound=increasing)
_CLAMPED = Rule("carry", one_value_and_plain_numbers, scaling(1))
teach(ATEN.clamp_min.default, _CLAMPED, bound=no_smaller)
teach(ATEN.clamp_max.default, _CLAMPED, bound=increasing)
teach(ATEN.pad.default, Rule("carry", one_value_and_plain_numbers, scaling(3)), bound=increasing)
teach(ATEN.constant_pad_nd.default, Rule("carry", one_value_and_plain_numbers, scaling(2)), bound=increasing)

teach(ATEN.sign.default, Rule("drop", alone_in_front), bound=increasing)
teach(ATEN.sgn.default, Rule("drop", alone_in_front))
teach(ATEN.signbit.default, Rule("drop", reads_a_value))
teach_all(
    overloads("gt.Scalar", "ge.Scalar", "lt.Scalar", "le.Scalar", "eq.Scalar", "ne.Scalar"),
    Rule("drop", _compared_with_zero),
)
teach_all(
    [ATEN.sym_size.int, operator.mul, operator.add, operator.sub, operator.floordiv, operator.truediv], Rule("size")
)
