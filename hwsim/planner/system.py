"""The planning problem as linear algebra: unknown potentials, equations between them, and stars.

Every tensor has an unknown potential, and so has every reader of it. A node is one or more equations between the
potentials it reads and the one of its result. What rescaling is about stands in *stars*: the potentials at which one
tensor is held, first its own and then those of its readers. Ends of a star with different potentials need copies:
with n elements, m different potentials and k different fractional parts (potentials that differ by an integer share
one), rescaling costs `n * ((m - k) * shift + (k - 1) * real)`, because one copy of each fractional part has to
be made by a division, and all others follow from one of their own part by a shift. An idle multiplier is a star of its
own, with its input and its result as ends.

A pin and the images have known potentials, and a free absorber leaves its result to itself: equations and stars fall
apart into pieces that share no unknown. Each piece is a problem of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from hwsim.errors import HwsimError
from hwsim.planner.exact import TWO, Base, Number, SparseRow, add_multiple
from hwsim.planner.problem import FreeConstant, Node, Problem, Tensor


@dataclass(frozen=True)
class Unknown:
    """A potential, or the logarithm of a constant, or the integer by which a shift changes a potential.

    Attributes:
        low, high: the interval it must lie in.
        subject: the tensor or layer it belongs to, for messages.
        integer: whether it is an integer.
        preferred: a value to take if the cost allows it.
        constant: whether it is a constant that may be chosen.
    """

    subject: str
    low: float = -math.inf
    high: float = math.inf
    integer: bool = False
    preferred: SparseRow | None = None
    constant: bool = False


@dataclass(frozen=True)
class Star:
    """Potentials that cost something if they differ.

    Attributes:
        tensor: what is held at these potentials.
        ends: unknowns; the first is the one that the others are copies of.
        readers: the node behind each end but the first.
        elements: of the tensor, or of those that pass the multiplier.
        shift: cost of one more potential that differs from another one by an integer; None if that is not on offer or
            not cheaper than `real`.
        real: cost of one more potential of another fractional part; None if not on offer.
        turns: an integer unknown for each end, by which shifts change the potential; empty without shifts.
        multiplier: the node whose idle multiplier this is, with its input and its result as ends; else empty.
    """

    tensor: str
    ends: tuple[int, ...]
    readers: tuple[str, ...]
    elements: int
    shift: float | None
    real: float | None
    turns: tuple[int, ...] = ()
    multiplier: str = ""


@dataclass(frozen=True)
class Piece:
    """A part of the system that shares no unknown with the rest: indices of unknowns, rows, and stars."""

    unknowns: tuple[int, ...]
    rows: tuple[int, ...]
    stars: tuple[Star, ...]


@dataclass
class System:
    """Unknowns, equations (each row is zero; `nodes[i]` is the node that row i comes from) and stars."""

    base: Base
    unknowns: list[Unknown] = field(default_factory=list)
    rows: list[SparseRow] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    stars: list[Star] = field(default_factory=list)
    produced: dict[str, int] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)

    def new(self, unknown: Unknown) -> int:
        """Add an unknown; its symbol."""
        self.unknowns.append(unknown)
        return len(self.unknowns) - 1

    def pieces(self) -> list[Piece]:
        """The parts that share no unknown."""
        parent = list(range(len(self.unknowns)))

        def root(symbol: int) -> int:
            while parent[symbol] != symbol:
                parent[symbol] = parent[parent[symbol]]
                symbol = parent[symbol]
            return symbol

        groups = [[s for s in row if s >= 0] for row in self.rows]
        groups += [[*star.ends, *star.turns] for star in self.stars]
        for group in groups:
            for symbol in group[1:]:
                parent[root(symbol)] = root(group[0])
        unknowns: dict[int, list[int]] = {}
        rows: dict[int, list[int]] = {}
        stars: dict[int, list[Star]] = {}
        for symbol in range(len(self.unknowns)):
            unknowns.setdefault(root(symbol), []).append(symbol)
        for index, group in enumerate(groups[: len(self.rows)]):
            rows.setdefault(root(group[0]), []).append(index)
        for star in self.stars:
            stars.setdefault(root(star.ends[0]), []).append(star)
        return [Piece(tuple(u), tuple(rows.get(r, ())), tuple(stars.get(r, ()))) for r, u in unknowns.items()]


def equations(problem: Problem) -> System:
    """The system of a problem."""
    linear = [node.constant for node in problem.nodes if node.effect == "linear"]
    numbers = [Fraction(c.preferred if isinstance(c, FreeConstant) else c) for c in linear]
    system = System(Base(numbers))
    readers: dict[str, list[tuple[str, int]]] = {tensor.name: [] for tensor in problem.tensors}
    idle: list[Star] = []
    for index, node in enumerate(problem.nodes):
        read: dict[str, int] = {}
        if node.effect != "absorb" or node.idle:
            for name in dict.fromkeys(node.inputs):
                read[name] = system.new(replace(system.unknowns[system.produced[name]], preferred=None))
                readers[name].append((node.name, read[name]))
        out = None
        if node.output is not None:
            tensor = node.output
            preferred: SparseRow | None = {} if node.effect == "absorb" else None
            out = system.new(Unknown(tensor.name, tensor.low, tensor.high, preferred=preferred))
            system.produced[tensor.name] = out
        for row in _rows(system, node, [read[name] for name in node.inputs if name in read], out):
            system.rows.append(row)
            system.nodes.append(index)
        if node.idle and out is not None:
            price = node.idle * problem.prices["reciprocal"]
            source = node.inputs[0]
            ends = (read[source], out)
            idle.append(Star(source, ends, (node.name,), node.idle, None, price, multiplier=node.name))
    for tensor in problem.tensors:
        if readers[tensor.name]:
            system.stars.append(_star(system, problem, tensor, readers[tensor.name]))
    system.stars += idle
    return system


def _rows(system: System, node: Node, read: Sequence[int], out: int | None) -> Iterable[SparseRow]:
    """The equations of one node."""
    if node.effect == "join":
        assert out is not None
        for symbol in dict.fromkeys(read):
            yield {out: 1, symbol: -1}
    elif node.effect in ("pin", "source", "output"):
        for symbol in [*dict.fromkeys(read), *([] if out is None else [out])]:
            yield {symbol: 1}
    elif node.effect != "absorb":
        assert out is not None
        row: SparseRow = {}
        for place, symbol in enumerate(read):
            add_multiple(row, 1 if place and node.effect == "quotient" else -node.exponent, {symbol: 1})
        add_multiple(row, 1, {out: 1})
        if node.effect == "linear":
            add_multiple(row, -1, _constant(system, node))
        yield row


def _constant(system: System, node: Node) -> SparseRow:
    """The logarithm of a layer's constant: known, or a new unknown."""
    free = node.constant
    if not isinstance(free, FreeConstant):
        return system.base.logarithm(Fraction(free))
    preferred = system.base.logarithm(Fraction(free.preferred))
    low, high = math.log2(free.low), math.log2(free.high)
    if free.power_of_two:
        low, high = math.ceil(low), math.floor(high)
        if low > high:
            raise HwsimError(
                f"There is no power of two from {free.low:g} to {free.high:g} for the constant of {node.name!r}."
            )
        power: Number = max(low, min(high, round(system.base.float_of(preferred))))
        preferred = {TWO: power} if power else {}
    symbol = system.new(Unknown(node.name, low, high, free.power_of_two, preferred, constant=True))
    system.constants[node.name] = symbol
    return {symbol: 1}


def _star(system: System, problem: Problem, tensor: Tensor, readers: Sequence[tuple[str, int]]) -> Star:
    shift = tensor.elements * problem.prices["shift"] if problem.shift else None
    real = tensor.elements * problem.prices[problem.real] if problem.real else None
    if shift is not None and real is not None and shift >= real:
        shift = None
    ends = (system.produced[tensor.name], *(end for _, end in readers))
    turns: tuple[int, ...] = ()
    if shift is not None:
        turns = tuple(system.new(Unknown(tensor.name, integer=True)) for _ in ends)
    return Star(tensor.name, ends, tuple(name for name, _ in readers), tensor.elements, shift, real, turns)
