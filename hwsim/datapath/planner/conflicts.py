"""Why a choice of copies cannot be: contradictions among equations, intervals and integers, turned into cuts.

A choice of copies (a partition of each star) is a system of equations, the nodes' own and the ties within stars. It is
examined from exact to numerical:

1. equations, by elimination over the rational numbers with exact constants. A tie that contradicts those before it
   does so together with a unique set of them, a *circuit* of the graph: equations whose sum reads 0 = something else;
2. intervals, which elimination carries along (see `Bounded`);
3. integers (shifts, constants that are powers of two) within intervals, by a mixed-integer program; which ties
   contradict one another is then found by leaving ties out.

In each contradiction at least one tie must be given up. That is a *cut*: at least one of some differences holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.datapath.planner.exact import TWO, Echelon, Number, Row, common_divisor, ratio
from hwsim.datapath.planner.integers import integers_fit
from hwsim.datapath.planner.intervals import Bounded, Clash
from hwsim.datapath.planner.stars import Difference, Partition, Tie, tie_row, ties
from hwsim.datapath.planner.system import Piece, Star, System

Cut = frozenset[Difference]
"""Differences of which at least one must hold."""


class ContradictionError(Exception):
    """The nodes' own equations and intervals contradict one another: no copies can help.

    Attributes:
        ranges: tensors, and layers with a constant to choose, whose intervals contradict.
        tensors: tensors that cannot be rescaled as would be needed.
    """

    def __init__(self, ranges: Iterable[str], tensors: Iterable[str]) -> None:
        super().__init__()
        self.ranges, self.tensors = tuple(dict.fromkeys(ranges)), tuple(dict.fromkeys(tensors))


@dataclass(frozen=True)
class Examined:
    """What examining a choice of copies found.

    Attributes:
        cuts: contradictions; none if the choice is possible.
        partitions: the choice that is left after a tie of each contradiction was given up; it is possible.
    """

    cuts: tuple[Cut, ...]
    partitions: tuple[Partition, ...]


class Examiner:
    """Examines choices of copies for one piece of a system.

    With integers about, there are two eliminations: one of all rows, and one with intervals but without the ties
    that allow shifts, which in real numbers say nothing.
    """

    def __init__(self, system: System, piece: Piece) -> None:
        self.system, self.piece = system, piece
        self._integers = frozenset(u for u in piece.unknowns if system.unknowns[u].integer)
        self._bounded = Bounded(system=system)
        self._exact = Echelon(self._integers)
        self._nodes = {index: system.rows[index] for index in piece.rows}
        for index, row in self._nodes.items():
            clash = self._bounded.add(index, row)
            if clash is not None:
                self._cut(clash)
            self._exact.insert(index, *self._exact.reduce(row))

    def examine(self, choice: Sequence[Partition]) -> Examined:
        """Find contradictions in a choice of copies; several at once, by giving up the cheapest tie of each."""
        cuts: list[Cut] = []
        wanted = sorted(self.ties(choice), key=self.price, reverse=True)
        while True:
            exact, bounded, kept, clashes = self.eliminate(wanted)
            cuts += map(self._cut, clashes.values())
            clash = self.numerical_clash(bounded, kept)
            if clash is None:
                return Examined(tuple(cuts), self._partitions(exact))
            cuts.append(self._cut(clash))
            given_up = min((label for label in clash.weights if isinstance(label, Tie)), key=self.price)
            wanted = [tie for tie in kept if tie != given_up]

    def ties(self, choice: Sequence[Partition]) -> list[Tie]:
        """The ties that a choice of copies is made of."""
        return [tie for n, star in enumerate(self.piece.stars) for tie in ties(n, star, choice[n])]

    def price(self, tie: Tie) -> float:
        """What giving up a tie costs at most; infinite if it cannot be given up."""
        star = self.piece.stars[tie.star]
        if star.real is not None:
            return star.real
        return math.inf if tie.shift or star.shift is None else star.shift

    def row(self, tie: Tie) -> Row:
        """The equation of a tie."""
        return tie_row(self.piece.stars[tie.star], tie)

    def eliminate(self, wanted: Sequence[Tie]) -> tuple[Echelon, Bounded, list[Tie], dict[Tie, Clash]]:
        """Add ties one after the other, as long as they contradict nothing.

        Returns the eliminations with integers and with intervals, the ties that were kept, and why others were not.
        """
        bounded = self._bounded.fork()
        exact = self._exact.fork() if self._integers else bounded
        kept: list[Tie] = []
        clashes: dict[Tie, Clash] = {}
        for tie in wanted:
            row = self.row(tie)
            left, used = exact.reduce(row) if self._integers else (row, [])
            clash = None
            if self._integers and exact.contradicts(left):
                clash = Clash({**exact.combination(used), tie: -1}, left, ())
            elif not tie.shift:
                clash = bounded.add(tie, row)
            if clash is not None:
                clashes[tie] = clash
                continue
            if self._integers:
                exact.insert(tie, left, used)
            kept.append(tie)
        return exact, bounded, kept, clashes

    def numerical_clash(self, bounded: Bounded, kept: Sequence[Tie]) -> Clash | None:
        """A contradiction that elimination cannot see: of intervals and wide rows, or of intervals and integers."""
        clash = bounded.wide_clash(self.piece.unknowns) if bounded.wide else None
        if clash is not None or not self._integers:
            return clash
        unknowns = self.system.unknowns
        limited = [u for u in self.piece.unknowns if not unknowns[u].integer]
        limited = [u for u in limited if math.isfinite(unknowns[u].low) or math.isfinite(unknowns[u].high)]

        def fits(parts: Sequence[Tie | int]) -> bool:
            """Whether there are integers for some ties, if only some unknowns are held in their intervals."""
            rows = [*self._nodes.values(), *(self.row(part) for part in parts if isinstance(part, Tie))]
            loose = set(limited).difference(part for part in parts if isinstance(part, int))
            return integers_fit(self.system, self.piece, rows, loose=loose) is not None

        if fits([*limited, *kept]):
            return None
        ties = necessary(kept, lambda some: not fits([*limited, *some]))
        ends = necessary(limited, lambda some: not fits([*some, *ties]))
        return Clash(dict.fromkeys(ties, 1), None, tuple(ends))

    def _cut(self, clash: Clash) -> Cut:
        """The differences of which a contradiction asks for one.

        What counts is only which ends of a star the equations hold together: ends whose weights cancel are not
        among them. Where not even an integer between two ends would help, the difference must be real.
        """
        equal: dict[int, dict[int, Number]] = {}
        alike: dict[int, dict[int, Number]] = {}
        for label, weight in clash.weights.items():
            if isinstance(label, Tie):
                net = (alike if label.shift else equal).setdefault(label.star, {})
                net[label.a] = net.get(label.a, 0) - weight
                net[label.b] = net.get(label.b, 0) + weight
        pairs = {(star, a, b): weight for star, net in equal.items() for a, b, weight in _pairs(net)}
        stars = self.piece.stars
        shiftable = [pair for pair in pairs if stars[pair[0]].shift is not None and stars[pair[0]].real is not None]
        if clash.left is not None:
            rigid = _not_mended_by_integers(clash.left, {pair: pairs[pair] for pair in shiftable})
            for star, a, b in rigid:
                weight = pairs.pop((star, a, b))
                net = alike.setdefault(star, {})
                net[a] = net.get(a, 0) - weight
                net[b] = net.get(b, 0) + weight
        found = {Difference(n, a, b, stars[n].shift is None) for n, a, b in pairs if _can_break(stars[n])}
        for n, net in alike.items():
            if stars[n].real is not None:
                found.update(Difference(n, a, b, True) for a, b, _ in _pairs(net))
        if not found:
            raise self._contradiction(clash)
        return frozenset(found)

    def _contradiction(self, clash: Clash) -> ContradictionError:
        ranges = [self.system.unknowns[u].subject for u in clash.unknowns]
        tensors = [self.piece.stars[label.star].tensor for label in clash.weights if isinstance(label, Tie)]
        return ContradictionError(ranges, tensors)

    def _partitions(self, echelon: Echelon) -> tuple[Partition, ...]:
        """Which ends are equal, and which differ by integers, whatever the unknowns that are left."""
        found = []
        for star in self.piece.stars:
            forms = [echelon.reduce({end: 1})[0] for end in star.ends]
            classes: list[Row] = []
            blocks: list[Row] = []
            places = []
            for form in forms:
                block = next((n for n, other in enumerate(blocks) if other == form), len(blocks))
                if block == len(blocks):
                    blocks.append(form)
                kind = next((n for n, other in enumerate(classes) if self._alike(star, form, other)), len(classes))
                if kind == len(classes):
                    classes.append(form)
                places.append((kind, block))
            found.append(tuple(places))
        return tuple(found)

    def _alike(self, star: Star, one: Row, other: Row) -> bool:
        """Whether two potentials of a star are in one class: equal, or with shifts on offer an integer apart."""
        if star.shift is None:
            return one == other
        difference = {s: one.get(s, 0) - other.get(s, 0) for s in {*one, *other}}
        return all(
            not coefficient or ((s == TWO or s in self._integers) and coefficient.denominator == 1)
            for s, coefficient in difference.items()
        )


def _can_break(star: Star) -> bool:
    return star.real is not None or star.shift is not None


def _pairs(net: Mapping[int, Number]) -> list[tuple[int, int, Number]]:
    """The ends whose weights do not cancel, as pairs with the first of them, and the weights of these pairs."""
    ends = sorted(end for end, weight in net.items() if abs(float(weight)) > 1e-9)
    return [(ends[0], end, net[end]) for end in ends[1:]]


def _not_mended_by_integers(left: Row, weights: Mapping[Any, Number]) -> list[Any]:
    """Pairs of a contradiction that may differ by integers, all at once, and the contradiction stays.

    The equations add up to `left = 0`, plus for each pair its weight times the integer by which its ends differ.
    """
    known = left.get(TWO, 0)
    odd = any(symbol < TWO for symbol in left)
    fixed = [coefficient for symbol, coefficient in left.items() if symbol >= 0]

    def stays(pairs: Sequence[Any]) -> bool:
        step = common_divisor([*fixed, *(weights[pair] for pair in pairs)])
        return odd or (bool(known) if not step else ratio(known, step).denominator != 1)

    chosen = list(weights)
    if stays(chosen):
        return chosen
    chosen = []
    for pair in weights:
        if stays([*chosen, pair]):
            chosen.append(pair)
    return chosen


def necessary(parts: Sequence[Any], contradict: Callable[[Sequence[Any]], bool]) -> list[Any]:
    """Some of contradicting parts that still contradict, and no longer do if any one of them is left out.

    Halves, quarters and so on are left out first, the last parts before the first ones.
    """
    left, size = list(parts), len(parts)
    while size:
        for end in range(len(left), 0, -size):
            fewer = left[: max(end - size, 0)] + left[end:]
            if contradict(fewer):
                left = fewer
        size //= 2
    return left
