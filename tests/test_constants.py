"""Tables of constants that packages have: every entry complete, everywhere in a file, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim import HwsimError
from hwsim.constants import Constant, load_table, read_constant

WHOLE = 'value = 3, unit = "pJ", source = "a data sheet", trust = "published"'


def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, object]:
    """What is read of a file in a package of that name."""
    package = f"package_{tmp_path.name}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "costs.toml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return load_table(package, "costs.toml")


def test_entries_are_constants_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'title = "Adders"\nlone = {{ {WHOLE} }}\n[fp32.add]\nnote = "small"\nenergy = {{ {WHOLE}, note = "x" }}'
    assert table(tmp_path, monkeypatch, text) == {
        "title": "Adders",
        "lone": Constant("lone", 3, "pJ", "a data sheet", "published"),
        "fp32": {
            "add": {"note": "small", "energy": Constant("energy", 3, "pJ", "a data sheet", "published", "x")},
        },
    }


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (WHOLE.replace("value = 3, ", ""), "a in table 'costs.toml' has no 'value': give value, unit, source and"),
        (WHOLE.replace('unit = "pJ", ', ""), "has no 'unit'"),
        (WHOLE.replace('source = "a data sheet", ', ""), "has no 'source'"),
        (WHOLE.replace(', trust = "published"', ""), "has no 'trust'"),
        (WHOLE.replace("pJ", "pJoule"), "Unknown unit 'pJoule'"),
        (WHOLE.replace("published", "sure"), "Unknown trust 'sure'"),
        (WHOLE.replace("3", '"4 nm"'), "a in table 'costs.toml' = '4 nm' is a length where an energy is meant"),
        (WHOLE + ", nota = 1", "Unknown key of a in table 'costs.toml' 'nota': did you mean 'note'?"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        table(tmp_path, monkeypatch, f"[b]\na = {{ {entry} }}")
    assert sentence in str(error.value)


@pytest.mark.parametrize("key", ["unit", "source", "note"])
def test_what_is_no_text_is_refused(key: str) -> None:
    with pytest.raises(HwsimError, match=f"rate in table 'mine' has the {key} 5: give a text"):
        read_constant("rate", {"value": 1, "unit": "1", key: 5}, "mine")


def test_units_of_values_are_converted_and_whole_numbers_stay_whole() -> None:
    assert read_constant("a", {"value": "4 nJ", "unit": "pJ"}, "mine").value == pytest.approx(4000)
    assert read_constant("a", {"value": [1, "2 nJ"], "unit": "pJ"}, "mine").value == pytest.approx((1, 2000))
    whole = read_constant("a", {"value": 4, "unit": "1"}, "mine")
    assert (type(whole.value), whole.source, whole.trust) == (int, "table 'mine'", "given")
    assert read_constant("b", whole, "yours") is whole
