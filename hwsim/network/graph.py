"""The graph that a datapath executes: four kinds of operation and what connects them.

A `Linear` is what the MAC array does (convolution or matrix product with stored weights, without bias); an `Affine` is
the per-channel multiply-add behind it (a bias, or an unfolded BatchNorm); a `Fetch` gives stored weights to operations
that are no layers; a `Call` is any other tensor operation. Splitting the bias from the accumulation makes the places
visible where a scale can be divided out or absorbed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hwsim.network.holdings import HeldParameter, Whereabouts
from hwsim.network.scale import ONE, Scale
from hwsim.tabular import Shown, Tabular


@dataclass(frozen=True)
class Ref:
    """The value of an earlier operation, or of the input, by name."""

    name: str


@dataclass(frozen=True)
class Size(Ref):
    """A value that no scale multiplies: a size, such as the number of images, or a mask."""


@dataclass(frozen=True)
class Parameter:
    """A tensor that belongs to the network, by its name in `Network.parameters`, times a factor."""

    name: str
    factor: Scale = ONE


@dataclass(frozen=True)
class Operation:
    """What all operations have: a unique name, the module path it came from, and what computes it, by name."""

    name: str
    layer: str
    target: Callable[..., Any]  # a Target in every captured network

    @property
    def label(self) -> str:
        """What a person knows it by: its module's path, or its name at the top of the network."""
        return self.layer or self.name

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values that it reads, in order."""
        raise AssertionError("every kind of operation says what it reads")


@dataclass(frozen=True)
class Linear(Operation):
    """`y = W x`: a convolution or matrix product with a stored weight tensor; output channels are W's axis 0.

    `options` are the ATen arguments after (input, weight, bias): stride, padding, dilation, groups. `channel_axis` is
    the axis of the output channels in its result.
    """

    input: Ref
    weight: str
    options: tuple[Any, ...] = ()
    channel_axis: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input.name,)


@dataclass(frozen=True)
class Fetch(Operation):
    """A stored weight as a value, for operations other than a layer: its axis 0 has the output channels."""

    weight: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Affine(Operation):
    """`y = multiplier * x + addend`, one number a channel; either may be absent (None)."""

    input: Ref
    multiplier: str | None
    addend: str | None
    channel_axis: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input.name,)


@dataclass(frozen=True)
class Call(Operation):
    """Any other operation, by its ATen arguments with `Ref` and `Parameter` in place of tensors."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(ref.name for ref in leaves((self.args, tuple(self.kwargs.values()))) if isinstance(ref, Ref))

    @property
    def values(self) -> tuple[str, ...]:
        """Names of its inputs that can have a scale, in order."""
        found = leaves((self.args, tuple(self.kwargs.values())))
        return tuple(ref.name for ref in found if isinstance(ref, Ref) and not isinstance(ref, Size))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that it reads."""
        found = leaves((self.args, tuple(self.kwargs.values())))
        return tuple(leaf for leaf in found if isinstance(leaf, Parameter))


@dataclass(frozen=True)
class Input:
    """The images: shape of one of them, without the batch."""

    name: str
    shape: tuple[int, ...]


Shape: TypeAlias = Any
"""A tuple of sizes; a tuple of shapes; or None."""


def elements(shape: Shape) -> int:
    """How many elements all tensors of some shapes have."""
    if shape is None:
        return 0
    sizes = all(isinstance(size, int) for size in shape)
    return math.prod(shape) if sizes else sum(map(elements, shape))


def leaves(tree: Any) -> Iterator[Any]:
    """What nested tuples and lists hold."""
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def substitute(tree: Any, value_of: Any) -> Any:
    """The same nesting with `value_of(leaf)` in place of every leaf."""
    if isinstance(tree, (tuple, list)):
        return type(tree)(substitute(branch, value_of) for branch in tree)
    return value_of(tree)


@dataclass(frozen=True, repr=False)
class Network(Shown):
    """A captured network: operations in order of execution, and the tensors that belong to it.

    `biases` names the parameters that are biases of linear layers: they can be stored in faulty memory too.
    `shapes` has the shape of each value for one image, its first axis included: one shape, a tuple of them for an
    operation that returns several tensors, None for a size. `holdings` says what became of each parameter of the
    module.
    """

    operations: tuple[Operation, ...]
    parameters: Mapping[str, Tensor]
    input: Input
    output: str
    biases: frozenset[str] = frozenset()
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    holdings: tuple[HeldParameter, ...] = ()

    def whereabouts(self, stored: Iterable[str]) -> Whereabouts:
        """Which of the module's parameters lie in the memory under study, given the names of what is stored."""
        return Whereabouts.of(self.holdings, stored)

    @cached_property
    def elements(self) -> dict[str, int]:
        """The number of elements of each value for one image."""
        return {name: elements(shape) for name, shape in self.shapes.items()}

    @cached_property
    def named(self) -> dict[str, Operation]:
        """The operations by name."""
        return {op.name: op for op in self.operations}

    @cached_property
    def layers(self) -> tuple[Linear, ...]:
        """The linear operations, whose weights are stored in memory and scaled."""
        return tuple(op for op in self.operations if isinstance(op, Linear))

    @cached_property
    def readings(self) -> dict[str, tuple[Linear | Fetch, ...]]:
        """For every weight tensor, the operations that read it from memory."""
        found: dict[str, list[Linear | Fetch]] = {}
        for op in self.operations:
            if isinstance(op, (Linear, Fetch)):
                found.setdefault(op.weight, []).append(op)
        return {name: tuple(ops) for name, ops in found.items()}

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weight tensors by parameter name, each once, in the order in which they are first read."""
        return {name: self.parameters[name] for name in self.readings}

    @cached_property
    def fixed(self) -> frozenset[str]:
        """The values that depend on no image: they are the same for all images that share a read of the weights."""
        found: set[str] = set()
        for op in self.operations:
            if all(name in found for name in op.inputs):
                found.add(op.name)
        return frozenset(found)

    @cached_property
    def users(self) -> dict[str, tuple[Operation, ...]]:
        """For every value, the operations that read it."""
        found: dict[str, list[Operation]] = {self.input.name: [], **{op.name: [] for op in self.operations}}
        for op in self.operations:
            for name in dict.fromkeys(op.inputs):
                found[name].append(op)
        return {name: tuple(ops) for name, ops in found.items()}

    def sole_affine_after(self, op: Linear) -> Affine | None:
        """The multiply-add behind `op`, if it is the only reader of `op`'s result and has the same channels.

        A BatchNorm behind a matrix product of more than two axes has other ones.
        """
        users = self.users[op.name]
        if len(users) == 1 and isinstance(users[0], Affine) and op.name != self.output:
            return users[0] if users[0].channel_axis == op.channel_axis else None
        return None

    def fold_batchnorm(self) -> Network:
        """The same function with every multiplier behind a linear layer multiplied into its weights.

        Weights that are read in several places stay as they are. The products are computed in double precision.
        """
        parameters = dict(self.parameters)
        shared = {name for name, readings in self.readings.items() if len(readings) > 1}
        folded: dict[str, Affine | None] = {}
        into: dict[str, str] = {}
        for layer in self.layers:
            affine = self.sole_affine_after(layer)
            if affine is None or affine.multiplier is None or layer.weight in shared:
                continue
            weight = parameters[layer.weight]
            factor = parameters[affine.multiplier].double().reshape(-1, *[1] * (weight.dim() - 1))
            parameters[layer.weight] = (weight.double() * factor).to(weight.dtype)
            folded[affine.name] = replace(affine, multiplier=None)
            into[affine.multiplier] = layer.weight
        operations = tuple(folded.get(op.name) or op for op in self.operations)
        biases = self._biases(operations)
        read = {op.multiplier for op in operations if isinstance(op, Affine)}
        holdings = tuple(
            replace(one, held_as=into[one.held_as], use="weight")
            if one.held_as in into and one.held_as not in read
            else replace(one, use="bias" if one.held_as in biases else one.use)
            for one in self.holdings
        )
        return replace(self, operations=operations, parameters=parameters, biases=biases, holdings=holdings)

    def _biases(self, operations: tuple[Operation, ...]) -> frozenset[str]:
        """What is added behind a product without a multiplier."""
        return frozenset(
            op.addend for op in operations if isinstance(op, Affine) and op.addend and op.multiplier is None
        )

    def _table(self) -> Tabular:
        """Each operation, what it reads, and the parameters that it takes."""
        heading = f"Network: {len(self.operations)} operations, input {tuple(self.input.shape)}"
        rows = []
        for op in self.operations:
            kind = str(op.target).removeprefix("aten.") if isinstance(op, Call) else type(op).__name__.lower()
            detail = ""
            if isinstance(op, (Linear, Fetch)):
                detail = f"{op.weight} {tuple(self.parameters[op.weight].shape)}"
            elif isinstance(op, Affine):
                detail = " ".join(n for n in (op.multiplier, op.addend) if n)
            rows.append([op.name, kind, ", ".join(op.inputs), detail])
        note = str(self.whereabouts(self.weights)) if self.holdings else ""
        return Tabular(heading, ("operation", "kind", "reads", "parameters"), rows, note)


def storable(op: Operation) -> str | None:
    """The parameter that an operation reads and that may lie in faulty memory: a weight, or what is added."""
    if isinstance(op, (Linear, Fetch)):
        return op.weight
    return op.addend if isinstance(op, Affine) else None


def channels(parameter: Tensor, axis: int, dim: int) -> Tensor:
    """A vector of one number a channel, shaped to broadcast along `axis` of a tensor with `dim` axes."""
    shape = [1] * dim
    shape[axis if axis >= 0 else dim + axis] = -1
    return parameter.reshape(shape)


def places_of(results: Any, position: int) -> Any:
    """Where the elements were that an operation chose: the result that it returns beside their values."""
    return results[position]


ATEN = torch.ops.aten
