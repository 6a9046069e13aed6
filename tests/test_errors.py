"""Sentences for wrong input stay short, whatever the input, and name what was meant."""

from __future__ import annotations

import pytest

from hwsim.errors import LONGEST_MESSAGE, HwsimError, cut, shown, unknown
from hwsim.memory.technology.constants import technologies
from hwsim.words import format_names


def test_a_message_keeps_its_beginning_and_its_end() -> None:
    text = str(HwsimError("It is wrong: " + "x " * 10_000 + ", give less."))
    assert len(text) == LONGEST_MESSAGE
    assert text.startswith("It is wrong: x x ")
    assert text.endswith("x x , give less.")
    assert "..." in text


@pytest.mark.parametrize("long", ["x" * 10_000, f"'{'a b ' * 1000}'", f'"{"it is " * 1000}"', "/" * 300 + "a" * 300])
def test_only_what_a_message_repeats_is_shortened_where_that_is_enough(long: str) -> None:
    own = "one of the many things that would be right in its place, " * 3
    text = str(HwsimError(f"The value {long} of the network's weights is wrong: give {own}or leave it out."))
    assert len(text) <= LONGEST_MESSAGE
    assert text.startswith(f"The value {long[:20]}")
    assert text.endswith(f" of the network's weights is wrong: give {own}or leave it out.")
    twice = str(HwsimError(f"{long} and {long} are wrong: give others."))
    assert len(twice) <= 60 + len(" and ") + 60 + len(" are wrong: give others.")


@pytest.mark.parametrize("length", range(20, 25))
def test_a_text_is_cut_only_beyond_its_length(length: int) -> None:
    text = "abcdefghijklmnopqrstuvwxyz"[:length]
    assert len(cut(text, 22)) == min(length, 22)
    assert (cut(text, 22) == text) == (length <= 22)


def test_a_value_is_shown_as_python_writes_it_unless_it_is_large() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown({"a": [1, 2.5, "x"]}) == "{'a': [1, 2.5, 'x']}"
    assert shown(10**5000) == "a number of about 5001 digits"
    assert shown("\x1b[31m") == r"'\x1b[31m'"
    for large in ("x" * 10**6, list(range(10**6)), deep, b"x" * 10**6):
        assert len(shown(large)) <= 60


def test_a_list_of_names_says_how_many_more_there_are() -> None:
    names = [f"name{n:03}" for n in range(100)]
    text = str(unknown("thing", "zzz", names))
    listed = text.partition("choose one of ")[2].removesuffix(".")
    some, more = listed.rsplit(" and ", 1)
    assert len(some.split(", ")) + int(more.removesuffix(" more")) == 100
    assert str(unknown("thing", "zzz", ["b", "a"])) == "Unknown thing 'zzz': choose one of a, b."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mram", "stt_mram"),
        ("STT-MRAM", "stt_mram"),
        ("SRAM", "sram"),
        ("hbm2", "dram/hbm2"),
        ("RRAM", "reram"),
        ("flash", "nand_tlc"),
        ("stt_mran", "stt_mram"),
    ],
)
def test_a_technology_is_found_by_part_case_and_other_names(name: str, meant: str) -> None:
    assert str(unknown("technology", name, technologies())) == (f"Unknown technology {name!r}: did you mean {meant!r}?")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("float16", "fp16"),
        ("FP16", "fp16"),
        ("half", "fp16"),
        ("bfloat16", "bf16"),
        ("float32", "fp32"),
        ("e4m3", "fp8_e4m3"),
        ("Float8_E5M2", "fp8_e5m2"),
        ("fp33", "fp32"),
    ],
)
def test_a_format_is_found_by_its_names_elsewhere(name: str, meant: str) -> None:
    assert f"did you mean {meant!r}?" in str(unknown("number format", name, format_names()))


def test_a_name_from_elsewhere_is_no_hint_where_it_means_nothing() -> None:
    assert str(unknown("technology", "half", ["sram", "pcm"])) == (
        "Unknown technology 'half': choose one of pcm, sram."
    )
