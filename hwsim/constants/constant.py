"""One number of a table: its value, its unit, where it comes from, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from hwsim.constants.units import quantity
from hwsim.errors import HwsimError

Trust = Literal["published", "derived", "assumed", "given"]
Value: TypeAlias = "float | int | tuple[float, ...]"

TRUST: dict[Trust, str] = {
    "published": "read in the source that is named",
    "derived": "fitted to published data, or computed from it",
    "assumed": "commonly quoted or chosen by us, and not checked: a default, never evidence",
    "given": "set by the user",
}


@dataclass(frozen=True)
class Constant:
    """One number of a table.

    Attributes:
        name: what the table and `override` call it.
        value: the number, in `unit`; a tuple where a constant has several, one a level of a cell, say.
        unit: its unit, "1" for a plain number.
        source: where the number comes from.
        trust: how far to trust it, one of `TRUST`.
        note: conditions, validity, how it was derived.
        default: the table's own entry, if a user has overridden it.
    """

    name: str
    value: Value
    unit: str
    source: str
    trust: Trust
    note: str = ""
    default: Constant | None = None

    @property
    def overridden(self) -> bool:
        """Whether a user has set it."""
        return self.default is not None

    def to(self, unit: str) -> float:
        """Its value in another unit: `technology["write_pulse"].to("s")`.

        Raises:
            HwsimError: for a unit of something else, and for a constant that is not one number.
        """
        if isinstance(self.value, tuple):
            raise HwsimError(f"{self.name} = {show(self.value)} is not one number.")
        return quantity(f"{self.value!r} {self.unit}", unit, self.name)

    def with_value(self, value: object, source: str = "set by the user") -> Constant:
        """This constant with another value: a number in its unit, a text such as "45 ns", or a list of them.

        Raises:
            HwsimError: for a value of another kind or unit.
        """
        given: Value = read_value(value, self.unit, self.name)
        before = self.default or self
        if isinstance(before.value, tuple) != isinstance(given, tuple):
            raise HwsimError(
                f"{self.name} = {value!r} has the wrong shape: give "
                + (f"{len(before.value)} numbers" if isinstance(before.value, tuple) else "one number")
                + f", as in the table's {show(before.value)}."
            )
        if isinstance(before.value, int) and isinstance(given, float):
            if not given.is_integer():
                raise HwsimError(f"{self.name} = {value!r} is not a whole number.")
            given = int(given)
        if given == before.value:
            return before
        return replace(self, value=given, source=source, trust="given", note="", default=before)

    def __str__(self) -> str:
        text = f"{show(self.value)} {self.unit}".removesuffix(" 1")
        return text if self.default is None else f"{text} (default {show(self.default.value)})"


def show(value: Value) -> str:
    """A value as a person writes it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    return f"{value:.10g}"


def read_value(value: object, unit: str, name: str) -> float | tuple[float, ...]:
    """A number of `unit`, or several, from what a table or a user wrote; raises `HwsimError` for anything else."""
    if isinstance(value, list | tuple):
        return tuple(quantity(one, unit, name) for one in value)
    return quantity(value, unit, name)
