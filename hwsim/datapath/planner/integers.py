"""Integers within intervals: shifts, and constants that are powers of two."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from hwsim.datapath.planner.exact import Row
from hwsim.datapath.planner.intervals import TOLERANCE
from hwsim.datapath.planner.system import Piece, System, Unknown

FARTHEST_SHIFT = 2.0**16
"""Bound on the integers by which shifts change potentials: far beyond any exponent of a number format."""


def integers_fit(
    system: System, piece: Piece, rows: Iterable[Row], loose: Collection[int] = ()
) -> dict[int, float] | None:
    """Values of the unknowns that solve all rows and lie in their intervals, integers where they must be.

    Args:
        system: the system.
        piece: the piece whose unknowns are solved for.
        rows: equations that are possible in real numbers without intervals.
        loose: unknowns whose intervals do not count.

    Returns:
        Unknown -> value, in double precision; None if there are none.
    """
    column = {u: n for n, u in enumerate(piece.unknowns)}
    entries: list[tuple[int, int, float]] = []
    known: list[float] = []
    for row in rows:
        entries += [(len(known), column[s], float(c)) for s, c in row.items() if s >= 0]
        known.append(-system.base.float_of(row))
    own = [Unknown("") if u in loose else system.unknowns[u] for u in piece.unknowns]
    integer = np.array([u.integer for u in own], dtype=int)
    low, high = np.array([u.low for u in own]) - TOLERANCE, np.array([u.high for u in own]) + TOLERANCE
    if integer.any():
        low, high = (np.where(integer, e.clip(-FARTHEST_SHIFT, FARTHEST_SHIFT), e) for e in (low, high))
    places = np.array([entry[:2] for entry in entries], dtype=int).reshape(-1, 2).T
    matrix = coo_array(([value for _, _, value in entries], tuple(places)), shape=(len(known), len(column)))
    for presolve in (True, False):
        solved = milp(
            np.zeros(len(column)),
            integrality=integer,
            bounds=Bounds(low, high),
            constraints=LinearConstraint(matrix, known, known),
            options={"presolve": presolve},
        )
        if solved.status == 0:
            return dict(zip(piece.unknowns, map(float, solved.x), strict=True))
        if solved.status == 2:
            return None
    raise RuntimeError(f"the solver of mixed-integer programs failed: {solved.message}")
