"""The copies of least cost: cuts and coverings in turn, until a covering contradicts nothing.

This is a combinatorial Benders decomposition (Codato and Fischetti, Operations Research 54, 2006; for infeasible
linear systems Parker and Ryan, Annals of Mathematics and Artificial Intelligence 17, 1996). The covering problem knows
only some of all contradictions, so its cost bounds the true one from below. If its choice of copies is possible,
it is the cheapest; if not, the contradictions found in it are new cuts. On the way, giving up a tie of every
contradiction yields choices that are possible, the cheapest of which bounds the cost from above. Nothing is ever
multiplied by a large constant, and no equality is a matter of tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from hwsim.planner.conflicts import Examined, Examiner
from hwsim.planner.cover import Cover
from hwsim.planner.deadline import NEVER, Deadline, OutOfTimeError
from hwsim.planner.stars import Partition, together

FIRST_GAP = 0.02
"""How far from the least cost a covering may be, as long as contradictions are found in it."""


@dataclass(frozen=True)
class Choice:
    """A possible choice of copies for a piece, its cost, and a proven lower bound on the cost of any."""

    partitions: tuple[Partition, ...]
    cost: float
    bound: float


def cheapest_choice(examiner: Examiner, deadline: Deadline = NEVER) -> Choice:
    """The choice of least cost, or the best one found by the deadline; the first one is found whatever it takes.

    Raises:
        ContradictionError: if no choice is possible.
    """
    cover = Cover(examiner.piece.stars)
    best = examiner.examine(examiner.ties([together(star) for star in cover.stars]))
    cuts, bound, gap = best.cuts, 0.0, FIRST_GAP
    optimal = not cuts
    with suppress(OutOfTimeError):
        while not optimal and bound < best.cost * (1 - 1e-9):
            if cuts:
                news = [cover.add(cut) for cut in cuts]
                assert any(news), "the covering problem already knows every contradiction of its solution"
                for examined in _tighten(examiner, cover, deadline):
                    best = min(best, examined, key=lambda examined: examined.cost)
            else:
                gap = 0.0
            found, choice = cover.solve(gap, deadline, best.cost * (1 - 1e-9))
            bound = max(bound, found)
            if choice is None:
                break
            examined = examiner.examine(examiner.ties(choice), deadline)
            cuts = examined.cuts
            best = min(best, examined, key=lambda examined: examined.cost)
            optimal = not cuts and not gap
    return Choice(best.partitions, best.cost, best.cost if optimal else min(bound, best.cost))


def _tighten(examiner: Examiner, cover: Cover, deadline: Deadline) -> Iterator[Examined]:
    """Add cuts that the linear relaxation of the covering problem violates, until none is found.

    Yields the possible choices met on the way.

    Raises:
        OutOfTimeError: if the deadline passes.
    """
    news = [True]
    while any(news):
        relaxed = cover.relaxed(deadline)
        examined = examiner.examine(examiner.fractional_ties(relaxed.holds), deadline)
        yield examined
        news = [cover.add(cut) for cut in examined.cuts if not relaxed.satisfies(cut)]
