"""Products of data with weights: which operations they are, and the form in which a layer does them.

A layer's weights lie in memory with the output channels first. What a module keeps in another order (the matrix of
`x @ W`, the kernels of a transposed convolution) is stored in this one; `FORMS` says how it gets there, and which
function computes with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import ATEN, Call, Size, leaves
from hwsim.network.operators.bounds import UNIT, Applied, Interval, averages, lowest
from hwsim.network.operators.conditions import values_only_at
from hwsim.network.operators.operator import overloads, teach, teach_all
from hwsim.network.operators.rewrites import scaled, shifted
from hwsim.network.operators.rules import Rule, argument, is_value
from hwsim.network.scale import ONE, Scale

# fmt: off
CONVOLUTIONS = (
    ATEN.conv1d.default, ATEN.conv2d.default, ATEN.conv3d.default,
    ATEN.conv1d.padding, ATEN.conv2d.padding, ATEN.conv3d.padding,
)
TRANSPOSED = (ATEN.conv_transpose1d.default, ATEN.conv_transpose2d.input, ATEN.conv_transpose3d.input)
# fmt: on
OPERANDS: dict[Any, tuple[int, ...]] = {  # operation -> the arguments whose products it sums
    **dict.fromkeys((ATEN.linear.default, *CONVOLUTIONS, *TRANSPOSED), (0, 1)),
    ATEN.matmul.default: (0, 1),
    ATEN.mm.default: (0, 1),
    ATEN.bmm.default: (0, 1),
    ATEN.mv.default: (0, 1),
    ATEN.dot.default: (0, 1),
    ATEN.inner.default: (0, 1),
    ATEN.tensordot.default: (0, 1),
    ATEN.einsum.default: (1,),
    ATEN.addmm.default: (1, 2),
    ATEN.baddbmm.default: (1, 2),
    ATEN.addbmm.default: (1, 2),
    ATEN.addmv.default: (1, 2),
    ATEN.bilinear.default: (0, 1, 2),
    ATEN.embedding.default: (0,),  # a product with rows of a unit matrix
}
LAYER_TARGETS = (ATEN.linear.default, *CONVOLUTIONS)
"""Operations that are layers by themselves, whatever their weight was computed from."""


@dataclass(frozen=True)
class Form:
    """How an operation is done as a layer.

    Attributes:
        data: position of the argument that is data.
        weight: position of the weight.
        bias: position of the bias; None if it never has one.
        axis: axis of the output channels in the result.
        stored: the weight as the layer keeps it, from the weight as the module has it and the options.
        target: what computes, of (data, weight as stored, None, *options).
    """

    data: int
    weight: int
    bias: int | None
    axis: int
    stored: Callable[[Any, tuple[Any, ...]], Any]
    target: Any


def as_it_is(weight: Any, options: tuple[Any, ...]) -> Any:
    """In the order that the module has."""
    return weight


def _turned(weight: Any, options: tuple[Any, ...]) -> Any:
    return weight.transpose(0, 1)


def _regrouped(weight: Any, groups: int) -> Any:
    """(in, out / groups, ...) as (out, in / groups, ...); the same the other way round."""
    parts = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    return parts.transpose(1, 2).reshape(groups * weight.shape[1], -1, *weight.shape[2:])


def _groups(options: tuple[Any, ...]) -> int:
    return int(options[3]) if len(options) > 3 else 1


def _out_first(weight: Any, options: tuple[Any, ...]) -> Any:
    return _regrouped(weight, _groups(options))


def conv_transpose1d(x: Tensor, weight: Tensor, bias: None, *options: Any) -> Tensor:
    """A transposed convolution with kernels stored as (out, in / groups, width)."""
    return ATEN.conv_transpose1d.default(x, _regrouped(weight, _groups(options)), None, *options)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: None, *options: Any) -> Tensor:
    """A transposed convolution with kernels stored as (out, in / groups, height, width)."""
    return ATEN.conv_transpose2d.input(x, _regrouped(weight, _groups(options)), None, *options)


def conv_transpose3d(x: Tensor, weight: Tensor, bias: None, *options: Any) -> Tensor:
    """A transposed convolution with kernels stored as (out, in / groups, depth, height, width)."""
    return ATEN.conv_transpose3d.input(x, _regrouped(weight, _groups(options)), None, *options)


def multiply_from_left(x: Tensor, weight: Tensor, bias: None) -> Tensor:
    """`weight @ x`: rows are mixed, as by layers that mix tokens."""
    return ATEN.matmul.default(weight, x)


def contract_first(x: Tensor, weight: Tensor, bias: None) -> Tensor:
    """Of a bilinear form W, (out, first, second), the sum over `first`: (..., first) -> (..., out, second)."""
    return torch.einsum("...i,oij->...oj", x, weight)


FORMS: dict[Any, tuple[Form, ...]] = {
    ATEN.linear.default: (Form(0, 1, 2, -1, as_it_is, ATEN.linear.default),),
    **{target: (Form(0, 1, 2, 1, as_it_is, target),) for target in CONVOLUTIONS},
    ATEN.conv_transpose1d.default: (Form(0, 1, 2, 1, _out_first, conv_transpose1d),),
    ATEN.conv_transpose2d.input: (Form(0, 1, 2, 1, _out_first, conv_transpose2d),),
    ATEN.conv_transpose3d.input: (Form(0, 1, 2, 1, _out_first, conv_transpose3d),),
    ATEN.mm.default: (Form(0, 1, None, -1, _turned, ATEN.linear.default),),
    ATEN.addmm.default: (Form(1, 2, 0, -1, _turned, ATEN.linear.default),),
    ATEN.matmul.default: (
        Form(0, 1, None, -1, _turned, ATEN.linear.default),
        Form(1, 0, None, -2, as_it_is, multiply_from_left),
    ),
    ATEN.bilinear.default: (Form(0, 2, 3, -2, as_it_is, contract_first),),
}
"""Operation -> the ways in which it may be a layer. Other products of weights read them as they read any tensor."""


def options_of(args: tuple[Any, ...], form: Form) -> tuple[Any, ...]:
    """The arguments of a layer behind those that its form names."""
    return tuple(args[max(form.data, form.weight, form.bias or 0) + 1 :])


def form_of(target: Any, args: tuple[Any, ...], kwargs: Any, is_weight: Callable[[Any], bool]) -> Form | None:
    """The form in which this call of an operation is a layer; None if it is not one.

    Args:
        target: the operation.
        args: its arguments, tensors as anything that has `.meta["val"]`.
        kwargs: its other arguments; a layer has none.
        is_weight: whether an argument is a tensor that depends on no image.
    """
    for form in FORMS.get(target, ()) if not kwargs else ():
        weight, data = args[form.weight], args[form.data]
        if not is_weight(weight) or (is_weight(data) and form.weight < form.data):
            continue
        dims, data_dims = weight.meta["val"].dim(), data.meta["val"].dim()
        if dims < 2:  # one output, which has no axis of channels
            continue
        if target in (ATEN.matmul.default, ATEN.mm.default, ATEN.addmm.default):
            if dims != 2 or data_dims < (3 if form.target is multiply_from_left else 2):
                continue
            if target == ATEN.addmm.default and args[0].meta["val"].dim() != 1:
                continue
        return form
    return None


# -- multiply-accumulates -----------------------------------------------------------------------------------------


def _of_rows(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * int(args[0].shape[-1])


def _of_rows_with_addend(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * int(args[1].shape[-1])


def _of_summed_batches(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * int(args[1].shape[0] * args[1].shape[-1])


def _of_an_axis(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * int(args[0].shape[options.get("dim", -1)])


def _of_axes(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * math.prod(args[0].shape[axis] for axis in args[2])


def _of_channels(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * math.prod(args[1].shape[1:])


def _of_inputs(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return int(args[0].numel()) * math.prod(args[1].shape[1:])


def _of_inputs_out_first(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    x, weight = args[:2]
    return int(x.numel() * weight.shape[0]) // _groups(args[3:]) * math.prod(weight.shape[2:])


def _of_columns(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    return y.numel() * int(args[1].shape[1])


def _of_both_factors(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    first, second = args[2].shape[1:]
    return y.numel() * int(first * second + second)


def _of_indices(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    """Of an einsum: factors are multiplied from left to right, and what only one of two has is summed before."""
    read, arrow, result = args[0].replace(" ", "").partition("->")
    factors = [_indices(term, factor.shape) for term, factor in zip(read.split(","), args[1], strict=True)]
    if arrow:
        kept = set(_indices(result, y.shape))
    else:
        kept = {index for index in set().union(*factors) if isinstance(index, int) or read.count(index) == 1}
    macs, so_far = 0, factors[0]
    for place, factor in enumerate(factors[1:], 1):
        wanted = kept.union(*factors[place + 1 :])
        product = {i: n for i, n in (so_far | factor).items() if i in wanted or (i in so_far and i in factor)}
        macs += math.prod(product.values())
        so_far = {i: n for i, n in product.items() if i in wanted}
    return macs


def _indices(term: str, shape: Sequence[int]) -> dict[str | int, int]:
    """The indices of one factor, and how far they run; those of an ellipsis are numbers. An axis of one has none."""
    before, _, behind = term.partition("...")
    inner = range(len(before) + len(behind) - len(shape), 0)
    return {index: n for index, n in zip((*before, *inner, *behind), shape, strict=True) if n != 1}


# -- scales and bounds --------------------------------------------------------------------------------------------


def multiplies(factors: tuple[int, ...], addend: int | None = None) -> tuple[Rule, Rule]:
    """Sums of products of the arguments at some positions, with an addend that may be a constant.

    Scales multiply where several factors are values; where one is, a constant factor takes up the change.
    """

    def at(call: Call) -> tuple[int, ...]:
        return tuple(p for p in factors if is_value(argument(call, p)))

    def several(call: Call) -> bool:
        return values_only_at(*factors)(call) and len(at(call)) == len(factors)

    def one(call: Call) -> bool:
        fixed = [argument(call, p) for p in factors if p not in at(call)]
        constant = bool(fixed) and not any(isinstance(factor, Size) for factor in fixed)
        return constant and values_only_at(*factors)(call)

    def beside(result: Scale) -> dict[int, Scale]:
        return {} if addend is None else {addend: result}

    def add(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        return scaled(call, beside(result))

    def change(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        scale = ONE
        for position in at(call):
            scale = scale * inputs[call.args[position].name]
        constant = next(p for p in factors if not is_value(argument(call, p)))
        call, rest = shifted(call, at(call)[0], result / scale)
        return scaled(call, {constant: rest, **beside(result)})

    return Rule("product", several, add), Rule("absorb", one, change)


def _products(f: Applied) -> Interval:
    """Sums of products of two tensors, by their centres and radii.

    With magnitudes m, no sum of products differs from that of the centres c by more than |m1||m2| - |c1||c2|. Each
    sum has at most as many terms as the product of the sizes of the two tensors over that of the result.
    """
    factors = [leaf for leaf in leaves(f.args) if isinstance(leaf, (Interval, Tensor))]
    if factors and isinstance(factors[0], Interval) and factors[0].averages and f.args[0] is factors[0]:
        return averages(f)
    centre = f.at(_centre)
    outer, inner = f.at(_magnitude), f.at(lambda leaf: _magnitude(_centre(leaf)))
    terms = math.prod(lowest(factor).numel() for factor in factors) / max(centre.numel(), 1)
    radius = outer * (1 + terms * UNIT) - inner
    return Interval(centre - radius, centre + radius).widened()


def _centre(leaf: Any) -> Any:
    return (leaf.low + leaf.high) / 2 if isinstance(leaf, Interval) else leaf


def _magnitude(leaf: Any) -> Any:
    if isinstance(leaf, Interval):
        return leaf.magnitude
    return leaf.abs() if isinstance(leaf, Tensor) else leaf


_PRODUCT = multiplies(factors=(0, 1))
_BIASED = multiplies(factors=(0, 1), addend=2)
teach_all(overloads("matmul", "bmm"), *_PRODUCT, bound=_products, macs=_of_rows, shown="the product")
teach_all(overloads("mm", "mv"), *_PRODUCT, bound=_products, macs=_of_rows)
teach_all(overloads("dot", "inner"), *_PRODUCT, macs=_of_rows)
teach(ATEN.linalg_vecdot.default, *_PRODUCT, macs=_of_an_axis)
teach(ATEN.tensordot.default, *_PRODUCT, macs=_of_axes)
teach(ATEN.einsum.default, Rule("product"), bound=_products, macs=_of_indices, shown="the product")
teach(ATEN.linear.default, *_BIASED, bound=_products, macs=_of_rows)
teach_all(CONVOLUTIONS[:3], *_BIASED, bound=_products, macs=_of_channels)
teach_all(CONVOLUTIONS[3:], *_BIASED, macs=_of_channels)
teach_all(TRANSPOSED, *_BIASED, macs=_of_inputs)
_ADDED = multiplies(factors=(1, 2), addend=0)
teach_all(overloads("addmm", "baddbmm", "addmv"), *_ADDED, macs=_of_rows_with_addend)
teach(ATEN.addbmm.default, *_ADDED, macs=_of_summed_batches)
teach(ATEN.bilinear.default, *multiplies(factors=(0, 1, 2), addend=3), macs=_of_both_factors)
teach_all((conv_transpose1d, conv_transpose2d, conv_transpose3d), macs=_of_inputs_out_first)
teach_all((multiply_from_left, contract_first), macs=_of_columns)
