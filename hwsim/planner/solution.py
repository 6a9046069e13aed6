"""What planning gives: the potential of every tensor, the copies, what they cost, and why each is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Literal

from hwsim.planner.exact import Potential
from hwsim.planner.problem import FreeConstant, Node, Problem


@dataclass(frozen=True)
class Reason:
    """What forces a rescaling: the last operation of the contradiction that there is without it, or a range.

    Attributes:
        effect: "join", "product", "quotient", "power", "pin", "output", or another effect of the node, or "range".
        name: the node; of a range, the tensor.
    """

    effect: str
    name: str

    def __str__(self) -> str:
        return f"{self.effect} {self.name}"


@dataclass(frozen=True)
class Copy:
    """A tensor rescaled on its way to some of its readers.

    Attributes:
        tensor: what is rescaled.
        readers: names of the nodes that read the copy.
        made_from: the potential of what it is made from: the tensor's own, or that of an earlier copy of it.
        potential: its own.
        kind: "shift", "reciprocal" or "division".
        elements: of one image.
        cost: elements times the price of the kind.
        reason: what forces it.
        multiplier: the node whose idle multiplier makes it, which is its only reader; else empty.
    """

    tensor: str
    readers: tuple[str, ...]
    made_from: Potential
    potential: Potential
    kind: Literal["shift", "reciprocal", "division"]
    elements: int
    cost: float
    reason: Reason
    multiplier: str = ""

    @property
    def factor(self) -> Potential:
        """The logarithm of what it is multiplied by; negative where a scale is divided out."""
        return self.potential - self.made_from


@dataclass(frozen=True)
class Solution:
    """The copies of least cost.

    Attributes:
        potentials: tensor -> the potential at which it is produced.
        copies: in order of execution; a copy that others are made from stands before them.
        constants: linear node -> the logarithm of the constant that was chosen, where there was freedom.
        cost: of all copies, for one image.
        bound: a proven lower bound on the cost of any plan.
    """

    potentials: Mapping[str, Potential]
    copies: tuple[Copy, ...]
    constants: Mapping[str, Potential] = field(default_factory=dict)
    cost: float = 0.0
    bound: float = 0.0

    @property
    def gap(self) -> float:
        """How much of the cost is not proven to be necessary, as a fraction; 0 if the plan is optimal."""
        return (
            max(0.0, 1.0 - self.bound / self.cost) if self.cost and self.cost - self.bound > 1e-9 * self.cost else 0.0
        )

    @cached_property
    def _read(self) -> dict[tuple[str, str], Potential]:
        copies = (copy for copy in self.copies if not copy.multiplier)
        return {(copy.tensor, reader): copy.potential for copy in copies for reader in copy.readers}

    def read(self, tensor: str, reader: str) -> Potential:
        """The potential at which a node reads a tensor."""
        return self._read.get((tensor, reader)) or self.potentials[tensor]

    def __str__(self) -> str:
        lines = [
            f"{c.kind:<10} {c.elements:>10,} x  {c.tensor} at 2^{c.made_from} -> 2^{c.potential}  "
            f"for {', '.join(c.readers)}  ({c.reason})"
            for c in self.copies
        ]
        return "\n".join([*lines, f"cost {self.cost:,.6g}, proven to within {self.gap:.2g}"])


def violations(problem: Problem, solution: Solution, tolerance: float = 1e-6) -> Iterator[str]:
    """What is wrong with a solution: checked node by node, exactly but for intervals, and the cost added up."""
    tensors = {tensor.name: tensor for tensor in problem.tensors}
    for node in problem.nodes:
        read = {name: solution.read(name, node.name) for name in node.inputs}
        out = None if node.output is None else solution.potentials[node.output.name]
        if not _holds(node, read, out, solution):
            yield f"{node.name!r} ({node.effect}) reads {read} and makes {out}"
        values = {**read, **({} if node.output is None or out is None else {node.output.name: out})}
        for name, value in values.items():
            if not tensors[name].low - tolerance <= value.log2 <= tensors[name].high + tolerance:
                yield f"{name!r} at {value} is outside its range"
    for copy in solution.copies:
        if copy.kind == "shift" and not copy.factor.is_integer:
            yield f"{copy.tensor!r} is shifted by {copy.factor}"
        known = [solution.read(copy.tensor, copy.multiplier)] if copy.multiplier else [solution.potentials[copy.tensor]]
        known += [other.potential for other in solution.copies if other.tensor == copy.tensor and other is not copy]
        if copy.made_from not in known:
            yield f"a copy of {copy.tensor!r} is made from one at {copy.made_from} that is not there"
    cost = sum(copy.elements * problem.prices[copy.kind] for copy in solution.copies)
    if abs(cost - solution.cost) > 1e-9 * max(1.0, cost):
        yield f"the copies cost {cost}, not {solution.cost}"


def _holds(node: Node, read: Mapping[str, Potential], out: Potential | None, solution: Solution) -> bool:
    """Whether one node's equation holds."""
    used = {copy.multiplier for copy in solution.copies}
    if node.effect == "absorb":
        return not node.idle or node.name in used or out == read[node.inputs[0]]
    if node.effect in ("source", "pin", "output"):
        return all(potential.is_zero for potential in [*read.values(), *([] if out is None else [out])])
    if node.effect == "join":
        return all(potential == out for potential in read.values())
    total = Potential()
    if node.effect == "power":
        return out == read[node.inputs[0]].times(node.exponent)
    for place, name in enumerate(node.inputs):
        total = total - read[name] if place and node.effect == "quotient" else total + read[name]
    if node.effect != "linear" or out is None:
        return total == out
    factor = out - total
    if isinstance(node.constant, FreeConstant):
        chosen = factor == solution.constants[node.name]
        low, high = node.constant.low * (1 - 1e-6), node.constant.high * (1 + 1e-6)
        whole = factor.is_integer or not node.constant.power_of_two
        return chosen and whole and low <= 2.0**factor.log2 <= high
    return factor.scale == Fraction(node.constant)
