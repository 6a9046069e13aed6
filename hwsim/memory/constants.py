"""The constants of memory technologies: tables with a unit, a source and a degree of trust for every number.

    mram = technology("stt_mram").override({"delta": 45, "pulse": "8 ns"})
    mram["delta"].value, mram["delta"].source, mram["delta"].default.value
    print(mram)

The tables are the TOML files in `hwsim/memory/tables`, one a technology. A user's own table has the same form, or
names one of these in `based_on` and says only what differs. Nothing here computes: equations are in
`hwsim.memory.physics`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from textwrap import shorten
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from hwsim.errors import HwsimError, unknown
from hwsim.memory.units import parse_unit, quantity

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

_TABLES = resources.files("hwsim.memory") / "tables"
_SOURCE_WIDTH = 60  # characters of a source that a printed table shows
_NOT_TECHNOLOGIES = {"physical", "device_points"}
_ENTRY = ("value", "unit", "source", "trust", "note")
_TABLE = ("name", "title", "note", "mechanisms", "based_on", "variants", *GROUPS)


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
        """Its value in another unit: `technology["pulse"].to("s")`.

        Raises `HwsimError` for a unit of something else, and for a constant that is not one number.
        """
        if isinstance(self.value, tuple):
            raise HwsimError(f"{self.name} = {show(self.value)} is not one number.")
        return quantity(f"{self.value!r} {self.unit}", unit, self.name)

    def with_value(self, value: object, source: str = "set by the user") -> Constant:
        """This constant with another value: a number in its unit, a text such as "45 ns", or a list of them.

        Raises `HwsimError` for a value of another kind or unit.
        """
        given: Value = _value(value, self.unit, self.name)
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


def technologies() -> tuple[str, ...]:
    """Names of the technologies that have a table, and of their variants ("stt_mram/worst")."""
    names = []
    for name in _table_names():
        names += [name, *(f"{name}/{variant}" for variant in _read_table(name).get("variants", {}))]
    return tuple(names)


def technology(source: str | Path | Mapping[str, Any]) -> Technology:
    """The technology of that name, or of a user's own table.

    Args:
        source: a name ("stt_mram", or a variant such as "stt_mram/worst"), the path of a TOML file, or the same
            as a mapping. A table of one's own either gives every constant as {value, unit, source, trust, note}
            or says `based_on = "stt_mram"` and gives what differs, as plain values too.

    Raises `HwsimError` for an unknown name, a missing file, and whatever is wrong with a table.
    """
    if isinstance(source, Mapping):
        return _own_table(source, str(source.get("name", "own table")))
    if isinstance(source, Path) or str(source).endswith(".toml"):
        return _own_table(_read_toml(Path(source)), Path(source).stem)
    if source not in technologies():
        raise unknown("technology", source, technologies())
    return _known(source)


def device_points(technology: str | None = None) -> tuple[DevicePoint, ...]:
    """Published devices, of one technology or of all."""
    table = tomllib.loads((_TABLES / "device_points.toml").read_text("utf-8"))
    points = tuple(
        DevicePoint(
            technology=entry["technology"],
            name=entry["name"],
            retention_s=quantity(entry["retention"], "s", "retention") if "retention" in entry else None,
            temperature_c=quantity(entry["temperature"], "degC", "temperature") if "temperature" in entry else None,
            error_rate=entry.get("error_rate"),
            endurance=entry.get("endurance"),
            source=entry["source"],
            note=entry.get("note", ""),
        )
        for entry in table["point"]
    )
    return tuple(point for point in points if technology in (None, point.technology))


def physical_constants() -> dict[str, Constant]:
    """Constants of nature that the equations use."""
    return {name: _constant(name, entry, "physical.toml") for name, entry in _read_table("physical").items()}


@cache
def physical(name: str) -> float:
    """Value of a constant of nature, in the table's unit."""
    value = physical_constants()[name].value
    assert isinstance(value, float)
    return value


def show(value: Value) -> str:
    """A value as a person writes it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    return f"{value:.10g}"


@cache
def _table_names() -> tuple[str, ...]:
    files = (Path(file.name) for file in _TABLES.iterdir())
    return tuple(sorted(f.stem for f in files if f.suffix == ".toml" and f.stem not in _NOT_TECHNOLOGIES))


@cache
def _read_table(name: str) -> dict[str, Any]:
    return tomllib.loads((_TABLES / f"{name}.toml").read_text("utf-8"))


@cache
def _known(name: str) -> Technology:
    name, _, variant = name.partition("/")
    table = _read_table(name)
    base = _technology(table, name)
    if not variant:
        return base
    entries = dict(table["variants"][variant])
    title = entries.pop("title")
    changed = {}
    for key, entry in entries.items():
        constant = _constant(key, entry, name)
        if constant.unit != base[key].unit:
            raise HwsimError(f"{key} of {name}/{variant} is in {constant.unit}, not in {base[key].unit}.")
        changed[key] = constant
    return base._with(changed, name=f"{name}/{variant}", title=f"{base.title}, {title}")


def _own_table(table: Mapping[str, Any], name: str) -> Technology:
    if "based_on" not in table:
        return _technology(table, name)
    _check_keys(table, _TABLE, f"key of table {name!r}")
    base = technology(table["based_on"])
    changed: dict[str, Constant] = {}
    for group in GROUPS:
        for key, entry in _section(table, group, name).items():
            if isinstance(entry, Mapping):
                own = _constant(key, entry, name)
                known = base[key].with_value(_in_unit(own, base[key].unit), own.source)
                changed[key] = replace(known, note=own.note) if known.overridden else known
            else:
                changed[key] = base[key].with_value(entry, f"table {name!r}")
    return base._with(
        changed,
        name=name,
        title=table.get("title", f"{base.title}, changed"),
        mechanisms=_mechanisms(table, name) if "mechanisms" in table else base.mechanisms,
        note=table.get("note", base.note),
    )


def _technology(table: Mapping[str, Any], name: str) -> Technology:
    _check_keys(table, _TABLE, f"key of table {name!r}")
    if "constants" not in table:
        raise HwsimError(f"Table {name!r} has no [constants]: list them, or name a technology in 'based_on'.")
    groups: dict[str, dict[str, Constant]] = {
        group: {key: _constant(key, entry, name) for key, entry in _section(table, group, name).items()}
        for group in GROUPS
    }
    return Technology(
        name=table.get("name", name),
        title=table.get("title", name),
        mechanisms=_mechanisms(table, name),
        note=table.get("note", ""),
        **groups,
    )


def _constant(name: str, entry: object, table: str) -> Constant:
    where = f"{name} in table {table!r}"
    if not isinstance(entry, Mapping):
        raise HwsimError(f"{where} must be {{value, unit, source, trust}}, not {entry!r}.")
    _check_keys(entry, _ENTRY, f"key of {where}:")
    for key in ("value", "unit"):
        if key not in entry:
            raise HwsimError(f'{where} has no {key!r}: give value, unit ("1" for a plain number), source and trust.')
    trust = entry.get("trust", "assumed")
    if trust not in get_args(Trust):
        raise unknown("trust", trust, get_args(Trust))
    parse_unit(entry["unit"])
    value = entry["value"]
    if not isinstance(value, int) or isinstance(value, bool):  # whole numbers stay whole
        value = _value(value, entry["unit"], where)
    return Constant(name, value, entry["unit"], entry.get("source", f"table {table!r}"), trust, entry.get("note", ""))


def _value(value: object, unit: str, name: str) -> float | tuple[float, ...]:
    if isinstance(value, list | tuple):
        return tuple(quantity(one, unit, name) for one in value)
    return quantity(value, unit, name)


def _in_unit(constant: Constant, unit: str) -> object:
    """The value in another unit, as `with_value` takes it."""
    if isinstance(constant.value, tuple):
        return [f"{one!r} {constant.unit}" for one in constant.value]
    return f"{constant.value!r} {constant.unit}"


def _section(table: Mapping[str, Any], group: str, name: str) -> Mapping[str, Any]:
    section = table.get(group, {})
    if not isinstance(section, Mapping):
        raise HwsimError(f"{group} of table {name!r} must be a table of constants, not {section!r}.")
    return section


def _mechanisms(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    mechanisms = table.get("mechanisms", [])
    if not isinstance(mechanisms, list | tuple) or not all(isinstance(one, str) for one in mechanisms):
        raise HwsimError(f"mechanisms of table {name!r} must be a list of names, not {mechanisms!r}.")
    return tuple(mechanisms)


def _check_keys(table: Mapping[str, Any], valid: tuple[str, ...], kind: str) -> None:
    for key in table:
        if key not in valid:
            raise unknown(kind.removesuffix(":"), key, valid)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise HwsimError(f"There is no technology table at {path}.") from None
    except OSError as error:
        raise HwsimError(f"The technology table {path} cannot be read: {error.strerror or error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HwsimError(f"{path} is not TOML: {error}.") from None
