"""Equations together with intervals of the unknowns: exact in the equations, numerical in the intervals.

As long as every row leaves at most two unknowns (sums, concatenations and chains of layers do; products of activations
may not), an unknown that is not a pivot has one interval, the intersection of what all unknowns tied to it leave it,
and the system is possible if none of these is empty. Rows with more unknowns are for a linear program.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from hwsim.planner.deadline import NEVER, Deadline, OutOfTimeError
from hwsim.planner.exact import Echelon, Number, SparseRow, ratio
from hwsim.planner.system import System

TOLERANCE = 1e-6
"""By how much, in log2, a potential may lie outside its interval (a millionth of an octave): the intervals are
given as doubles, and linear programs are solved in doubles."""


class FeasibleInterval(NamedTuple):
    """What is left to an unknown, and the unknowns whose own intervals leave it that much."""

    low: float
    high: float
    low_of: int
    high_of: int


class Clash(NamedTuple):
    """A contradiction.

    Attributes:
        sums: labels of the rows that take part, with multiples such that all unknowns but a few cancel in each sum.
        left: what the only sum leaves, if it contradicts by itself.
        unknowns: those whose intervals take part.
        modulo: one more sum whose rows take part only up to integers.
        rows: labels of more rows that take part.
    """

    sums: Sequence[Mapping[Any, Number]]
    left: SparseRow | None
    unknowns: tuple[int, ...]
    modulo: Mapping[Any, Number] = {}
    rows: tuple[Any, ...] = ()

    @property
    def labels(self) -> list[Any]:
        """Labels of all rows that take part."""
        return list(dict.fromkeys([*(label for total in (*self.sums, self.modulo) for label in total), *self.rows]))


@dataclass
class Bounded(Echelon):
    """A system of rows whose unknowns lie in intervals.

    Attributes:
        system: where unknowns have their intervals.
        narrowed: unknown that is not a pivot -> what is left to it; its own interval if absent.
        wide: whether some row left more than two unknowns, so that `narrowed` does not say all.
    """

    system: System = field(kw_only=True)
    narrowed: dict[int, FeasibleInterval] = field(default_factory=dict)
    wide: bool = False

    def fork(self) -> Self:
        """A copy that grows on its own."""
        return replace(super().fork(), narrowed=dict(self.narrowed))

    def add(self, label: Any, row: Mapping[int, Number]) -> Clash | None:
        """Add a row, unless it contradicts those before it or the intervals."""
        left, used = self.reduce(row)
        if self.contradicts(left):
            weights = self.combination(used)
            weights[label] = -1
            return Clash([weights], left, ())
        pivot = self.insert(label, left, used)
        if pivot is None:
            return None
        solved = self.rows[-1]
        others = [symbol for symbol in solved if symbol >= 0 and symbol != pivot]
        if len(others) > 1:
            self.wide = True
            return None
        mine, known = self.left_to(pivot), self.system.base.float_of(solved)
        if not others:
            interval = mine._replace(low=mine.low + known, high=mine.high + known)  # must hold zero
            if interval.low > TOLERANCE or interval.high < -TOLERANCE:
                clash = self.clash([interval.low_of if interval.low > TOLERANCE else interval.high_of])
                self.pop()
                return clash
            return None
        other = others[0]
        slope = -float(solved[other])  # pivot = slope * other - known
        ends = sorted([((mine.low + known) / slope, mine.low_of), ((mine.high + known) / slope, mine.high_of)])
        theirs = self.left_to(other)
        low, low_of = max((ends[0], (theirs.low, theirs.low_of)), key=lambda end: end[0])
        high, high_of = min((ends[1], (theirs.high, theirs.high_of)), key=lambda end: end[0])
        if low > high + TOLERANCE:
            clash = self.clash([low_of, high_of])
            self.pop()
            return clash
        self.narrowed[other] = FeasibleInterval(low, high, low_of, high_of)
        return None

    def left_to(self, symbol: int) -> FeasibleInterval:
        """What is left to an unknown that is not a pivot."""
        own = self.system.unknowns[symbol]
        return self.narrowed.get(symbol) or FeasibleInterval(own.low, own.high, symbol, symbol)

    def clash(self, unknowns: Iterable[int], weights: Iterable[float] | None = None) -> Clash:
        """Why some unknowns cannot all lie in their intervals: the rows that tie them together.

        Two unknowns that are multiples of the same one need no weights; more come with those of a linear program.
        """
        symbols = tuple(dict.fromkeys(unknowns))
        forms = [self.reduce({symbol: 1}) for symbol in symbols]
        factors: list[Number | float]
        if weights is not None:
            factors = list(weights)
        elif len(forms) == 1:
            factors = [1]
        else:
            (one, _), (other, _) = forms
            shared = next(symbol for symbol in one if symbol >= 0)
            factors = [1, -ratio(one[shared], other[shared])]
        total: dict[Any, Any] = {}
        for (_, used), factor in zip(forms, factors, strict=True):
            for label, weight in self.combination(used).items():
                total[label] = total.get(label, 0) + factor * weight
        negligible = 0 if weights is None else 1e-9
        return Clash([{label: w for label, w in total.items() if abs(w) > negligible}], None, symbols)

    def wide_clash(self, unknowns: Iterable[int], deadline: Deadline = NEVER) -> Clash | None:
        """The contradiction that a linear program finds in a system of wide rows, if there is one.

        It minimises the largest violation v of `low - v <= unknown <= high + v`. At the optimum of a positive
        violation, the dual weights of the intervals add up to a combination of unknowns that is constant and too
        large: an irreducible contradiction, because a basic solution has no smaller one inside.

        Raises:
            OutOfTimeError: if the deadline passes.
        """
        program = self._program(unknowns)
        if program is None:
            return None
        columns, matrix, limits, owners = program
        cost = np.zeros(len(columns) + 1)
        cost[-1] = 1.0
        free = [(None, None)] * len(columns) + [(0, None)]
        solved = linprog(
            cost,
            A_ub=np.hstack([matrix, -np.ones((len(limits), 1))]),
            b_ub=limits,
            bounds=free,
            method="highs-ds",
            options=dict(deadline.options),
        )
        if solved.fun is None and deadline.passed:
            raise OutOfTimeError
        if solved.fun <= TOLERANCE:
            return None
        weights: dict[int, float] = {}
        for (symbol, sign), dual in zip(owners, -solved.ineqlin.marginals, strict=True):
            if dual > 1e-9:
                weights[symbol] = weights.get(symbol, 0.0) + sign * dual
        return self.clash(weights, weights.values())

    def span(self, symbol: int, unknowns: Iterable[int]) -> tuple[float, float]:
        """The values that the intervals of all unknowns leave to one that the rows do not determine."""
        form, _ = self.reduce({symbol: 1})
        inside = {s: float(c) for s, c in form.items() if s >= 0}
        known = self.system.base.float_of(form)
        program = self._program(unknowns) if self.wide else None
        if program is None:
            if len(inside) > 1:
                return -math.inf, math.inf
            ((other, slope),) = inside.items()
            theirs = self.left_to(other)
            low, high = sorted((slope * theirs.low + known, slope * theirs.high + known))
            return low, high
        columns, matrix, limits, _ = program
        if not inside.keys() <= set(columns):
            return -math.inf, math.inf
        direction = np.array([inside.get(s, 0.0) for s in columns])
        ends = []
        for sign in (1.0, -1.0):
            for slack in (1e-9, TOLERANCE):  # the intervals may leave a single point, which rounding misses
                solved = linprog(sign * direction, A_ub=matrix, b_ub=limits + slack, bounds=(None, None))
                if solved.status != 2:
                    break
            ends.append(known + sign * solved.fun if solved.status == 0 else -sign * math.inf)
        return ends[0], ends[1]

    def _program(
        self, unknowns: Iterable[int]
    ) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64], list[tuple[int, float]]] | None:
        """All intervals as `matrix @ free <= limits`: free unknowns, and for each line its unknown and direction.

        None if no interval is finite.
        """
        own = self.system.unknowns
        limited = [u for u in unknowns if math.isfinite(own[u].low) or math.isfinite(own[u].high)]
        forms = [self.reduce({u: 1})[0] for u in limited]
        columns = sorted({s for form in forms for s in form if s >= 0})
        place = {s: n for n, s in enumerate(columns)}
        lines, limits, owners = [], [], []
        for symbol, form in zip(limited, forms, strict=True):
            line = np.zeros(len(columns))
            for s, coefficient in form.items():
                if s >= 0:
                    line[place[s]] = float(coefficient)
            known = self.system.base.float_of(form)
            for end, sign in ((own[symbol].low, -1.0), (own[symbol].high, 1.0)):
                if math.isfinite(end):
                    lines.append(sign * line)
                    limits.append(sign * (end - known))
                    owners.append((symbol, sign))
        return (columns, np.array(lines), np.array(limits), owners) if lines else None
