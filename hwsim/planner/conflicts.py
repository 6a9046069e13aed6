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

from hwsim.planner.circuits import joint_cuts
from hwsim.planner.deadline import NEVER, Deadline
from hwsim.planner.elimination import Elimination, necessary
from hwsim.planner.exact import TWO, Number, SparseRow, common_divisor, ratio
from hwsim.planner.integers import integers_fit
from hwsim.planner.intervals import Clash
from hwsim.planner.stars import Cut, Difference, Partition, Tie, cost, tie_row, ties
from hwsim.planner.system import Piece, Star, System


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
        cost: what that choice costs.
    """

    cuts: tuple[Cut, ...]
    partitions: tuple[Partition, ...]
    cost: float


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

    def examine(self, wanted: Iterable[Tie], deadline: Deadline = NEVER) -> Examined:
        """Find contradictions in ties that are added one after the other.

        Several are found at once, by giving up a tie of each: the last one, or the cheapest where the order does not
        tell. Equal ends whose tie is given up may still be an integer apart.

        Raises:
            OutOfTimeError: if the deadline passes.
        """
        cuts: list[Cut] = []
        while True:
            kept, clashes = self.eliminate(wanted, deadline=deadline)
            cuts += (self._cut(self._shrunk(clash, deadline)) for clash in clashes.values())
            cuts += joint_cuts(self.piece.stars, clashes)
            more = self._more_clashes(kept, deadline)
            if not more:
                partitions = self._partitions(kept)
                total = math.fsum(map(cost, self.piece.stars, partitions))
                return Examined(tuple(cuts), partitions, total)
            wanted = [label for label in kept.rows if isinstance(label, Tie)]
            for clash in more:
                cuts.append(self._cut(clash))
                given_up = min((tie for tie in _ties(clash) if tie in wanted), key=self.price, default=None)
                if given_up is not None:
                    wanted.remove(given_up)
                    if self.piece.stars[given_up.star].turns and not given_up.shift:
                        wanted.append(given_up._replace(shift=True))

    def _more_clashes(self, kept: Elimination, deadline: Deadline) -> list[Clash]:
        """Contradictions among ties of which none contradicts those before it: of ranges and integers."""
        wide = kept.wide_clash(deadline)
        if wide is not None:
            return [wide]
        found, others = kept.integer_clashes()
        clash = self._integer_clash(kept, deadline) if others and not found else None
        return found if clash is None else [clash]

    def ties(self, choice: Sequence[Partition]) -> list[Tie]:
        """The ties that a choice of copies is made of, the dearest to give up first."""
        found = [tie for n, star in enumerate(self.piece.stars) for tie in ties(n, star, choice[n])]
        return sorted(found, key=self.price, reverse=True)

    def fractional_ties(self, differences: Mapping[Difference, float]) -> list[Tie]:
        """Ties between the ends of all stars, those first that a fractional choice of copies gives up least."""
        pairs = {(n, 0, end): 0.0 for n, star in enumerate(self.piece.stars) for end in range(1, len(star.ends))}
        for (n, a, b, real), value in differences.items():
            if real == (self.piece.stars[n].shift is None):
                pairs[n, a, b] = value
        found = [(value, Tie(*pair, shift=False)) for pair, value in pairs.items()]
        return [tie for _, tie in sorted(found, key=lambda item: (item[0], -self.price(item[1])))]

    def eliminate(
        self, wanted: Iterable[Tie], enough: float = math.inf, deadline: Deadline = NEVER
    ) -> tuple[Elimination, dict[Tie, Clash]]:
        """Add ties to the nodes' equations, and tell why some were not; stop when enough were not."""
        elimination = self._nodes.fork()
        clashes: dict[Tie, Clash] = {}
        for tie in wanted:
            deadline.check()
            star = self.piece.stars[tie.star]
            weaker = tie._replace(shift=True)
            turned = any(weaker._replace(a=a) in elimination.rows for a in range(tie.b))
            for attempt in (tie, weaker) if star.turns and not tie.shift and not turned else (tie,):
                clash = elimination.add(attempt, tie_row(star, attempt), only_integer=attempt.shift)
                if clash is None:
                    break
                clashes[attempt] = clash
            if len(clashes) >= enough:
                break
        return elimination, clashes

    def _shrunk(self, clash: Clash, deadline: Deadline) -> Clash:
        """A part of a contradiction that contradicts too.

        Between two potentials that are too far apart there may be others that already are. They are met when the ties
        are added in order of execution, and then those that took part the other way round, and so on.
        """
        ties = _ties(clash)
        backwards = False
        while clash.unknowns:
            _, clashes = self.eliminate(sorted(ties, reverse=backwards), enough=1, deadline=deadline)
            smaller = next(iter(clashes.values()), clash)
            left = _ties(smaller)
            if len(left) == len(ties) and backwards:
                break
            clash, ties, backwards = smaller, left, not backwards
        return clash

    def price(self, tie: Tie) -> float:
        """What giving up a tie costs at most; infinite if it cannot be given up."""
        star = self.piece.stars[tie.star]
        if star.real is not None:
            return star.real
        return math.inf if tie.shift or star.shift is None else star.shift

    def _integer_clash(self, kept: Elimination, deadline: Deadline) -> Clash | None:
        """Ties that leave no integers in the intervals: only those needed for that, and as weak as possible."""
        if kept.integer_values(deadline) is not None:
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
            loose = set(limited).difference(ends)
            return integers_fit(self.system, rows, self.piece.unknowns, loose, deadline) is None

        needed = [label for label in kept.rows if isinstance(label, Tie)]
        needed = necessary(needed, lambda some: impossible(some, limited))
        for n, tie in enumerate(needed):
            if self.piece.stars[tie.star].turns:
                weaker = [*needed[:n], tie._replace(shift=True), *needed[n + 1 :]]
                needed = weaker if impossible(weaker, limited) else needed
        ends = necessary(limited, lambda some: impossible(needed, some))
        return Clash([], None, tuple(ends), rows=tuple(needed))

    def _cut(self, clash: Clash) -> Cut:
        """The differences of which a contradiction asks for one.

        What counts is only which ends of a star the equations hold together: ends whose weights cancel are not
        among them. Where not even an integer between two ends would help, the difference must be real.
        """
        stars = self.piece.stars
        equal: list[tuple[int, Pair]] = []
        alike: list[tuple[int, Pair]] = []
        for total in clash.sums:
            together = _held_together(total, shift=False)
            rigid = []
            if clash.left is not None:
                rigid = _not_mended_by_integers(clash.left, [part for part in together if stars[part[0]].turns])
            equal += [part for part in together if part not in rigid]
            alike += _held_together(total, shift=True, more=rigid)
        alike += _held_together(clash.modulo, shift=None)
        found = {Difference(n, a, b, not stars[n].turns) for n, (a, b, _) in equal}
        found |= {Difference(n, a, b, True) for n, (a, b, _) in alike}
        found |= {Difference(tie.star, tie.a, tie.b, tie.shift or not stars[tie.star].turns) for tie in clash.rows}
        found = {d for d in found if (stars[d.star].real if d.real else stars[d.star].shift) is not None}
        if not found:
            raise self._contradiction(clash)
        return Cut(frozenset(found))

    def _contradiction(self, clash: Clash) -> ContradictionError:
        ranges = [self.system.unknowns[u].subject for u in clash.unknowns]
        tensors = [self.piece.stars[tie.star].tensor for tie in _ties(clash)]
        return ContradictionError(ranges, tensors)

    def _partitions(self, elimination: Elimination) -> tuple[Partition, ...]:
        """Which ends are equal, and which differ by integers, whatever the unknowns that are left."""
        found = []
        for star in self.piece.stars:
            blocks: list[SparseRow] = []
            classes: list[SparseRow] = []
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

    def _alike(self, star: Star, one: SparseRow, other: SparseRow) -> bool:
        """Whether two potentials of a star are in one class: equal, or with shifts on offer an integer apart."""
        if star.shift is None:
            return one == other
        for symbol in {*one, *other}:
            coefficient = one.get(symbol, 0) - other.get(symbol, 0)
            whole = symbol == TWO or (symbol >= 0 and self.system.unknowns[symbol].integer)
            if coefficient and not (whole and coefficient.denominator == 1):
                return False
        return True


def _ties(clash: Clash) -> list[Tie]:
    """The ties that take part in a contradiction."""
    return [label for label in clash.labels if isinstance(label, Tie)]


Pair = tuple[int, int, Number]
"""Two ends `a < b` of a star whose equality takes part in a contradiction with a weight."""


def _held_together(
    total: Mapping[Any, Number], shift: bool | None, more: Iterable[tuple[int, Pair]] = ()
) -> list[tuple[int, Pair]]:
    """The fewest pairs, each with its star, that hold together the ends whose weights in a sum do not cancel.

    Args:
        total: the sum; other rows than ties are passed over.
        shift: whether to look at ties up to integers or at the others; at both if None.
        more: pairs to look at too.
    """
    groups: list[set[tuple[int, int]]] = []
    net: dict[tuple[int, int], Number] = {}
    taken = [(t.star, (t.a, t.b, w)) for t, w in total.items() if isinstance(t, Tie) and shift in (None, t.shift)]
    for star, (a, b, weight) in [*taken, *more]:
        net[star, a] = net.get((star, a), 0) - weight
        net[star, b] = net.get((star, b), 0) + weight
        joined = [group for group in groups if (star, a) in group or (star, b) in group]
        groups = [group for group in groups if group not in joined] + [{(star, a), (star, b)}.union(*joined)]
    found = []
    for group in groups:
        ends = sorted(end for end in group if abs(float(net[end])) > 1e-9)
        found += [(star, (ends[0][1], end, net[star, end])) for star, end in ends[1:]]
    return found


def _not_mended_by_integers(left: SparseRow, candidates: Sequence[tuple[int, Pair]]) -> list[tuple[int, Pair]]:
    """Pairs of a contradiction that may differ by integers, all at once, and the contradiction stays.

    The equations add up to `left = 0`, plus for each pair its weight times the integer by which its ends differ.
    """
    known = left.get(TWO, 0)
    odd = any(symbol < TWO for symbol in left)
    fixed = [coefficient for symbol, coefficient in left.items() if symbol >= 0]

    def stays(some: Sequence[tuple[int, Pair]]) -> bool:
        step = common_divisor([*fixed, *(weight for _, (_, _, weight) in some)])
        return odd or (bool(known) if not step else ratio(known, step).denominator != 1)

    if stays(candidates):
        return list(candidates)
    chosen: list[tuple[int, Pair]] = []
    for candidate in candidates:
        if stays([*chosen, candidate]):
            chosen.append(candidate)
    return chosen
