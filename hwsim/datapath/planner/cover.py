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

from hwsim.datapath.planner.stars import Difference, Partition, cheapest_partition, together
from hwsim.datapath.planner.system import Star


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

    def add(self, cut: frozenset[Difference], demand: int = 1) -> bool:
        """Add a cut; whether it asks for more than before."""
        if self.cuts.get(cut, 0) >= demand:
            return False
        self.cuts[cut] = demand
        return True

    def solve(self, seconds: float = math.inf) -> tuple[float, list[Partition] | None]:
        """The cheapest choice of copies and a lower bound on its cost, which is that cost if time suffices."""
        choice = [together(star) for star in self.stars]
        if not self.cuts:
            return 0.0, choice
        while True:
            bound, modelled, holds = self._covering(seconds)
            if holds is None:
                return bound, None
            wrong = False
            for number, pairs in _by_star(self._needed(holds)).items():
                total, choice[number] = cheapest_partition(self.stars[number], pairs)
                if total > modelled[number] * (1 + 1e-9) and frozenset(pairs) not in self.joint:
                    self.joint[frozenset(pairs)] = total
                    wrong = True
            if not wrong:
                return bound, choice
            choice = [together(star) for star in self.stars]

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

    def _covering(self, seconds: float) -> tuple[float, dict[int, float], set[Difference] | None]:
        """Solve the program as it stands: bound, cost by star, and the differences that hold."""
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
            top = max(costs[star]) / unit
            terms = [(u[star] + part, objective[u[star] + part]) for part in range(3)]
            demand([*terms, *((x[pair], -top) for pair in pairs)], total / unit - top * len(pairs))
        rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = coo_array((values.astype(float), (rows, columns)), shape=(len(least), size))
        binary = np.ones(size)
        binary[len(x) + 2 :: 3] = 0
        options = {"mip_rel_gap": 0.0} | ({"time_limit": seconds} if math.isfinite(seconds) else {})
        solved = milp(
            objective,
            integrality=binary,
            bounds=Bounds(0, np.where(binary, 1, np.inf)),
            constraints=LinearConstraint(matrix, np.array(least), np.inf),
            options=options,
        )
        bound = (0.0 if solved.mip_dual_bound is None else float(solved.mip_dual_bound)) * unit
        if solved.x is None or solved.status != 0:
            return bound, {}, None
        modelled = {star: float(objective[c : c + 3] @ solved.x[c : c + 3]) * unit for star, c in u.items()}
        return bound, modelled, {difference for difference, column in x.items() if solved.x[column] > 0.5}


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
