"""How the constants of a call change with the scales of its inputs and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import Call, Parameter, Ref, substitute
from hwsim.network.operators.conditions import values_only_at
from hwsim.network.operators.rules import Rewrite, Rule
from hwsim.network.scale import ONE, Scale


def scaled_number(number: Any, scale: Scale) -> Any:
    """`number * s` as the datapath holds it, in FP32: infinite beyond its range, as the tensor beside it would be.

    A parameter becomes a tensor at run time; here it is wrapped with its factor. A value has its scale already.
    """
    if number is None or scale.is_one or isinstance(number, Ref):
        return number
    if isinstance(number, Parameter):
        return replace(number, factor=number.factor * scale)
    return float(torch.tensor(number * float(scale), dtype=torch.float64).float())


def scaled(call: Call, factors: Mapping[int, Scale]) -> Call:
    """The call with the constants among some arguments multiplied; the arguments may be lists."""
    args = list(call.args)
    for position, factor in factors.items():
        if position < len(args):
            args[position] = substitute(args[position], lambda leaf, by=factor: scaled_number(leaf, by))
    return replace(call, args=tuple(args))


def scaling(*positions: int, **defaults: Any) -> Rewrite:
    """Constants that are added to a tensor, compared with it or put beside it get its scale.

    `defaults`, by the name of the argument, are the values of the last positions where a call leaves them out.
    """

    def rewrite(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        first = max(positions) + 1 - len(defaults)
        left_out = list(defaults.values())[max(0, len(call.args) - first) :] if defaults else []
        return scaled(replace(call, args=(*call.args, *left_out)), dict.fromkeys(positions, result))

    return rewrite


def scaling_addend(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A sum with a number or a parameter, on either side."""
    return scaled(call, {0: result, 1: result})


def scaling_divisor(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    (scale,) = inputs.values()
    call, rest = shifted(call, 0, result / scale)
    return scaled(call, {1: ONE / rest})


FARTHEST_EXPONENT = 64
"""Of a factor by which constants are multiplied: beyond it they would leave the range of FP32."""


def shifted(call: Call, position: int, factor: Scale) -> tuple[Call, Scale]:
    """The call with an input multiplied by a power of two, and the rest of a factor, which is left for a constant.

    What an input and the result can hold, a constant between them may not.
    """
    if abs(factor.exponent) <= FARTHEST_EXPONENT:
        return call, factor
    target, power = call.target, 2.0**factor.exponent

    def shifted(*args: Any, **options: Any) -> Any:
        given = list(args)
        given[position] = (given[position].double() * power).float()
        return target(*given, **options)

    return replace(call, target=shifted), Scale(factor.significand)


def filled(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A constant in the shape of a tensor."""
    return multiplied(call, result)


def multiplied(call: Call, factor: Scale) -> Call:
    """The call with its result multiplied, and rounded once more."""
    if factor.is_one:
        return call
    target, number = call.target, float(factor)

    def multiplied(*args: Any, **options: Any) -> Tensor:
        return (target(*args, **options).double() * number).float()

    return replace(call, target=multiplied)


def joins(*positions: int) -> Rule:
    """Arguments of one scale, constants among them."""
    return Rule("join", values_only_at(*positions), scaling(*positions))
