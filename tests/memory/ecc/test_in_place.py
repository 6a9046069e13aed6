"""Codes inside the numbers: what is stored, what it costs in precision, and what a decoder makes of every word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.memory.ecc import Outcome, get_code, in_place_parity, outcome, round_words
from hwsim.words import get_format
from tests.memory.ecc.oracles import any_data, errors, patterns

SMALL = ["fp8_e4m3", "fp8_e5m2", "fp16", "bf16", "q2.5", "q2.5_sm", "q0.7", "q3.12"]


def every_word(number: str) -> np.ndarray:
    fmt = get_format(number)
    return np.arange(1 << fmt.width, dtype=fmt.dtype)


def head_and_lowest(number: str, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ones above the fraction, counted from text, and the lowest bit."""
    fmt = get_format(number)
    fraction = sum(field.width for field in fmt.fields if field.name == "fraction")
    ones = [f"{word:b}".zfill(fmt.width)[: fmt.width - fraction].count("1") for word in words.tolist()]
    return np.array(ones), words & 1


@pytest.mark.parametrize("number", SMALL)
def test_the_lowest_bit_is_the_parity_of_the_bits_above_the_fraction(number: str) -> None:
    words = every_word(number)
    stored, _ = round_words(words, get_format(number), get_code("in_place_parity", 16, number))
    ones, lowest = head_and_lowest(number, stored)
    assert (ones % 2 == lowest).all()
    assert (head_and_lowest(number, words)[0] == ones).all()


@pytest.mark.parametrize("number", SMALL)
def test_every_stored_number_is_within_one_unit_in_the_last_place(number: str) -> None:
    words, fmt = every_word(number), get_format(number)
    stored, report = round_words(words, fmt, get_code("in_place_parity", 16, number))
    steps = np.abs(stored.astype(int) - words.astype(int))
    changed = np.flatnonzero(steps)
    assert steps.max() == 1
    assert (report.words, report.changed) == (len(words), len(changed))
    before, after = fmt.decode(words, np.float64), fmt.decode(stored, np.float64)
    finite = np.isfinite(before)
    assert np.isfinite(after[finite]).all()
    error = np.abs(after[finite] - before[finite])
    assert report.largest == error.max()
    assert report.rms == pytest.approx(np.sqrt((error**2).sum() / len(words)), rel=1e-12)


def test_a_number_whose_parity_would_make_it_nan_goes_one_step_down() -> None:
    """-448 is 0xfe in fp8_e4m3, has an odd number of ones above the fraction, and 0xff is NaN."""
    code = get_code("in_place_parity", 8, "fp8_e4m3")
    assert code.rounded([0xFE]).tolist() == [0xFD]
    assert code.encode([0xFE]).data.tolist() == [0xFD]


@pytest.mark.parametrize("number", SMALL)
@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
def test_every_word_reads_as_zero_where_its_parity_fails_and_as_it_is_otherwise(
    number: str, uncorrectable: str
) -> None:
    code = get_code("in_place_parity", 16, number, uncorrectable)
    read = every_word(number)
    decoded = code.decode(read, np.zeros_like(read))
    ones, lowest = head_and_lowest(number, read)
    fails = ones % 2 != lowest
    assert (decoded.detected == fails).all()
    assert not decoded.corrected.any()
    assert (decoded.data == np.where(fails & (uncorrectable == "zero"), 0, read)).all()


@pytest.mark.parametrize("parity_bits", [2, 3, 9])
def test_more_parity_bits_cover_interleaved_groups(parity_bits: int) -> None:
    """A burst of as many neighbouring bits above the fraction is always detected; one group alone is not enough."""
    code = in_place_parity(get_format("fp16"), parity_bits)
    data = any_data(code, 1)
    (stored, _) = code.encode(data)
    for width in range(1, min(parity_bits, 6) + 1):
        bursts = np.array([((1 << width) - 1) << low for low in range(10, 17 - width)], np.uint64)
        assert code.decode(stored ^ bursts, np.zeros_like(bursts)).detected.all()
    lowest = int(stored[0]) & (1 << parity_bits) - 1
    for group in range(parity_bits):
        members = [bit for bit in range(10, 16) if (bit - 10) % parity_bits == group]
        assert sum(int(stored[0]) >> bit & 1 for bit in members) % 2 == lowest >> group & 1


def test_a_fault_in_the_unguarded_fraction_is_silent() -> None:
    code = get_code("in_place_parity", 32, "fp32")
    data = any_data(code, 32)
    flips = np.uint64(1) << np.arange(32, dtype=np.uint64)
    stored, check = code.encode(data)
    assert outcome(data, code.decode(stored ^ flips, check)) == Outcome(detected=10, silent=22)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=40))
def test_in_place_secded_saturates_seven_numbers_of_eight(values: list[int]) -> None:
    fmt, code = get_format("int8"), get_code("in_place_secded", 64, "int8")
    words = np.array(values, np.int8).view(np.uint8)
    stored, report = round_words(words, fmt, code)
    expected = [value if place % 8 == 7 else min(max(value, -64), 63) for place, value in enumerate(values)]
    assert stored.view(np.int8).tolist() == expected
    assert report.changed == sum(new != old for new, old in zip(expected, values, strict=True))
    assert report.largest == max(abs(new - old) for new, old in zip(expected, values, strict=True))


@pytest.mark.parametrize("weight", [1, 2])
def test_in_place_secded_corrects_single_and_detects_double_errors(weight: int) -> None:
    code = get_code("in_place_secded", 64, "q2.5")
    flips, _ = errors(code, weight)
    data = any_data(code, len(flips), seed=weight)
    cells, check = code.encode(data)
    found = outcome(data, code.decode(cells ^ flips, check))
    assert found == (Outcome(corrected=64) if weight == 1 else Outcome(detected=len(patterns(64, 2))))


def test_in_place_secded_miscorrects_every_triple_error() -> None:
    """All 64 columns of odd weight are in use, so the sum of any three is one of them."""
    code = get_code("in_place_secded", 64, "int8")
    flips, _ = errors(code, 3)
    data = any_data(code, len(flips))
    cells, check = code.encode(data)
    assert outcome(data, code.decode(cells ^ flips, check)) == Outcome(miscorrected=len(flips))


@pytest.mark.parametrize(("name", "number"), [("in_place_parity", "fp32"), ("in_place_secded", "int8")])
def test_in_place_codes_need_no_further_cells(name: str, number: str) -> None:
    code = get_code(name, 64, number)
    overhead = code.overhead()
    assert not code.is_exact
    assert (code.check_bits, overhead.check_bits, overhead.cells_per_bit) == (0, 0, 1.0)
