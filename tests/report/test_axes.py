"""How points are set out: every point has a place and a name, and harsher is further to the right."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.constants.units import duration
from hwsim.experiment.results.results import Results
from hwsim.report.axes import Axis, linear_axis, rate_axis, set_out, time_axis
from hwsim.report.tables import shares

times = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 3e9)), min_size=1, max_size=8, unique=True).map(sorted)
values = st.lists(st.integers(-40, 400).map(lambda n: n / 4), min_size=1, max_size=8, unique=True)


def check(axis: Axis) -> None:
    assert set(axis.names) == set(axis.places)
    assert len(set(axis.places.values())) == len(axis.places)
    low, high = min(axis.places.values()), max(axis.places.values())
    places = [place for place, _ in axis.ticks]
    assert places == sorted(places)
    assert all(low - 0.06 <= place <= high + 0.06 for place in places)
    assert all(low < place < high for place in axis.breaks)


@given(times)
def test_time_runs_to_the_right_of_the_run_without_faults(times_s: list[float]) -> None:
    axis = time_axis("read_at_s", times_s)
    check(axis)
    assert axis.left == "no faults"
    order = sorted(times_s, key=lambda time_s: axis.places[time_s])
    assert order == sorted(times_s)


@given(values, st.sampled_from(["voltage_v", "temperature_c"]))
def test_a_lower_voltage_and_a_higher_temperature_are_further_right(found: list[float], column: str) -> None:
    axis = linear_axis(column, found)
    check(axis)
    assert axis.left == "no faults"
    order = sorted(found, key=lambda value: axis.places[value])
    assert order == sorted(found, reverse=column == "voltage_v")


def test_the_rates_of_an_accuracy_study_start_with_none() -> None:
    axis = rate_axis([0.0, 1e-5, 1e-3])
    check(axis)
    assert axis.left == "0"


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0, "0 s"),
        (1, "1 s"),
        (0.064, "64 ms"),
        (7200, "2 h"),
        (86_400, "1 day"),
        (365.25 * 86_400 / 12, "1 month"),
        (10 * 365.25 * 86_400, "10 years"),
        (90, "1.5 min"),
    ],
)
def test_times_are_written_as_people_say_them(time_s: float, text: str) -> None:
    assert duration(time_s) == text


def test_a_lifetime_is_set_out_by_age_with_a_section_for_each_temperature(lifetime: Results) -> None:
    out = set_out(lifetime)
    assert out.axis.column == "read_at_s"
    assert list(out.axis.names.values()) == ["no faults", "0 s", "1 month", "10 years"]
    assert [section.title for section in out.sections] == ["q2.5, 60 °C", "q2.5, 85 °C"]
    for section, temperature_c in zip(out.sections, (60.0, 85.0), strict=True):
        rows = section.rows(lifetime.rows)
        assert len(rows) == 3 * 4
        assert {row["temperature_c"] for row in rows} == {None, temperature_c}


def test_the_table_of_a_lifetime_has_the_values_of_the_rows(lifetime: Results) -> None:
    data = shares(lifetime)
    for section, temperature_c in zip(data.sections, (60.0, 85.0), strict=True):
        for name, cells in section.lines:
            for read_at_s, cell in zip(data.axis.names, cells, strict=True):
                where = {"temperature_c": temperature_c if read_at_s is not None else None, "read_at_s": read_at_s}
                assert cell.estimate.value == lifetime.row(variant=name, **where)["accuracy"]
                assert cell.estimate.known == (read_at_s is not None)


def test_ticks_stand_at_what_they_name() -> None:
    assert rate_axis([0.0, 1e-5, 3e-4]).ticks == ((-6.0, "0"), (-5.0, "10⁻⁵"), (-4.0, "10⁻⁴"))
    voltages = linear_axis("voltage_v", [0.6, 0.5, 0.4]).ticks
    assert [text for _, text in voltages] == ["no\nfaults", "0.6", "0.5", "0.4"]
    assert [place for place, _ in voltages] == pytest.approx([-1.0, 0.0, 2.5, 5.0])
    heat = linear_axis("temperature_c", [-40.0, 25.0]).ticks
    assert [text for _, text in heat] == ["no\nfaults", "-40", "25"]
    day, year = 86_400.0, 365.25 * 86_400
    ages = time_axis("read_at_s", [0.0, day, year, 100 * year]).ticks
    named = {"1 d": day, "1 mo": year / 12, "1 y": year, "10 y": 10 * year, "100 y": 100 * year}
    assert [text for _, text in ages] == ["no\nfaults", "0", *named]
    left = [math.log10(day) - 2, math.log10(day) - 1]
    assert [place for place, _ in ages] == pytest.approx([*left, *map(math.log10, named.values())])
