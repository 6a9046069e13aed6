"""Floating-point words, against struct, ml_dtypes and rational arithmetic."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from word_oracles import FLOAT_CASES, OTHER_FLOAT_CASES, FloatCase, nearest_float

from hwsim.errors import HwsimError
from hwsim.words import FloatFormat, get_format

CASES = FLOAT_CASES + OTHER_FLOAT_CASES
each_format = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_source = pytest.mark.parametrize("source", [np.float32, np.float64])


def format_of(case: FloatCase) -> FloatFormat:
    if case in FLOAT_CASES:
        fmt = get_format(case.name)
        assert isinstance(fmt, FloatFormat)
        return fmt
    return FloatFormat(case.name, case.width - 1 - case.fraction_bits, case.fraction_bits)


def finite_magnitudes(case: FloatCase) -> np.ndarray:
    """All finite values without a sign bit, in the order of their words, which are 0, 1, 2, ..."""
    values = case.all_values()[: case.sign]
    return values[np.isfinite(values)]


@each_format
@each_source
def test_every_word_decodes_to_its_value(case: FloatCase, source: type) -> None:
    decoded = format_of(case).decode(case.all_words(), source)
    assert decoded.dtype == source
    expected = case.all_values()
    np.testing.assert_array_equal(decoded, expected)
    np.testing.assert_array_equal(np.signbit(decoded), np.signbit(expected))  # -0.0 and -NaN too


@each_format
@each_source
def test_every_word_but_nan_survives_decode_and_encode(case: FloatCase, source: type) -> None:
    fmt, words = format_of(case), case.all_words()
    again = fmt.encode(fmt.decode(words, source))
    assert again.dtype == fmt.dtype
    nan = np.isnan(case.all_values())
    np.testing.assert_array_equal(again[~nan], words[~nan])
    np.testing.assert_array_equal(again[nan], (words[nan] & case.sign) | fmt.nan_word)


@each_format
@each_source
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tie_goes_to_the_even_word_and_its_neighbours_to_the_nearer_one(
    case: FloatCase, source: type, sign: int
) -> None:
    fmt, values = format_of(case), finite_magnitudes(case)
    # The step above the largest value would lead to `overflow`, were exponents not to end there.
    overflow = values[-1] + (values[-1] - values[-2])
    middles = (values + np.append(values[1:], overflow)) / 2
    lower = np.arange(values.size)
    assert (middles.astype(source) == middles).all()
    middles = middles.astype(source)
    sign_bit = case.sign if sign < 0 else 0
    for shifted, expected in (
        (middles, lower + lower % 2),
        (np.nextafter(middles, source(0)), lower),
        (np.nextafter(middles, source(np.inf)), lower + 1),
    ):
        np.testing.assert_array_equal(fmt.encode(sign * shifted), expected | sign_bit)


@each_format
@each_source
def test_too_large_becomes_infinity_or_else_nan(case: FloatCase, source: type) -> None:
    fmt = format_of(case)
    overflow = 0x7F if not case.has_infinity else ((1 << fmt.exponent_bits) - 1) << fmt.fraction_bits
    beyond = np.array([np.finfo(source).max, np.inf], source)
    np.testing.assert_array_equal(fmt.encode(beyond), overflow)
    np.testing.assert_array_equal(fmt.encode(-beyond), overflow | case.sign)
    assert np.isnan(fmt.decode(fmt.encode(np.inf))) == (not case.has_infinity)


@each_format
@each_source
def test_too_small_becomes_a_zero_of_the_same_sign(case: FloatCase, source: type) -> None:
    tiny = np.array([0.0, np.finfo(source).smallest_subnormal], source)
    np.testing.assert_array_equal(format_of(case).encode(tiny), 0)
    np.testing.assert_array_equal(format_of(case).encode(-tiny), case.sign)


@each_format
def test_random_float32_patterns_encode_as_another_implementation_does(case: FloatCase) -> None:
    bits = np.random.default_rng(1).integers(0, 1 << 32, 400_000, dtype=np.uint32)
    values = bits.view(np.float32)
    words = format_of(case).encode(values)
    number = ~np.isnan(values)
    np.testing.assert_array_equal(words[number], case.nearest(values)[number])
    np.testing.assert_array_equal(words[~number] & case.sign != 0, np.signbit(values[~number]))
    assert np.isnan(format_of(case).decode(words[~number])).all()


@each_format
@given(value=st.floats() | st.floats(-70_000, 70_000) | st.floats(-1e-4, 1e-4))
def test_any_float64_is_rounded_once(case: FloatCase, value: float) -> None:
    fmt = format_of(case)
    stored = float(fmt.decode(fmt.encode(value), np.float64))
    expected = nearest_float(value, fmt.exponent_bits, fmt.fraction_bits, fmt.has_infinity)
    np.testing.assert_equal(stored, expected)
    assert math.copysign(1, stored) == math.copysign(1, value)


@given(
    st.integers(2, 8),
    st.integers(1, 23),
    st.booleans(),
    st.lists(st.floats(width=32) | st.floats(-600, 600, width=32), min_size=1),
)
@settings(max_examples=400)
def test_formats_of_any_field_widths_round_as_rational_arithmetic_does(
    exponent_bits: int, fraction_bits: int, has_infinity: bool, numbers: list[float]
) -> None:
    fmt = FloatFormat("custom", exponent_bits, fraction_bits, has_infinity or exponent_bits == 8)
    expected = [nearest_float(x, exponent_bits, fraction_bits, fmt.has_infinity) for x in numbers]
    for source in (np.float32, np.float64):
        words = fmt.encode(np.array(numbers, source))
        for target in (np.float32, np.float64):
            values = fmt.decode(words, target)
            np.testing.assert_array_equal(values, np.array(expected))
            np.testing.assert_array_equal(np.signbit(values), np.signbit(numbers))


@given(st.integers(2, 8), st.integers(1, 23), st.booleans(), st.data())
def test_words_of_any_field_widths_survive_decode_and_encode(
    exponent_bits: int, fraction_bits: int, has_infinity: bool, data: st.DataObject
) -> None:
    fmt = FloatFormat("custom", exponent_bits, fraction_bits, has_infinity or exponent_bits == 8)
    numbers = st.lists(st.integers(0, (1 << fmt.width) - 1), min_size=1)
    words = np.array(data.draw(numbers), fmt.dtype)
    for dtype in (np.float32, np.float64):
        values = fmt.decode(words, dtype)
        kept = ~np.isnan(values)
        np.testing.assert_array_equal(fmt.encode(values)[kept], words[kept])


def test_fp32_words_are_the_bits_of_float32_nan_payloads_included() -> None:
    words = np.random.default_rng(2).integers(0, 1 << 32, 300_000, dtype=np.uint32)
    words[:4] = 0x7F800001, 0xFFC12345, 0x7FFFFFFF, 0x80000000
    fp32 = get_format("fp32")
    values = np.array(struct.unpack(f"<{words.size}I", words.tobytes()), np.uint32).view(np.float32)
    np.testing.assert_array_equal(fp32.encode(values), words)
    np.testing.assert_array_equal(fp32.decode(words).view(np.uint32), words)


def test_fp32_decodes_to_float64_as_struct_does() -> None:
    words = np.random.default_rng(3).integers(0, 1 << 32, 100_000, dtype=np.uint32)
    expected = struct.unpack(f"<{words.size}f", words.astype("<u4").tobytes())
    np.testing.assert_array_equal(get_format("fp32").decode(words, np.float64), expected)


@given(st.floats() | st.floats(width=32) | st.floats(-1e-37, 1e-37))
def test_fp32_encodes_float64_as_struct_does(value: float) -> None:
    try:
        expected = struct.unpack("<I", struct.pack("<f", value))[0]
    except OverflowError:
        expected = 0x7F800000 | (value < 0) << 31
    if math.isnan(value):
        expected = 0x7FC00000 | (math.copysign(1, value) < 0) << 31
    assert get_format("fp32").encode(value) == expected


@given(st.integers(0, 0x7F7FFFFF))
def test_fp32_ties_between_any_neighbours_go_to_the_even_word(word: int) -> None:
    fp32 = get_format("fp32")
    low, high = (float(x) for x in np.array([word, word + 1], np.uint32).view(np.float32))
    middle = (low + high) / 2 if math.isfinite(high) else low + 2.0**103
    around = np.array([math.nextafter(middle, 0), middle, math.nextafter(middle, math.inf)])
    assert fp32.encode(around).tolist() == [word, word + word % 2, word + 1]


@pytest.mark.parametrize(
    ("name", "largest", "smallest", "target"),
    [
        ("fp32", 3.4028234663852886e38, 2.0**-149, 2 - 2.0**-23),
        ("fp16", 65504.0, 2.0**-24, 2 - 2.0**-10),
        ("bf16", 3.3895313892515355e38, 2.0**-133, 2 - 2.0**-7),
        ("fp8_e5m2", 57344.0, 2.0**-16, 1.75),
        ("fp8_e4m3", 448.0, 2.0**-9, 1.875),
    ],
)
def test_ranges_are_those_of_the_standards(name: str, largest: float, smallest: float, target: float) -> None:
    fmt = get_format(name)
    assert (fmt.largest, fmt.lowest, fmt.smallest, fmt.default_target) == (largest, -largest, smallest, target)
    assert fmt.is_floating
    exponent_msb = fmt.exponent_msb
    assert exponent_msb == fmt.width - 2
    last_below_two = int(fmt.encode(target))
    assert not last_below_two >> exponent_msb & 1
    assert fmt.decode(last_below_two) < 2 <= fmt.decode(last_below_two + 1)
    assert (last_below_two + 1) >> exponent_msb & 1


@pytest.mark.parametrize("bits", [(1, 3), (9, 3), (5, 0), (5, 24)])
def test_impossible_field_widths_are_refused(bits: tuple[int, int]) -> None:
    with pytest.raises(HwsimError, match="2 to 8 and 1 to 23"):
        FloatFormat("wrong", *bits)
    with pytest.raises(HwsimError, match="at most 7"):
        FloatFormat("wrong", 8, 3, has_infinity=False)
