"""The scale algebra: what an operation does to the scale of a tensor.

On the datapath a tensor holds `s * v` for a value v and a positive scale s. A rule says, for one ATen operation,
how the scale of its result follows from those of its inputs, and how its constants change so that the result is
right:

- `carry`    the result has the scale of one input: f(s v) = s f(v), as with ReLU, pooling and reshapes; constants
             that are added or compared, like the bounds of ReLU6, are multiplied by s;
- `join`     all inputs must have one scale, which the result has: sums, concatenations, maxima; constants among them
             are multiplied by it;
- `product`  the scales of the inputs multiply;
- `quotient` the scale of the first input is divided by that of the second;
- `power`    the result has a power of the scale of its input: a variance, a square root, a reciprocal;
- `absorb`   a multiplier inside takes up any scale, so the result can have whichever is wanted: a product with a
             constant, LayerNorm, hard-swish;
- `drop`     the result has scale one, whatever the input has: a sign, the place of a maximum;
- `size`     the result is a size, which has no scale.

An operation without a rule needs s = 1 at every input. `teach` adds a rule for an operation of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from hwsim.network.graph import Call, Ref, Size
from hwsim.network.scale import Scale

Effect = Literal["carry", "join", "product", "quotient", "power", "absorb", "drop", "size"]
Rewrite = Callable[[Call, Mapping[str, Scale], Scale], Call]


def unchanged(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """The rewrite of an operation without constants."""
    return call


@dataclass(frozen=True)
class Rule:
    """What an operation does to scales.

    Attributes:
        effect: one of the effects that this module's docstring lists.
        applies: whether this call of the operation follows the rule (a quotient by a constant, not of one).
        rewrite: (call, scale of each input, scale of the result) -> the call with its constants changed.
        carried: with `carry`, the position of the argument whose scale the result has; other inputs must be of scale
            one, or taken care of by `rewrite` (`absorbs_others`).
        absorbs_others: with `carry`, whether `rewrite` takes up the scales of the other inputs.
        unscaled: with `absorbs_others`, positions of arguments that must be of scale one all the same.
        keeps: with `absorb`, whether the result naturally has the input's scale (a product with a constant) rather
            than one (LayerNorm); only a matter of where nothing else decides.
        exponent: with `power`, the exponent.
        offset: what is added to the input, at its scale and in FP32, before anything else: it has to stay in range.
        degree: the largest power of its inputs that the operation makes on its way, in FP32: 2 if it sums squares.
        inner: whether it holds only where the constants inside the operation's unit can be changed, such as GELU's
            1/sqrt 2: a setting of the datapath.
    """

    effect: Effect
    applies: Callable[[Call], bool] = lambda call: True
    rewrite: Rewrite = unchanged
    carried: int = 0
    absorbs_others: bool = False
    unscaled: tuple[int, ...] = ()
    keeps: bool = True
    exponent: Callable[[Call], Fraction] = lambda call: Fraction(1)
    offset: float = 0.0
    degree: Callable[[Call], float] = lambda call: 1.0
    inner: bool = False

    def bound_to_one(self, call: Call) -> tuple[str, ...]:
        """The inputs of a `carry` that must be of scale one."""
        if self.absorbs_others:
            args = (argument(call, position) for position in self.unscaled)
            return tuple(dict.fromkeys(arg.name for arg in args if is_value(arg)))
        return tuple(name for name in dict.fromkeys(call.values) if name != self.carried_by(call))

    def carried_by(self, call: Call) -> str:
        """The input whose scale a `carry` gives to its result."""
        carried = argument(call, self.carried)
        return carried.name if is_value(carried) else call.values[0]


def argument(call: Call, position: int, default: Any = None) -> Any:
    """The argument at a position, or what it is where the call leaves it out."""
    return call.args[position] if len(call.args) > position else default


def is_value(leaf: Any) -> bool:
    """Whether an argument is a value that can have a scale."""
    return isinstance(leaf, Ref) and not isinstance(leaf, Size)


def squares(call: Call) -> float:
    """The degree of what sums squares."""
    return 2.0
