"""The scale algebra: what an operation does to the scale of a tensor.

On the datapath a tensor holds `s * v` for a value v and a positive scale s. A rule says, for one ATen operation,
which scale its result has and what must be changed for the result to be right:

- `carry`      f(s v) = s f(v): the scale passes through (ReLU, pooling, reshapes, a product with a number);
- `clamp`      the bounds are multiplied by s (ReLU6, hardtanh);
- `offset`     a number that is added is multiplied by s;
- `join`       all inputs must have one scale, which the result has (sums, concatenations, maxima);
- `product`    the scales multiply;
- `size`       the result is a size, which has no scale.

An operation without a rule needs s = 1. `teach` adds a rule for an operation of one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hwsim.network.graph import ATEN, Call, Parameter, Ref, leaves

Effect = Literal["carry", "clamp", "offset", "join", "product", "size"]


@dataclass(frozen=True)
class Rule:
    """What an operation does to scales.

    Attributes:
        effect: one of the effects that this module's docstring lists.
        numbers: positions in the arguments of the numbers to multiply by the scale (`clamp`, `offset`).
        applies: whether this call of the operation follows the rule (padding with zero does, with one does not).
    """

    effect: Effect
    numbers: tuple[int, ...] = ()
    applies: Callable[[Call], bool] = lambda call: True


_RULES: dict[Any, Rule] = {}


def teach(target: Any, rule: Rule) -> None:
    """Say how `target`, a `torch.ops` overload, treats scales; replaces what was known of it."""
    _RULES[target] = rule


def rule_of(call: Call) -> Rule | None:
    """The rule that this call follows, or None where the operation needs a scale of one."""
    rule = _RULES.get(call.target)
    return rule if rule is not None and rule.applies(call) else None


def _argument(call: Call, position: int, default: Any = None) -> Any:
    return call.args[position] if len(call.args) > position else default


def _single_tensor(call: Call) -> bool:
    """Whether the only tensor read is the first argument: a product or sum with plain numbers."""
    return len(call.inputs) == 1 and not any(isinstance(leaf, Parameter) for leaf in leaves(call.args))


def _tensors_only(call: Call) -> bool:
    first_two = call.args[:2]
    return all(isinstance(arg, Ref) for arg in first_two) and not call.kwargs.get("alpha")


def _reads_a_value(call: Call) -> bool:
    """Whether the first argument is a value of the network; others are then sizes, indices or fixed slopes."""
    return bool(call.args) and isinstance(call.args[0], Ref)


# fmt: off
_CARRY = (
    ATEN.relu.default, ATEN.leaky_relu.default, ATEN.max_pool1d.default, ATEN.max_pool2d.default,
    ATEN.max_pool3d.default, ATEN.avg_pool1d.default, ATEN.avg_pool2d.default, ATEN.avg_pool3d.default,
    ATEN.adaptive_avg_pool1d.default, ATEN.adaptive_avg_pool2d.default, ATEN.adaptive_avg_pool3d.default,
    ATEN.adaptive_max_pool2d.default, ATEN.flatten.using_ints, ATEN.reshape.default, ATEN.permute.default,
    ATEN.transpose.int, ATEN.contiguous.default, ATEN.clone.default, ATEN.mean.dim, ATEN.mean.default,
    ATEN.sum.dim_IntList, ATEN.slice.Tensor, ATEN.select.int, ATEN.chunk.default, ATEN.split.Tensor,
    ATEN.split_with_sizes.default, ATEN.unsqueeze.default, ATEN.squeeze.dim, ATEN.squeeze.default,
    ATEN.expand.default, ATEN.narrow.default, ATEN.roll.default, ATEN.neg.default, ATEN.abs.default,
    ATEN.channel_shuffle.default, ATEN.pixel_shuffle.default, ATEN.prelu.default, ATEN.unflatten.int,
    ATEN.movedim.int, ATEN.index_select.default, ATEN.amax.default,
)
# fmt: on
for _target in _CARRY:
    teach(_target, Rule("carry", applies=_reads_a_value))

teach(ATEN.pad.default, Rule("carry", applies=lambda call: not _argument(call, 3)))
teach(ATEN.constant_pad_nd.default, Rule("carry", applies=lambda call: not _argument(call, 2, 0)))
for _target in (ATEN.hardtanh.default, ATEN.clamp.default):
    teach(_target, Rule("clamp", (1, 2), _single_tensor))
for _target in (ATEN.clamp_min.default, ATEN.clamp_max.default):
    teach(_target, Rule("clamp", (1,), _single_tensor))
teach(ATEN.sym_size.int, Rule("size"))
for _target in (ATEN.cat.default, ATEN.stack.default, ATEN.maximum.default, ATEN.minimum.default):
    teach(_target, Rule("join"))
for _target in (ATEN.add.Tensor, ATEN.sub.Tensor):
    teach(_target, Rule("join", applies=_tensors_only))
for _target in (ATEN.mul.Tensor, ATEN.matmul.default, ATEN.bmm.default):
    teach(_target, Rule("product", applies=_tensors_only))
for _target in (ATEN.mul.Scalar, ATEN.div.Scalar):
    teach(_target, Rule("carry", applies=_single_tensor))
for _target in (ATEN.add.Scalar, ATEN.sub.Scalar):
    teach(_target, Rule("offset", (1,), _single_tensor))
