"""Fixed-point words, against integer and rational arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from word_oracles import fixed_word, nearest_code

from hwsim.errors import HwsimError
from hwsim.words import FixedFormat, get_format

SMALL = [(m, width - 1 - m) for width in range(2, 17) for m in range(width)]
each_small_format = pytest.mark.parametrize(("m", "n"), SMALL, ids=lambda bits: str(bits))
each_representation = pytest.mark.parametrize("sign_magnitude", [False, True], ids=["twos", "sm"])
SOURCES = (np.float32, np.float64)


def fixed(m: int, n: int, sign_magnitude: bool) -> FixedFormat:
    fmt = get_format(f"q{m}.{n}" + "_sm" * sign_magnitude)
    assert isinstance(fmt, FixedFormat)
    return fmt


def all_values(m: int, n: int, sign_magnitude: bool) -> np.ndarray:
    """The value of every word in the order of the words: upper half negative."""
    half = 1 << (m + n)
    upper = -np.arange(half) if sign_magnitude else np.arange(half) - half
    values = np.append(np.arange(half), upper) / 2**n
    if sign_magnitude:
        values[half] = -0.0
    return values


@each_small_format
@each_representation
def test_every_word_decodes_to_its_value_and_back(m: int, n: int, sign_magnitude: bool) -> None:
    fmt = fixed(m, n, sign_magnitude)
    words = np.arange(1 << (1 + m + n), dtype=fmt.dtype)
    expected = all_values(m, n, sign_magnitude)
    for dtype in SOURCES:
        values = fmt.decode(words, dtype)
        assert values.dtype == dtype
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(np.signbit(values), np.signbit(expected))
        np.testing.assert_array_equal(fmt.encode(values), words)


@each_small_format
@each_representation
def test_a_tie_goes_to_the_even_code_and_its_neighbours_to_the_nearer_one(m: int, n: int, sign_magnitude: bool) -> None:
    fmt = fixed(m, n, sign_magnitude)
    half = 1 << (m + n)
    lowest = -half + sign_magnitude
    below = np.arange(lowest - 1, half)  # the ends included, where the nearer code does not exist
    middles = (below + 0.5) / 2**n
    for dtype in SOURCES:
        exact = middles.astype(dtype)
        assert (exact == middles).all()
        for shifted, code in (
            (exact, below + below % 2),
            (np.nextafter(exact, dtype(-np.inf)), below),
            (np.nextafter(exact, dtype(np.inf)), below + 1),
        ):
            code = np.clip(code, lowest, half - 1)
            words = np.abs(code) | np.where(np.signbit(shifted), half, 0) if sign_magnitude else code % (2 * half)
            np.testing.assert_array_equal(fmt.encode(shifted), words)


@pytest.mark.parametrize("name", ["q2.5", "q0.7", "int8", "q7.8", "q0.1", "q3.9", "q7.24", "q0.31", "q31.0", "q8.16"])
@each_representation
@pytest.mark.parametrize("source", SOURCES)
def test_out_of_range_saturates_and_nan_is_zero(name: str, sign_magnitude: bool, source: type) -> None:
    fmt = get_format(name + "_sm" * sign_magnitude)
    top = (1 << (fmt.width - 1)) - 1
    bottom = (1 << fmt.width) - 1 if sign_magnitude else top + 1
    big = np.array([fmt.largest + 1, 1e30, np.finfo(source).max, np.inf], source)
    np.testing.assert_array_equal(fmt.encode(big), top)
    np.testing.assert_array_equal(fmt.encode(-big), bottom)
    np.testing.assert_array_equal(fmt.encode(np.array([np.nan, -np.nan, 0.0], source)), 0)
    assert fmt.encode(source(-0.0)) == (top + 1 if sign_magnitude else 0)


WIDE = st.integers(17, 32).flatmap(lambda width: st.tuples(st.integers(0, width - 1), st.just(width)))


@st.composite
def values_near_the_grid(draw: st.DrawFn, n: int, width: int) -> float:
    """A value on a step, on a tie, or a hair beside either; now and then outside the range, or anything."""
    code = draw(st.integers(-(1 << (width - 1)) - 2, 1 << (width - 1)))
    value = math.ldexp(code + draw(st.sampled_from([0, 0.5])), -n)
    beside = draw(st.sampled_from([value, math.nextafter(value, math.inf), math.nextafter(value, -math.inf)]))
    return draw(st.sampled_from([beside]) | st.floats())


@given(st.data(), WIDE, st.booleans())
@settings(max_examples=500)
def test_wide_formats_round_as_rational_arithmetic_does(
    data: st.DataObject, shape: tuple[int, int], sign_magnitude: bool
) -> None:
    m, width = shape
    n = width - 1 - m
    fmt = fixed(m, n, sign_magnitude)
    largest = (1 << (width - 1)) - 1
    lowest = -largest - (not sign_magnitude)
    doubles = data.draw(st.lists(values_near_the_grid(n, width), min_size=1, max_size=8))
    with np.errstate(over="ignore"):
        singles = np.array(doubles, np.float32)
    for values in (np.array(doubles), singles):
        words = fmt.encode(values)
        for value, word in zip(values.tolist(), words.tolist(), strict=True):
            code = nearest_code(value, n, lowest, largest)
            negative = math.copysign(1, value) < 0 and not math.isnan(value)
            assert word == fixed_word(code, negative, width, sign_magnitude)
            assert fmt.decode(word, np.float64) == math.ldexp(code, -n)


@given(st.data(), WIDE, st.booleans())
def test_wide_words_decode_exactly_in_float64_and_correctly_rounded_in_float32(
    data: st.DataObject, shape: tuple[int, int], sign_magnitude: bool
) -> None:
    m, width = shape
    fmt = fixed(m, width - 1 - m, sign_magnitude)
    words = data.draw(st.lists(st.integers(0, (1 << width) - 1), min_size=1))
    half = 1 << (width - 1)
    step = math.ldexp(1, 1 + m - width)

    def exact_value(word: int) -> float:
        if word < half:
            return word * step
        return -((word - half) * step) if sign_magnitude else (word - 2 * half) * step

    exact = [exact_value(word) for word in words]
    array = np.array(words, np.uint32)
    np.testing.assert_array_equal(fmt.decode(array, np.float64), exact)
    np.testing.assert_array_equal(np.signbit(fmt.decode(array)), np.signbit(exact))
    np.testing.assert_array_equal(fmt.decode(array), np.array(exact).astype(np.float32))
    np.testing.assert_array_equal(fmt.encode(fmt.decode(array, np.float64)), array)


@pytest.mark.parametrize(
    ("name", "width", "lowest", "largest", "step"),
    [
        ("q2.5", 8, -4, 3.96875, 1 / 32),
        ("q2.5_sm", 8, -3.96875, 3.96875, 1 / 32),
        ("int8", 8, -128, 127, 1),
        ("int8_sm", 8, -127, 127, 1),
        ("q0.1", 2, -1, 0.5, 0.5),
        ("q31.0", 32, -(2.0**31), 2.0**31 - 1, 1),
    ],
)
def test_range_and_step_follow_from_the_name(name: str, width: int, lowest: float, largest: float, step: float) -> None:
    fmt = get_format(name)
    assert (fmt.width, fmt.lowest, fmt.largest, fmt.smallest) == (width, lowest, largest, step)
    assert fmt.default_target == largest
    assert fmt.exponent_msb is None
    assert not fmt.is_floating


def test_int8_is_q7_0_under_another_name() -> None:
    words = np.arange(256, dtype=np.uint8)
    for suffix in ("", "_sm"):
        int8, q7 = get_format("int8" + suffix), get_format("q7.0" + suffix)
        np.testing.assert_array_equal(int8.decode(words), q7.decode(words))
    np.testing.assert_array_equal(get_format("int8").decode(words), words.view(np.int8))


@pytest.mark.parametrize(("m", "n"), [(0, 0), (20, 20), (32, 0), (-1, 5)])
def test_words_of_less_than_2_or_more_than_32_bits_are_refused(m: int, n: int) -> None:
    with pytest.raises(HwsimError, match="2 to 32"):
        FixedFormat("wrong", m, n)
