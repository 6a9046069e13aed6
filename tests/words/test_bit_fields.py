"""Fields of a word, names of bits, and masks made from names."""

from __future__ import annotations

import pytest

from hwsim.errors import HwsimError
from hwsim.words import FloatFormat, format_names, get_format

LAYOUTS = {
    "fp32": [("sign", 31, 1), ("exponent", 23, 8), ("fraction", 0, 23)],
    "fp16": [("sign", 15, 1), ("exponent", 10, 5), ("fraction", 0, 10)],
    "bf16": [("sign", 15, 1), ("exponent", 7, 8), ("fraction", 0, 7)],
    "fp8_e4m3": [("sign", 7, 1), ("exponent", 3, 4), ("fraction", 0, 3)],
    "fp8_e5m2": [("sign", 7, 1), ("exponent", 2, 5), ("fraction", 0, 2)],
    "q2.5": [("sign", 7, 1), ("integer", 5, 2), ("fraction", 0, 5)],
    "int8_sm": [("sign", 7, 1), ("integer", 0, 7)],
    "q0.3": [("sign", 3, 1), ("fraction", 0, 3)],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_fields_lie_where_the_format_puts_them(name: str) -> None:
    fields = get_format(name).fields
    assert [(field.name, field.lsb, field.width) for field in fields] == LAYOUTS[name]


@pytest.mark.parametrize("name", [*format_names(), "q0.9", "q31.0_sm"])
def test_fields_cover_every_bit_once(name: str) -> None:
    fmt = get_format(name)
    assert sum(field.mask for field in fmt.fields) == (1 << fmt.width) - 1
    for bit in range(fmt.width):
        field = fmt.field_of(bit)
        assert field.mask >> bit & 1
        assert fmt.bit_label(bit).startswith(field.name)
        assert fmt.paper_bit(bit) == fmt.width - bit  # the sign is the paper's bit 1
    assert len({fmt.bit_label(bit) for bit in range(fmt.width)}) == fmt.width


def test_a_field_reads_its_bits_from_a_word() -> None:
    sign, exponent, fraction = get_format("fp32").fields
    assert (sign.of(0xBDCCCCCD), exponent.of(0xBDCCCCCD), fraction.of(0xBDCCCCCD)) == (1, 123, 0x4CCCCD)


@pytest.mark.parametrize(
    ("name", "bit", "label"),
    [
        ("fp32", 31, "sign"),
        ("fp32", 30, "exponent 7 (MSB)"),
        ("fp32", 24, "exponent 1"),
        ("fp32", 23, "exponent 0 (LSB)"),
        ("fp32", 22, "fraction 22 (MSB)"),
        ("q2.5", 6, "integer 1 (MSB)"),
        ("q1.6", 6, "integer"),
        ("int8", 0, "integer 0 (LSB)"),
    ],
)
def test_a_bit_is_named_by_its_place_in_its_field(name: str, bit: int, label: str) -> None:
    assert get_format(name).bit_label(bit) == label


@pytest.mark.parametrize("bit", [-1, 8, 30])
def test_a_bit_outside_the_word_is_refused(bit: int) -> None:
    fmt = get_format("q2.5")
    for ask in (fmt.field_of, fmt.bit_label, fmt.paper_bit):
        with pytest.raises(HwsimError, match=f"q2.5 has no bit {bit}: bits run from 0"):
            ask(bit)


@pytest.mark.parametrize(
    ("selector", "mask"),
    [
        ("sign", 0x80000000),
        ("exponent", 0x7F800000),
        ("fraction", 0x007FFFFF),
        ("exponent_msb", 0x40000000),
        ("exponent_lsb", 0x00800000),
        ("fraction_msb", 0x00400000),
        ("bit 30", 0x40000000),
        ("bit 0", 1),
        ("bits 0-7", 0xFF),
        ("bits 31-0", 0xFFFFFFFF),
        ("all", 0xFFFFFFFF),
        ("none", 0),
        (["sign", "exponent", "bit 0"], 0xFF800001),
        ((), 0),
    ],
)
def test_selectors_name_bits_of_fp32(selector: str | list[str], mask: int) -> None:
    assert get_format("fp32").bit_mask(selector) == mask


@pytest.mark.parametrize("fmt", [get_format(name) for name in format_names()] + [FloatFormat("e6m9", 6, 9)])
def test_the_exponent_msb_is_one_bit_or_does_not_exist(fmt: FloatFormat) -> None:
    if fmt.exponent_msb is not None:
        assert fmt.bit_mask("exponent_msb") == 1 << fmt.exponent_msb
    else:
        with pytest.raises(HwsimError, match=f"bit selector for {fmt.name}"):
            fmt.bit_mask("exponent_msb")


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ("exponent", "Unknown bit selector for q2.5 'exponent'"),
        ("fracton", "did you mean 'fraction'"),
        ("bit 8", "q2.5 has no bit 8"),
        ("bits 3-9", "q2.5 has no bit 9"),
        ("bit -1", "did you mean 'bit N'"),
    ],
)
def test_a_selector_that_selects_nothing_is_refused(selector: str, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        get_format("q2.5").bit_mask(selector)
    assert sentence in str(error.value)


@pytest.mark.parametrize("name", format_names())
def test_a_format_prints_as_one_line(name: str) -> None:
    line = str(get_format(name))
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
