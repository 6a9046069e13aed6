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
- `absorb`   a multiplier inside takes up any scale, so the result can have whichever is wanted: a product with a
             constant, LayerNorm, hard-swish;
- `size`     the result is a size or an index, which has no scale.

An operation without a rule needs s = 1 at every input. `teach` adds a rule for an operation of one's own.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from hwsim.network.graph import ATEN, Call, Parameter, Ref, Size, leaves, substitute
from hwsim.network.products import CONVOLUTIONS, TRANSPOSED
from hwsim.network.scale import ONE, Scale

Effect = Literal["carry", "join", "product", "quotient", "absorb", "size"]
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
        carried: with `carry`, the argument whose scale the result has; other inputs must be of scale one, or taken
            care of by `rewrite` (`absorbs_others`).
        absorbs_others: with `carry`, whether `rewrite` takes up the scales of the other inputs.
        keeps: with `absorb`, whether the result naturally has the input's scale (a product with a constant) rather
            than one (LayerNorm); only a matter of where nothing else decides.
        offset: what is added to the input, at its scale and in FP32, before anything else: it has to stay in range.
    """

    effect: Effect
    applies: Callable[[Call], bool] = lambda call: True
    rewrite: Rewrite = unchanged
    carried: int = 0
    absorbs_others: bool = False
    keeps: bool = True
    offset: float = 0.0


_RULES: dict[Any, tuple[Rule, ...]] = {}


def teach(target: Any, *rules: Rule) -> None:
    """Say how `target`, a `torch.ops` overload, treats scales: the first rule that applies to a call is its rule.

    Replaces what was known of the operation.
    """
    _RULES[target] = rules


def rule_of(call: Call) -> Rule | None:
    """The rule that this call follows, or None where the operation needs a scale of one."""
    return next((rule for rule in _RULES.get(call.target, ()) if rule.applies(call)), None)


# -- constants that change with the scale -------------------------------------------------------------------------


def scaled_number(number: Any, scale: Scale) -> Any:
    """`number * s` as the datapath holds it, in FP32: infinite beyond its range, as the tensor beside it would be.

    A parameter becomes a tensor at run time; here it is wrapped with its factor.
    """
    if number is None or scale.is_one:
        return number
    if isinstance(number, Parameter):
        return replace(number, factor=number.factor * scale)
    return float(torch.tensor(number * float(scale), dtype=torch.float64).float())


def _with_args(call: Call, changes: Mapping[int, Any]) -> Call:
    args = list(call.args)
    for position, value in changes.items():
        args[position] = value
    return replace(call, args=tuple(args))


def _scaling_numbers(*positions: int) -> Rewrite:
    """Arguments that are added to the tensor or compared with it."""

    def rewrite(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        present = [p for p in positions if p < len(call.args)]
        return _with_args(call, {p: scaled_number(call.args[p], result) for p in present})

    return rewrite


def _scaling_parameters(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """Constants that are joined with tensors: a class token in front of the others, a floor."""

    def scaled(leaf: Any) -> Any:
        return scaled_number(leaf, result) if isinstance(leaf, Parameter) else leaf

    return replace(call, args=substitute(call.args, scaled))


def _scaling_branches(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """Constants that a fixed mask chooses instead of the tensor."""
    changed = {p: scaled_number(call.args[p], result) for p in (1, 2) if not isinstance(call.args[p], Ref)}
    return _with_args(call, changed)


def _scaling_addend(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A sum with a number or a parameter, on either side."""
    constant = 1 if isinstance(call.args[0], Ref) else 0
    return _with_args(call, {constant: scaled_number(call.args[constant], result)})


def _scaling_factor(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A product with a number or a parameter, on either side: it takes up the ratio of the scales."""
    constant = 1 if isinstance(call.args[0], Ref) else 0
    (scale,) = inputs.values()
    return _with_args(call, {constant: scaled_number(call.args[constant], result / scale)})


def _scaling_divisor(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    (scale,) = inputs.values()
    return _with_args(call, {1: scaled_number(call.args[1], scale / result)})


def _multiply_add(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """addend + x * factor, with `value=` as another factor."""
    (scale,) = inputs.values()
    factor = 1 if isinstance(call.args[1], Parameter) else 2
    changes = {0: scaled_number(call.args[0], result), factor: scaled_number(call.args[factor], result / scale)}
    return _with_args(call, changes)


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
        if args[gamma] is None:
            return _multiplied(replace(call, args=tuple(args)), result)
        for position in (gamma, gamma + 1):
            if position != eps:
                args[position] = scaled_number(args[position], result)
        return replace(call, args=tuple(args))

    return rewrite


def _filled(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A constant in the shape of a tensor."""
    return _multiplied(call, result)


def _multiplied(call: Call, factor: Scale) -> Call:
    """The call with its result multiplied; in FP32, as the datapath does."""
    if factor.is_one:
        return call
    number = float(torch.tensor(float(factor), dtype=torch.float64).float())
    target = call.target
    return replace(call, target=lambda *args, **options: target(*args, **options) * number)


def _rms_norm(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """Without eps, it is a constant of the number format."""
    x, shape, gamma, eps = (*call.args, None, None)[:4]
    call = replace(call, args=(x, shape, gamma, torch.finfo(torch.float32).eps if eps is None else eps))
    return _normalisation(gamma=2, eps=3)(call, inputs, result)


def _attention(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """softmax(q k^T / sqrt(d)) v: the factor in front of the softmax takes up the scales of q and k."""
    query, key = (inputs[ref.name] for ref in call.args[:2])
    if query.is_one and key.is_one:
        return call
    change = float(ONE / (query * key))

    def attention(query: Tensor, *rest: Any, scale: float | None = None, **options: Any) -> Tensor:
        usual = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        return ATEN.scaled_dot_product_attention.default(query, *rest, scale=usual * change, **options)

    return replace(call, target=attention)


def _hard(multiplies: bool) -> Rewrite:
    """x relu6(x + 3) / 6, or relu6(x + 3) / 6: bounds and offset scale with x, the factor 1/6 takes up the rest."""

    def rewrite(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        (scale,) = inputs.values()
        if scale.is_one and result.is_one:
            return call
        offset, bound = scaled_number(3.0, scale), scaled_number(6.0, scale)
        factor = float(result / (scale * scale if multiplies else scale)) / 6

        def hard(x: Tensor) -> Tensor:
            # The constant comes before the product with x, which would otherwise have the scale squared.
            gate = (torch.clamp(x + offset, 0, bound).double() * factor).float()
            return x * gate if multiplies else gate

        return replace(call, target=hard)

    return rewrite


# -- which calls a rule is for ------------------------------------------------------------------------------------


def _argument(call: Call, position: int, default: Any = None) -> Any:
    return call.args[position] if len(call.args) > position else default


def _reads_a_value(call: Call) -> bool:
    """Whether the first argument is a value of the network; others are then sizes, indices or fixed slopes."""
    return bool(call.args) and isinstance(call.args[0], Ref)


def _one_value(call: Call) -> bool:
    """Whether exactly one argument is a value: the others are numbers or parameters."""
    return len(call.inputs) == 1


def _one_value_and_plain_numbers(call: Call) -> bool:
    return _one_value(call) and not any(isinstance(leaf, Parameter) for leaf in leaves(call.args))


def _alone_in_front(call: Call) -> bool:
    """Whether the first argument is a value and the only one."""
    return _one_value(call) and isinstance(call.args[0], Ref)


def _two_values(call: Call) -> bool:
    return all(isinstance(arg, Ref) and not isinstance(arg, Size) for arg in call.args[:2])


def _two_values_and_no_bias(call: Call) -> bool:
    return _two_values(call) and _argument(call, 2) is None


def _parts_are_tensors(call: Call) -> bool:
    return all(isinstance(arg, Ref | Parameter) and not isinstance(arg, Size) for arg in call.args[:2])


def _by_a_size(call: Call) -> bool:
    """A product with the number of images, or a division by it."""
    return isinstance(call.args[0], Ref) and isinstance(call.args[1], Size)


def _repeats_a_parameter(call: Call) -> bool:
    return isinstance(_argument(call, 0), Parameter)


def _fixed_mask(call: Call) -> bool:
    return isinstance(call.args[0], Parameter)


def _fixed_factor(call: Call) -> bool:
    """A multiply-add in which only one of the two factors is a value."""
    return _one_value(call) and not isinstance(call.args[0], Ref)


def _own_statistics(call: Call) -> bool:
    return _alone_in_front(call) and _argument(call, 3) is None


def _a_norm(call: Call) -> bool:
    """A norm of order zero counts what is not zero, whatever its scale."""
    return _alone_in_front(call) and _argument(call, 1, 2) != 0


# fmt: off
_CARRY = (
    ATEN.relu.default, ATEN.leaky_relu.default, ATEN.max_pool1d.default, ATEN.max_pool2d.default,
    ATEN.max_pool3d.default, ATEN.avg_pool1d.default, ATEN.avg_pool2d.default, ATEN.avg_pool3d.default,
    ATEN.adaptive_avg_pool1d.default, ATEN.adaptive_avg_pool2d.default, ATEN.adaptive_avg_pool3d.default,
    ATEN.adaptive_max_pool2d.default, ATEN.flatten.using_ints, ATEN.reshape.default, ATEN.permute.default,
    ATEN.transpose.int, ATEN.swapaxes.default, ATEN.t.default, ATEN.contiguous.default, ATEN.clone.default,
    ATEN.mean.dim, ATEN.mean.default, ATEN.sum.dim_IntList, ATEN.slice.Tensor, ATEN.select.int, ATEN.chunk.default,
    ATEN.split.Tensor, ATEN.split_with_sizes.default, ATEN.unsqueeze.default, ATEN.squeeze.dim,
    ATEN.squeeze.default, ATEN.narrow.default, ATEN.roll.default, ATEN.neg.default,
    ATEN.abs.default, ATEN.channel_shuffle.default, ATEN.pixel_shuffle.default, ATEN.prelu.default,
    ATEN.unflatten.int, ATEN.movedim.int, ATEN.movedim.intlist, ATEN.index_select.default, ATEN.index.Tensor,
    ATEN.amax.default, ATEN.amin.default, ATEN.unbind.int, ATEN.sum.default,
    ATEN.cumsum.default, ATEN.flip.default, ATEN.tile.default, ATEN.gather.default, ATEN.col2im.default,
    ATEN.pixel_unshuffle.default, ATEN.im2col.default, ATEN.unfold.default, ATEN.upsample_nearest2d.vec,
    ATEN.upsample_bilinear2d.vec, ATEN.upsample_bicubic2d.vec, ATEN.grid_sampler_2d.default, ATEN.std.correction,
    operator.getitem,
)
# fmt: on
for _target in _CARRY:
    teach(_target, Rule("carry", _reads_a_value))
for _target in (ATEN.expand_as.default, ATEN.reshape_as.default, ATEN.view_as.default):
    teach(_target, Rule("carry", _reads_a_value, absorbs_others=True))  # of the other input only the shape matters
teach(ATEN.pad.default, Rule("carry", _one_value_and_plain_numbers, _scaling_numbers(3)))
teach(ATEN.constant_pad_nd.default, Rule("carry", _one_value_and_plain_numbers, _scaling_numbers(2)))
for _target in (ATEN.hardtanh.default, ATEN.clamp.default):
    teach(_target, Rule("carry", _one_value_and_plain_numbers, _scaling_numbers(1, 2)))
for _target in (ATEN.clamp_min.default, ATEN.clamp_max.default):
    teach(_target, Rule("carry", _one_value_and_plain_numbers, _scaling_numbers(1)))
for _target in (ATEN.add.Scalar, ATEN.sub.Scalar, ATEN.rsub.Scalar):
    teach(_target, Rule("carry", _one_value, _scaling_addend))
teach(ATEN.masked_fill.Scalar, Rule("carry", _reads_a_value, _scaling_numbers(2)))
for _target in (ATEN.expand.default, ATEN.repeat.default):  # a constant for each image, such as a class token
    teach(
        _target,
        Rule("carry", _reads_a_value),
        Rule("absorb", _repeats_a_parameter, _scaling_parameters, keeps=False),
    )
for _target in (ATEN.ones_like.default, ATEN.full_like.default, ATEN.new_ones.default, ATEN.new_full.default):
    teach(_target, Rule("absorb", _reads_a_value, _filled, keeps=False))
for _target in (ATEN.zeros.default, ATEN.ones.default, ATEN.full.default):  # for each image, of which there are a Size
    teach(_target, Rule("absorb", rewrite=_filled, keeps=False))
for _target in (ATEN.fill.Tensor, ATEN.fill.Scalar):
    teach(_target, Rule("absorb", _alone_in_front, _filled, keeps=False))
for _target in (ATEN.zeros_like.default, ATEN.new_zeros.default):
    teach(_target, Rule("absorb", _reads_a_value, keeps=False))
for _target in (ATEN.where.self, ATEN.where.ScalarOther, ATEN.where.ScalarSelf):
    teach(_target, Rule("join", _fixed_mask, _scaling_branches))
teach(
    ATEN.scaled_dot_product_attention.default,
    Rule("carry", lambda call: len(call.inputs) == 3, _attention, carried=2, absorbs_others=True),
)
for _target in (ATEN.slice_scatter.default, ATEN.select_scatter.default):  # a tensor with a part of it replaced
    teach(_target, Rule("join", _parts_are_tensors, _scaling_parameters))
teach(ATEN.copy.default, Rule("carry", _two_values, carried=1, absorbs_others=True))
for _target in (ATEN.cat.default, ATEN.stack.default, ATEN.maximum.default, ATEN.minimum.default):
    teach(_target, Rule("join", rewrite=_scaling_parameters))
for _target in (ATEN.add.Tensor, ATEN.sub.Tensor):
    teach(_target, Rule("join", _two_values), Rule("carry", _one_value, _scaling_addend))
teach(
    ATEN.mul.Tensor,
    Rule("product", _two_values),
    Rule("absorb", _one_value, _scaling_factor),
    Rule("carry", _by_a_size),
)
for _target in (ATEN.matmul.default, ATEN.bmm.default):
    teach(_target, Rule("product", _two_values), Rule("absorb", _one_value, _scaling_factor))
for _target in (ATEN.linear.default, *CONVOLUTIONS, *TRANSPOSED, ATEN.mm.default, ATEN.mv.default, ATEN.inner.default):
    teach(_target, Rule("product", _two_values_and_no_bias))
teach(ATEN.tensordot.default, Rule("product", _two_values))
teach(ATEN.embedding.default, Rule("carry", _reads_a_value))
teach(ATEN.einsum.default, Rule("product"))
teach(ATEN.mul.Scalar, Rule("absorb", _one_value, _scaling_factor))
teach(ATEN.div.Scalar, Rule("absorb", _alone_in_front, _scaling_divisor))
teach(
    ATEN.div.Tensor,
    Rule("quotient", _two_values),
    Rule("absorb", _alone_in_front, _scaling_divisor),
    Rule("carry", _by_a_size),
)
teach(ATEN.addcmul.default, Rule("absorb", _fixed_factor, _multiply_add))
teach(ATEN.linalg_vector_norm.default, Rule("carry", _a_norm))
teach(ATEN.layer_norm.default, Rule("absorb", _alone_in_front, _normalisation(gamma=2, eps=4), keeps=False))
teach(ATEN.group_norm.default, Rule("absorb", _alone_in_front, _normalisation(gamma=2, eps=4), keeps=False))
teach(ATEN.instance_norm.default, Rule("absorb", _own_statistics, _normalisation(gamma=1, eps=7), keeps=False))
teach(ATEN.rms_norm.default, Rule("absorb", _alone_in_front, _rms_norm, keeps=False))
teach(ATEN.hardswish.default, Rule("absorb", rewrite=_hard(multiplies=True), offset=3.0))
teach(ATEN.hardsigmoid.default, Rule("absorb", rewrite=_hard(multiplies=False), keeps=False, offset=3.0))
for _target in (ATEN.sym_size.int, operator.mul, operator.add, operator.sub, operator.floordiv):
    teach(_target, Rule("size"))
