"""Quantities with units, against exact factors and scipy's table of units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants as si

from hwsim.constants.units import parse_unit, quantity
from hwsim.errors import HwsimError

CONVERSIONS = [
    ("45 ns", "s", 45e-9),
    ("64ms", "s", 0.064),
    ("10 years", "s", 10 * si.Julian_year),
    ("10y", "s", 3.15576e8),
    ("1 month", "day", 365.25 / 12),
    ("1 week", "h", 168),
    ("0.6V", "mV", 600),
    ("85C", "degC", 85),
    ("85 °C", "K", 358.15),
    ("300 K", "degC", 26.85),
    ("0.054 1/degC", "1/K", 0.054),
    ("40 mV/K", "V/degC", 0.04),
    ("16 MiB", "bit", 2**27),
    ("8 kB", "B", 8000),
    ("700 FIT/Mb", "1/s/bit", 700 * 1e-9 / 3600 / 2**20),
    ("1.1 eV", "J", 1.1 * si.eV),
    ("25 µS", "uA/V", 25),
    ("22 mW", "J/h", 0.022 * 3600),
    ("1.309 mm2", "um^2", 1.309e6),
    ("0.3 T", "V*s/m^2", 0.3),
    ("50 %", "1", 0.5),
    ("1e4 cycles", "1", 1e4),
    ("-3.5", "1", -3.5),
    (7, "ns", 7),
    (0.25, "V", 0.25),
]


@pytest.mark.parametrize(("text", "unit", "number"), CONVERSIONS)
def test_a_quantity_is_converted_to_the_unit_asked_for(text: object, unit: str, number: float) -> None:
    assert quantity(text, unit) == pytest.approx(number, rel=1e-14)


@given(st.floats(-1e30, 1e30), st.sampled_from(["s", "mV", "1/degC", "pJ/bit", "um2", "FIT/Mb", "K", "degC", "1"]))
def test_a_number_is_the_same_as_the_number_in_the_unit_itself(number: float, unit: str) -> None:
    assert quantity(f"{number!r} {unit}", unit) == pytest.approx(quantity(number, unit), rel=1e-15)


WRONG = [
    ("45 mV", "s", "'45 mV' is a voltage where a time is meant"),
    ("45", "s", "a plain number where a time is meant"),
    ("3 pJ", "pJ/bit", "is an energy where an energy over data is meant: give it as in '1 pJ/bit'"),
    ("1 year", "1/s", "where a number over time is meant"),
    ("fast", "s", "not a quantity"),
    ("", "s", "not a quantity"),
    (None, "s", "not a quantity"),
    (True, "s", "not a quantity"),
    (float("nan"), "s", "not finite"),
    ("1e999 s", "s", "not finite"),
    ("3 yaers", "s", "did you mean 'years'"),
    ("3 mn", "s", "Unknown unit 'mn'"),
    ("3 /s", "s", "Unknown unit '/s'"),
    ("3 s^x", "s", "Unknown unit 's^x'"),
]


@pytest.mark.parametrize(("value", "unit", "message"), WRONG)
def test_what_is_no_quantity_of_the_unit_is_refused_in_one_sentence(value: object, unit: str, message: str) -> None:
    with pytest.raises(HwsimError) as error:
        quantity(value, unit, "pulse")
    assert message in str(error.value)
    assert str(error.value).startswith(("pulse = ", "Unknown unit"))
    assert str(error.value).count(".") <= 2
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("symbol", ["s", "m", "K", "J", "eV", "W", "V", "A", "S", "T", "bit", "B", "Hz"])
def test_prefixes_scale(symbol: str) -> None:
    for prefix, scale in {"p": si.pico, "n": si.nano, "u": si.micro, "k": si.kilo, "G": si.giga}.items():
        assert parse_unit(prefix + symbol).scale == pytest.approx(scale * parse_unit(symbol).scale, rel=1e-15)


def test_binary_prefixes_are_for_data_alone() -> None:
    assert parse_unit("KiB").scale == 8 * si.kibi
    assert parse_unit("Gibit").scale == si.gibi
    with pytest.raises(HwsimError):
        parse_unit("Kis")
