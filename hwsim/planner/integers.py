"""Integers within intervals: shifts, and constants that are powers of two."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from hwsim.planner.deadline import NEVER, Deadline, OutOfTimeError
from hwsim.planner.exact import TWO, Echelon, SparseRow
from hwsim.planner.intervals import TOLERANCE
from hwsim.planner.system import System

LONGEST_SHIFT = 4096
"""No shift is by more binary places (FP32 exponents span 254). Without such a limit the solver may branch for ever."""


def integers_fit(
    system: System, rows: Echelon, unknowns: Iterable[int], loose: Collection[int] = (), deadline: Deadline = NEVER
) -> dict[int, float] | None:
    """Values of the unknowns that rows leave open, such that all are in their intervals or integers.

    Elimination leaves a small program: its variables are the unknowns that are not pivots, its constraints the
    intervals of all, and that pivots are integers where that does not follow.

    Args:
        system: where unknowns have their intervals.
        rows: the equations.
        unknowns: those to look at.
        loose: unknowns whose intervals do not count.
        deadline: when to stop.

    Returns:
        Unknown that is no pivot -> value, in double precision; None if there are no such values.

    Raises:
        OutOfTimeError: if the deadline passes.
    """
    lines: list[tuple[SparseRow, float, float]] = []
    whole: list[SparseRow] = []
    for unknown in unknowns:
        own = system.unknowns[unknown]
        form, _ = rows.reduce({unknown: 1})
        if unknown not in loose and (math.isfinite(own.low) or math.isfinite(own.high)):
            lines.append((form, own.low - TOLERANCE, own.high + TOLERANCE))
        if own.integer and not _is_integer(system, form):
            whole.append(form)
    lines += [(form, 0.0, 0.0) for form in whole]  # minus an integer variable each
    columns = {s: n for n, s in enumerate(sorted({s for form, *_ in lines for s in form if s >= 0}))}
    size = len(columns) + len(whole)
    matrix = np.zeros((len(lines), size))
    least, most = np.zeros(len(lines)), np.zeros(len(lines))
    for n, (form, low, high) in enumerate(lines):
        known = system.base.float_of(form)
        least[n], most[n] = low - known, high - known
        for symbol, coefficient in form.items():
            if symbol >= 0:
                matrix[n, columns[symbol]] = float(coefficient)
    matrix[len(lines) - len(whole) :, len(columns) :] = -np.eye(len(whole))
    settled = ~matrix.any(axis=1)
    if (least[settled] > 0).any() or (most[settled] < 0).any():
        return None
    if not size:
        return {}
    integer = np.ones(size)
    integer[: len(columns)] = [system.unknowns[s].integer for s in columns]
    limits = np.where(integer, float(LONGEST_SHIFT), np.inf)
    for presolve in (True, False):
        solved = milp(
            np.zeros(size),
            integrality=integer,
            bounds=Bounds(-limits, limits),
            constraints=LinearConstraint(matrix[~settled], least[~settled], most[~settled]),
            options={"presolve": presolve, **deadline.options},
        )
        if solved.status == 0:
            return {symbol: float(solved.x[n]) for symbol, n in columns.items()}
        if solved.status == 2:
            return None
        if deadline.passed:
            raise OutOfTimeError
    raise RuntimeError(f"the solver of mixed-integer programs failed: {solved.message}")


def _is_integer(system: System, form: SparseRow) -> bool:
    """Whether a form is an integer whatever integers its unknowns are."""
    return all(
        coefficient.denominator == 1 and (symbol == TWO or (symbol >= 0 and system.unknowns[symbol].integer))
        for symbol, coefficient in form.items()
    )
