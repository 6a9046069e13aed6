"""Equations, intervals and integers of one piece together, and what contradicts what among them.

From exact to numerical:

1. equations, by elimination over the rational numbers with exact constants. A row that contradicts those before it
   does so together with a unique set of them, a *circuit*: equations whose sum reads 0 = something else;
2. intervals, which elimination carries along (see `Bounded`), or a linear program checks;
3. integers (shifts, constants that are powers of two) within intervals, by a mixed-integer program; what contradicts
   is then found by leaving rows out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hwsim.datapath.planner.exact import Echelon, Row
from hwsim.datapath.planner.integers import integers_fit
from hwsim.datapath.planner.intervals import Bounded, Clash
from hwsim.datapath.planner.system import Piece, System


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
    rows: dict[Any, Row] = field(default_factory=dict)

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

    def add(self, label: Any, row: Row, only_integer: bool = False) -> Clash | None:
        """Add a row, unless it contradicts the others in exact arithmetic or in what `Bounded` sees of intervals.

        `only_integer` marks a row that says nothing about real numbers.
        """
        if self.exact is self.bounded:
            clash = self.bounded.add(label, row)
        else:
            left, used = self.exact.reduce(row)
            if self.exact.contradicts(left):
                return Clash({**self.exact.combination(used), label: -1}, left, ())
            clash = None if only_integer else self.bounded.add(label, row)
            if clash is None:
                self.exact.insert(label, left, used)
        if clash is None:
            self.rows[label] = row
        return clash

    def possible(self) -> bool:
        """Whether there is no contradiction that `add` cannot see."""
        return self.wide_clash() is None and self.integer_values() is not None

    def wide_clash(self) -> Clash | None:
        """A contradiction of intervals with rows of more than two unknowns."""
        return self.bounded.wide_clash(self.piece.unknowns) if self.bounded.wide else None

    def integer_values(self) -> dict[int, float] | None:
        """Values of unknowns that are no pivots, with which integers are integers; None if there are none."""
        if self.exact is self.bounded:
            return {}
        return integers_fit(self.system, self.exact, self.piece.unknowns)


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
