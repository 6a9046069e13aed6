"""Exact logarithms of scales, and exact linear algebra on them.

Every scale is a product of powers of the given constants. Let B be a *coprime base* of the constants: odd numbers
greater than one, pairwise coprime, such that each constant is a product of powers of 2 and of elements of B
(Bach, Driscoll and Shallit, "Factor refinement", J. Algorithms 15, 1993). Nothing has to be factored for it:
greatest common divisors suffice. Products of rational powers of pairwise coprime numbers are equal only if all
exponents are, so the logarithm of a scale is a vector over the rational numbers, with one coordinate for 2 and
one for each element of B. Two scales are equal if their vectors are, and their quotient is a power of two with an
integer exponent (a shift) if the difference of the vectors is an integer in the coordinate of 2 and zero elsewhere.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

Number = int | Fraction
SparseRow = dict[int, Number]
"""A sparse linear form that is zero: symbol -> coefficient. Unknown potentials are symbols 0, 1, 2, ...; the
logarithm of 2 is symbol -1, those of the coprime base are -2, -3, ..."""

TWO = -1


@dataclass(frozen=True)
class Potential:
    """The exact binary logarithm of a scale, which is the product of `number ** exponent` over `powers`.

    The numbers are 2 and elements of one coprime base; those with exponent zero are left out, so that equal scales
    of one problem are equal objects.
    """

    powers: tuple[tuple[int, Number], ...] = ()

    @cached_property
    def log2(self) -> float:
        """As a double."""
        return math.fsum(float(exponent) * math.log2(number) for number, exponent in self.powers)

    @property
    def is_zero(self) -> bool:
        """Whether the scale is one."""
        return not self.powers

    @property
    def is_integer(self) -> bool:
        """Whether the scale is a power of two, so that multiplying by it is a shift."""
        return self.is_zero or (len(self.powers) == 1 and self.powers[0][0] == 2 and self.powers[0][1].denominator == 1)

    @cached_property
    def scale(self) -> Fraction | None:
        """The scale itself; None if it is irrational (a root of a constant)."""
        if any(exponent.denominator != 1 for _, exponent in self.powers):
            return None
        return math.prod((Fraction(number) ** int(exponent) for number, exponent in self.powers), start=Fraction(1))

    @property
    def significand_exponent(self) -> tuple[float, int]:
        """The scale as a double in [1, 2), correctly rounded if it is rational, and an exponent of two."""
        if self.scale is None:
            exponent = math.floor(self.log2)
            return 2.0 ** (self.log2 - exponent), exponent
        exponent = self.scale.numerator.bit_length() - self.scale.denominator.bit_length()
        significand = float(self.scale / Fraction(2) ** exponent)  # in (1/2, 2]
        mantissa, shift = math.frexp(significand)
        return 2 * mantissa, exponent + shift - 1

    def __neg__(self) -> Potential:
        return Potential(tuple((number, -exponent) for number, exponent in self.powers))

    def __add__(self, other: Potential) -> Potential:
        total = dict(self.powers)
        for number, exponent in other.powers:
            total[number] = total.get(number, 0) + exponent
        return Potential(tuple(sorted((number, e) for number, e in total.items() if e)))

    def times(self, factor: Fraction) -> Potential:
        """The potential of a power of the scale."""
        return Potential(tuple((number, exponent * factor) for number, exponent in self.powers if factor))

    def __sub__(self, other: Potential) -> Potential:
        return self + -other

    def __str__(self) -> str:
        return f"{self.log2:.6g}"


class Base:
    """A coprime base of the odd parts of some positive rational numbers."""

    def __init__(self, numbers: Iterable[Fraction]) -> None:
        self.elements: list[int] = []
        for number in numbers:
            self._refine(_odd(number.numerator)[0])
            self._refine(_odd(number.denominator)[0])
        self.elements.sort()

    def _refine(self, number: int) -> None:
        pending = [number]
        while pending:
            number = pending.pop()
            for index, element in enumerate(self.elements):
                common = math.gcd(number, element)
                if common > 1:
                    del self.elements[index]
                    pending += [number // common, common, element // common]
                    break
            else:
                if number > 1:
                    self.elements.append(number)

    def logarithm(self, number: Fraction) -> SparseRow:
        """The vector of one of the numbers that the base was made of."""
        row: SparseRow = {}
        for part, sign in ((number.numerator, 1), (number.denominator, -1)):
            odd, twos = _odd(part)
            if twos:
                row[TWO] = sign * twos
            for index, element in enumerate(self.elements):
                exponent = 0
                while odd % element == 0:
                    odd, exponent = odd // element, exponent + 1
                if exponent:
                    row[TWO - 1 - index] = sign * exponent
        return row

    def float_of(self, row: Mapping[int, Number]) -> float:
        """The known part of a row as a double: the coefficients times the logarithms of 2 and of the base."""
        return math.fsum(float(c) * self._log2(symbol) for symbol, c in row.items() if symbol < 0)

    def _log2(self, symbol: int) -> float:
        return 1.0 if symbol == TWO else math.log2(self.elements[TWO - 1 - symbol])

    def potential(self, row: Mapping[int, Number]) -> Potential:
        """The known part of a row as a potential."""
        powers = ((2 if s == TWO else self.elements[TWO - 1 - s], c) for s, c in row.items() if s < 0 and c)
        return Potential(tuple(sorted(powers)))


def _odd(number: int) -> tuple[int, int]:
    """A number without its factors of two, and how many they are."""
    twos = (number & -number).bit_length() - 1
    return number >> twos, twos


def add_multiple(row: SparseRow, factor: Number, other: Mapping[int, Number]) -> None:
    """`row += factor * other`, in place."""
    for symbol, coefficient in other.items():
        total = row.get(symbol, 0) + factor * coefficient
        if total:
            row[symbol] = total
        else:
            del row[symbol]


def ratio(a: Number, b: Number) -> Number:
    """`a / b`, as an int where it is one (which keeps the arithmetic fast)."""
    quotient = Fraction(a) / b if abs(b) != 1 else a * b
    return int(quotient) if quotient.denominator == 1 else quotient


@dataclass
class Echelon:
    """A consistent system of rows in echelon form, which knows of which given rows each of its own is made.

    A row that contains unknowns is solved for one of them, its pivot; real unknowns are preferred to `integers`.
    `pivots` maps an unknown to its place in `rows`. Row i has coefficient one at its pivot; it is
    `(given[i] - sum of a * rows[j] over (j, a) in made_of[i]) / lead[i]`, and contains no pivot of rows before it.
    """

    integers: frozenset[int] = frozenset()
    pivots: dict[int, int] = field(default_factory=dict)
    rows: list[SparseRow] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    lead: list[Number] = field(default_factory=list)
    made_of: list[list[tuple[int, Number]]] = field(default_factory=list)

    def fork(self) -> Self:
        """A copy that grows on its own."""
        return replace(
            self,
            pivots=dict(self.pivots),
            rows=list(self.rows),
            labels=list(self.labels),
            lead=list(self.lead),
            made_of=list(self.made_of),
        )

    def reduce(self, row: Mapping[int, Number]) -> tuple[SparseRow, list[tuple[int, Number]]]:
        """What is left of a row when all pivots are substituted, and the multiples of `rows` taken away from it."""
        left, used = dict(row), []
        pending = [self.pivots[symbol] for symbol in left if symbol in self.pivots]
        heapq.heapify(pending)
        pivot_of = {place: symbol for symbol in left if (place := self.pivots.get(symbol)) is not None}
        while pending:
            place = heapq.heappop(pending)
            coefficient = left.get(pivot_of[place], 0)
            if not coefficient:
                continue
            used.append((place, coefficient))
            for symbol in self.rows[place]:
                later = self.pivots.get(symbol)
                if later is not None and later not in pivot_of:
                    pivot_of[later] = symbol
                    heapq.heappush(pending, later)
            add_multiple(left, -coefficient, self.rows[place])
        return left, used

    def insert(self, label: Any, left: SparseRow, used: list[tuple[int, Number]]) -> int | None:
        """Add a row, given as `reduce` leaves it, that does not contradict those before it.

        Returns its pivot; None if it says nothing new.
        """
        unknowns = [symbol for symbol in left if symbol >= 0]
        if not unknowns:
            return None
        pivot = max(unknowns, key=lambda symbol: (symbol not in self.integers, symbol))
        lead = left[pivot]
        self.pivots[pivot] = len(self.rows)
        self.rows.append({symbol: ratio(c, lead) for symbol, c in left.items()})
        self.labels.append(label)
        self.lead.append(lead)
        self.made_of.append(used)
        return pivot

    def pop(self) -> None:
        """Take the last row out again."""
        self.pivots.popitem()
        for column in (self.rows, self.labels, self.lead, self.made_of):
            column.pop()

    def contradicts(self, left: Mapping[int, Number]) -> bool:
        """Whether a reduced row is impossible, in real numbers or because its unknowns are integers."""
        unknowns = [symbol for symbol in left if symbol >= 0]
        if any(symbol not in self.integers for symbol in unknowns):
            return False
        if any(symbol < TWO for symbol in left):
            return True
        known = left.get(TWO, 0)
        return bool(known) if not unknowns else ratio(known, common_divisor(left[s] for s in unknowns)).denominator != 1

    def combination(self, used: Iterable[tuple[int, Number]]) -> dict[Any, Number]:
        """The multiples of given rows, by label, whose sum was taken away from a row by `reduce`."""
        weights: dict[int, Number] = {}
        for place, coefficient in used:
            weights[place] = weights.get(place, 0) + coefficient
        pending = [-place for place in weights]
        heapq.heapify(pending)
        found: dict[Any, Number] = {}
        while pending:
            place = -heapq.heappop(pending)
            weight = weights.pop(place, 0)
            if not weight:
                continue
            weight = ratio(weight, self.lead[place])
            found[self.labels[place]] = weight
            for earlier, coefficient in self.made_of[place]:
                if earlier not in weights:
                    heapq.heappush(pending, -earlier)
                weights[earlier] = weights.get(earlier, 0) - weight * coefficient
        return found


def common_divisor(numbers: Iterable[Number]) -> Fraction:
    """The greatest rational number of which all the given ones are integer multiples; zero if there are none."""
    divisor = Fraction(0)
    for number in numbers:
        denominator = math.lcm(divisor.denominator, Fraction(number).denominator)
        divisor = Fraction(math.gcd(int(divisor * denominator), int(number * denominator)), denominator)
    return divisor
