"""What encode and decode take, give back, and refuse, whatever the format."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.words import format_names, get_format
from hwsim.words.blocks import BLOCK

NAMES = [*format_names(), "q7.8", "q3.9_sm", "q7.16", "q7.24", "q0.31_sm"]
each_format = pytest.mark.parametrize("name", NAMES)


def some_values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@each_format
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_an_element_does_not_depend_on_where_it_stands(name: str, size: int) -> None:
    fmt = get_format(name)
    values = some_values(size)
    values[-1:] = np.nan
    words = fmt.encode(values)
    assert words.shape == values.shape
    for at in {0, size // 2, size - 1, min(BLOCK, size - 1)} if size else ():
        assert words[at] == fmt.encode(values[at : at + 1])[0]
        np.testing.assert_equal(fmt.decode(words)[at], fmt.decode(words[at : at + 1])[0])


@each_format
def test_shape_is_kept_and_memory_layout_does_not_matter(name: str) -> None:
    fmt = get_format(name)
    values = some_values(3, 4, 5)
    words = fmt.encode(values)
    for same in (
        np.asfortranarray(values),
        np.repeat(values, 2, axis=0)[::2],
        values.astype(">f4"),
        values[::-1].copy()[::-1],
    ):
        np.testing.assert_array_equal(fmt.encode(same), words)
    np.testing.assert_array_equal(fmt.decode(np.asfortranarray(words)), fmt.decode(words))
    assert fmt.encode(values[0, 0, 0]).shape == ()
    assert fmt.decode(words).shape == values.shape


@each_format
def test_results_share_no_memory_with_their_input(name: str) -> None:
    fmt = get_format(name)
    values = some_values(10)
    words = fmt.encode(values)
    for dtype in (np.float32, np.float64):
        decoded = fmt.decode(words, dtype)
        before = decoded.copy()
        words ^= 1
        np.testing.assert_array_equal(decoded, before)
        words ^= 1
    original = values.copy()
    words[:] = 0
    np.testing.assert_array_equal(values, original)
    assert not np.shares_memory(fmt.encode(values), values)


@each_format
def test_results_go_where_they_are_asked_to(name: str) -> None:
    fmt = get_format(name)
    values = some_values(7, 3)
    memory = np.zeros(30, fmt.dtype)
    part = memory[4:25].reshape(7, 3)
    assert fmt.encode(values, out=part) is part
    np.testing.assert_array_equal(part, fmt.encode(values))
    assert not memory[:4].any()
    assert not memory[25:].any()
    decoded = np.empty((7, 3), np.float32)
    assert fmt.decode(part, out=decoded) is decoded
    np.testing.assert_array_equal(decoded, fmt.decode(part))


@pytest.mark.parametrize(
    "out",
    [np.empty(4, np.uint8), np.empty((3, 2), np.uint8), np.empty((2, 3), np.uint16), np.empty((3, 2), np.uint8).T],
)
def test_an_output_that_does_not_fit_is_refused(out: np.ndarray) -> None:
    with pytest.raises(HwsimError, match=r"C-contiguous uint8 of shape \(2, 3\)"):
        get_format("q2.5").encode(some_values(2, 3), out=out)


def test_plain_numbers_and_lists_count_as_float64() -> None:
    assert get_format("fp32").encode(0.1) == 0x3DCCCCCD
    assert get_format("int8").encode([1, -1, 300]).tolist() == [1, 255, 127]
    assert get_format("int8").decode([1, 255]).tolist() == [1.0, -1.0]
    assert get_format("fp32").decode(0x3DCCCCCD) == np.float32(0.1)
    assert get_format("fp32").decode([]).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.int64, np.complex64, bool])
def test_values_of_another_type_are_refused(dtype: type) -> None:
    with pytest.raises(HwsimError, match="float32 or float64"):
        get_format("fp16").encode(np.zeros(3, dtype))


@pytest.mark.parametrize("dtype", [np.uint16, np.int8, np.float32])
def test_words_of_another_type_are_refused(dtype: type) -> None:
    with pytest.raises(HwsimError, match="words are uint8 numbers"):
        get_format("q2.5").decode(np.zeros(3, dtype))


def test_decoding_to_another_type_is_refused() -> None:
    with pytest.raises(HwsimError, match="float32 or float64, not to float16"):
        get_format("q2.5").decode(np.zeros(3, np.uint8), np.float16)


@pytest.mark.parametrize(("name", "words"), [("q2.3", np.array([0, 64], np.uint8)), ("q2.5", [256]), ("q2.5", [-1])])
def test_words_with_bits_above_their_width_are_refused(name: str, words: object) -> None:
    with pytest.raises(HwsimError, match=r"words have \d bits"):
        get_format(name).decode(words)


@each_format
def test_encoding_sets_no_bit_above_the_width(name: str) -> None:
    fmt = get_format(name)
    values = np.array([-np.inf, np.inf, np.nan, -np.nan, -1e9, 1e9, -0.0, -1.0])
    for source in (values, values.astype(np.float32)):
        words = fmt.encode(source)
        assert words.dtype == fmt.dtype
        assert int(words.max()) < 1 << fmt.width


@each_format
def test_formats_compare_by_value_and_survive_pickling(name: str) -> None:
    fmt = get_format(name)
    assert fmt.fields
    again = pickle.loads(pickle.dumps(fmt))
    assert again == fmt
    assert hash(again) == hash(fmt)
    assert fmt != get_format("q1.1")
