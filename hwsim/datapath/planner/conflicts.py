"""Why a choice of copies cannot be: contradictions, turned into cuts.

A choice of copies (a partition of each star) is a system of equations, the nodes' own and the ties within stars. In
each contradiction among them at least one tie must be given up. That is a *cut*: at least one of some differences
between ends of stars must hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hwsim.datapath.planner.elimination import Elimination, necessary
from hwsim.datapath.planner.exact import TWO, Number, Row, common_divisor, ratio
from hwsim.datapath.planner.integers import integers_fit
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
            clash = kept.wide_clash() or self._integer_clash(kept)
            if clash is None:
                return Examined(tuple(cuts), self._partitions(kept))
            cuts.append(self._cut(clash))
            given_up = min((label for label in clash.weights if isinstance(label, Tie)), key=self._price)
            wanted = [label for label in kept.rows if isinstance(label, Tie) and label[:3] != given_up[:3]]

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

    def _integer_clash(self, kept: Elimination) -> Clash | None:
        """Ties that leave no integers in the intervals: only those needed for that, and as weak as possible."""
        if kept.integer_values() is not None:
            return None
        own = self.system.unknowns
        limited = [u for u in self.piece.unknowns if math.isfinite(own[u].low) or math.isfinite(own[u].high)]

        def impossible(some: Iterable[Tie], ends: Iterable[int]) -> bool:
            rows = self._nodes.exact.fork()
            for tie in some:
                left, used = rows.reduce(tie_row(self.piece.stars[tie.star], tie))
                if rows.contradicts(left):
                    return True
                rows.insert(tie, left, used)
            return integers_fit(self.system, rows, self.piece.unknowns, set(limited).difference(ends)) is None

        needed = [label for label in kept.rows if isinstance(label, Tie)]
        needed = necessary(needed, lambda some: impossible(some, limited))
        for n, tie in enumerate(needed):
            if self.piece.stars[tie.star].turns:
                weaker = [*needed[:n], tie._replace(shift=True), *needed[n + 1 :]]
                needed = weaker if impossible(weaker, limited) else needed
        ends = necessary(limited, lambda some: impossible(needed, some))
        return Clash(dict.fromkeys(needed, 1), None, tuple(ends), sums=False)

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
        stars = self.piece.stars
        equal: dict[int, list[Pair]] = {}
        alike: dict[int, list[Pair]] = {}
        for label, weight in clash.weights.items():
            if isinstance(label, Tie):
                (alike if label.shift else equal).setdefault(label.star, []).append((label.a, label.b, weight))
        if clash.sums:
            equal = {star: _held_together(pairs) for star, pairs in equal.items()}
            if clash.left is not None:
                shiftable = {star: pairs for star, pairs in equal.items() if stars[star].shift is not None}
                for star, pair in _not_mended_by_integers(clash.left, shiftable):
                    equal[star].remove(pair)
                    alike.setdefault(star, []).append(pair)
            alike = {star: _held_together(pairs) for star, pairs in alike.items()}
        found = {Difference(n, a, b, stars[n].shift is None) for n, pairs in equal.items() for a, b, _ in pairs}
        found |= {Difference(n, a, b, True) for n, pairs in alike.items() for a, b, _ in pairs}
        found = {d for d in found if (stars[d.star].real if d.real else stars[d.star].shift) is not None}
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


Pair = tuple[int, int, Number]
"""Two ends `a < b` of a star whose equality takes part in a contradiction with a weight."""


def _held_together(pairs: Sequence[Pair]) -> list[Pair]:
    """The fewest pairs that hold together the ends whose weights do not cancel, given a forest of pairs."""
    groups: list[set[int]] = []
    net: dict[int, Number] = {}
    for a, b, weight in pairs:
        net[a] = net.get(a, 0) - weight
        net[b] = net.get(b, 0) + weight
        joined = [group for group in groups if a in group or b in group]
        groups = [group for group in groups if group not in joined] + [{a, b}.union(*joined)]
    found = []
    for group in groups:
        ends = sorted(end for end in group if abs(float(net[end])) > 1e-9)
        found += [(ends[0], end, net[end]) for end in ends[1:]]
    return found


def _not_mended_by_integers(left: Row, pairs: Mapping[int, Sequence[Pair]]) -> list[tuple[int, Pair]]:
    """Pairs of a contradiction that may differ by integers, all at once, and the contradiction stays.

    The equations add up to `left = 0`, plus for each pair its weight times the integer by which its ends differ.
    """
    known = left.get(TWO, 0)
    odd = any(symbol < TWO for symbol in left)
    fixed = [coefficient for symbol, coefficient in left.items() if symbol >= 0]

    def stays(some: Sequence[tuple[int, Pair]]) -> bool:
        step = common_divisor([*fixed, *(weight for _, (_, _, weight) in some)])
        return odd or (bool(known) if not step else ratio(known, step).denominator != 1)

    candidates = [(star, pair) for star, found in pairs.items() for pair in found]
    if stays(candidates):
        return candidates
    chosen: list[tuple[int, Pair]] = []
    for candidate in candidates:
        if stays([*chosen, candidate]):
            chosen.append(candidate)
    return chosen
