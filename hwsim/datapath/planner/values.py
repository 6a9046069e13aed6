"""Exact potentials for a choice of copies, by construction.

The choice is a system of equations that hold exactly; what it leaves open (constants that may be chosen, results of
absorbers) is settled one unknown after the other, each as one more exact equation:

1. integers, as a mixed-integer program finds them, rounded;
2. constants that can be as preferred, and results of absorbers that can have potential zero, exactly so;
3. what is still open, to the value in its interval that is closest to the preferred one and has few binary digits.

Every potential then is a known combination of the logarithms of 2 and of the coprime base, read off from the
elimination: two ends of a join are equal because one equation says so, not because two doubles are close.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from hwsim.datapath.planner.exact import TWO, Number, Row
from hwsim.datapath.planner.integers import integers_fit
from hwsim.datapath.planner.intervals import Bounded
from hwsim.datapath.planner.system import Piece, System

FINE_BITS = 20
"""Binary digits behind the point of the logarithm of a constant that cannot be as preferred."""


def settle(system: System, piece: Piece, rows: Iterable[Row]) -> Bounded:
    """Equations that determine all unknowns of a piece, given those of its nodes and of a possible choice of copies."""
    rows = list(rows)
    unknowns = {u: system.unknowns[u] for u in piece.unknowns}
    integers = _integers(system, piece, rows)
    settled = Bounded(system=system)
    for row in [*integers, *rows]:
        clash = settled.add(None, row)
        assert clash is None, "the choice of copies is not possible"
    wishes = [u for u in unknowns if unknowns[u].preferred is not None]
    wishes.sort(key=lambda u: not unknowns[u].constant)
    for symbol in wishes:
        row = {symbol: 1, **{s: -c for s, c in (unknowns[symbol].preferred or {}).items()}}
        attempt = settled.fork() if settled.wide else settled
        if attempt.add(None, row) is None and not (attempt.wide and attempt.wide_clash(unknowns)):
            settled = attempt
    for symbol in [*wishes, *unknowns]:
        if any(s >= 0 for s in settled.reduce({symbol: 1})[0]):
            low, high = settled.span(symbol, unknowns)
            preferred = system.base.float_of(unknowns[symbol].preferred or {})
            value = simple_number(low, high, preferred, FINE_BITS if unknowns[symbol].constant else 0)
            clash = settled.add(None, _equal(symbol, value))
            assert clash is None, "a value from the interval of an unknown is possible"
    return settled


def _integers(system: System, piece: Piece, rows: list[Row]) -> list[Row]:
    """Equations that give all integers of a piece a value: constants as preferred first, then little to shift."""
    integers = [u for u in piece.unknowns if system.unknowns[u].integer]
    if not integers:
        return []
    fixed: list[Row] = []
    for constants in (True, False):
        near = {
            u: system.base.float_of(system.unknowns[u].preferred or {})
            for u in piece.unknowns
            if (system.unknowns[u].constant == constants and system.unknowns[u].preferred is not None)
            or (not constants and system.unknowns[u].integer)
        }
        values = integers_fit(system, piece, [*rows, *fixed], near)
        assert values is not None, "the choice of copies leaves integers"
        for symbol in integers:
            if system.unknowns[symbol].constant or not constants:
                fixed.append(_equal(symbol, round(values[symbol])))
    return fixed


def _equal(symbol: int, value: Number) -> Row:
    """The equation that gives an unknown a known value."""
    return {symbol: 1, TWO: -value} if value else {symbol: 1}


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
