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

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor

from hwsim.network.attention import attention
from hwsim.network.graph import ATEN, Call, Parameter, Ref, Size, leaves, places_of, substitute
from hwsim.network.products import CONVOLUTIONS, TRANSPOSED
from hwsim.network.scale import ONE, Scale

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
            args = (_argument(call, position) for position in self.unscaled)
            return tuple(dict.fromkeys(arg.name for arg in args if _is_value(arg)))
        return tuple(name for name in dict.fromkeys(call.values) if name != self.carried_by(call))

    def carried_by(self, call: Call) -> str:
        """The input whose scale a `carry` gives to its result."""
        argument = _argument(call, self.carried)
        return argument.name if _is_value(argument) else call.values[0]


_RULES: dict[Any, tuple[Rule, ...]] = {}


def teach(target: Any, *rules: Rule) -> None:
    """Say how `target`, a `torch.ops` overload, treats scales: the first rule that applies to a call is its rule.

    Replaces what was known of the operation.
    """
    _RULES[target] = rules


def rule_of(call: Call, inner: bool = False) -> Rule | None:
    """The rule that this call follows, or None where the operation needs a scale of one.

    Args:
        call: the call.
        inner: whether the constants inside units can be changed, see `Rule.inner`.
    """
    rules = _RULES.get(call.target, ())
    return next((rule for rule in rules if (inner or not rule.inner) and rule.applies(call)), None)


# -- constants that change with the scale -------------------------------------------------------------------------


def scaled_number(number: Any, scale: Scale) -> Any:
    """`number * s` as the datapath holds it, in FP32: infinite beyond its range, as the tensor beside it would be.

    A parameter becomes a tensor at run time; here it is wrapped with its factor. A value has its scale already.
    """
    if number is None or scale.is_one or isinstance(number, Ref):
        return number
    if isinstance(number, Parameter):
        return replace(number, factor=number.factor * scale)
    return float(torch.tensor(number * float(scale), dtype=torch.float64).float())


def _scaled(call: Call, factors: Mapping[int, Scale]) -> Call:
    """The call with the constants among some arguments multiplied; the arguments may be lists."""
    args = list(call.args)
    for position, factor in factors.items():
        if position < len(args):
            args[position] = substitute(args[position], lambda leaf, by=factor: scaled_number(leaf, by))
    return replace(call, args=tuple(args))


def _scaling(*positions: int, **defaults: Any) -> Rewrite:
    """Constants that are added to a tensor, compared with it or put beside it get its scale.

    `defaults`, by the name of the argument, are the values of the last positions where a call leaves them out.
    """

    def rewrite(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        first = max(positions) + 1 - len(defaults)
        left_out = list(defaults.values())[max(0, len(call.args) - first) :] if defaults else []
        return _scaled(replace(call, args=(*call.args, *left_out)), dict.fromkeys(positions, result))

    return rewrite


def _scaling_addend(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A sum with a number or a parameter, on either side."""
    return _scaled(call, {0: result, 1: result})


def _scaling_divisor(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    (scale,) = inputs.values()
    call, rest = _shifted(call, 0, result / scale)
    return _scaled(call, {1: ONE / rest})


_FARTHEST_EXPONENT = 64
"""Of a factor by which constants are multiplied: beyond it they would leave the range of FP32."""


def _shifted(call: Call, position: int, factor: Scale) -> tuple[Call, Scale]:
    """The call with an input multiplied by a power of two, and the rest of a factor, which is left for a constant.

    What an input and the result can hold, a constant between them may not.
    """
    if abs(factor.exponent) <= _FARTHEST_EXPONENT:
        return call, factor
    target, power = call.target, 2.0**factor.exponent

    def shifted(*args: Any, **options: Any) -> Any:
        given = list(args)
        given[position] = (given[position].double() * power).float()
        return target(*given, **options)

    return replace(call, target=shifted), Scale(factor.significand)


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
        call = replace(call, args=tuple(args))
        if args[gamma] is None:
            return _multiplied(call, result)
        return _scaled(call, {position: result for position in (gamma, gamma + 1) if position != eps})

    return rewrite


def _filled(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A constant in the shape of a tensor."""
    return _multiplied(call, result)


def _divided_by_its_number(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A mean: the reciprocal of the number of its elements takes up the change of scale."""
    (scale,) = inputs.values()
    return _multiplied(call, result / scale)


def _multiplied(call: Call, factor: Scale) -> Call:
    """The call with its result multiplied, and rounded once more."""
    if factor.is_one:
        return call
    target, number = call.target, float(factor)

    def multiplied(*args: Any, **options: Any) -> Tensor:
        return (target(*args, **options).double() * number).float()

    return replace(call, target=multiplied)


def _in_its_unit(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """A constant in front of a function takes up the scale of its input, one behind it gives the result its own."""
    (scale,) = inputs.values()
    if scale.is_one and result.is_one:
        return call
    target, before, behind = call.target, float(ONE / scale), float(result)

    def unit(x: Tensor, *rest: Any, **options: Any) -> Tensor:
        y: Tensor = target((x.double() * before).to(x.dtype), *rest, **options)
        return (y.double() * behind).to(y.dtype)

    return replace(call, target=unit)


def _rms_norm(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """Without eps, it is a constant of the number format."""
    x, shape, gamma, eps = (*call.args, None, None)[:4]
    call = replace(call, args=(x, shape, gamma, torch.finfo(torch.float32).eps if eps is None else eps))
    return _normalisation(gamma=2, eps=3)(call, inputs, result)


def _attention(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
    """softmax(q k^T / sqrt(d)) v: the factor in front of the softmax takes up the scales of q and k."""
    query, key = (inputs[arg.name] if isinstance(arg, Ref) else ONE for arg in call.args[:2])
    if query.is_one and key.is_one:
        return call
    change = float(ONE / (query * key))

    def rescaled(query: Tensor, *rest: Any, scale: float | None = None, **options: Any) -> Tensor:
        usual = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        return attention(query, *rest, scale=usual * change, **options)

    return replace(call, target=rescaled)


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

        far = multiplies and abs(factor.exponent + scale.exponent) > _FARTHEST_EXPONENT
        return replace(call, target=hard_and_far if far else hard)

    return rewrite


# -- which calls a rule is for ------------------------------------------------------------------------------------


def _argument(call: Call, position: int, default: Any = None) -> Any:
    return call.args[position] if len(call.args) > position else default


def _is_value(argument: Any) -> bool:
    return isinstance(argument, Ref) and not isinstance(argument, Size)


def _starts_with_a_value(call: Call) -> bool:
    return _is_value(_argument(call, 0))


def _reads_a_value(call: Call) -> bool:
    """Whether the first argument is a value of the network; others are then sizes, indices or fixed slopes.

    Not if it is read as another argument too (a slope that is the tensor itself), nor if the result is of integers.
    """
    dtype = call.kwargs.get("dtype")
    real = dtype is None or dtype.is_floating_point or dtype.is_complex
    return _starts_with_a_value(call) and call.inputs.count(call.args[0].name) == 1 and real


def _one_value(call: Call) -> bool:
    """Whether exactly one argument is a value: the others are numbers or parameters."""
    return len(call.inputs) == 1


def _alone_in_front(call: Call) -> bool:
    """Whether the first argument is a value and the only one."""
    return _one_value(call) and _starts_with_a_value(call)


def _one_value_and_plain_numbers(call: Call) -> bool:
    return _one_value(call) and not any(isinstance(leaf, Parameter) for leaf in leaves(call.args))


def _two_values(call: Call) -> bool:
    return all(_is_value(arg) for arg in call.args[:2])


def _divides_a_constant(call: Call) -> bool:
    return _one_value(call) and _is_value(call.args[1])


def _values_only_at(*positions: int) -> Callable[[Call], bool]:
    """Whether all values that a call reads are among the arguments at some positions; masks may be anywhere."""

    def applies(call: Call) -> bool:
        there = [leaf for p in positions for leaf in leaves(_argument(call, p)) if _is_value(leaf)]
        return 0 < len(there) == len(call.values)

    return applies


def _by_a_size(call: Call) -> bool:
    """A product with a number of images or a mask, or a division by it."""
    return _starts_with_a_value(call) and isinstance(call.args[1], Size)


def _size_by(call: Call) -> bool:
    """A product of a number of images or a mask with a value."""
    return isinstance(call.args[0], Size) and _is_value(call.args[1])


def _repeats_a_parameter(call: Call) -> bool:
    return isinstance(_argument(call, 0), Parameter)


def _own_statistics(call: Call) -> bool:
    return _alone_in_front(call) and _argument(call, 3) is None


def _a_norm(call: Call) -> bool:
    """A norm of order zero counts what is not zero, whatever its scale.

    Those of negative order are made by the smallest elements, which no range is planned for.
    """
    return _alone_in_front(call) and _argument(call, 1, 2) > 0


def _order(call: Call) -> float:
    """The power of its elements that a norm sums."""
    order = _argument(call, 1, 2)
    return 1.0 if order == math.inf else max(1.0, float(order))


def _squares(call: Call) -> float:
    return 2.0


def _queries_keys_and_values(call: Call) -> bool:
    """Attention in which the values depend on the image, and the mask is another tensor than the three."""
    mask = _argument(call, 3)
    return _is_value(call.args[2]) and not (_is_value(mask) and call.inputs.count(mask.name) > 1)


def _compared_with_zero(call: Call) -> bool:
    return _starts_with_a_value(call) and call.args[1] == 0


_LARGEST_DENOMINATOR = 64
"""Of an exponent: beyond it, a float such as 0.3 stands for no fraction that is worth the arithmetic."""


def _exponent(call: Call) -> Fraction:
    return Fraction(call.args[1])


def _rational_exponent(call: Call) -> bool:
    exponent = call.args[1]
    real = isinstance(exponent, int | float) and math.isfinite(exponent) and exponent != 0
    return _starts_with_a_value(call) and real and Fraction(exponent).denominator <= _LARGEST_DENOMINATOR


def _always(exponent: Fraction | int) -> Callable[[Call], Fraction]:
    return lambda call: Fraction(exponent)


# -- kinds of rules -----------------------------------------------------------------------------------------------


def _multiplies(factors: tuple[int, ...], addend: int | None = None) -> tuple[Rule, Rule]:
    """Sums of products of the arguments at some positions, with an addend that may be a constant.

    Scales multiply where several factors are values; where one is, a constant factor takes up the change.
    """

    def at(call: Call) -> tuple[int, ...]:
        return tuple(p for p in factors if _is_value(_argument(call, p)))

    def several(call: Call) -> bool:
        return _values_only_at(*factors)(call) and len(at(call)) == len(factors)

    def one(call: Call) -> bool:
        fixed = [_argument(call, p) for p in factors if p not in at(call)]
        constant = bool(fixed) and not any(isinstance(factor, Size) for factor in fixed)
        return constant and _values_only_at(*factors)(call)

    def beside(result: Scale) -> dict[int, Scale]:
        return {} if addend is None else {addend: result}

    def add(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        return _scaled(call, beside(result))

    def change(call: Call, inputs: Mapping[str, Scale], result: Scale) -> Call:
        scale = ONE
        for position in at(call):
            scale = scale * inputs[call.args[position].name]
        constant = next(p for p in factors if not _is_value(_argument(call, p)))
        call, rest = _shifted(call, at(call)[0], result / scale)
        return _scaled(call, {constant: rest, **beside(result)})

    return Rule("product", several, add), Rule("absorb", one, change)


def _joins(*positions: int) -> Rule:
    """Arguments of one scale, constants among them."""
    return Rule("join", _values_only_at(*positions), _scaling(*positions))


def _teach_all(targets: Iterable[Any], *rules: Rule) -> None:
    for target in targets:
        teach(target, *rules)


def _overloads(*names: str) -> list[Any]:
    """ATen operations by name; the overload is `default` unless said, as in "max.other"."""
    found = []
    for name in names:
        packet, _, overload = name.partition(".")
        found.append(getattr(getattr(ATEN, packet), overload or "default"))
    return found


# -- the table ----------------------------------------------------------------------------------------------------

_teach_all(
    [
        *_overloads(
            *("relu", "leaky_relu", "prelu", "neg", "abs", "max_pool1d", "max_pool2d", "max_pool3d"),
            *("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices", "max_unpool2d"),
            *("max_unpool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "sum.dim_IntList"),
            *("sum", "cumsum", "slice.Tensor", "select.int", "chunk", "split.Tensor", "split_with_sizes", "unbind.int"),
            *("tensor_split.sections", "unsqueeze", "squeeze.dim", "squeeze.dims", "squeeze", "narrow", "roll", "flip"),
            *("flatten.using_ints", "unflatten.int", "reshape", "permute", "transpose.int", "swapaxes", "t", "mT"),
            *("numpy_T", "contiguous", "clone", "tile", "repeat_interleave.self_int", "movedim.int", "movedim.intlist"),
            *("channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "index_select", "index.Tensor", "gather"),
            *("take_along_dim", "diagonal", "diag_embed", "tril", "triu", "rot90", "diff", "as_strided", "unfold"),
            *("amax", "amin", "max.dim", "min.dim", "median.dim", "cummax", "cummin", "sort", "sort.stable", "msort"),
            *("topk", "kthvalue", "im2col", "col2im", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"),
            *("upsample_nearest1d.vec", "upsample_nearest2d.vec", "upsample_nearest3d.vec", "upsample_linear1d.vec"),
            *("upsample_bilinear2d.vec", "upsample_bicubic2d.vec", "upsample_trilinear3d.vec"),
            *("_upsample_nearest_exact1d.vec", "_upsample_nearest_exact2d.vec", "_upsample_nearest_exact3d.vec"),
            *("_upsample_bilinear2d_aa.vec", "_upsample_bicubic2d_aa.vec"),
            *("fft_fft", "fft_ifft", "fft_rfft", "fft_irfft", "fft_fft2", "fft_ifft2", "fft_rfft2", "fft_irfft2"),
            *("fft_fftn", "fft_ifftn", "fft_rfftn", "fft_irfftn", "real", "imag", "view_as_real", "view_as_complex"),
        ),
        operator.getitem,
    ],
    Rule("carry", _reads_a_value),
)
_teach_all(
    _overloads(
        *("mean.dim", "mean", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    ),
    Rule("absorb", _alone_in_front, _divided_by_its_number, inner=True),
    Rule("carry", _reads_a_value),
)
_teach_all(_overloads("std", "std.dim", "std.correction"), Rule("carry", _reads_a_value, degree=_squares))
teach(ATEN.linalg_vector_norm.default, Rule("carry", _a_norm, degree=_order))
_teach_all(  # of the other input only the shape, or the signs, matter
    _overloads("expand_as", "reshape_as", "view_as", "copysign.Tensor"),
    Rule("carry", _starts_with_a_value, absorbs_others=True),
)
teach(ATEN.copy.default, Rule("carry", _two_values, carried=1, absorbs_others=True))
teach(ATEN.pad.default, Rule("carry", _one_value_and_plain_numbers, _scaling(3)))
teach(ATEN.constant_pad_nd.default, Rule("carry", _one_value_and_plain_numbers, _scaling(2)))
teach(ATEN.hardtanh.default, Rule("carry", _one_value_and_plain_numbers, _scaling(1, 2, min_val=-1.0, max_val=1.0)))
_teach_all(_overloads("clamp", "threshold"), Rule("carry", _one_value_and_plain_numbers, _scaling(1, 2)))
_teach_all(_overloads("clamp_min", "clamp_max"), Rule("carry", _one_value_and_plain_numbers, _scaling(1)))
_teach_all(_overloads("hardshrink", "softshrink"), Rule("carry", _one_value_and_plain_numbers, _scaling(1, lambd=0.5)))
_teach_all(_overloads("add.Scalar", "sub.Scalar", "rsub.Scalar"), Rule("carry", _one_value, _scaling_addend))
teach(ATEN.masked_fill.Scalar, Rule("carry", _reads_a_value, _scaling(2)))
teach(ATEN.index_fill.int_Scalar, Rule("carry", _reads_a_value, _scaling(3)))

_teach_all(  # a constant for each image, such as a class token
    _overloads("expand", "repeat"),
    Rule("carry", _reads_a_value),
    Rule("absorb", _repeats_a_parameter, _scaling(0), keeps=False),
)
_teach_all(
    _overloads("ones_like", "full_like", "new_ones", "new_full"), Rule("absorb", _reads_a_value, _filled, keeps=False)
)
# For each image, of which there are a Size.
_teach_all(_overloads("zeros", "ones", "full"), Rule("absorb", rewrite=_filled, keeps=False))
_teach_all(_overloads("fill.Tensor", "fill.Scalar"), Rule("absorb", _alone_in_front, _filled, keeps=False))
_teach_all(_overloads("zeros_like", "new_zeros"), Rule("absorb", _reads_a_value, keeps=False))

_teach_all(
    _overloads("cat", "stack", "hstack", "vstack", "concat", "concatenate"),
    _joins(0),
)
_teach_all(_overloads("maximum", "minimum", "fmax", "fmin", "max.other", "min.other", "hypot", "complex"), _joins(0, 1))
_teach_all(_overloads("where.self", "where.ScalarOther", "where.ScalarSelf"), _joins(1, 2))
_teach_all(_overloads("clamp_min.Tensor", "clamp_max.Tensor", "lerp.Scalar", "lerp.Tensor"), _joins(0, 1))
teach(ATEN.clamp.Tensor, _joins(0, 1, 2))
_teach_all(_overloads("slice_scatter", "select_scatter"), _joins(0, 1))  # a tensor with a part of it replaced
_teach_all(_overloads("index_add", "index_copy", "scatter.src", "scatter_add"), _joins(0, 3))
_teach_all(_overloads("index_put", "masked_fill.Tensor"), _joins(0, 2))
_teach_all(
    _overloads("add.Tensor", "sub.Tensor", "rsub.Tensor"),
    Rule("join", _two_values),
    Rule("carry", _one_value, _scaling_addend),
)

_PRODUCT = _multiplies(factors=(0, 1))
teach(ATEN.mul.Tensor, *_PRODUCT, Rule("carry", _by_a_size), Rule("carry", _size_by, carried=1))
_teach_all(_overloads("matmul", "bmm", "mm", "mv", "dot", "inner", "tensordot", "linalg_vecdot"), *_PRODUCT)
teach(ATEN.linalg_cross.default, *_PRODUCT)
teach(ATEN.mul.Scalar, *_PRODUCT)
teach(ATEN.einsum.default, Rule("product"))
_teach_all([ATEN.linear.default, *CONVOLUTIONS, *TRANSPOSED], *_multiplies(factors=(0, 1), addend=2))
teach(ATEN.embedding.default, Rule("carry", _reads_a_value))
_teach_all(_overloads("addcmul", "addmm", "baddbmm", "addmv", "addbmm"), *_multiplies(factors=(1, 2), addend=0))
teach(ATEN.bilinear.default, *_multiplies(factors=(0, 1, 2), addend=3))
teach(ATEN.div.Scalar, Rule("absorb", _alone_in_front, _scaling_divisor))
teach(
    ATEN.div.Tensor,
    Rule("quotient", _two_values),
    Rule("absorb", _alone_in_front, _scaling_divisor),
    Rule("power", _divides_a_constant, exponent=_always(-1)),
    Rule("carry", _by_a_size),
)
teach(ATEN.sqrt.default, Rule("power", exponent=_always(Fraction(1, 2))))
teach(ATEN.rsqrt.default, Rule("power", exponent=_always(Fraction(-1, 2))))
teach(ATEN.reciprocal.default, Rule("power", exponent=_always(-1)))
teach(ATEN.pow.Tensor_Scalar, Rule("power", _rational_exponent, exponent=_exponent))
_teach_all(
    _overloads("var", "var.dim", "var.correction"), Rule("power", _reads_a_value, exponent=_always(2), degree=_squares)
)

teach(
    ATEN.scaled_dot_product_attention.default,
    Rule(
        "carry",
        _queries_keys_and_values,
        _attention,
        carried=2,
        absorbs_others=True,
        unscaled=(3,),
        degree=_squares,
    ),
)
_teach_all(
    _overloads("layer_norm", "group_norm"),
    Rule("absorb", _alone_in_front, _normalisation(gamma=2, eps=4), keeps=False, degree=_squares),
)
teach(
    ATEN.instance_norm.default,
    Rule("absorb", _own_statistics, _normalisation(gamma=1, eps=7), keeps=False, degree=_squares),
)
teach(ATEN.rms_norm.default, Rule("absorb", _alone_in_front, _rms_norm, keeps=False, degree=_squares))
teach(ATEN.hardswish.default, Rule("absorb", rewrite=_hard(multiplies=True), offset=3.0))
teach(ATEN.hardsigmoid.default, Rule("absorb", rewrite=_hard(multiplies=False), keeps=False, offset=3.0))

# GELU multiplies its argument by 1/sqrt 2 and its result by 1/2; exponentials multiply by log2 e for a power of two.
_teach_all(_overloads("gelu", "softplus"), Rule("absorb", _alone_in_front, _in_its_unit, keeps=False, inner=True))
teach(ATEN.silu.default, Rule("carry", _alone_in_front, _in_its_unit, inner=True))
_teach_all(_overloads("sigmoid", "softmax.int", "tanh", "exp"), Rule("drop", _alone_in_front, _in_its_unit, inner=True))

_teach_all(_overloads("sign", "sgn"), Rule("drop", _alone_in_front))
_teach_all(_overloads("argmax", "argmin", "argsort", "argsort.stable", "signbit"), Rule("drop", _reads_a_value))
_teach_all(
    _overloads("gt.Scalar", "ge.Scalar", "lt.Scalar", "le.Scalar", "eq.Scalar", "ne.Scalar"),
    Rule("drop", _compared_with_zero),
)
teach(places_of, Rule("drop"))
_teach_all(
    [ATEN.sym_size.int, operator.mul, operator.add, operator.sub, operator.floordiv, operator.truediv], Rule("size")
)
