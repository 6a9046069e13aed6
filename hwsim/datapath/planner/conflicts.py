"""Why a choice of copies cannot be: contradictions, turned into cuts.

A choice of copies (a partition of each star) is a system of equations, the nodes' own and the ties within stars. In
each contradiction among them at least one tie must be given up. That is a *cut*: at least one of some differences
between ends of stars must hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.datapath.planner.elimination import Elimination
from hwsim.datapath.planner.exact import TWO, Number, Row, common_divisor, ratio
from hwsim.datapath.planner.intervals import Clash
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

    Raises:
        ContradictionError: by its methods too, if the contradiction found is one that no copies can help.
    """

    def __init__(self, system: System, piece: Piece) -> None:
        self.system, self.piece = system, piece
        self._nodes = Elimination.of(system, piece)
        for index in piece.rows:
            clash = self._nodes.add(index, system.rows[index])
            if clash is not None:
                raise self._contradiction(clash)

    def examine(self, choice: Sequence[Partition]) -> Examined:
        """Find contradictions in a choice of copies; several at once, by giving up the cheapest tie of each."""
        cuts: list[Cut] = []
        wanted = sorted(self.ties(choice), key=self._price, reverse=True)
        while True:
            kept, clashes = self.eliminate(wanted)
            cuts += map(self._cut, clashes.values())
            clash = kept.numerical_clash(self._nodes.rows)
            if clash is None:
                return Examined(tuple(cuts), self._partitions(kept))
            cuts.append(self._cut(clash))
            given_up = min((label for label in clash.weights if isinstance(label, Tie)), key=self._price)
            wanted = [label for label in kept.rows if isinstance(label, Tie) and label != given_up]

    def ties(self, choice: Sequence[Partition]) -> list[Tie]:
        """The ties that a choice of copies is made of."""
        return [tie for n, star in enumerate(self.piece.stars) for tie in ties(n, star, choice[n])]

    def eliminate(self, wanted: Iterable[Tie]) -> tuple[Elimination, dict[Tie, Clash]]:
        """Add ties to the nodes' equations, and tell why some were not."""
        elimination = self._nodes.fork()
        clashes: dict[Tie, Clash] = {}
        for tie in wanted:
            clash = elimination.add(tie, tie_row(self.piece.stars[tie.star], tie), only_integer=tie.shift)
            if clash is not None:
                clashes[tie] = clash
        return elimination, clashes

    def _price(self, tie: Tie) -> float:
        """What giving up a tie costs at most; infinite if it cannot be given up."""
        star = self.piece.stars[tie.star]
        if star.real is not None:
            return star.real
        return math.inf if tie.shift or star.shift is None else star.shift

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

    def _partitions(self, elimination: Elimination) -> tuple[Partition, ...]:
        """Which ends are equal, and which differ by integers, whatever the unknowns that are left."""
        found = []
        for star in self.piece.stars:
            blocks: list[Row] = []
            classes: list[Row] = []
            places = []
            for end in star.ends:
                form, _ = elimination.exact.reduce({end: 1})
                block = next((n for n, other in enumerate(blocks) if other == form), len(blocks))
                kind = next((n for n, other in enumerate(classes) if self._alike(star, form, other)), len(classes))
                if block == len(blocks):
                    blocks.append(form)
                if kind == len(classes):
                    classes.append(form)
                places.append((kind, block))
            found.append(tuple(places))
        return tuple(found)

    def _alike(self, star: Star, one: Row, other: Row) -> bool:
        """Whether two potentials of a star are in one class: equal, or with shifts on offer an integer apart."""
        if star.shift is None:
            return one == other
        for symbol in {*one, *other}:
            coefficient = one.get(symbol, 0) - other.get(symbol, 0)
            whole = symbol == TWO or (symbol >= 0 and self.system.unknowns[symbol].integer)
            if coefficient and not (whole and coefficient.denominator == 1):
                return False
        return True


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
