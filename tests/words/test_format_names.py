"""Names of formats."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hwsim.errors import HwsimError
from hwsim.words import format_names, get_format

DESIGN = ["fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "q2.5", "int8", "int8_sm"]


@pytest.mark.parametrize("name", DESIGN)
def test_the_formats_that_people_name_are_listed(name: str) -> None:
    assert name in format_names()


@pytest.mark.parametrize("name", [*format_names(), "q0.1", "q31.0", "q16.15_sm"])
def test_a_name_leads_to_one_format_that_knows_it(name: str) -> None:
    assert get_format(name).name == name
    assert get_format(name) is get_format(name)
    assert get_format(get_format(name)) is get_format(name)


@pytest.mark.parametrize("m", range(32))
def test_every_qmn_up_to_32_bits_has_a_name(m: int) -> None:
    for n in range(max(0, 1 - m), 32 - m):
        for suffix in ("", "_sm"):
            fmt = get_format(f"q{m}.{n}{suffix}")
            assert fmt.width == 1 + m + n
            assert fmt.dtype.itemsize * 8 == (8 if fmt.width <= 8 else 16 if fmt.width <= 16 else 32)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fp23", "did you mean 'fp32'"),
        ("Q2.5", "did you mean 'q2.5'"),
        ("fp8_e4m3fn", "did you mean 'fp8_e4m3'"),
        ("q2.", "did you mean 'q2.5'"),
        ("zzz", "choose one of"),
        ("q2.5\n", "did you mean 'q2.5'"),
        ("q02.5", "did you mean 'q2.5'"),
        ("q20.20", "41 in all: a fixed-point word has 2 to 32"),
        ("q0.0", "1 in all: a fixed-point word has 2 to 32"),
        ("q1000.1", "1002 in all"),
    ],
)
def test_an_unknown_name_is_answered_in_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        get_format(name)
    assert sentence in str(error.value)


def test_words_need_neither_torch_nor_rich_nor_bitstring_to_convert() -> None:
    code = (
        "import sys, hwsim.words as w; f = w.get_format('q2.5'); f.decode(f.encode([0.5]));"
        "print(sorted({'torch', 'rich', 'bitstring', 'ml_dtypes'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
