"""Scaling constants keep every weight within t, to the last bit, and undo exactly what they did."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hwsim import HwsimError, Scaling, get_format
from hwsim.hardening import Constants
from hwsim.hardening.scaling import quotient, reciprocal, to_significand
from hwsim.network import Scale

FORMATS = ["fp32", "fp16", "bf16", "q2.5", "int8", "q2.5_sm", "fp8_e4m3", "q3.12"]
weights = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-100, 100, width=32)
)


@given(weights, st.sampled_from(FORMATS), st.sampled_from(["layer", "channel"]), st.booleans())
def test_no_scaled_weight_passes_t(weight, name, granularity, power_of_two):
    fmt = get_format(name)
    constants = Scaling(granularity=granularity, power_of_two=power_of_two).constants(weight, fmt)
    scaled = weight.astype(np.float64) * constants.spread(weight.shape)
    assert np.abs(fmt.decode(fmt.encode(scaled), np.float64)).max() <= fmt.default_target
    assert constants.powers_of_two or not power_of_two


@given(weights, st.sampled_from(FORMATS), st.booleans())
def test_the_constant_is_the_largest_of_24_bits_that_keeps_t(weight, name, power_of_two):
    fmt = get_format(name)
    scaling = Scaling(power_of_two=power_of_two)
    (c,) = scaling.constants(weight, fmt).values
    peak = Fraction(float(np.abs(weight).max()))
    if peak == 0:
        assert c == 1
        return
    exact = Fraction(fmt.default_target) / peak
    step = Fraction(1, 1 if power_of_two else 2**23)
    # The double quotient t / max is itself rounded, by less than one part in 2**53.
    assert Fraction(c) <= exact * (1 + Fraction(1, 2**52))
    assert Fraction(c) * (1 + step) > exact * (1 - Fraction(1, 2**52))


def test_a_layer_or_channel_of_zeros_has_constant_one():
    weight = np.array([[0.0, 0.0], [0.5, -0.25]], np.float32)
    fmt = get_format("q2.5")
    assert list(Scaling(target=2.0, granularity="channel").constants(weight, fmt).values) == [1.0, 4.0]
    assert list(Scaling().constants(np.zeros((2, 3), np.float32), fmt).values) == [1.0]


def test_a_constant_may_exceed_the_range_of_fp32():
    weight = np.array([[2.0**-140]], np.float32)
    (c,) = Scaling(target=2.0**126).constants(weight, get_format("fp32")).values
    assert c == 2.0**266


def test_storage_of_constants_is_counted_in_bits():
    weight = np.array([[0.3], [0.7], [0.9]], np.float32)
    fmt = get_format("fp32")
    assert Scaling().constants(weight, fmt).bits == 33  # 23 stored significand bits and 10 of exponent
    assert Scaling(granularity="channel").constants(weight, fmt).bits == 99
    assert Scaling(power_of_two=True).constants(weight, fmt).bits == 10


@pytest.mark.parametrize("target", [0.0, -1.0, float("nan"), float("inf")])
def test_a_target_is_positive_and_finite(target):
    with pytest.raises(HwsimError, match="not a positive finite number"):
        Scaling(target=target)


def test_a_target_above_a_floating_range_is_refused_and_a_saturating_one_is_not():
    weight = np.ones((1, 1), np.float32)
    with pytest.raises(HwsimError, match="above the range of fp16: choose at most 65504"):
        Scaling(target=1e5).constants(weight, get_format("fp16"))
    assert Scaling(target=6.0).constants(weight, get_format("q2.5")).values == [6.0]


finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
constant = st.builds(lambda s, e: float(s) * 2.0**e, st.integers(2**23, 2**24 - 1), st.integers(-140, 140))


@given(finite32, constant)
def test_division_is_correctly_rounded(value, c):
    got = quotient(np.array([value], np.float32), np.array([c]))[0]
    exact = Fraction(value) / Fraction(c)
    if np.isinf(got):
        assert abs(exact) >= Fraction(2) ** 128 - Fraction(2) ** 103
        return
    below, above = np.nextafter(got, np.float32(-np.inf)), np.nextafter(got, np.float32(np.inf))
    for neighbour in (below, above):
        if np.isfinite(neighbour) and abs(exact) >= Fraction(2) ** -126:
            assert abs(exact - Fraction(float(got))) <= abs(exact - Fraction(float(neighbour)))


@given(constant)
def test_a_reciprocal_has_24_bits_and_is_nearest(c):
    (r,) = reciprocal(np.array([c]))
    fraction, _ = np.frexp(r)
    assert float(fraction * 2**24).is_integer()
    assert abs(Fraction(r) * Fraction(c) - 1) <= Fraction(1, 2**23)


@given(st.floats(min_value=1e-200, max_value=1e200))
def test_rounding_to_24_bits_agrees_with_fp32_inside_its_range(x):
    (got,) = to_significand(np.array([x]))
    if 2.0**-126 <= x <= 2.0**127:
        assert got == float(np.float32(x))


@given(st.floats(1.0, 2.0, exclude_max=True), st.integers(-2000, 2000))
def test_the_constant_of_a_scale_is_its_nearest_of_24_bits(significand, exponent):
    constants = Constants.of(Scale(significand, exponent))
    (kept,), (shift,) = constants.significand, constants.exponent
    assert 1 <= kept < 2
    assert float(kept * 2**23).is_integer()
    assert abs(Fraction(kept) * Fraction(2) ** (int(shift) - exponent) - Fraction(significand)) <= Fraction(1, 2**24)
