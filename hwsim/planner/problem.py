"""The planning problem: a graph of operations, what each does to scales, and what rescaling costs.

On the datapath a tensor v holds `s * v`; its *potential* is log2(s). A tensor is produced at one potential, and
every node that reads it reads it there or, rescaled on the way, at another one: it reads a copy. One copy can serve
several readers. Numbers of elements are those of one image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from hwsim.errors import HwsimError, unknown

NodeEffect = Literal["source", "linear", "carry", "join", "product", "quotient", "power", "pin", "absorb", "output"]
"""What a node does to potentials; `in` are the potentials at which it reads, `out` the one of its result:

- `source`   out = 0: the images;
- `linear`   out = in + log2(c) for the constant c of a layer;
- `carry`    out = in: ReLU, pooling, reshapes;
- `join`     all in are equal, and out = in: sums, concatenations;
- `product`  out = the sum of all in: products of activations;
- `quotient` out = the first in less the second: an activation divided by another, as where a norm is divided out;
- `power`    out = in times an exponent: square roots, reciprocals, variances;
- `pin`      all in = 0, out = 0: GELU, softmax, and whatever is not known to be otherwise;
- `absorb`   out is free, whatever in is: BatchNorm's multiplier, LayerNorm, products with constants. With `idle`
             elements, the multiplier is there but not in use: out = in costs nothing, anything else costs a
             multiplication by a reciprocal for each of these elements;
- `output`   in = 0: the logits.
"""

RESCALING_KINDS = ("shift", "reciprocal", "division")
"""Kinds of rescaling: by a power of two, by multiplying with a reciprocal, by a true division."""

COUNT: Mapping[str, float] = dict.fromkeys(RESCALING_KINDS, 1)
"""Prices that count operations, whatever their kind."""


@dataclass(frozen=True)
class Tensor:
    """What a node puts out: a name, elements of one image, and the interval in which its potential must lie.

    The interval, in log2, holds for all its copies too. An end may be infinite.
    """

    name: str
    elements: int
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class FreeConstant:
    """A constant that the planner may choose: between `low` and `high`, as close as possible to `preferred`.

    All three are the constant itself, not its logarithm. The least cost comes first, then the number of constants
    that are as preferred, then how far (in log2) the others are off. With `power_of_two` only powers of two are
    chosen.
    """

    low: float
    high: float
    preferred: Fraction | float
    power_of_two: bool = False


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        name: unique among nodes.
        effect: what it does to potentials, see `NodeEffect`.
        inputs: names of the tensors it reads. One that is read twice is read at one potential.
        output: the tensor it makes; None for an `output`.
        constant: of a `linear` node: an exact positive number, or what may be chosen.
        idle: of an `absorb` node: elements that pass its otherwise idle multiplier; 0 if absorbing is free.
        exponent: of a `power` node.
    """

    name: str
    effect: NodeEffect
    inputs: tuple[str, ...] = ()
    output: Tensor | None = None
    constant: Fraction | float | FreeConstant = 1
    idle: int = 0
    exponent: Fraction = Fraction(1)


@dataclass(frozen=True)
class Problem:
    """Nodes in order of execution, the kinds of rescaling on offer, and their prices for one element.

    Attributes:
        nodes: in order of execution.
        prices: kind -> price; a price may be zero.
        real: the kind that changes a potential by any number, "division" or "reciprocal"; None if there is none.
        shift: whether rescaling by powers of two is on offer.

    Raises:
        HwsimError: if a name is used twice or unknown, a number is not positive, an interval is empty, or a kind that
            may be needed has no price.
    """

    nodes: tuple[Node, ...]
    prices: Mapping[str, float]
    real: Literal["division", "reciprocal"] | None = "division"
    shift: bool = True

    def __post_init__(self) -> None:
        made: dict[str, Node] = {}
        names: set[str] = set()
        for node in self.nodes:
            if node.name in names:
                raise HwsimError(f"Two operations are called {node.name!r}: every operation needs a name of its own.")
            names.add(node.name)
            _check(node, made)
            if node.output is not None:
                made[node.output.name] = node
        if self.real not in (None, "division", "reciprocal"):
            raise unknown("kind of rescaling", self.real, ("division", "reciprocal"))
        needed = [*(["shift"] if self.shift else []), *([self.real] if self.real else [])]
        if any(node.idle for node in self.nodes):
            needed.append("reciprocal")
        for kind in needed:
            price = self.prices.get(kind)
            if price is None:
                raise HwsimError(f"The cost table has no price for {kind!r}; it has {_listed(self.prices)}.")
            if not (price >= 0 and math.isfinite(price)):
                raise HwsimError(f"The price of {kind!r} is {price}: it must be zero or more.")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, in order of execution."""
        return tuple(node.output for node in self.nodes if node.output is not None)


_INPUTS = {"source": (0, 0), "linear": (1, 1), "carry": (1, 1), "quotient": (2, 2), "power": (1, 1), "output": (1, 1)}
"""Least and greatest number of inputs, where it is not any number from one up."""


def _check(node: Node, made: Mapping[str, Node]) -> None:
    """Raise what is wrong with one node, given the tensors made before it."""
    if node.effect not in get_args(NodeEffect):
        raise unknown("effect on scales", node.effect, get_args(NodeEffect))
    low, high = _INPUTS.get(node.effect, (1, 1 if node.idle else math.inf))
    if not low <= len(node.inputs) <= high:
        raise HwsimError(f"{node.name!r} ({node.effect}) reads {len(node.inputs)} tensors: it must read {low}.")
    for name in node.inputs:
        if name not in made:
            raise HwsimError(f"{node.name!r} reads {name!r}, which no operation before it makes.")
    if (node.output is None) != (node.effect == "output"):
        raise HwsimError(f"{node.name!r} ({node.effect}) makes {'no' if node.output is None else 'a'} tensor.")
    if node.output is not None:
        tensor = node.output
        if tensor.name in made:
            raise HwsimError(f"{made[tensor.name].name!r} and {node.name!r} both make the tensor {tensor.name!r}.")
        if tensor.elements < 0 or not tensor.low <= tensor.high:
            raise HwsimError(
                f"The tensor {tensor.name!r} has {tensor.elements} elements and scales from 2^{tensor.low:g} to "
                f"2^{tensor.high:g}: neither may be empty."
            )
    constant = node.constant
    numbers = [constant.low, constant.preferred, constant.high] if isinstance(constant, FreeConstant) else [constant]
    if not all(0 < number < math.inf for number in numbers) or numbers != sorted(numbers):
        raise HwsimError(f"The constant of {node.name!r} is {constant}: it must be positive, finite and in order.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
