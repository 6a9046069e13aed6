"""Defects reported of other fault injectors, as rules that words keep here."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from hwsim.words import describe, format_names, get_format

SMALL = [name for name in [*format_names(), "q2.6", "q0.7", "q7.8", "q3.9_sm"] if get_format(name).width <= 16]


@pytest.mark.parametrize("name", SMALL)
def test_a_faulty_word_is_always_a_word(name: str) -> None:
    """Flipping the sign of 0.5 in Q2.6 once gave -2.5, which no word of it holds."""
    fmt = get_format(name)
    words = np.arange(1 << fmt.width, dtype=fmt.dtype)
    values = fmt.decode(words, np.float64)
    for bit in range(fmt.width):
        faulty = words ^ fmt.dtype.type(1 << bit)
        assert faulty.max() <= words.max()
        np.testing.assert_array_equal(fmt.decode(faulty, np.float64), values[faulty])


def test_a_sign_flip_of_one_half_in_q2_6_gives_minus_three_and_a_half() -> None:
    q26 = get_format("q2.6")
    word = q26.encode(0.5)
    assert q26.decode(word ^ q26.dtype.type(q26.bit_mask("sign"))) == 0.5 - 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fp16_subnormals_decode_exactly(dtype: type) -> None:
    """All 2,046 of them once decoded to half their value."""
    fraction = np.arange(1, 1024, dtype=np.uint16)
    for sign_bit, sign in ((0, 1), (0x8000, -1)):
        words = fraction | np.uint16(sign_bit)
        values = get_format("fp16").decode(words, dtype)
        np.testing.assert_array_equal(values, sign * 2.0**-24 * fraction)
        np.testing.assert_array_equal(values, struct.unpack("<1023e", words.astype("<u2").tobytes()))


@pytest.mark.parametrize("name", SMALL)
def test_flipping_a_bit_of_a_value_starts_from_its_rounded_word(name: str) -> None:
    """A flip path that truncates once disagreed with an encode path that rounds."""
    fmt = get_format(name)
    for value in np.random.default_rng(0).normal(size=20).tolist():
        word = int(fmt.encode(value))
        flips = describe(value, fmt, flip=range(fmt.width)).flips[:-1]
        assert [flip.word for flip in flips] == [word ^ 1 << bit for bit in range(fmt.width)]


def test_one_is_one_in_q2_5() -> None:
    """It once decoded to 1.00787, on a grid that was not the format's."""
    q25 = get_format("q2.5")
    assert q25.decode(q25.encode(1.0)) == 1.0
    np.testing.assert_array_equal(np.diff(np.sort(q25.decode(np.arange(256, dtype=np.uint8)))), 1 / 32)
