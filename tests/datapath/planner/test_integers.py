"""Shifts lead anywhere by integers: which intervals they reach together, by brute force over all fractions."""

import itertools
import math
from fractions import Fraction

import pytest

from hwsim.planner import Node, Problem, Tensor, plan, violations
from hwsim.planner.elimination import _Offset
from hwsim.planner.intervals import FeasibleInterval

SHIFT, DIVISION = 1.0, 100.0
STEPS = 8


def reached(low: Fraction, high: Fraction, fraction: Fraction) -> bool:
    """Whether some integer beyond a fraction lies in an interval."""
    return math.ceil(low - fraction) <= high - fraction


@pytest.mark.parametrize("width", range(STEPS))
def test_two_intervals_meet_if_some_fraction_reaches_both(width):
    fractions = [Fraction(n, STEPS) for n in range(STEPS)]
    for start, other, known in itertools.product(fractions, fractions, (0, 0.25, -1.625)):
        ends = [(10 + start, 10 + start + Fraction(width, STEPS)), (3 + other, 3 + other + Fraction(1, STEPS))]
        one, two = (
            _Offset(n, FeasibleInterval(float(low), float(high), n, n), 1, known if n else 0.0)
            for n, (low, high) in enumerate(ends)
        )
        shifted = [ends[0], tuple(end - Fraction(known) for end in ends[1])]
        expected = any(all(reached(low, high, fraction) for low, high in shifted) for fraction in fractions)
        assert one.meets(two) is two.meets(one) is expected


def problem(*nodes):
    norm = Node("norm", "absorb", ("x",), Tensor("y", 1))  # at any scale
    nodes = (Node("images", "source", (), Tensor("x", 1000)), norm, *nodes)
    ends = [Node(f"{n.name} norm", "absorb", (n.output.name,), Tensor(f"{n.name} out", 1)) for n in nodes[2:]]
    outputs = [Node(f"{end.name} logits", "output", (end.output.name,)) for end in ends]
    return Problem((*nodes, *ends, *outputs), {"shift": SHIFT, "division": DIVISION, "reciprocal": DIVISION})


def test_three_ranges_of_which_any_two_can_be_met_by_shifts_cost_a_division():
    """Modulo one they are arcs around the circle that overlap by twos, and no point lies in all three."""
    arcs = [(10.0, 10.6), (20.333, 20.933), (30.667, 31.267)]
    nodes = [Node(f"n{i}", "carry", ("y",), Tensor(f"a{i}", 1, *arc)) for i, arc in enumerate(arcs)]
    found = problem(*nodes)
    solution = plan(found)
    assert solution.cost == SHIFT + DIVISION  # y itself lies in one of them
    assert list(violations(found, solution)) == []
    for two in itertools.combinations(nodes, 2):
        assert plan(problem(*two)).cost == SHIFT


def test_a_value_and_its_square_cannot_have_the_same_fraction_of_an_octave():
    """y near 2^(n + 0.3) has a square near 2^(2 n + 0.6), which no shift makes 2^(m + 0.3)."""
    value = Node("value", "carry", ("y",), Tensor("a", 1, 10.3, 10.35))
    square = Node("square", "power", ("y",), Tensor("s", 1), exponent=Fraction(2))

    def squared(low):
        return problem(value, square, Node("of it", "carry", ("s",), Tensor("b", 1, low, low + 0.05)))

    assert plan(squared(21.62)).cost == SHIFT
    found = squared(21.3)
    solution = plan(found)
    assert solution.cost == DIVISION
    assert list(violations(found, solution)) == []


@pytest.mark.parametrize(("beyond", "holds"), [(0.0, True), (1e-7, True), (-1e-7, True), (1e-4, False), (-1e-4, False)])
def test_an_interval_that_rounding_moved_off_an_integer_still_holds_it(beyond, holds):
    """Ends are doubles: what lies within a millionth of an octave of them is inside."""
    at = 3.0 + beyond
    assert _Offset(0, FeasibleInterval(at, at, 0, 0), 1, 0.0).holds(0.0) is holds
    assert _Offset(0, FeasibleInterval(at + 0.75, at + 0.75, 0, 0), 1, 0.5).holds(0.25) is holds
