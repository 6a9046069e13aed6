"""Equations, intervals and integers of one piece together, and what contradicts what among them.

From exact to numerical:

1. equations, by elimination over the rational numbers with exact constants. A row that contradicts those before it
   does so together with a unique set of them, a *circuit*: equations whose sum reads 0 = something else;
2. intervals, which elimination carries along (see `Bounded`), or a linear program checks;
3. integers (shifts, constants that are powers of two) within intervals, by a mixed-integer program; what contradicts
   is then found by leaving rows out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from hwsim.planner.deadline import NEVER, Deadline
from hwsim.planner.exact import Echelon, Number, SparseRow
from hwsim.planner.integers import integers_fit
from hwsim.planner.intervals import TOLERANCE, Bounded, Clash, FeasibleInterval
from hwsim.planner.system import Piece, System


@dataclass(frozen=True)
class _Offset:
    """An unknown that is `slope * real + known` and any integer, and its interval."""

    symbol: int
    interval: FeasibleInterval
    slope: Number
    known: float

    @property
    def start(self) -> float:
        """The least `slope * real` that is possible, plus any integer."""
        return self.interval.low - self.known

    def holds(self, real: float) -> bool:
        """Whether the interval is possible with this `slope * real`."""
        low, high = self.interval.low - self.known - real, self.interval.high - self.known - real
        return math.ceil(low - TOLERANCE) <= high + TOLERANCE

    def meets(self, other: _Offset) -> bool:
        """Whether both intervals are possible together."""
        return self.slope != other.slope or self.holds(other.start) or other.holds(self.start)


@dataclass
class Elimination:
    """The rows of a piece as far as they contradict nothing.

    With integers about there are two eliminations, of all rows (`exact`) and of those that say something about real
    numbers (`bounded`): a row that only says that two potentials differ by some integer does not. Otherwise `exact`
    is `bounded`.
    """

    system: System
    piece: Piece
    exact: Echelon
    bounded: Bounded
    rows: dict[Any, SparseRow] = field(default_factory=dict)

    @classmethod
    def of(cls, system: System, piece: Piece) -> Elimination:
        """An elimination without rows."""
        integers = frozenset(u for u in piece.unknowns if system.unknowns[u].integer)
        bounded = Bounded(system=system)
        return cls(system, piece, Echelon(integers) if integers else bounded, bounded)

    def fork(self) -> Elimination:
        """A copy that grows on its own."""
        bounded = self.bounded.fork()
        exact = bounded if self.exact is self.bounded else self.exact.fork()
        return replace(self, exact=exact, bounded=bounded, rows=dict(self.rows))

    def add(self, label: Any, row: SparseRow, only_integer: bool = False) -> Clash | None:
        """Add a row, unless it contradicts the others in exact arithmetic or in what `Bounded` sees of intervals.

        `only_integer` marks a row that says nothing about real numbers.
        """
        if self.exact is self.bounded:
            clash = self.bounded.add(label, row)
        else:
            left, used = self.exact.reduce(row)
            if self.exact.contradicts(left):
                return Clash([{**self.exact.combination(used), label: -1}], left, ())
            clash = None if only_integer else self.bounded.add(label, row)
            if clash is None:
                self.exact.insert(label, left, used)
        if clash is None:
            self.rows[label] = row
        return clash

    def integer_clashes(self) -> tuple[list[Clash], bool]:
        """Contradictions of integers with the intervals of one or two unknowns, and whether there may be others.

        Shifts lead anywhere by integers: of an unknown that equations without shifts leave open, it only counts where
        it lies between two integers. That is known, or known but for one real unknown, or not of this simple kind.
        """
        clashes: list[Clash] = []
        groups: dict[int | None, list[_Offset]] = {}
        others = self.bounded.wide
        for symbol in self.piece.unknowns if self.exact is not self.bounded else ():
            interval = self.bounded.left_to(symbol)
            if symbol in self.bounded.pivots or math.isinf(interval.low) or math.isinf(interval.high):
                continue
            form, _ = self.exact.reduce({symbol: 1})
            real = {s: c for s, c in form.items() if s >= 0 and s not in self.exact.integers}
            if len(real) > 1 or any(c.denominator != 1 for s, c in form.items() if s in self.exact.integers):
                others = True
                continue
            key, slope = next(iter(real.items()), (None, 1))
            groups.setdefault(key, []).append(_Offset(symbol, interval, slope, self.system.base.float_of(form)))
        for key, group in groups.items():
            if key is None:
                clashes += (self._integer_clash(offset) for offset in group if not offset.holds(0.0))
            elif len(group) > 1 and not any(all(o.holds(start.start) for o in group) for start in group):
                pairs = [(one, other) for one, other in combinations(group, 2) if not one.meets(other)]
                clashes += (self._integer_clash(*pair) for pair in pairs)
                others = others or not pairs
            others = others or len({offset.slope for offset in group}) > 1
        return clashes, others

    def _integer_clash(self, *offsets: _Offset) -> Clash:
        """The contradiction of one interval with the integers, or of two with one another and the integers."""
        sums: list[Mapping[Any, Number]] = []
        modulo: dict[Any, Number] = {}
        for offset, sign in zip(offsets, (1, -1), strict=False):
            ends = list(dict.fromkeys((offset.interval.low_of, offset.interval.high_of)))
            anchor = ends[0]
            if self.bounded.reduce({anchor: 1})[0].get(offset.symbol) == 1:
                sums += self.bounded.clash(ends).sums if len(ends) > 1 else []
            else:
                anchor = offset.symbol
                sums += [self.bounded.combination(self.bounded.reduce({end: 1})[1]) for end in ends]
            for label, weight in self.exact.combination(self.exact.reduce({anchor: 1})[1]).items():
                modulo[label] = modulo.get(label, 0) + sign * weight
        unknowns = tuple(end for offset in offsets for end in (offset.interval.low_of, offset.interval.high_of))
        return Clash(sums, None, tuple(dict.fromkeys(unknowns)), {label: w for label, w in modulo.items() if w})

    def possible(self) -> bool:
        """Whether there is no contradiction that `add` cannot see."""
        return self.wide_clash() is None and self.integer_values() is not None

    def wide_clash(self, deadline: Deadline = NEVER) -> Clash | None:
        """A contradiction of intervals with rows of more than two unknowns."""
        return self.bounded.wide_clash(self.piece.unknowns, deadline) if self.bounded.wide else None

    def integer_values(self, deadline: Deadline = NEVER) -> dict[int, float] | None:
        """Values of unknowns that are no pivots, with which integers are integers; None if there are none."""
        if self.exact is self.bounded:
            return {}
        return integers_fit(self.system, self.exact, self.piece.unknowns, deadline=deadline)


def necessary(parts: Sequence[Any], contradict: Callable[[Sequence[Any]], bool]) -> list[Any]:
    """Some of contradicting parts that still contradict, and no longer do if any one of them is left out.

    Halves, quarters and so on are left out first, the last parts before the first ones.
    """
    left, size = list(parts), len(parts)
    while size:
        for end in range(len(left), 0, -size):
            fewer = left[: max(end - size, 0)] + left[end:]
            if contradict(fewer):
                left = fewer
        size //= 2
    return left
