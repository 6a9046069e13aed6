"""What results say of themselves, and how a row of them is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment import Results, load_scenario
from tests.experiment.conftest import small
from tests.pages import Cells

YEAR = 365.25 * 86_400


def results(scenario: dict[str, Any], rows: list[dict[str, Any]]) -> Results:
    return Results(load_scenario(scenario), Path("here"), {}, rows, [], {})


def share(name: str, value: float, low: float | None, high: float | None) -> dict[str, float | None]:
    return {name: value, f"{name}_maps_low": low, f"{name}_maps_high": high}


@pytest.fixture
def lifetime() -> Results:
    mission = {
        "profile": [{"for": "1 day"}],
        "repeat_for": "10 years",
        "read_at": ["1 h", "10 years"],
        "at": ["25 degC", "85 degC"],
    }
    scenario = small(memory={"technology": "stt_mram", "ber": None}, mission=mission)
    points = [(None, None), *((t, s) for t in (25.0, 85.0) for s in (3600.0, 10 * YEAR))]
    rows = [
        {
            "format": "q2.5",
            "variant": variant,
            "temperature_c": temperature,
            "voltage_v": None,
            "refresh_every_s": None,
            "read_at_s": time,
            **share("accuracy", 0.9 - n / 1000, 0.8 - n / 1000, 0.95 - n / 1000),
            **share("agreement", 0.7 - n / 1000, 0.6 - n / 1000, 0.75 - n / 1000),
        }
        for n, (variant, (temperature, time)) in enumerate((v, p) for v in ("unscaled", "scaled") for p in points)
    ]
    return results(scenario, rows)


@pytest.mark.parametrize(
    "values",
    [
        {"read_at": "10 years", "temperature": "85 degC"},
        {"read_at": "120 months", "temperature": "358.15 K"},
        {"read_at_s": "10 years", "temperature_c": "85 degC"},
        {"read_at_s": 10 * YEAR, "temperature_c": 85},
    ],
)
def test_a_row_is_found_by_quantities_with_their_units(lifetime: Results, values: dict[str, Any]) -> None:
    assert lifetime.row(variant="scaled", **values) is lifetime.rows[9]


def test_the_rows_of_one_age_are_found(lifetime: Results) -> None:
    assert lifetime.where(read_at="1 h") == [lifetime.rows[n] for n in (1, 3, 6, 8)]
    assert lifetime.where(read_at=None) == [lifetime.rows[n] for n in (0, 5)]
    assert lifetime.where() == lifetime.rows


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"reed_at": "10 years"}, "Unknown column of the results 'reed_at'"),
        ({"age_s": 3}, "Unknown column"),
        ({"read_at": "10 degC"}, "read_at = '10 degC'"),
        ({"read_at": "2 years"}, "No row of the results has read_at='2 years': its read_at_s is one of None, 3600.0"),
        ({"variant": "scald"}, "its variant is one of 'unscaled', 'scaled'."),
        ({"read_at": None, "temperature": "25 degC"}, "not all together"),
        ({"read_at": "1 h"}, "4 rows of the results have read_at='1 h': say which variant and temperature_c."),
    ],
)
def test_a_row_that_is_not_there_or_not_alone_is_one_sentence(
    lifetime: Results, values: dict[str, Any], part: str
) -> None:
    with pytest.raises(HwsimError) as error:
        lifetime.row(**values)
    assert part in str(error.value)


def test_every_point_stands_under_its_headings_with_its_interval(lifetime: Results) -> None:
    head, *lines = Cells(lifetime._repr_html_()).rows
    assert head == ["format", "variant", "degC", "read at", "accuracy", "", "agreement", ""]
    assert lines[0] == ["q2.5", "unscaled", "-", "-", "90.00 %", "[80.0, 95.0]", "70.00 %", "[60.0, 75.0]"]
    assert lines[9] == ["q2.5", "scaled", "85", "10 years", "89.10 %", "[79.1, 94.1]", "69.10 %", "[59.1, 74.1]"]
    assert [line.split("  ")[0] for line in str(lifetime).splitlines()[2:-1]] == ["q2.5"] * 10
    for line, cells in zip(str(lifetime).splitlines()[2:-1], lines, strict=True):
        assert line.split() == " ".join(cells).split()
    assert str(lifetime).endswith("95 % interval over 3 devices")


def test_one_map_has_no_interval() -> None:
    row = {"format": "q2.5", "variant": "scaled", "immune": "", "ber": 1e-3}
    row |= share("accuracy", 0.5, None, None) | share("agreement", 0.25, None, None)
    found = results(small(trials={"fault_maps": 1}), [row])
    assert Cells(found._repr_html_()).rows[1] == ["q2.5", "scaled", "0.001", "50.00 %", "", "25.00 %", ""]
    assert "no interval" in str(found)
    assert "no interval" in found._repr_html_()


def test_bit_errors_print_the_error_of_each_bit() -> None:
    row = {"format": "q2.5", "variant": "scaled", "bit": 7, "field": "sign", "rms_error": 1.25, "max_error": None}
    scenario = small(study="bit_errors", data=None, trials=None, memory={"ber": None}, variants=[])
    found = results(scenario, [row])
    assert Cells(found._repr_html_()).rows == [
        ["format", "variant", "bit", "field", "rms_error", "max_error"],
        ["q2.5", "scaled", "7", "sign", "1.25", "-"],
    ]
