"""Integers within intervals: shifts, and constants that are powers of two."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from hwsim.datapath.planner.exact import Row
from hwsim.datapath.planner.intervals import TOLERANCE
from hwsim.datapath.planner.system import Piece, System, Unknown

FARTHEST_SHIFT = 2.0**16
"""Bound on the integers by which shifts change potentials: far beyond any exponent of a number format."""


def integers_fit(
    system: System,
    piece: Piece,
    rows: Iterable[Row],
    near: Mapping[int, float] | None = None,
    loose: Collection[int] = (),
) -> dict[int, float] | None:
    """Values of the unknowns that solve all rows and lie in their intervals, integers where they must be.

    Args:
        system: the system.
        piece: the piece whose unknowns are solved for.
        rows: equations.
        near: unknown -> value that it should be close to: the sum of the distances is minimised.
        loose: unknowns whose intervals do not count.

    Returns:
        Unknown -> value, in double precision; None if there are none.
    """
    near = near or {}
    unknowns = [system.unknowns[u] for u in piece.unknowns]
    column = {u: n for n, u in enumerate(piece.unknowns)}
    size = len(column) + len(near)
    entries: list[tuple[int, int, float]] = []
    low: list[float] = []
    high: list[float] = []
    for row in rows:
        entries += [(len(low), column[s], float(c)) for s, c in row.items() if s >= 0]
        known = -system.base.float_of(row)
        low.append(known)
        high.append(known)
    for extra, (symbol, value) in enumerate(near.items()):
        for sign in (1.0, -1.0):  # distance >= sign * (unknown - value)
            entries += [(len(low), len(column) + extra, 1.0), (len(low), column[symbol], -sign)]
            low.append(-sign * value)
            high.append(math.inf)
    own = [Unknown("", integer=v.integer) if u in loose else v for u, v in zip(piece.unknowns, unknowns, strict=True)]
    least = [max(u.low, -FARTHEST_SHIFT) if u.integer else u.low - TOLERANCE for u in own] + [0.0] * len(near)
    most = [min(u.high, FARTHEST_SHIFT) if u.integer else u.high + TOLERANCE for u in own] + [math.inf] * len(near)
    cost = np.zeros(size)
    cost[len(column) :] = 1.0
    constraints = LinearConstraint(_matrix(entries, (len(low), size)), low, high) if low else ()
    kinds = [int(u.integer) for u in own] + [0] * len(near)
    solved = milp(cost, integrality=kinds, bounds=Bounds(least, most), constraints=constraints)
    if solved.x is None:
        return None
    return {u: float(solved.x[n]) for u, n in column.items()}


def _matrix(entries: Sequence[tuple[int, int, float]], shape: tuple[int, int]) -> coo_array:
    rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
    numbers: NDArray[np.float64] = values.astype(float)
    return coo_array((numbers, (rows, columns)), shape=shape)
