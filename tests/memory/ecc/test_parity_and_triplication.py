"""Codes over single numbers: parity that reads as zero, and three copies of the bits above the fraction."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.memory.ecc import Outcome, get_code, outcome
from hwsim.words import get_format

ALL_BYTES = np.arange(256, dtype=np.uint64)


@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
@pytest.mark.parametrize("number", ["int8", "fp8_e4m3"])
def test_parity_reads_as_zero_after_an_odd_number_of_errors_and_else_as_it_is(number: str, uncorrectable: str) -> None:
    """Every byte under every pattern of flips in its nine cells."""
    code = get_code("parity_zero", 8, number, uncorrectable)
    data, pattern = (grid.ravel() for grid in np.meshgrid(ALL_BYTES, np.arange(512, dtype=np.uint64)))
    stored = code.encode(data)
    assert (np.bitwise_count(stored.data) % 2 == stored.check).all()
    read = stored.data ^ pattern & np.uint64(0xFF)
    decoded = code.decode(read, stored.check ^ pattern >> np.uint64(8))
    odd = np.bitwise_count(pattern) % 2 == 1
    assert (decoded.detected == odd).all()
    assert not decoded.corrected.any()
    assert (decoded.data == np.where(odd & (uncorrectable == "zero"), 0, read)).all()


@pytest.mark.parametrize("number", ["fp16", "bf16", "q3.12"])
def test_parity_of_16_bits_counts_every_pattern_as_detected_or_silent(number: str) -> None:
    code = get_code("parity_zero", 16, number)
    pattern = np.arange(1 << 17, dtype=np.uint64)
    data = np.full(pattern.shape, 0x3A5C, np.uint64)
    stored = code.encode(data)
    decoded = code.decode(stored.data ^ pattern & np.uint64(0xFFFF), stored.check ^ pattern >> np.uint64(16))
    # Half of all patterns are odd. Of the even ones only that without a flip leaves the data as they were: a lone
    # flip of the parity bit is odd.
    assert outcome(data, decoded) == Outcome(clean=1, detected=1 << 16, silent=(1 << 16) - 1)


def copies(number: str, data: np.ndarray, check: np.ndarray, bit: int) -> np.ndarray:
    """How many of the copies of a bit of the number are 1: bit by bit, from the layout of the check cells."""
    fraction = sum(field.width for field in get_format(number).fields if field.name == "fraction")
    head = get_format(number).width - fraction
    places = [data >> np.uint64(bit), check >> np.uint64(bit - fraction), check >> np.uint64(bit - fraction + head)]
    return sum((place & np.uint64(1)).astype(int) for place in places)


def check_triplication(number: str, data: np.ndarray, flip_data: np.ndarray, flip_check: np.ndarray) -> None:
    fmt = get_format(number)
    code = get_code("tmr_exponent", fmt.width, number)
    stored = code.encode(data)
    assert (stored.data == data).all()
    read, read_check = stored.data ^ flip_data, stored.check ^ flip_check
    decoded = code.decode(read, read_check)
    disagree = np.zeros(len(data), bool)
    for bit in range(fmt.width):
        value = decoded.data >> np.uint64(bit) & np.uint64(1)
        if fmt.field_of(bit).name == "fraction":
            assert (value == read >> np.uint64(bit) & np.uint64(1)).all()
        else:
            ones = copies(number, read, read_check, bit)
            assert (value == (ones >= 2)).all()
            disagree |= (ones == 1) | (ones == 2)
    assert (decoded.corrected == disagree).all()
    assert not decoded.detected.any()


@pytest.mark.parametrize("number", ["fp8_e5m2", "fp8_e4m3", "q2.5"])
def test_three_copies_vote_bit_by_bit_under_every_pattern_of_flips(number: str) -> None:
    code = get_code("tmr_exponent", 8, number)
    pattern = np.arange(1 << code.cells, dtype=np.uint64)
    data = pattern * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(56)
    check_triplication(number, data, pattern & np.uint64(0xFF), pattern >> np.uint64(8))


@pytest.mark.parametrize("number", ["fp32", "bf16", "fp16", "int8"])
def test_three_copies_vote_bit_by_bit_in_wider_words(number: str) -> None:
    generator = np.random.default_rng(1)
    code = get_code("tmr_exponent", get_format(number).width, number)
    data, flip_data = generator.integers(0, 1 << code.data_bits, (2, 20_000), np.uint64)
    flip_check = generator.integers(0, 1 << code.check_bits, 20_000, np.uint64)
    rare = generator.integers(0, 1 << code.data_bits, 20_000, np.uint64)
    check_triplication(number, data, flip_data & rare, flip_check)


@pytest.mark.parametrize(
    ("number", "cells"), [("fp32", 32 + 18), ("fp16", 16 + 12), ("bf16", 16 + 18), ("fp8_e4m3", 8 + 10), ("q2.5", 14)]
)
def test_two_further_copies_are_stored_of_what_lies_above_the_fraction(number: str, cells: int) -> None:
    assert get_code("tmr_exponent", get_format(number).width, number).cells == cells


def test_a_single_error_above_the_fraction_is_corrected_and_one_in_it_is_silent() -> None:
    code = get_code("tmr_exponent", 32, "fp32")
    cells = np.arange(code.cells)
    flips = np.where(cells < 32, 1, 0).astype(np.uint64) << cells.clip(max=31).astype(np.uint64)
    check_flips = np.where(cells >= 32, 1, 0).astype(np.uint64) << (cells - 32).clip(min=0).astype(np.uint64)
    data = np.full(code.cells, 0x3F9D70A4, np.uint64)
    stored = code.encode(data)
    decoded = code.decode(stored.data ^ flips, stored.check ^ check_flips)
    assert outcome(data, decoded) == Outcome(corrected=27, silent=23)


def test_without_a_code_every_flip_is_silent() -> None:
    code = get_code("none", 64, "fp16")
    flips = np.uint64(1) << np.arange(16, dtype=np.uint64)
    data = np.full(16, 0x1234, np.uint64)
    stored = code.encode(data)
    assert outcome(data, code.decode(stored.data ^ flips, stored.check)) == Outcome(silent=16)
