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

from hwsim.network.graph import ATEN

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
LAYERS = (ATEN.linear.default, *CONVOLUTIONS)
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


def _of_attention(args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    query, key, value = args[:3]
    return y.numel() // int(value.shape[-1]) * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])


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


MACS: dict[Any, Callable[[tuple[Any, ...], Mapping[str, Any], Tensor], int]] = {
    **dict.fromkeys((ATEN.linear.default, ATEN.matmul.default, ATEN.mm.default, ATEN.bmm.default), _of_rows),
    **dict.fromkeys((ATEN.mv.default, ATEN.dot.default, ATEN.inner.default), _of_rows),
    **dict.fromkeys((ATEN.addmm.default, ATEN.baddbmm.default, ATEN.addmv.default), _of_rows_with_addend),
    ATEN.addbmm.default: _of_summed_batches,
    ATEN.linalg_vecdot.default: _of_an_axis,
    ATEN.tensordot.default: _of_axes,
    ATEN.einsum.default: _of_indices,
    **dict.fromkeys(CONVOLUTIONS, _of_channels),
    **dict.fromkeys(TRANSPOSED, _of_inputs),
    **dict.fromkeys((conv_transpose1d, conv_transpose2d, conv_transpose3d), _of_inputs_out_first),
    **dict.fromkeys((multiply_from_left, contract_first), _of_columns),
    ATEN.bilinear.default: _of_both_factors,
    ATEN.scaled_dot_product_attention.default: _of_attention,
}
"""Operation -> its multiply-accumulates, from its arguments, its options and its result."""


def count_macs(target: Any, args: tuple[Any, ...], options: Mapping[str, Any], y: Tensor) -> int:
    """Multiply-accumulates of an operation; zero for what is no product of matrices, nor a convolution.

    Every element of a result sums one product for each element of what is summed over. In a transposed convolution,
    every input is multiplied by all weights that read it, those whose products lie beyond the edge included, as is
    usual. Products that a mask of attention hides are counted too.
    """
    return MACS[target](args, options, y) if target in MACS else 0
