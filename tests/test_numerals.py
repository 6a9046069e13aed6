"""Where texts become numbers: what is read, and the sentence for what is not."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.constants.units import parse_unit, quantity
from hwsim.errors import HwsimError
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.numerals import MOST, real, whole
from hwsim.words import get_format


@given(st.integers(-(10**18), 10**18), st.sampled_from(["", "+", "0", "000"]))
def test_a_whole_number_is_the_one_that_its_digits_say(number: int, before: str) -> None:
    text = f"{'-' if number < 0 else ''}{before.strip('+')}{abs(number)}"
    assert whole(f" {text} ", "n", least=-MOST) == int(text)


@pytest.mark.parametrize("text", ["", "-", "1.0", "1e3", "1_000", "²", "٣", "0x1", "9" * 20, "9" * 5000, "--1", "1 2"])
def test_what_is_no_whole_number_is_said_in_one_short_sentence(text: str) -> None:
    with pytest.raises(HwsimError, match=r"^n is .*: give a whole number from 0 to 7.$") as said:
        whole(text, "n", most=7)
    assert len(str(said.value)) < 120


def test_the_bounds_of_a_whole_number_are_among_it() -> None:
    assert [whole(text, "n", 2, 4) for text in ("2", "4")] == [2, 4]
    for text in ("1", "5"):
        with pytest.raises(HwsimError, match="from 2 to 4"):
            whole(text, "n", 2, 4)


@given(st.floats(-1e300, 1e300))
def test_a_number_is_the_double_nearest_to_what_its_digits_say(number: float) -> None:
    assert real(repr(number), "x") == number
    assert real(f"{number:.3e}", "x") == float(Fraction(f"{number:.3e}"))


@pytest.mark.parametrize(
    "value", ["", "1_0", "²", "0x1", "abc", "1e", "nan", "1e999", "9" * 400, 10**400, True, None, [1]]
)
def test_what_is_no_finite_number_is_said_in_one_short_sentence(value: object) -> None:
    with pytest.raises(HwsimError, match=r"^x = .* is not (finite|a number): give") as said:
        real(value, "x")
    assert len(str(said.value)) < 150


def test_infinities_are_numbers_where_a_word_may_hold_them() -> None:
    assert real("-inf", "x", finite=False) == -math.inf
    assert math.isnan(real("NaN", "x", finite=False))
    with pytest.raises(HwsimError, match="not finite"):
        real(10**400, "x", finite=False)


@pytest.mark.parametrize(
    "text", ["1e308 year", "1e300 Ts", f"{'9' * 5000} s", "1 s^99999999999999999999", "1 Ts^9 Ts^9 Ts^9"]
)
def test_a_quantity_beyond_a_double_is_refused(text: str) -> None:
    with pytest.raises(HwsimError) as said:
        quantity(text, "s")
    assert len(str(said.value)) <= 300


def test_a_power_of_a_unit_has_one_digit() -> None:
    assert parse_unit("m^9").dimensions[1] == 9
    with pytest.raises(HwsimError, match="from -9 to 9"):
        parse_unit("m^10")


@pytest.mark.parametrize("name", [f"q{'1' * 5000}.5", "q1.99999999999999999999", "q" + "x" * 5000])
def test_a_format_of_any_number_of_digits_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(HwsimError) as said:
        get_format(name)
    assert len(str(said.value)) <= 300


@pytest.mark.parametrize(
    "setting",
    [
        f"seed={'1' * 5000}",
        f"seed={'1' * 30}",
        f"memory.ber={'[' * 3000}",
        f"memory.ber=1{'0' * 400}",
        f"{'a.' * 3000}a=1",
        "a." * 31 + "a.b=1",
        "variants.².name=x",
        f"variants.{'9' * 5000}.name=x",
        "name=a\nstudy='accuracy'",
        f"name={'x' * 5000}",
        f"{'x' * 5000}=1",
        "x" * 5000,
    ],
    ids=lambda text: text[:20],
)
def test_a_setting_that_is_no_value_of_its_key_ends_in_one_sentence(setting: str) -> None:
    data = {"name": "x", "network": {"name": "lenet5"}, "memory": {"format": "fp32", "ber": 0.1}, "variants": []}
    with pytest.raises(HwsimError) as said:
        load_scenario(data, [setting])
    assert len(str(said.value)) <= 300


def test_whole_numbers_beyond_a_double_in_a_mapping_are_refused() -> None:
    data = {"name": "x", "network": {"name": "lenet5"}, "memory": {"format": "fp32", "ber": 0.1}}
    data["variants"] = [{"name": "s", "scaling": {"target": 10**400}}]
    with pytest.raises(HwsimError, match="a number of about 401 digits"):
        load_scenario(data)
