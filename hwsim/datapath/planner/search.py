"""The copies of least cost: cuts and coverings in turn, until a covering contradicts nothing.

This is a combinatorial Benders decomposition (Codato and Fischetti, Operations Research 54, 2006; for infeasible
linear systems Parker and Ryan, Annals of Mathematics and Artificial Intelligence 17, 1996). The covering problem knows
only some of all contradictions, so its cost bounds the true one from below. If its choice of copies is possible,
it is the cheapest; if not, the contradictions found in it are new cuts. On the way, giving up a tie of every
contradiction yields choices that are possible, the cheapest of which bounds the cost from above. Nothing is ever
multiplied by a large constant, and no equality is a matter of tolerance.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from hwsim.datapath.planner.conflicts import Examined, Examiner
from hwsim.datapath.planner.cover import Cover
from hwsim.datapath.planner.stars import Partition, together

FIRST_GAP = 0.02
"""How far from the least cost a covering may be, as long as contradictions are found in it."""


@dataclass(frozen=True)
class Choice:
    """A possible choice of copies for a piece, its cost, and a proven lower bound on the cost of any."""

    partitions: tuple[Partition, ...]
    cost: float
    bound: float


def cheapest_choice(examiner: Examiner, deadline: float = math.inf) -> Choice:
    """The choice of least cost, or the best one found by the deadline (of `time.monotonic`).

    Raises:
        ContradictionError: if no choice is possible.
    """
    cover = Cover(examiner.piece.stars)
    best = examiner.examine(examiner.ties([together(star) for star in cover.stars]))
    cuts, bound, gap = best.cuts, 0.0, FIRST_GAP if best.cuts else 0.0
    while (cuts or gap) and bound < best.cost * (1 - 1e-9) and time.monotonic() < deadline:
        if cuts:
            news = [cover.add(cut) for cut in cuts]
            assert any(news), "the covering problem already knows every contradiction of its solution"
            best = min([best, *_tighten(examiner, cover, deadline)], key=lambda examined: examined.cost)
        else:
            gap = 0.0
        found, choice = cover.solve(gap, max(deadline - time.monotonic(), 0.1))
        bound = max(bound, found)
        if choice is None:
            break
        examined = examiner.examine(examiner.ties(choice))
        cuts = examined.cuts
        best = min(best, examined, key=lambda examined: examined.cost)
    proven = best.cost if not cuts and not gap else min(bound, best.cost)
    return Choice(best.partitions, best.cost, proven)


def _tighten(examiner: Examiner, cover: Cover, deadline: float) -> list[Examined]:
    """Add cuts that the linear relaxation of the covering problem violates, until none is found or time is up.

    Returns the possible choices met on the way.
    """
    found = list[Examined]()
    while time.monotonic() < deadline:
        relaxed = cover.relaxed()
        found.append(examiner.examine(examiner.fractional_ties(relaxed.holds)))
        news = [cover.add(cut) for cut in found[-1].cuts if not relaxed.satisfies(cut)]
        if not any(news):
            break
    return found
