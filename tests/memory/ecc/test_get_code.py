"""Codes by name: what all of them have in common, and which do not exist."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory.ecc import (
    Code,
    Decoded,
    Outcome,
    code_names,
    get_code,
    in_place_parity,
    outcome,
    pack,
    round_words,
    unpack,
)
from hwsim.words import get_format


def every_code() -> list[Code]:
    """Each code for each width of word and number that it exists for."""
    found = []
    for name in code_names():
        for word_bits in (8, 16, 32, 64, 128):
            for number in ("fp32", "fp16", "bf16", "fp8_e4m3", "int8", "q2.5", "q2.5_sm"):
                try:
                    found.append(get_code(name, word_bits, number))
                except HwsimError:
                    continue
    return found


CODES = every_code()
WORDS = st.integers(0, (1 << 64) - 1)


def test_there_is_each_code_for_32_and_64_bits_of_fp32_or_int8() -> None:
    for bits in (32, 64):
        for name in code_names():
            number = "int8" if name == "in_place_secded" else "fp32"
            if (name, bits) != ("in_place_secded", 32):
                code = get_code(name, bits, number)
                assert (code.name, code.word_bits) == (name, bits)


@given(st.sampled_from(CODES), st.lists(WORDS, min_size=1, max_size=8))
def test_a_codeword_without_faults_decodes_to_what_was_stored(code: Code, words: list[int]) -> None:
    data = np.array(words, np.uint64) & np.uint64((1 << code.data_bits) - 1)
    kept = code.rounded(data)
    decoded = code.decode(*code.encode(data))
    assert (decoded.data == kept).all()
    assert outcome(kept, decoded) == Outcome(clean=len(words))
    assert (code.rounded(kept) == kept).all()
    assert (kept == data).all() or not code.is_exact


@given(st.sampled_from([code for code in CODES if code.is_exact]), WORDS, WORDS)
def test_the_sum_of_two_codewords_is_a_codeword(code: Code, word: int, other: int) -> None:
    mask = (1 << code.data_bits) - 1
    first, second = np.array([word & mask], np.uint64), np.array([other & mask], np.uint64)
    assert (code.encode(first ^ second).check == code.encode(first).check ^ code.encode(second).check).all()


@given(st.sampled_from([code for code in CODES if code.is_exact]), WORDS, WORDS, WORDS)
def test_the_outcome_depends_on_the_flips_and_not_on_the_data(code: Code, word: int, flips: int, check: int) -> None:
    mask, check_mask = np.uint64((1 << code.data_bits) - 1), np.uint64((1 << code.check_bits) - 1)
    flip, check_flip = np.uint64(flips) & mask, np.uint64(check) & check_mask
    results = []
    for data in (np.array([0], np.uint64), np.array([word], np.uint64) & mask):
        stored = code.encode(data)
        decoded = code.decode(stored.data ^ flip, stored.check ^ check_flip)
        results.append((bool(decoded.corrected[0]), bool(decoded.detected[0])))
    assert results[0] == results[1]


@given(st.sampled_from(CODES), st.integers(1, 5), st.data())
def test_numbers_come_out_of_codewords_as_they_went_in(code: Code, rows: int, draw: st.DataObject) -> None:
    fmt = get_format(next(name for name in ("fp32", "fp16", "int8") if code.data_bits % get_format(name).width == 0))
    numbers = code.data_bits // fmt.width
    values = draw.draw(st.lists(st.integers(0, (1 << fmt.width) - 1), min_size=rows * numbers, max_size=rows * numbers))
    words = np.array(values, fmt.dtype).reshape(rows, numbers)
    data = pack(words, fmt, code)
    expected = [sum(word << place * fmt.width for place, word in enumerate(row)) for row in words.tolist()]
    assert data.tolist() == expected
    assert (unpack(data, fmt, code) == words).all()


def test_an_exact_code_stores_numbers_as_they_are() -> None:
    words = np.arange(10, dtype=np.uint32)
    stored, report = round_words(words, get_format("fp32"), get_code("secded", 64, "fp32"))
    assert stored is words
    assert (report.changed, report.largest, report.rms) == (0, 0.0, 0.0)


def test_a_codeword_that_the_numbers_do_not_fill_is_filled_with_zeros() -> None:
    words = np.full(3, 100, np.uint8)
    stored, report = round_words(words, get_format("int8"), get_code("in_place_secded", 64, "int8"))
    assert stored.tolist() == [63, 63, 63]
    assert (report.words, report.changed, report.largest, report.rms) == (3, 3, 37.0, 37.0)


@pytest.mark.parametrize(("name", "number"), [("in_place_parity", "fp32"), ("in_place_secded", "int8")])
def test_many_words_are_rounded_as_each_codeword_is(name: str, number: str) -> None:
    fmt, code = get_format(number), get_code(name, 64, number)
    numbers = code.data_bits // fmt.width
    words = np.random.default_rng(1).integers(0, 1 << fmt.width, 100_000 - 100_000 % numbers, fmt.dtype)
    stored, _ = round_words(words, fmt, code)
    expected = unpack(code.rounded(pack(words.reshape(-1, numbers), fmt, code)), fmt, code)
    assert (stored == expected.ravel()).all()


def test_a_word_of_several_codewords_says_so() -> None:
    code = get_code("parity_zero", 128, "fp16")
    assert (code.codewords, code.data_bits, code.word_bits) == (8, 16, 128)
    assert str(code) == (
        "parity_zero: 8 codewords of 16 data and 1 check bits; detects 1 error; uncorrectable codewords read as zero"
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (get_code("none", 32, "fp32"), "none: 32 data and 0 check bits; detects nothing"),
        (
            get_code("secded", 64, "fp32", "as_read"),
            "secded: 64 data and 8 check bits; corrects 1 and detects 2 errors; "
            "uncorrectable codewords read as they are",
        ),
        (
            get_code("tmr_exponent", 32, "fp32"),
            "tmr_exponent: 32 data and 18 check bits; "
            "corrects one of the three copies of each of the 9 highest bits, no other bit",
        ),
        (
            get_code("in_place_parity", 16, "bf16"),
            "in_place_parity: 16 data and 0 check bits; detects an error in the 9 highest bits by parity in the lowest "
            "bit; uncorrectable codewords read as zero",
        ),
    ],
)
def test_a_code_describes_itself(code: Code, text: str) -> None:
    assert code.describe() == text


def test_outcomes_add_up() -> None:
    total = Outcome(1, 2, 3, 4, 5) + Outcome(silent=1)
    assert (total, total.codewords) == (Outcome(1, 2, 3, 4, 6), 16)


@pytest.mark.parametrize(
    ("name", "word_bits", "number", "message"),
    [
        ("secdedd", 64, "fp32", "Unknown code 'secdedd': did you mean 'secded'?"),
        ("secded", 128, "fp32", "secded does not exist for memory words of 128 bits: up to 64 are possible."),
        ("bch_dec", 96, "fp32", "bch_dec does not exist for memory words of 96 bits: up to 64 are possible."),
        (
            "secded",
            48,
            "fp32",
            "Memory words of 48 bits do not hold whole words of fp32: choose a multiple of 32.",
        ),
        ("none", 0, "int8", "Memory words of 0 bits do not hold whole words of int8: choose a multiple of 8."),
        (
            "in_place_parity",
            64,
            "int8",
            "in_place_parity uses 1 of the fraction bits and keeps others, but int8 has 0 in all: "
            "choose a format with a longer fraction, or another code.",
        ),
        (
            "in_place_secded",
            64,
            "int8_sm",
            "in_place_secded is for 8-bit two's complement numbers such as int8 or q2.5, not for int8_sm.",
        ),
        (
            "in_place_secded",
            32,
            "int8",
            "in_place_secded does not exist for memory words of 32 bits: choose a multiple of 64.",
        ),
    ],
)
def test_a_code_that_does_not_exist_is_refused_in_a_sentence(
    name: str, word_bits: int, number: str, message: str
) -> None:
    with pytest.raises(HwsimError, match=f"^{re.escape(message)}$"):
        get_code(name, word_bits, number)


def test_other_wrong_input_is_refused_in_a_sentence() -> None:
    code = get_code("secded", 32, "fp32")
    with pytest.raises(HwsimError, match="Unknown policy for uncorrectable words 'zeros': did you mean 'zero'"):
        get_code("secded", 32, "fp32", "zeros")
    with pytest.raises(HwsimError, match="The data cells of a codeword of secded are 32 bits: 0 to 0xffffffff"):
        code.encode([1 << 32])
    with pytest.raises(HwsimError, match="The check cells of a codeword of secded are 7 bits: 0 to 0x7f"):
        code.decode([1], [128])
    with pytest.raises(HwsimError, match="are whole numbers, not float64"):
        code.encode([0.5])
    with pytest.raises(HwsimError, match="fp16 has 10 in all"):
        in_place_parity(get_format("fp16"), 10)
    with pytest.raises(HwsimError, match=r"come in rows of 1 of fp32, not in an array of shape \(3, 2\)"):
        pack(np.zeros((3, 2), np.uint32), get_format("fp32"), code)
    with pytest.raises(HwsimError, match="does not divide the 32 data bits of secded"):
        pack(np.zeros((3, 2), np.uint32), get_format("q5.6"), code)


def test_no_codewords_are_fine() -> None:
    for code in CODES:
        decoded = code.decode(*code.encode(np.zeros(0, np.uint64)))
        assert outcome([], decoded) == Outcome()


def test_a_codeword_that_was_changed_and_found_uncorrectable_is_in_one_class_only() -> None:
    """A decoder with several parts may repair in one what another gives up."""
    data = np.array([5, 5, 5, 5, 5, 5], np.uint64)
    read = np.array([5, 4, 5, 4, 5, 4], np.uint64)
    corrected = np.array([True, True, True, True, False, False])
    detected = np.array([True, True, False, False, False, False])
    found = outcome(data, Decoded(read, corrected, detected))
    assert found == Outcome(clean=1, corrected=1, detected=2, miscorrected=1, silent=1)
    assert found.codewords == len(data)
