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
from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.datapath.planner.conflicts import Examiner
from hwsim.datapath.planner.cover import Cover
from hwsim.datapath.planner.stars import Partition, cost, together


@dataclass(frozen=True)
class Choice:
    """A possible choice of copies for a piece, its cost, and a proven lower bound on the cost of any."""

    partitions: tuple[Partition, ...]
    cost: float
    bound: float


def cheapest_choice(examiner: Examiner, deadline: float = math.inf) -> Choice:
    """The choice of least cost, or the best one found by the deadline (of `time.monotonic`).

    Raises:
        Contradiction: if no choice is possible.
    """
    stars = examiner.piece.stars
    cover = Cover(stars)
    wanted: Sequence[Partition] = [together(star) for star in stars]
    best, least, bound = None, math.inf, 0.0
    while True:
        examined = examiner.examine(wanted)
        total = sum(cost(star, part) for star, part in zip(stars, examined.partitions, strict=True))
        if best is None or total < least:
            best, least = examined.partitions, total
        news = [cover.add(cut) for cut in examined.cuts]
        assert not news or any(news), "the covering problem already knows every contradiction of its solution"
        if not examined.cuts or bound >= least * (1 - 1e-9) or time.monotonic() > deadline:
            return Choice(best, least, min(bound, least))
        found, choice = cover.solve(max(deadline - time.monotonic(), 0.1))
        bound = max(bound, found)
        if choice is None:
            return Choice(best, least, min(bound, least))
        wanted = choice
