"""The cheapest copies that satisfy a set of cuts: a covering problem, solved as a mixed-integer program by HiGHS.

Variables: for each difference in some cut, whether it holds (x, binary); for each spread of several differences, into
how many parts its ends fall, less one (y); for each star concerned, its classes less one (r, integer), and its blocks
less its classes (t, integer):

    minimise    sum over stars of  real * r + shift * t
    subject to  sum of x and y over the spreads of a cut >= its demand     for each cut
                y <= sum of x over the differences of the spread
                x, y <= r if the differences are real, else r + t
                real * r + shift * t >= c - real * sum of (1 - x)          for certain sets of differences

A cut asks for spreads, because one copy may make several differences of a star hold but gives only one more potential.
Counted one by one, half a copy would seem to do for two contradictions that share a star.

The last kind says what a set of differences of one star costs together: c is the cost of the cheapest partition that
has them all, and giving up one of them saves at most one copy. They are added when a solution asks for a set of
differences for less than c, for the fewest of these that cost more than it pays: one triangle that needs three classes
cuts off every set of differences around it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from hwsim.planner.deadline import NEVER, Deadline
from hwsim.planner.elimination import necessary
from hwsim.planner.stars import Cut, Difference, Partition, cheapest_partition, together
from hwsim.planner.system import Star


@dataclass(frozen=True)
class Covering:
    """A solution of the program: whether it is one, a bound, what holds, how much, and the copies of each star.

    Attributes:
        solved: whether it is one; if not, only the bound says something.
        bound: on the cost of any.
        holds: how much each difference holds, if at all.
        copies: of each star concerned, its classes less one, and its blocks less its classes.
    """

    solved: bool
    bound: float
    holds: Mapping[Difference, float] = field(default_factory=dict)
    copies: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def satisfies(self, cut: Cut) -> bool:
        """Whether a cut, known before or not, is satisfied."""
        total = 0.0
        for spread in cut.spreads:
            star = next(iter(spread)).star
            copies = self.copies.get(star, (0.0, 0.0))
            total += min(copies[0] if _real(spread) else sum(copies), sum(self.holds.get(d, 0.0) for d in spread))
        return total > cut.demand - 1e-6


@dataclass
class Cover:
    """The covering problem of one piece; cuts are added as they are found.

    Attributes:
        stars: of the piece.
        cuts: by their differences.
        joint: sets of differences of one star and what they cost together.
    """

    stars: Sequence[Star]
    cuts: dict[frozenset[Difference], Cut] = field(default_factory=dict)
    joint: dict[frozenset[Difference], float] = field(default_factory=dict)

    def add(self, cut: Cut) -> bool:
        """Add a cut; whether it asks for more than before."""
        known = self.cuts.get(cut.differences)
        if known is not None and known.demand >= cut.demand:
            return False
        self.cuts[cut.differences] = cut
        return True

    def relaxed(self, deadline: Deadline = NEVER) -> Covering:
        """The covering of least cost if differences may hold partly.

        Raises:
            OutOfTimeError: if the deadline passes.
        """
        deadline.check()
        covering = self._covering(deadline, whole=False)
        if not covering.solved:
            deadline.check()
        return covering

    def solve(
        self, gap: float = 0.0, deadline: Deadline = NEVER, enough: float = math.inf
    ) -> tuple[float, list[Partition] | None]:
        """A choice of copies, the cheapest one to within a relative gap, and a lower bound on the cost of any.

        No choice if time does not suffice, or the bound is enough.
        """
        bound = 0.0
        while not deadline.passed:
            choice = [together(star) for star in self.stars]
            covering = self._covering(deadline, gap)
            bound = max(bound, covering.bound)
            if not covering.solved or bound >= enough:
                break
            wrong = False
            for number, pairs in _by_star(self._needed(covering.holds)).items():
                total, choice[number] = cheapest_partition(self.stars[number], pairs, deadline)
                paid = math.fsum(np.multiply(np.round(covering.copies[number]), _prices(self.stars[number])))
                if total > paid * (1 + 1e-9) and self._charge(number, pairs, paid, deadline):
                    wrong = True
            if not wrong:
                return bound, choice
        return bound, None

    def _charge(self, number: int, pairs: Collection[Difference], paid: float, deadline: Deadline) -> bool:
        """Say what sets of differences cost that were paid too little for; whether that asks for more than before.

        No set has a difference to spare, and none shares one with another. All that was asked for is a last resort,
        where the solver's tolerance is all that was paid too little.
        """
        star = self.stars[number]

        def too_cheap(some: Sequence[Difference]) -> bool:
            return cheapest_partition(star, some, deadline)[0] > paid * (1 + 1e-9)

        known, left = len(self.joint), sorted(pairs)
        while too_cheap(left):
            fewest = necessary(left, too_cheap)
            self._price_jointly(fewest, deadline)
            left = [pair for pair in left if pair not in fewest]
        if len(self.joint) == known:
            self._price_jointly(pairs, deadline)
        return len(self.joint) > known

    def _price_jointly(self, pairs: Collection[Difference], deadline: Deadline) -> None:
        """Say what a set of differences of one star costs."""
        star = self.stars[next(iter(pairs)).star]
        self.joint[frozenset(pairs)] = cheapest_partition(star, pairs, deadline)[0]

    def _needed(self, holds: Collection[Difference]) -> set[Difference]:
        """Differences of a solution without those that no cut needs."""
        needed = set(holds)
        slack = {cut: len(needed & cut) - self.cuts[cut].demand for cut in self.cuts}
        for difference in sorted(needed):
            touched = [cut for cut in slack if difference in cut]
            if all(slack[cut] > 0 for cut in touched):
                needed.remove(difference)
                for cut in touched:
                    slack[cut] -= 1
        return needed

    def _covering(self, deadline: Deadline, gap: float = 0.0, whole: bool = True) -> Covering:
        """Solve the program as it stands."""
        differences = sorted({difference for cut in self.cuts for difference in cut})
        x = {difference: n for n, difference in enumerate(differences)}
        column = {frozenset({difference}): n for difference, n in x.items()}
        for cut in self.cuts.values():
            for spread in cut.spreads:
                column.setdefault(spread, len(column))
        r = {star: len(column) + 2 * n for n, star in enumerate(sorted({d.star for d in x}))}
        size = len(column) + 2 * len(r)
        objective, top = np.zeros(size), np.ones(size)
        top[len(x) :] = np.inf
        for star, n in r.items():
            objective[n : n + 2] = _prices(self.stars[star])
            top[n : n + 2] = [
                0 if price is None else np.inf for price in (self.stars[star].real, self.stars[star].shift)
            ]
        unit = min(objective[objective > 0], default=1.0)
        objective /= unit
        entries: list[tuple[int, int, float]] = []
        least: list[float] = []

        def demand(terms: Collection[tuple[int, float]], at_least: float = 0.0) -> None:
            entries.extend((len(least), n, value) for n, value in terms)
            least.append(at_least)

        for spread, n in column.items():
            star = next(iter(spread)).star
            demand([(n, -1), (r[star], 1), *([] if _real(spread) else [(r[star] + 1, 1)])])
            if len(spread) > 1:
                demand([(n, -1), *((x[difference], 1) for difference in spread)])
        for cut in self.cuts.values():
            demand([(column[spread], 1) for spread in cut.spreads], cut.demand)
        for pairs, total in self.joint.items():
            n = r[next(iter(pairs)).star]
            copy = max(objective[n : n + 2])
            terms = [(n, objective[n]), (n + 1, objective[n + 1]), *((x[pair], -copy) for pair in pairs)]
            demand(terms, total / unit - copy * len(pairs))
        rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = coo_array((values.astype(float), (rows, columns)), shape=(len(least), size))
        integer = np.full(size, int(whole))
        integer[len(x) : len(column)] = 0
        solved = milp(
            objective,
            integrality=integer,
            bounds=Bounds(0, top),
            constraints=LinearConstraint(matrix, np.array(least), np.inf),
            options={"mip_rel_gap": gap, **deadline.options},
        )
        bound = (0.0 if solved.mip_dual_bound is None else float(solved.mip_dual_bound)) * unit
        if solved.x is None or solved.status != 0:
            return Covering(False, bound)
        least_held = 0.5 if whole else 1e-9
        holds = {d: float(solved.x[n]) for d, n in x.items() if solved.x[n] > least_held}
        copies = {star: (float(solved.x[n]), float(solved.x[n + 1])) for star, n in r.items()}
        return Covering(True, bound, holds, copies)


def _prices(star: Star) -> tuple[float, float]:
    """What one more class costs, and one more block of a class; nothing where that is not on offer."""
    return star.real or 0.0, star.shift or 0.0


def _real(spread: Collection[Difference]) -> bool:
    """Whether its parts are classes."""
    return all(difference.real for difference in spread)


def _by_star(differences: Collection[Difference]) -> dict[int, set[Difference]]:
    found: dict[int, set[Difference]] = {}
    for difference in differences:
        found.setdefault(difference.star, set()).add(difference)
    return found
