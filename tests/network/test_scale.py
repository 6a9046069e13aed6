"""Scales are exact products and quotients of positive numbers, over any range."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.network import Scale

positive = st.floats(min_value=1e-300, max_value=1e300, allow_nan=False)


def exact(scale: Scale) -> Fraction:
    return Fraction(scale.significand) * Fraction(2) ** scale.exponent


@given(positive)
def test_a_scale_holds_its_number_exactly(value):
    assert exact(Scale.of(value)) == Fraction(value)
    assert 1 <= Scale.of(value).significand < 2


@given(positive, positive)
def test_products_and_quotients_are_right_to_one_rounding(a, b):
    half_ulp = Fraction(1, 2**53)
    for got, true in (
        (Scale.of(a) * Scale.of(b), Fraction(a) * Fraction(b)),
        (Scale.of(a) / Scale.of(b), Fraction(a) / Fraction(b)),
    ):
        assert abs(exact(got) / true - 1) <= half_ulp


@given(st.lists(st.integers(-200, 200), min_size=1, max_size=100))
def test_powers_of_two_multiply_exactly_beyond_the_range_of_a_double(exponents):
    product = Scale()
    for exponent in exponents:
        product = product * Scale.of(2.0**exponent)
    assert product == Scale(1.0, sum(exponents))
    assert product.is_power_of_two
    assert product.is_one == (sum(exponents) == 0)
    assert product.log2 == sum(exponents)


def test_a_scale_beyond_a_double_is_infinite_or_zero_as_a_float():
    assert float(Scale(1.5, 5000)) == math.inf
    assert float(Scale(1.5, -5000)) == 0.0


@given(positive, positive)
def test_order_is_that_of_the_numbers(a, b):
    assert (Scale.of(a) < Scale.of(b)) == (a < b)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf, math.nan])
def test_a_scale_is_positive_and_finite(wrong):
    with pytest.raises(ValueError, match="positive and finite"):
        Scale.of(wrong)
