"""What a memory technology is: its mechanisms, and its constants with a unit, a source and a degree of trust each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from textwrap import shorten
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from hwsim.constants.units import quantity
from hwsim.errors import HwsimError, unknown

Trust = Literal["published", "derived", "assumed", "given"]
Value: TypeAlias = "float | int | tuple[float, ...]"

TRUST: dict[Trust, str] = {
    "published": "read in the source that is named",
    "derived": "fitted to published data, or computed from it",
    "assumed": "commonly quoted or chosen by us, and not checked: a default, never evidence",
    "given": "set by the user",
}
GROUPS = {
    "constants": "what its mechanisms do",
    "geometry": "how its cells are arranged, unless a device says otherwise",
    "access": "what an access costs",
}

_SOURCE_WIDTH = 60  # characters of a source that a printed table shows


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

        Raises `HwsimError` for a unit of something else, and for a constant that is not one number.
        """
        if isinstance(self.value, tuple):
            raise HwsimError(f"{self.name} = {show(self.value)} is not one number.")
        return quantity(f"{self.value!r} {self.unit}", unit, self.name)

    def with_value(self, value: object, source: str = "set by the user") -> Constant:
        """This constant with another value: a number in its unit, a text such as "45 ns", or a list of them.

        Raises `HwsimError` for a value of another kind or unit.
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


@dataclass(frozen=True)
class Technology:
    """A memory technology: its mechanisms, and every constant that they, its cells and its accesses have.

    `technology["delta"]` is the constant of that name, in whichever of the three groups it stands.

    Attributes:
        name: "stt_mram", say, or "stt_mram/worst" for a variant.
        title: the same in words.
        mechanisms: names of the fault mechanisms that its cells suffer.
        constants: what the mechanisms need.
        geometry: default arrangement of the cells.
        access: energy, latency, leakage and area of an access.
        note: what a user should know before trusting a result.
    """

    name: str
    title: str
    mechanisms: tuple[str, ...]
    constants: Mapping[str, Constant]
    geometry: Mapping[str, Constant] = field(default_factory=dict)
    access: Mapping[str, Constant] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for group in GROUPS:
            entries = getattr(self, group)
            object.__setattr__(self, group, MappingProxyType(dict(entries)))
            for name in entries:
                if name in seen:
                    raise HwsimError(f"The table of {self.name!r} has {name!r} in both {seen[name]} and {group}.")
                seen[name] = group

    def __iter__(self) -> Iterator[Constant]:
        for group in GROUPS:
            yield from getattr(self, group).values()

    def __getitem__(self, name: str) -> Constant:
        for group in GROUPS:
            if name in getattr(self, group):
                return getattr(self, group)[name]
        raise unknown(f"constant of {self.name}", name, (constant.name for constant in self))

    def __contains__(self, name: object) -> bool:
        return any(name == constant.name for constant in self)

    def values(self, *names: str) -> dict[str, Any]:
        """The bare values of the constants named, each in its own unit: keyword arguments for an equation."""
        return {name: self[name].value for name in names}

    def override(self, changes: Mapping[str, object], source: str = "set by the user") -> Technology:
        """This technology with other values, by name: numbers in the table's unit, or texts such as "45 ns".

        Raises `HwsimError` for an unknown name (naming the nearest one), a wrong unit or a wrong shape.
        """
        changed = {name: self[name].with_value(value, source) for name, value in changes.items()}
        return self._with(changed)

    @property
    def overridden(self) -> tuple[Constant, ...]:
        """The constants that differ from the table."""
        return tuple(constant for constant in self if constant.overridden)

    def _with(self, changed: Mapping[str, Constant], **more: Any) -> Technology:
        groups: dict[str, Any] = {
            group: {name: changed.get(name, constant) for name, constant in getattr(self, group).items()}
            for group in GROUPS
        }
        return replace(self, **groups, **more)

    def __str__(self) -> str:
        names = max((len(constant.name) for constant in self), default=0)
        numbers = max((len(str(constant)) for constant in self), default=0)
        lines = [f"{self.title} ({self.name})", f"mechanisms: {', '.join(self.mechanisms) or 'none'}"]
        for group, meaning in GROUPS.items():
            entries = getattr(self, group).values()
            if entries:
                lines += ["", f"{group}: {meaning}"]
            for constant in entries:
                source = shorten(constant.source, _SOURCE_WIDTH, placeholder=" ...")
                cells = f"{constant.name:<{names}}  {constant!s:<{numbers}}  {constant.trust:<9}  {source}"
                lines.append(f"  {cells}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Watched(Technology):
    """A technology that notes which of its constants are read by name.

    Attributes:
        read: their names.
    """

    read: set[str] = field(default_factory=set, compare=False)

    def __getitem__(self, name: str) -> Constant:
        self.read.add(name)
        return super().__getitem__(name)


@dataclass(frozen=True)
class DevicePoint:
    """What was published of one device: it holds data for a time at a temperature, with an error rate.

    Attributes:
        technology: name of the technology.
        name: of the device.
        retention_s: time that data is held, s; None if not stated.
        temperature_c: at this temperature, degC; None if not stated.
        error_rate: share of bits lost in that time, or on a write; None if not stated.
        endurance: write cycles; None if not stated.
        source: where it was published.
        note: conditions.
    """

    technology: str
    name: str
    retention_s: float | None
    temperature_c: float | None
    error_rate: float | None
    endurance: float | None
    source: str
    note: str = ""


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
