"""Which ends of a star share a potential: partitions, what they cost, and the cheapest one that keeps pairs apart.

The ends of a star fall into *classes* (potentials that differ by integers) and these into *blocks* (equal potentials).
The block of the first end is the tensor itself, every other one a copy.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from hwsim.planner.deadline import NEVER, Deadline
from hwsim.planner.exact import SparseRow
from hwsim.planner.system import Star


class Difference(NamedTuple):
    """Two ends `a < b` of a star (by its number in a piece) are apart: by any number but an integer if `real`.

    In a star without shifts, all differences are real, by integers too.
    """

    star: int
    a: int
    b: int
    real: bool


@dataclass(frozen=True)
class Cut:
    """Differences of which at least `demand` must hold, none of them for the same copy as another.

    A *spread* is some differences that connect ends of one star. If `demand` is one, at least one spread must be torn.
    If it is more, all differences are real, and the classes among the ends of a spread, less one, must add up to
    `demand` over all spreads.
    """

    differences: frozenset[Difference]
    demand: int = 1

    @cached_property
    def spreads(self) -> tuple[frozenset[Difference], ...]:
        """The differences, put together where they connect ends of one star."""
        found: dict[tuple[int, int], set[Difference]] = {}
        for difference in self.differences:
            one, other = (difference.star, difference.a), (difference.star, difference.b)
            joined = found.get(one, set()) | found.get(other, set()) | {difference}
            for end in {end for d in joined for end in ((d.star, d.a), (d.star, d.b))}:
                found[end] = joined
        return tuple(frozenset(spread) for spread in {id(spread): spread for spread in found.values()}.values())


Partition = tuple[tuple[int, int], ...]
"""For each end of a star its class and its block; blocks are numbered through all classes."""


def cost(star: Star, partition: Collection[tuple[int, int]]) -> float:
    """What the copies of a partition cost."""
    blocks, classes = len(set(partition)), len({c for c, _ in partition})
    total = 0.0
    if classes > 1:
        total += (classes - 1) * (math.inf if star.real is None else star.real)
    if blocks > classes:
        total += (blocks - classes) * (math.inf if star.shift is None else star.shift)
    return total


def cheapest_partition(
    star: Star, apart: Collection[Difference], deadline: Deadline = NEVER
) -> tuple[float, Partition]:
    """The cheapest partition that keeps pairs of ends apart, by branch and bound over the ends.

    It is a graph colouring with two kinds of colours; the pairs of one star hardly ever need more than three.

    Raises:
        OutOfTimeError: if the deadline passes.
    """
    refused: list[set[int]] = [set() for _ in star.ends]  # ends that may not be in the same block
    refused_class: list[set[int]] = [set() for _ in star.ends]
    for pair in apart:
        for one, other in ((pair.a, pair.b), (pair.b, pair.a)):
            refused[one].add(other)
            if pair.real:
                refused_class[one].add(other)
    order = sorted((end for end in range(1, len(star.ends)) if refused[end]), key=lambda end: -len(refused[end]))
    least, best = math.inf, None

    def place(depth: int, blocks: list[tuple[int, set[int]]], total: float) -> None:
        nonlocal least, best
        deadline.check()
        if total >= least:
            return
        if depth == len(order):
            least, best = total, [(kind, set(members)) for kind, members in blocks]
            return
        end = order[depth]
        classes: dict[int, set[int]] = {}
        for kind, members in blocks:
            classes.setdefault(kind, set()).update(members)
        allowed = [kind for kind, members in classes.items() if not refused_class[end] & members]
        for kind, members in blocks:
            if kind in allowed and not refused[end] & members:
                members.add(end)
                place(depth + 1, blocks, total)
                members.remove(end)
        new = [(kind, star.shift) for kind in allowed] + [(len(classes), star.real)]
        for kind, price in new:
            if price is not None:
                place(depth + 1, [*blocks, (kind, {end})], total + price)

    place(0, [(0, {0})], 0.0)
    if best is None:
        return math.inf, ()
    where = {end: (kind, number) for number, (kind, members) in enumerate(best) for end in members}
    return least, tuple(where.get(end, (0, 0)) for end in range(len(star.ends)))


def together(star: Star) -> Partition:
    """The partition without copies."""
    return ((0, 0),) * len(star.ends)


class Tie(NamedTuple):
    """Ends `a` and `b` of a star are equal, or differ by an integer if `shift`; its equation is `tie_row`."""

    star: int
    a: int
    b: int
    shift: bool


def ties(number: int, star: Star, partition: Sequence[tuple[int, int]]) -> list[Tie]:
    """Equations that say that the ends of a star are as in a partition: a tree over each class."""
    heads: dict[tuple[int, int], int] = {}
    class_heads: dict[int, int] = {}
    found = []
    for end, place in enumerate(partition):
        if place in heads:
            found.append(Tie(number, heads[place], end, False))
        elif place[0] in class_heads:
            found.append(Tie(number, class_heads[place[0]], end, True))
        heads.setdefault(place, end)
        class_heads.setdefault(place[0], end)
    return found


def tie_row(star: Star, tie: Tie) -> SparseRow:
    """`b - a = 0`, or `b - a - turn = 0` with an integer turn."""
    row: SparseRow = {star.ends[tie.a]: -1, star.ends[tie.b]: 1}
    if tie.shift:
        row[star.turns[tie.b]] = -1
    return row
