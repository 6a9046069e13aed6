"""The cheapest copies that satisfy a set of cuts: a covering problem, solved as a mixed-integer program by HiGHS.

Variables: for each difference in some cut, whether it holds (x, binary); for each star concerned, whether it has
copies at all (u), whether one of them is not a shift away (v), and what it costs beyond that (w >= 0):

    minimise    sum over stars of  shift * u + (real - shift) * v + w
    subject to  sum of x over a cut >= its demand             for each cut
                x <= u,  and x <= v if the difference is real
                shift * u + (real - shift) * v + w >= c - real * sum of (1 - x)     for certain sets of differences

The last kind says what a set of differences of one star costs together: c is the cost of the cheapest partition that
has them all, and giving up one of them saves at most one copy. They are added when a solution asks for a set of
differences for less than c.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from hwsim.datapath.planner.stars import Cut, Difference, Partition, cheapest_partition, together
from hwsim.datapath.planner.system import Star


@dataclass(frozen=True)
class _Covering:
    """A solution of the program: whether it is one, a bound, the cost of each star, and what holds, how much."""

    solved: bool
    bound: float
    costs: dict[int, float]
    holds: dict[Difference, float]


@dataclass
class Cover:
    """The covering problem of one piece; cuts are added as they are found.

    Attributes:
        stars: of the piece.
        cuts: sets of differences and how many of each set must hold at least.
        joint: sets of differences of one star and what they cost together.
    """

    stars: Sequence[Star]
    cuts: dict[frozenset[Difference], int] = field(default_factory=dict)
    joint: dict[frozenset[Difference], float] = field(default_factory=dict)

    def add(self, cut: Cut) -> bool:
        """Add a cut; whether it asks for more than before."""
        if self.cuts.get(cut.differences, 0) >= cut.demand:
            return False
        self.cuts[cut.differences] = cut.demand
        return True

    def relaxed(self) -> dict[Difference, float]:
        """How much each difference holds if it may do so partly, at least cost."""
        return self._covering(whole=False).holds

    def solve(self, gap: float = 0.0, seconds: float = math.inf) -> tuple[float, list[Partition] | None]:
        """A choice of copies, the cheapest one to within a relative gap, and a lower bound on the cost of any.

        No choice if time does not suffice.
        """
        while True:
            choice = [together(star) for star in self.stars]
            covering = self._covering(gap, seconds)
            if not covering.solved:
                return covering.bound, None
            wrong = False
            for number, pairs in _by_star(self._needed(covering.holds)).items():
                total, choice[number] = cheapest_partition(self.stars[number], pairs)
                if total > covering.costs[number] * (1 + 1e-9) and frozenset(pairs) not in self.joint:
                    self.joint[frozenset(pairs)] = total
                    wrong = True
            if not wrong:
                return covering.bound, choice

    def _needed(self, holds: Collection[Difference]) -> set[Difference]:
        """Differences of a solution without those that no cut needs."""
        needed = set(holds)
        slack = {cut: len(needed & cut) - demand for cut, demand in self.cuts.items()}
        for difference in sorted(needed):
            touched = [cut for cut in slack if difference in cut]
            if all(slack[cut] > 0 for cut in touched):
                needed.remove(difference)
                for cut in touched:
                    slack[cut] -= 1
        return needed

    def _covering(self, gap: float = 0.0, seconds: float = math.inf, whole: bool = True) -> _Covering:
        """Solve the program as it stands."""
        differences = sorted({difference for cut in self.cuts for difference in cut})
        concerned = sorted({difference.star for difference in differences})
        x = {difference: n for n, difference in enumerate(differences)}
        u = {star: len(x) + 3 * n for n, star in enumerate(concerned)}
        costs = {star: _costs(self.stars[star]) for star in concerned}
        unit = min((c for first, real in costs.values() for c in (first, real) if c > 0), default=1.0)
        size = len(x) + 3 * len(u)
        objective = np.zeros(size)
        for star, column in u.items():
            first, real = costs[star]
            objective[column : column + 3] = np.array([first, real - first, unit]) / unit
        entries: list[tuple[int, int, float]] = []
        least: list[float] = []

        def demand(terms: Collection[tuple[int, float]], at_least: float) -> None:
            entries.extend((len(least), column, value) for column, value in terms)
            least.append(at_least)

        for difference, column in x.items():
            demand([(u[difference.star], 1), (column, -1)], 0)
            if difference.real:
                demand([(u[difference.star] + 1, 1), (column, -1)], 0)
        for cut, number in self.cuts.items():
            demand([(x[difference], 1) for difference in cut], number)
        for pairs, total in self.joint.items():
            star = next(iter(pairs)).star
            copy = max(costs[star]) / unit
            terms = [(u[star] + part, objective[u[star] + part]) for part in range(3)]
            demand([*terms, *((x[pair], -copy) for pair in pairs)], total / unit - copy * len(pairs))
        rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = coo_array((values.astype(float), (rows, columns)), shape=(len(least), size))
        binary = np.full(size, int(whole))
        binary[len(x) + 2 :: 3] = 0
        top = np.ones(size)
        top[len(x) + 2 :: 3] = np.inf
        options = {"mip_rel_gap": gap} | ({"time_limit": seconds} if math.isfinite(seconds) else {})
        solved = milp(
            objective,
            integrality=binary,
            bounds=Bounds(0, top),
            constraints=LinearConstraint(matrix, np.array(least), np.inf),
            options=options,
        )
        bound = (0.0 if solved.mip_dual_bound is None else float(solved.mip_dual_bound)) * unit
        if solved.x is None or solved.status != 0:
            return _Covering(False, bound, {}, {})
        modelled = {star: float(objective[c : c + 3] @ solved.x[c : c + 3]) * unit for star, c in u.items()}
        least_held = 0.5 if whole else 1e-9
        holds = {d: float(solved.x[column]) for d, column in x.items() if solved.x[column] > least_held}
        return _Covering(True, bound, modelled, holds)


def _costs(star: Star) -> tuple[float, float]:
    """Cost of the first copy if it is a shift away, and if it is not."""
    first = star.real if star.shift is None else star.shift
    real = first if star.real is None else star.real
    assert first is not None
    assert real is not None
    return first, real


def _by_star(differences: Collection[Difference]) -> dict[int, set[Difference]]:
    found: dict[int, set[Difference]] = {}
    for difference in differences:
        found.setdefault(difference.star, set()).add(difference)
    return found
