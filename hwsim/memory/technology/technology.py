"""What a memory technology is: its mechanisms, and its constants with a unit, a source and a degree of trust each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from textwrap import shorten
from types import MappingProxyType
from typing import Any

from hwsim.constants import Constant
from hwsim.errors import HwsimError, unknown

GROUPS = {
    "constants": "what its mechanisms do",
    "geometry": "how its cells are arranged, unless a device says otherwise",
    "access": "what an access costs",
}

_SOURCE_WIDTH = 60  # characters of a source that a printed table shows


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

        Raises:
            HwsimError: for an unknown name (naming the nearest one), a wrong unit or a wrong shape.
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
