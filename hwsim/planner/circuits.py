"""Cuts from several circuits at once, which ask for more than one difference.

A circuit is a set of ties that together with the nodes' equations add up to 0 = b for some b other than 0. Let E be
the union of m circuits, each with a tie of its own that closes it and all other ties independent. Every dependency
among the ties of E is a combination of the m circuits, and adds up to the same combination of their b's. If these are
linearly independent over the rational numbers (as vectors of exponents), no combination of them is zero, so every
dependency is a contradiction. Ties that are combinations of those of E and hold together must then be independent of
one another: there are at most |E| - m of them.

The ties of E form trees over ends of stars. If the n ends of a tree are in k classes, n - k ties hold within these,
which are combinations of the n - 1 ties of the tree. So k - 1, added up over all trees, is at least m. No star has
fewer divisions than the k - 1 of one of its trees. It may well have fewer than ties of a tree that do not hold, where
it takes one end away from several others.

Where every dependency is a contradiction and no star has more than two ends, such cuts for the circuits closed by the
dearest tie, the two dearest, and so on are all that linear programming needs to find the cheapest differences (it is
the greedy algorithm for matroids); single circuits alone leave it with half a difference here and there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hwsim.planner.exact import TWO, Echelon, SparseRow
from hwsim.planner.intervals import Clash
from hwsim.planner.stars import Cut, Difference, Tie
from hwsim.planner.system import Star


def joint_cuts(stars: Sequence[Star], clashes: Mapping[Tie, Clash]) -> Iterator[Cut]:
    """Cuts from the first two, three, ... of those circuits that share ties.

    Args:
        stars: of the piece.
        clashes: the tie that closes a circuit -> the circuit, in the order in which they were found; other
            contradictions among them are passed over.
    """
    groups: list[tuple[set[Tie], list[SparseRow]]] = []
    for clash in clashes.values():
        ties = {label for label in clash.labels if isinstance(label, Tie)}
        # Where shifts may lie between two ends, only what no integer can mend counts.
        mended = any(stars[tie.star].turns for tie in ties)
        if clash.left is None or any(symbol >= 0 for symbol in clash.left) or any(tie.shift for tie in ties):
            continue
        gap = {symbol: value for symbol, value in clash.left.items() if symbol != TWO or not mended}
        touched = [group for group in groups if group[0] & ties]
        union = ties.union(*(group[0] for group in touched))
        gaps = [gap, *(row for group in touched for row in group[1])]
        if mended or any(stars[tie.star].turns for tie in union):
            gaps = [{symbol: value for symbol, value in row.items() if symbol != TWO} for row in gaps]
        if not _independent(gaps):
            continue
        groups = [group for group in groups if group not in touched] + [(union, gaps)]
        if len(gaps) > 1 and all(stars[tie.star].real is not None for tie in union):
            yield Cut(frozenset(Difference(tie.star, tie.a, tie.b, True) for tie in union), len(gaps))


def _independent(rows: Sequence[SparseRow]) -> bool:
    """Whether vectors over the symbols are linearly independent over the rational numbers."""
    unknown = {symbol: number for number, symbol in enumerate(sorted({symbol for row in rows for symbol in row}))}
    echelon = Echelon()
    for row in rows:
        left, used = echelon.reduce({unknown[symbol]: value for symbol, value in row.items()})
        if echelon.insert(None, left, used) is None:
            return False
    return True
