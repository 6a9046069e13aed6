"""Quantities in a scenario: texts with a unit, kept as they were written and checked when they are read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from hwsim.constants.units import quantity
from hwsim.errors import HwsimError, shown


def _quantity(unit: str, what: str, example: str) -> BeforeValidator:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise HwsimError(f"{shown(value)} has no unit: give {what} as in {example!r}.")
        quantity(value, unit, what.removeprefix("a "))
        return value

    return BeforeValidator(check)


Duration = Annotated[str, _quantity("s", "a time", "12 h")]
Temperature = Annotated[str, _quantity("degC", "a temperature", "85 degC")]
Voltage = Annotated[str, _quantity("V", "a voltage", "0.6 V")]
Capacity = Annotated[str, _quantity("B", "a capacity", "16 MiB")]


def seconds(text: str) -> float:
    """A `Duration` in seconds."""
    return quantity(text, "s")


def optional(text: str | None, unit: str) -> float | None:
    """A quantity that may be absent, as a number of `unit`."""
    return None if text is None else quantity(text, unit)
