"""One word shown to a person."""

from __future__ import annotations

import io
import math
import struct

import pytest
from bitstring import Bits
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hwsim.errors import HwsimError
from hwsim.words import describe, format_names, format_table, get_format


def float32_of(word: int) -> float:
    return struct.unpack("<f", struct.pack("<I", word))[0]


def test_a_number_is_shown_as_its_word() -> None:
    view = describe(0.1, "fp32")
    assert view.word == 0x3DCCCCCD
    assert view.value == float32_of(0x3DCCCCCD)
    assert view.rounding_error == float32_of(0x3DCCCCCD) - 0.1
    assert view.bits() == "0 01111011 10011001100110011001101"
    assert view.hex() == "0x3dcccccd"
    assert [(part.field.name, part.bits, part.meaning) for part in view.fields] == [
        ("sign", "0", "positive"),
        ("exponent", "01111011", "2^-4"),
        ("fraction", "10011001100110011001101", "1.600000023841858"),
    ]
    assert view.flips == ()


def test_each_flip_is_shown_alone_and_then_all_together() -> None:
    view = describe("0.1", "fp32", flip=(30, 2))
    assert [flip.bits for flip in view.flips] == [(30,), (2,), (30, 2)]
    assert [flip.word for flip in view.flips] == [0x7DCCCCCD, 0x3DCCCCC9, 0x7DCCCCC9]
    for flip in view.flips:
        assert flip.value == float32_of(flip.word)
        assert flip.error == abs(flip.value - view.value)
    assert [flip.label for flip in view.flips[:2]] == ["exponent 7 (MSB)", "fraction 2"]


def test_one_flip_may_be_given_as_a_number() -> None:
    assert describe(0.1, "fp32", flip=30) == describe(0.1, "fp32", flip=[30])


@given(st.floats(width=32), st.integers(0, 31))
def test_flips_of_fp32_agree_with_struct(value: float, bit: int) -> None:
    view = describe(value, "fp32", flip=bit)
    before = struct.unpack("<I", struct.pack("<f", value))[0]
    (flip,) = view.flips
    if not math.isnan(value):
        assert view.word == before
        assert flip.word == before ^ 1 << bit
    assert flip.value == float32_of(flip.word) or math.isnan(flip.value)


@pytest.mark.parametrize("name", [*format_names(), "q0.4", "q3.20_sm"])
@given(data=st.data())
def test_the_bits_shown_are_those_of_the_word(name: str, data: st.DataObject) -> None:
    fmt = get_format(name)
    word = data.draw(st.integers(0, (1 << fmt.width) - 1))
    view = describe(f"{word:#x}", fmt)
    assert view.word == word
    assert view.given is None
    assert view.rounding_error is None
    assert Bits(bin="".join(part.bits for part in view.fields)).uint == word
    assert describe(f"0b{word:b}", fmt) == view or math.isnan(view.value)


@pytest.mark.parametrize("name", ["fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "q2.5", "q2.5_sm", "int8", "q0.7"])
@given(data=st.data())
def test_what_the_fields_mean_adds_up_to_the_value(name: str, data: st.DataObject) -> None:
    fmt = get_format(name)
    view = describe(f"{data.draw(st.integers(0, (1 << fmt.width) - 1)):#x}", fmt)
    meaning = {part.field.name: part.meaning for part in view.fields}
    if not math.isfinite(view.value):
        assert meaning["exponent"] == meaning["fraction"] == ("NaN" if math.isnan(view.value) else "infinity")
        return
    if fmt.is_floating:
        power = int(meaning["exponent"].split()[0].removeprefix("2^"))
        magnitude = float(meaning["fraction"]) * 2.0**power
    else:
        magnitude = sum(float(meaning[part]) for part in ("integer", "fraction") if part in meaning)
    if meaning["sign"] in ("positive", "negative"):
        assert view.value == (magnitude if meaning["sign"] == "positive" else -magnitude)
    else:
        assert view.value == float(meaning["sign"]) + magnitude


def test_what_has_no_finite_value_can_be_shown() -> None:
    assert describe("inf", "fp16").rounding_error == 0
    assert math.isnan(describe("inf", "fp8_e4m3").value)
    assert describe("-inf", "q2.5").value == -4
    assert describe("nan", "q2.5").value == 0
    assert describe(1.0, "fp16", flip=14).flips[0].error == math.inf
    assert "nan" in str(describe("nan", "fp32", flip=3))


def test_the_text_names_everything_and_says_how_bits_are_counted() -> None:
    text = str(describe("0.1", "fp32", flip=(30, 2)))
    for part in ("0x3dcccccd", "01111011", "0.10000000149011612", "1.49e-09", "exponent 7 (MSB)", "0x7dcccccd"):
        assert part in text
    assert "3.4028237199154086e+37" in text
    assert "Bit 0 is the least significant; counted from the sign as bit 1, it is bit 32." in text


def test_a_terminal_of_80_columns_cuts_nothing_off() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(describe(0.1, "fp32", flip=range(32)))
    console.print(format_table())
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown
    for name in format_names():
        assert name in shown


def test_the_table_lists_the_formats_asked_for() -> None:
    assert format_table().row_count == len(format_names())
    assert format_table(["q3.4", "fp16"]).row_count == 2


@pytest.mark.parametrize(
    ("value", "fmt", "flip", "sentence"),
    [
        ("abc", "fp32", (), "'abc' is neither a number, such as 0.1, nor a word, such as 0x00000000"),
        ("0x1ff", "q2.5", (), "'0x1ff' has more than the 8 bits of a q2.5 word"),
        ("0b2", "q2.5", (), "neither a number"),
        ("1", "fp33", (), "did you mean 'fp32'"),
        ("1", "q2.5", (9,), "q2.5 has no bit 9"),
        ("1", "q2.5", (-1,), "q2.5 has no bit -1"),
        ("1", "q2.5", (3, 3), "A bit is flipped twice in 3, 3"),
        (10**400, "fp32", (), "neither a number"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(
    value: str, fmt: str, flip: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(HwsimError) as error:
        describe(value, fmt, flip)
    assert sentence in str(error.value)
