"""Interval bounds: how large every value of a network can get, whatever the images within given limits.

Each value is bounded element by element, by a lowest and a highest number. What an operation makes of such bounds is
one entry in the table of operators; `teach` adds an entry. Bounds are computed in double precision, and each is widened
by what FP32 may have rounded: sums by as many half units in the last place as they have terms, in any order, and
everything by `ROUNDING`. LayerNorm and its kin are bounded for inputs whose mean is not 1e5 times their deviation or
more; beyond that FP32 has no digits left of the difference.

Bounds hold for every image, so they know nothing of what goes together: that two branches of a sum come from the same
image, that no image drives all channels to their limits at once. They are wide, and wider with every layer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from hwsim.network.graph import leaves, substitute

ROUNDING = 2.0**-20
"""Relative width added to every bound: 8 units in the last place of FP32, more than its functions are off by."""
UNIT = 2.0**-24
"""Half a unit in the last place: what one FP32 operation rounds by at most (IEEE 754)."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a value that depends on the image: the lowest and the highest numbers, for one image.

    Each is a tensor; an operation that returns several tensors has a list of each.

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


def lowest(leaf: Any) -> Any:
    return leaf.low if isinstance(leaf, Interval) else leaf


def highest(leaf: Any) -> Any:
    return leaf.high if isinstance(leaf, Interval) else leaf


def increasing(f: Applied) -> Interval:
    """For operations that never fall where an argument rises: reshapes, pooling, sums, maxima."""
    return Interval(f.at(lowest), f.at(highest))


def averaging(f: Applied) -> Interval:
    """For sums and means of elements, each rounded as often as it has terms."""
    low = f.at(lowest)
    terms = f.intervals[0].low.numel() / max(low.numel(), 1)
    return increasing(replace(f, args=(f.intervals[0].widened(terms * UNIT), *f.args[1:])))


def elementwise(*turns: float, absolute: float = 0.0) -> Bound:
    """For functions of single elements, of one tensor or two.

    Between an argument's ends they are monotone, but for the turning points of a function of one tensor, where it is
    highest or lowest.

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
        like = f.at(lowest)
        return Interval(torch.full_like(like, low), torch.full_like(like, high)).widened()

    return bound


def kept(f: Applied) -> Interval:
    return replace(increasing(f), averages=f.intervals[0].averages)


def no_smaller(f: Applied) -> Interval:
    return replace(increasing(f), norm_of=f.intervals[0].norm_of)


def affine(x: Interval, gamma: Tensor | None, beta: Tensor | None) -> Interval:
    if gamma is not None:
        x = elementwise()(Applied(operator.mul, (x, gamma)))
    return x if beta is None else elementwise()(Applied(operator.add, (x, beta)))


def averages(f: Applied) -> Interval:
    """Weights of sum one times values: between the lowest and the highest of the values."""
    weights, values = f.args[:2]
    shape = f.at(lowest).shape
    terms = weights.low.shape[-1]
    return averaged(values, shape, terms)


def averaged(values: Any, shape: torch.Size, terms: int) -> Interval:
    low = lowest(values).amin(-2, keepdim=True).expand(shape)
    return Interval(low, highest(values).amax(-2, keepdim=True).expand(shape)).widened(ROUNDING + 2 * terms * UNIT)
