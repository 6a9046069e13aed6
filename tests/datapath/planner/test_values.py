"""What a choice of copies leaves open becomes the nearest number that is possible."""

import math
import random
from fractions import Fraction

import pytest

from hwsim.planner import FreeConstant, Node, Problem, Tensor, plan
from hwsim.planner.values import simple_number

COUNT = {"shift": 1, "reciprocal": 1, "division": 1}


@pytest.mark.parametrize("seed", range(300))
def test_the_nearest_number_of_the_fewest_digits_is_taken(seed):
    draw = random.Random(seed)
    low = draw.uniform(-4, 4)
    high = low + draw.choice([0.02, 0.3, 1.0, 5.0])
    target, bits = draw.uniform(-6, 6), draw.choice([0, 0, 1, 3, 6])
    digits, inside = bits, []
    while not inside:
        step = Fraction(1, 2**digits)
        inside = [n * step for n in range(math.ceil(Fraction(low) / step), math.floor(Fraction(high) / step) + 1)]
        digits += 1
    nearest = min(abs(number - Fraction(target)) for number in inside)
    found = simple_number(low, high, target, bits)
    assert found in inside
    assert abs(found - Fraction(target)) == nearest


def scaled_once(constant, low=-math.inf, high=math.inf):
    """One layer whose result has a range, and one behind it, after which all is divided out."""
    return Problem(
        (
            Node("images", "source", (), Tensor("x", 10)),
            Node("W", "linear", ("x",), Tensor("y", 4, low, high), constant),
            Node("V", "linear", ("y",), Tensor("z", 4), 3),
            Node("logits", "output", ("z",)),
        ),
        COUNT,
    )


@pytest.mark.parametrize(
    ("freedom", "low", "high", "chosen"),
    [
        (FreeConstant(2.0, 64.0, 64.0, True), 1.0, 3.3, 8),  # the greatest power of two up to 2^3.3
        (FreeConstant(2.0, 64.0, 2.0, True), 3.3, 9.0, 16),  # the least one from 2^3.3
        (FreeConstant(2.0, 64.0, 16.0, True), 1.0, 9.0, 16),
        (FreeConstant(3.0, 64.0, 12.0, True), 1.0, 9.0, 16),  # the nearest to log2(12) = 3.58
        (FreeConstant(3.0, 64.0, 11.0, True), 1.0, 9.0, 8),  # and to log2(11) = 3.46
        (FreeConstant(3.0, 64.0, 3.0, True), 1.0, 9.0, 4),  # and the nearest of those within the limits
    ],
)
def test_a_power_of_two_is_the_possible_one_nearest_to_the_preferred_constant(freedom, low, high, chosen):
    assert plan(scaled_once(freedom, low, high)).constants["W"].scale == chosen


@pytest.mark.parametrize(("low", "high", "expected"), [(1.0, 3.3, 3.3), (4.7, 9.0, 4.7), (1.0, 9.0, math.log2(24.5))])
def test_a_real_constant_is_the_possible_one_nearest_to_the_preferred_one(low, high, expected):
    found = plan(scaled_once(FreeConstant(2.0, 64.0, 24.5), low, high)).constants["W"].log2
    assert found == pytest.approx(expected, abs=2**-19)


@pytest.mark.parametrize(
    ("low", "high", "steps"), [(1.0, 3.3, math.floor(3.3 * 2**20)), (4.7, 9.0, math.ceil(4.7 * 2**20))]
)
def test_a_constant_has_twenty_binary_digits_behind_the_point(low, high, steps):
    found = plan(scaled_once(FreeConstant(2.0, 64.0, 24.5), low, high)).constants["W"]
    assert found.powers == ((2, Fraction(steps, 2**20)),)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.2, 9.0, 1), (-9.0, -0.2, -1), (0.2, 0.6, Fraction(1, 2)), (-3.0, 3.0, 0)]
)
def test_the_result_of_an_absorber_has_as_few_digits_as_its_range_allows(low, high, expected):
    nodes = (
        Node("images", "source", (), Tensor("x", 10)),
        Node("norm", "absorb", ("x",), Tensor("n", 4, low, high)),
        Node("end", "absorb", ("n",), Tensor("e", 4)),
        Node("logits", "output", ("e",)),
    )
    assert plan(Problem(nodes, COUNT)).potentials["n"].powers == (((2, expected),) if expected else ())
