"""Which calls of an operation a rule is for: what among their arguments is a value of the network."""

from __future__ import annotations

from collections.abc import Callable

from hwsim.network.graph import Call, Parameter, Size, leaves
from hwsim.network.operators.rules import argument, is_value


def starts_with_a_value(call: Call) -> bool:
    return is_value(argument(call, 0))


def reads_a_value(call: Call) -> bool:
    """Whether the first argument is a value of the network; others are then sizes, indices or fixed slopes.

    Not if it is read as another argument too (a slope that is the tensor itself), nor if the result is of integers.
    """
    dtype = call.kwargs.get("dtype")
    real = dtype is None or dtype.is_floating_point or dtype.is_complex
    return starts_with_a_value(call) and call.inputs.count(call.args[0].name) == 1 and real


def one_value(call: Call) -> bool:
    """Whether exactly one argument is a value: the others are numbers or parameters."""
    return len(call.inputs) == 1


def alone_in_front(call: Call) -> bool:
    """Whether the first argument is a value and the only one."""
    return one_value(call) and starts_with_a_value(call)


def one_value_and_plain_numbers(call: Call) -> bool:
    return one_value(call) and not any(isinstance(leaf, Parameter) for leaf in leaves(call.args))


def two_values(call: Call) -> bool:
    return all(is_value(arg) for arg in call.args[:2])


def values_only_at(*positions: int) -> Callable[[Call], bool]:
    """Whether all values that a call reads are among the arguments at some positions; masks may be anywhere."""

    def applies(call: Call) -> bool:
        there = [leaf for p in positions for leaf in leaves(argument(call, p)) if is_value(leaf)]
        return 0 < len(there) == len(call.values)

    return applies


def by_a_size(call: Call) -> bool:
    """A product with a number of images or a mask, or a division by it."""
    return starts_with_a_value(call) and isinstance(call.args[1], Size)


def size_by(call: Call) -> bool:
    """A product of a number of images or a mask with a value."""
    return isinstance(call.args[0], Size) and is_value(call.args[1])


def repeats_a_parameter(call: Call) -> bool:
    return isinstance(argument(call, 0), Parameter)
