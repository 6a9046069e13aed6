"""Interval bounds: how large every value of a network can get, whatever the images within given limits.

Each value is bounded element by element, by a lowest and a highest number. What an operation makes of such bounds is
one entry in a table; `teach_bound` adds an entry. Bounds are computed in double precision, and each is widened by what
FP32 may have rounded: sums by as many half units in the last place as they have terms, in any order, and everything
by `ROUNDING`. LayerNorm and its kin are bounded for inputs whose mean is not 1e5 times their deviation or more; beyond
that FP32 has no digits left of the difference.

Bounds hold for every image, so they know nothing of what goes together: that two branches of a sum come from the same
image, that no image drives all channels to their limits at once. They are wide, and wider with every layer.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from hwsim.errors import HwsimError
from hwsim.network import Affine, Call, Fetch, Linear, Network, Operation, Ref, rule_of
from hwsim.network.graph import ATEN, Parameter, channels, leaves, substitute

ROUNDING = 2.0**-20
"""Relative width added to every bound: 8 units in the last place of FP32, more than its functions are off by."""
_UNIT = 2.0**-24  # half a unit in the last place: what one FP32 operation rounds by at most (IEEE 754)
_ERF_ROUNDING = 2.0**-20  # 1 + erf(x) near -1 is off by units of 1, not of the result

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""How torchvision's classifiers want pixels from 0 to 1 normalised (published with their weights)."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a value that depends on the image: a tensor of the lowest and one of the highest numbers, for one
    image. An operation that returns several tensors has a list of each.

    Attributes:
        low: lowest numbers.
        high: highest numbers, of the same shape.
        averages: whether the numbers along the last axis are not negative and sum to one, as softmax's are.
        norm_of: the value that this is a norm of, if it is one, or at least one.
    """

    low: Any
    high: Any
    averages: bool = False
    norm_of: Interval | None = None

    @property
    def magnitude(self) -> Tensor:
        """The largest magnitude of each element."""
        largest: Tensor = torch.maximum(self.low.abs(), self.high.abs())
        return largest

    def widened(self, relative: float = ROUNDING, absolute: float = 0.0) -> Interval:
        """Wider by a share of each end, and by a number."""
        low = self.low - self.low.abs() * relative - absolute
        return replace(self, low=low, high=self.high + self.high.abs() * relative + absolute)


@dataclass(frozen=True)
class Applied:
    """An operation and its arguments, with intervals in place of what depends on the image."""

    operation: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def intervals(self) -> list[Interval]:
        """Its arguments that depend on the image, in order."""
        found = leaves((self.args, tuple(self.kwargs.values())))
        return [leaf for leaf in found if isinstance(leaf, Interval)]

    def at(self, choose: Callable[[Any], Any]) -> Any:
        """The operation's result, with `choose(argument)` in place of every argument."""
        kwargs = {key: substitute(value, choose) for key, value in self.kwargs.items()}
        return self.operation(*substitute(self.args, choose), **kwargs)


Bound = Callable[[Applied], Interval]
_BOUNDS: dict[Any, Bound] = {}


def teach_bound(target: Any, bound: Bound) -> None:
    """Say how large the result of `target`, a `torch.ops` overload, can get.

    Args:
        target: the operation; what was known of it is replaced.
        bound: makes the interval of the result of an operation applied to intervals: `increasing`, `elementwise(...)`,
            `between(...)`, or a function of one's own.
    """
    _BOUNDS[target] = bound


# -- kinds of operation -------------------------------------------------------------------------------------------


def _low(leaf: Any) -> Any:
    return leaf.low if isinstance(leaf, Interval) else leaf


def _high(leaf: Any) -> Any:
    return leaf.high if isinstance(leaf, Interval) else leaf


def increasing(f: Applied) -> Interval:
    """For operations that never fall where an argument rises: reshapes, pooling, sums, maxima."""
    return Interval(f.at(_low), f.at(_high))


def averaging(f: Applied) -> Interval:
    """For sums and means of elements, each rounded as often as it has terms."""
    low = f.at(_low)
    terms = f.intervals[0].low.numel() / max(low.numel(), 1)
    return increasing(replace(f, args=(f.intervals[0].widened(terms * _UNIT), *f.args[1:])))


def elementwise(*turns: float, absolute: float = 0.0) -> Bound:
    """For functions of single elements, of one tensor or two: between an argument's ends they are monotone, but for
    the turning points of a function of one tensor, where it is highest or lowest.

    Args:
        turns: the turning points.
        absolute: what FP32 may be off by where the result is small and numbers on the way are not.
    """

    def bound(f: Applied) -> Interval:
        places = [[x.low, x.high, *(x.low.clamp(t, t).clamp(x.low, x.high) for t in turns)] for x in f.intervals]
        results = []
        for chosen in product(*places):
            results.append(f.at(_in_turn(chosen)))
        low, high = results[0], results[0]
        for result in results[1:]:
            low, high = torch.minimum(low, result), torch.maximum(high, result)
        return Interval(low, high).widened(absolute=absolute)

    return bound


def _in_turn(tensors: Iterable[Tensor]) -> Callable[[Any], Any]:
    following = iter(tensors)
    return lambda leaf: next(following) if isinstance(leaf, Interval) else leaf


def between(low: float, high: float) -> Bound:
    """For operations whose every result lies between two numbers."""

    def bound(f: Applied) -> Interval:
        like = f.at(_low)
        return Interval(torch.full_like(like, low), torch.full_like(like, high)).widened()

    return bound


# -- single operations --------------------------------------------------------------------------------------------


def _product(f: Applied) -> Interval:
    """Element by element; a square is no product of independent numbers."""
    if isinstance(f.args[0], Interval) and f.args[0] is f.args[1]:
        return elementwise(0.0)(Applied(torch.square, f.args[:1]))
    return elementwise()(f)


def _products(f: Applied) -> Interval:
    """Sums of products of two tensors, by their centres and radii.

    With magnitudes m, no sum of products differs from that of the centres c by more than |m1||m2| - |c1||c2|. Each
    sum has at most as many terms as the product of the sizes of the two tensors over that of the result.
    """
    factors = [leaf for leaf in leaves(f.args) if isinstance(leaf, (Interval, Tensor))]
    if factors and isinstance(factors[0], Interval) and factors[0].averages and f.args[0] is factors[0]:
        return _averages(f)
    centre = f.at(_centre)
    outer, inner = f.at(_magnitude), f.at(lambda leaf: _magnitude(_centre(leaf)))
    terms = math.prod(_low(factor).numel() for factor in factors) / max(centre.numel(), 1)
    radius = outer * (1 + terms * _UNIT) - inner
    return Interval(centre - radius, centre + radius).widened()


def _centre(leaf: Any) -> Any:
    return (leaf.low + leaf.high) / 2 if isinstance(leaf, Interval) else leaf


def _magnitude(leaf: Any) -> Any:
    if isinstance(leaf, Interval):
        return leaf.magnitude
    return leaf.abs() if isinstance(leaf, Tensor) else leaf


def _averages(f: Applied) -> Interval:
    """Weights of sum one times values: between the lowest and the highest of the values."""
    weights, values = f.args[:2]
    shape = f.at(_low).shape
    terms = weights.low.shape[-1]
    return _averaged(values, shape, terms)


def _averaged(values: Any, shape: torch.Size, terms: int) -> Interval:
    low = _low(values).amin(-2, keepdim=True).expand(shape)
    return Interval(low, _high(values).amax(-2, keepdim=True).expand(shape)).widened(ROUNDING + 2 * terms * _UNIT)


def _attention(f: Applied) -> Interval:
    """softmax(...) v: averages of the values, which heads in groups share."""
    shape, values = f.at(_low).shape, f.args[2]
    low, high = _low(values), _high(values)
    if low.dim() > 2 and low.shape[-3] not in (1, shape[-3]):
        low, high = (end.repeat_interleave(shape[-3] // end.shape[-3], -3) for end in (low, high))
    return _averaged(Interval(low, high), shape, low.shape[-2])


def _softmax(f: Applied) -> Interval:
    axis, dim = f.args[1], f.intervals[0].low.dim()
    return replace(between(0.0, 1.0)(f), averages=axis in (-1, dim - 1))


def _clone(f: Applied) -> Interval:
    return replace(increasing(f), averages=f.intervals[0].averages)


def _quotient(f: Applied) -> Interval:
    """No element is larger than the norm it is divided by; other divisors must not be zero."""
    x, divisor = f.args[:2]
    if isinstance(x, Interval) and isinstance(divisor, Interval) and divisor.norm_of is x:
        return Interval(-(x.low < 0).double(), (x.high > 0).double()).widened(ROUNDING + x.low.numel() * _UNIT)
    if isinstance(divisor, Interval) and bool(((divisor.low <= 0) & (divisor.high >= 0)).any()):
        raise HwsimError("its divisor may be zero")
    return elementwise()(f)


def _norm(f: Applied) -> Interval:
    """A norm rises with the magnitude of each element."""
    x = f.intervals[0]
    nearest = x.low.clamp(min=0) + (-x.high).clamp(min=0)
    norm = averaging(replace(f, args=(Interval(nearest, x.magnitude), *f.args[1:]))).widened()
    return replace(norm, norm_of=x)


def _no_smaller(f: Applied) -> Interval:
    return replace(increasing(f), norm_of=f.intervals[0].norm_of)


def _normalised(x: Interval, axes: Sequence[int], eps: float) -> Interval:
    """(x - mean) / sqrt(variance + eps), over some axes.

    No element is more than sqrt(d - 1) deviations from the mean of d; nor is it further from it than its own bounds
    and those of the others allow, in units of sqrt(eps).
    """
    count = math.prod(x.low.shape[axis] for axis in axes)
    low_sum, high_sum = x.low.sum(axes, keepdim=True), x.high.sum(axes, keepdim=True)
    low = x.low - (high_sum - x.high + x.low) / count
    high = x.high - (low_sum - x.low + x.high) / count
    furthest, smallest = math.sqrt(count - 1), math.sqrt(eps)
    if smallest > 0:
        low, high = (low.clamp(max=0) / smallest), (high.clamp(min=0) / smallest)
        return Interval(low.clamp(min=-furthest), high.clamp(max=furthest)).widened(ROUNDING + count * _UNIT)
    edge = torch.full_like(low, furthest)
    return Interval(-edge, edge).widened(ROUNDING + count * _UNIT)


def _scaled(x: Interval, gamma: Tensor | None, beta: Tensor | None) -> Interval:
    if gamma is not None:
        x = elementwise()(Applied(operator.mul, (x, gamma)))
    return x if beta is None else elementwise()(Applied(operator.add, (x, beta)))


def _layer_norm(f: Applied) -> Interval:
    x, shape, gamma, beta, eps = (*f.args, *(None, None, 1e-5)[len(f.args) - 2 :])[:5]
    axes = list(range(-len(shape), 0))
    return _scaled(_normalised(x, axes, eps), gamma, beta)


def _group_norm(f: Applied) -> Interval:
    x, groups, gamma, beta, eps = (*f.args, *(None, None, 1e-5)[len(f.args) - 2 :])[:5]
    return _normalised_groups(x, groups, gamma, beta, eps)


def _instance_norm(f: Applied) -> Interval:
    x, gamma, beta, mean, _, _, _, eps, *_ = f.args
    if mean is not None:
        raise HwsimError("it has statistics of its own, as BatchNorm has")
    return _normalised_groups(x, x.low.shape[1], gamma, beta, eps)


def _normalised_groups(x: Interval, groups: int, gamma: Tensor | None, beta: Tensor | None, eps: float) -> Interval:
    """Channels normalised in groups."""
    shape = x.low.shape
    apart = Interval(x.low.reshape(1, groups, -1), x.high.reshape(1, groups, -1))
    normal = _normalised(apart, [2], eps)
    normal = Interval(normal.low.reshape(shape), normal.high.reshape(shape))
    spread = [None if p is None else channels(p, 1, len(shape)) for p in (gamma, beta)]
    return _scaled(normal, *spread)


def _rms_norm(f: Applied) -> Interval:
    """x / sqrt(mean of squares + eps): no element is more than sqrt(d) times the root mean square of d."""
    x, shape, gamma, eps = (*f.args, None, None)[:4]
    count, smallest = math.prod(shape), math.sqrt(torch.finfo(torch.float32).eps if eps is None else eps)
    furthest = math.sqrt(count)
    low, high = (end / smallest if smallest else end.sign() * math.inf for end in (x.low, x.high))
    normal = Interval(low.clamp(-furthest, furthest), high.clamp(-furthest, furthest))
    return _scaled(normal.widened(ROUNDING + count * _UNIT), gamma, None)


# -- the table ----------------------------------------------------------------------------------------------------

# fmt: off
for _target in (
    ATEN.max_pool1d.default, ATEN.max_pool2d.default, ATEN.max_pool3d.default, ATEN.adaptive_max_pool2d.default,
    ATEN.flatten.using_ints, ATEN.reshape.default, ATEN.permute.default, ATEN.transpose.int, ATEN.swapaxes.default,
    ATEN.t.default, ATEN.slice.Tensor, ATEN.select.int, ATEN.chunk.default, ATEN.split.Tensor,
    ATEN.split_with_sizes.default, ATEN.unsqueeze.default, ATEN.squeeze.dim, ATEN.squeeze.default,
    ATEN.narrow.default, ATEN.roll.default, ATEN.channel_shuffle.default,
    ATEN.pixel_shuffle.default, ATEN.pixel_unshuffle.default, ATEN.unflatten.int, ATEN.movedim.int,
    ATEN.movedim.intlist, ATEN.index_select.default, ATEN.index.Tensor, ATEN.amax.default, ATEN.amin.default,
    ATEN.unbind.int, ATEN.pad.default, ATEN.constant_pad_nd.default, ATEN.cat.default, ATEN.stack.default,
    ATEN.maximum.default, ATEN.minimum.default, ATEN.relu.default, ATEN.hardtanh.default, ATEN.clamp.default,
    ATEN.clamp_max.default, ATEN.repeat.default, ATEN.tile.default, ATEN.flip.default,
    ATEN.as_strided.default, ATEN.unfold.default, ATEN.im2col.default, ATEN.where.self, ATEN.where.ScalarOther,
    ATEN.where.ScalarSelf, ATEN.masked_fill.Scalar,
    ATEN.upsample_nearest2d.vec, ATEN.gather.default, operator.getitem,
    ATEN.adaptive_max_pool1d.default, ATEN.adaptive_max_pool3d.default, ATEN.sort.default, ATEN.sort.stable,
    ATEN.msort.default, ATEN.topk.default, ATEN.kthvalue.default, ATEN.median.dim, ATEN.max.dim, ATEN.min.dim,
    ATEN.cummax.default, ATEN.cummin.default, ATEN.fmax.default, ATEN.fmin.default, ATEN.max.other, ATEN.min.other,
    ATEN.clamp.Tensor, ATEN.clamp_min.Tensor, ATEN.clamp_max.Tensor, ATEN.hstack.default, ATEN.concat.default,
    ATEN.squeeze.dims, ATEN.diagonal.default, ATEN.tril.default, ATEN.triu.default, ATEN.rot90.default, ATEN.mT.default,
    ATEN.repeat_interleave.self_int, ATEN.take_along_dim.default, ATEN.slice_scatter.default,
    ATEN.select_scatter.default, ATEN.masked_fill.Tensor, ATEN.index_copy.default, ATEN.scatter.src,
    ATEN.upsample_nearest1d.vec, ATEN.upsample_nearest3d.vec, ATEN._upsample_nearest_exact2d.vec,
    ATEN.hardshrink.default, ATEN.softshrink.default, ATEN.sign.default, ATEN.copy.default,
):
    teach_bound(_target, increasing)
for _target in (
    ATEN.avg_pool1d.default, ATEN.avg_pool2d.default, ATEN.avg_pool3d.default, ATEN.adaptive_avg_pool1d.default,
    ATEN.adaptive_avg_pool2d.default, ATEN.adaptive_avg_pool3d.default, ATEN.mean.dim, ATEN.mean.default,
    ATEN.sum.dim_IntList, ATEN.sum.default, ATEN.upsample_bilinear2d.vec, ATEN.upsample_linear1d.vec,
    ATEN.upsample_trilinear3d.vec,
):
    teach_bound(_target, averaging)
for _target in (
    ATEN.add.Tensor, ATEN.add.Scalar, ATEN.sub.Tensor, ATEN.sub.Scalar, ATEN.rsub.Scalar,
    ATEN.mul.Scalar, ATEN.neg.default, ATEN.hardsigmoid.default, ATEN.softplus.default, ATEN.sqrt.default,
    ATEN.log.default, ATEN.exp.default, ATEN.erf.default, ATEN.rsqrt.default, ATEN.rsub.Tensor,
):
    teach_bound(_target, elementwise())
for _target in (
    ATEN.abs.default, ATEN.leaky_relu.default, ATEN.prelu.default, ATEN.pow.Tensor_Scalar, ATEN.square.default,
    ATEN.reciprocal.default,
):
    teach_bound(_target, elementwise(0.0))
for _target in (ATEN.elu.default, ATEN.selu.default, ATEN.celu.default):
    teach_bound(_target, elementwise(absolute=_ERF_ROUNDING))
# fmt: on
teach_bound(ATEN.sigmoid.default, elementwise())
teach_bound(ATEN.tanh.default, elementwise())
teach_bound(ATEN.hardswish.default, elementwise(-1.5))
teach_bound(ATEN.silu.default, elementwise(-1.2784645427610738))  # where 1 + x = -x / (1 + exp(x))
teach_bound(ATEN.gelu.default, elementwise(-0.7517915246935645, absolute=_ERF_ROUNDING))  # where Phi(x) = -x phi(x)
teach_bound(ATEN.mish.default, elementwise(-1.1924312145154921))
for _target in (
    ATEN.matmul.default, ATEN.bmm.default, ATEN.einsum.default, ATEN.linear.default, ATEN.conv1d.default,
    ATEN.conv2d.default, ATEN.conv3d.default, ATEN.mv.default, ATEN.mm.default,
):  # fmt: skip
    teach_bound(_target, _products)
for _target in (ATEN.clone.default, ATEN.contiguous.default, ATEN.to.dtype, ATEN.type_as.default):
    teach_bound(_target, _clone)
for _target in (ATEN.div.Tensor, ATEN.div.Scalar):
    teach_bound(_target, _quotient)
teach_bound(ATEN.mul.Tensor, _product)
teach_bound(ATEN.softmax.int, _softmax)
teach_bound(ATEN.scaled_dot_product_attention.default, _attention)
teach_bound(ATEN.linalg_vector_norm.default, _norm)
for _target in (ATEN.clamp_min.default, ATEN.expand.default, ATEN.expand_as.default):
    teach_bound(_target, _no_smaller)
teach_bound(ATEN.layer_norm.default, _layer_norm)
teach_bound(ATEN.group_norm.default, _group_norm)
teach_bound(ATEN.instance_norm.default, _instance_norm)
teach_bound(ATEN.rms_norm.default, _rms_norm)


# -- networks -----------------------------------------------------------------------------------------------------


def normalised_range(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    """The lowest and the highest number of each channel, for normalised pixels that were between 0 and 1."""
    pairs = list(zip(mean, std, strict=True))
    return [-m / s for m, s in pairs], [(1 - m) / s for m, s in pairs]


@torch.inference_mode()
def interval_peaks(
    network: Network, low: float | Sequence[float] | None = None, high: float | Sequence[float] | None = None
) -> dict[str, float]:
    """The largest magnitude that each value of a network can have, for all images within bounds.

    Made for the same use as `true_peaks`, which looks at some images instead: it is never smaller.

    Args:
        network: the network, whose weights count as they are, unscaled.
        low: the lowest number of an image, or one for each channel; None for that of pixels from 0 to 1 normalised
            as ImageNet's are (`normalised_range`): its channels for three channels, else the lowest of them.
        high: the highest number, likewise.

    Returns:
        Value name -> bound of its magnitude.

    Raises:
        HwsimError: if the bounds do not fit the images, an operation has no entry in the table, or a bound is not
            finite: where a divisor may be zero, or bounds have grown beyond 1e308.
    """
    image = _image_bounds(network, low, high)
    parameters = {name: p.double() if p.is_floating_point() else p for name, p in network.parameters.items()}
    last = {name: op.name for op in network.operations for name in op.inputs}
    values: dict[str, Any] = {network.input.name: image}
    peaks = {network.input.name: float(image.magnitude.max())}
    for op in network.operations:
        value = values[op.name] = _result(op, values, parameters)
        if isinstance(value, Interval) and isinstance(value.low, Tensor):
            peaks[op.name] = float(value.magnitude.max())
            if not math.isfinite(peaks[op.name]):
                raise _unbounded(op, "bounds have grown beyond 1e308, or it is not finite somewhere within them")
        for name in op.inputs:
            if last[name] == op.name:
                values.pop(name, None)
    for layer in network.layers:
        bias = network.sole_affine_after(layer)
        if bias is not None and bias.multiplier is None:  # an accumulator holds the sum with and without its bias
            peaks[layer.name] = max(peaks[layer.name], peaks[bias.name])
    return peaks


def _image_bounds(network: Network, low: Any, high: Any) -> Interval:
    shape = network.input.shape
    usual = normalised_range(IMAGENET_MEAN, IMAGENET_STD)
    if len(shape) != 3 or shape[0] != 3:
        usual = ([min(usual[0])], [max(usual[1])])
    ends = []
    for given, default in zip((low, high), usual, strict=True):
        numbers = torch.tensor(default if given is None else given, dtype=torch.float64).reshape(-1)
        if len(numbers) not in (1, shape[0]):
            raise HwsimError(
                f"{len(numbers)} bounds do not fit images of {shape[0]} channels: give one, or one for each channel."
            )
        ends.append(numbers.reshape(-1, *[1] * (len(shape) - 1)).expand(1, *shape))
    if not bool((ends[0] <= ends[1]).all() and torch.cat(ends).isfinite().all()):
        raise HwsimError("The bounds of the images must be finite, the lowest no higher than the highest.")
    return Interval(ends[0], ends[1]).widened(_UNIT)


def _result(op: Operation, values: Mapping[str, Any], parameters: Mapping[str, Tensor]) -> Any:
    """Bounds of what an operation puts out; what depends on no image is itself."""
    if isinstance(op, Fetch):
        return Interval(parameters[op.weight], parameters[op.weight])
    if isinstance(op, Linear):
        return _linear(op, values[op.input.name], parameters[op.weight])
    if isinstance(op, Affine):
        numbers = (parameters.get(name or "") for name in (op.multiplier, op.addend))
        x = values[op.input.name]
        return _scaled(x, *(None if n is None else channels(n, op.channel_axis, x.low.dim()) for n in numbers))
    assert isinstance(op, Call)

    def value_of(leaf: Any) -> Any:
        if isinstance(leaf, Ref):
            return values[leaf.name]
        return parameters[leaf.name] if isinstance(leaf, Parameter) else leaf

    kwargs = {key: substitute(value, value_of) for key, value in op.kwargs.items()}
    applied = Applied(op.target, substitute(op.args, value_of), kwargs)
    rule = rule_of(op)
    if not applied.intervals or (rule is not None and rule.effect == "size"):
        fixed = applied.at(_low)
        floating = isinstance(fixed, Tensor) and fixed.is_floating_point()
        return Interval(fixed, fixed).widened() if floating else fixed
    bound = _BOUNDS.get(op.target)
    if bound is None:
        raise HwsimError(
            f"{op.target} in {op.layer or 'the network'} has no interval bounds: take ranges from images, or say how "
            "large its result gets with hwsim.datapath.bounds.teach_bound."
        )
    try:
        return bound(applied)
    except HwsimError as error:
        raise _unbounded(op, str(error)) from error


def _linear(op: Linear, x: Interval, weight: Tensor) -> Interval:
    """W c +- |W| r, for centre c and radius r; each of its sums is rounded once a term."""
    terms = weight[0].numel()
    centre, radius = (x.low + x.high) / 2, (x.high - x.low) / 2
    radius = op.target(radius + (terms + 1) * _UNIT * x.magnitude, weight.abs(), None, *op.options)
    centre = op.target(centre, weight, None, *op.options)
    return Interval(centre - radius, centre + radius).widened()


def _unbounded(op: Operation, reason: str) -> HwsimError:
    return HwsimError(
        f"{op.target} in {op.layer or 'the network'} has no finite bounds: {reason}; take ranges from images instead."
    )
