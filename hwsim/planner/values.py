"""Exact potentials for a choice of copies, by construction.

The choice is a system of equations that hold exactly; what it leaves open (constants that may be chosen, results of
absorbers) is settled by more exact equations, one unknown after the other:

1. constants as preferred, results of absorbers at potential zero, and shifts by nothing, where that is possible;
2. other constants that are powers of two as close as possible, and other integers as a mixed-integer program finds
   them, rounded;
3. what is still open, to the value in its interval that is closest to the preferred one and has few binary digits.

Every potential then is a known combination of the logarithms of 2 and of the coprime base, read off from the
elimination: two ends of a join are equal because one equation says so, not because two doubles are close.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from hwsim.planner.elimination import Elimination
from hwsim.planner.exact import TWO, Number, SparseRow
from hwsim.planner.intervals import Bounded

FINE_BITS = 20
"""Binary digits behind the point of the logarithm of a constant that cannot be as preferred."""


def settle(choice: Elimination) -> dict[int, SparseRow]:
    """The exact value of every unknown of a piece, given the equations of its nodes and of a possible choice."""
    system, piece = choice.system, choice.piece
    own = {u: system.unknowns[u] for u in piece.unknowns}
    integers = [u for u in own if own[u].integer]
    wishes = [u for u in own if own[u].preferred is not None]
    wishes.sort(key=lambda u: not own[u].constant)
    turns = [u for u in integers if not own[u].constant]
    settled = _grant(choice, [_equal(u, own[u].preferred or {}) for u in wishes])
    settled = _grant(settled, [_equal(u, {}) for u in turns])
    if integers:
        for symbol in integers:
            if own[symbol].constant:
                settled = _closest(settled, symbol)
        values = settled.integer_values()
        assert values is not None, "a possible choice leaves integers"
        everything = Bounded(system=system)
        fixed = [_equal(u, _two(round(values.get(u, 0)))) for u in integers if u not in settled.exact.pivots]
        for row in [*fixed, *settled.rows.values()]:
            clash = everything.add(None, row)
            assert clash is None, "integers that solve all rows contradict none"
    else:
        everything = settled.bounded
    for symbol in [*wishes, *own]:
        if any(s >= 0 for s in everything.reduce({symbol: 1})[0]):
            low, high = everything.span(symbol, own)
            preferred = system.base.float_of(own[symbol].preferred or {})
            value = simple_number(low, high, preferred, FINE_BITS if own[symbol].constant else 0)
            clash = everything.add(None, _equal(symbol, _two(value)))
            assert clash is None, "a value from the interval of an unknown contradicts nothing"
    return {u: everything.reduce({u: 1})[0] for u in own}


def _grant(settled: Elimination, wishes: Sequence[SparseRow]) -> Elimination:
    """Add as many rows as possible; all at once, or halves of them one after the other."""
    if not wishes:
        return settled
    attempt = settled.fork()
    label = len(attempt.rows)
    if all(attempt.add(("wish", label + n), wish) is None for n, wish in enumerate(wishes)) and attempt.possible():
        return attempt
    half = len(wishes) // 2
    return _grant(_grant(settled, wishes[:half]), wishes[half:]) if half else settled


def _closest(settled: Elimination, symbol: int) -> Elimination:
    """Give an integer constant the possible value closest to the preferred one."""
    own = settled.system.unknowns[symbol]
    preferred = settled.system.base.float_of(own.preferred or {})
    for value in sorted(range(int(own.low), int(own.high) + 1), key=lambda value: abs(value - preferred)):
        attempt = _grant(settled, [_equal(symbol, _two(value))])
        if attempt is not settled:
            return attempt
    raise AssertionError("a possible choice leaves integers")


def _two(value: Number) -> SparseRow:
    return {TWO: value} if value else {}


def _equal(symbol: int, value: SparseRow) -> SparseRow:
    """The equation that gives an unknown a known value."""
    return {symbol: 1, **{s: -c for s, c in value.items()}}


def simple_number(low: float, high: float, target: float, bits: int) -> Fraction:
    """The number from `low` to `high` closest to `target` among those with `bits` binary digits behind the point.

    More digits are taken if there is none.
    """
    target = max(low, min(high, target))
    for digits in range(bits, 60):
        scaled = math.ldexp(target, digits)
        for number in (round(scaled), math.floor(scaled), math.ceil(scaled)):
            if low <= math.ldexp(number, -digits) <= high:
                return Fraction(number, 2**digits)
    return Fraction(target)
