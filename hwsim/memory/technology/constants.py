"""The constants of memory technologies: tables with a unit, a source and a degree of trust for every number.

    mram = technology("stt_mram").override({"delta": 45, "write_pulse": "8 ns"})
    mram["delta"].value, mram["delta"].source, mram["delta"].default.value
    print(mram)

The tables are the TOML files in `hwsim/memory/technology/tables`, one a technology. A user's own table has the
same form, or names one of these in `based_on` and says only what differs. Nothing here computes: equations are in
`hwsim.memory.physics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hwsim.constants import Constant, load_table, read_constant
from hwsim.constants.units import quantity
from hwsim.errors import HwsimError, shown, unknown
from hwsim.files import read_toml, user_path
from hwsim.memory.technology.technology import GROUPS, DevicePoint, Technology

__all__ = [
    "GROUPS",
    "DevicePoint",
    "Technology",
    "device_points",
    "physical",
    "physical_constants",
    "technologies",
    "technology",
]

_PACKAGE, _FOLDER = "hwsim.memory.technology", "tables"
_NOT_TECHNOLOGIES = {"physical", "device_points"}
_TABLE = ("name", "title", "note", "mechanisms", "based_on", "variants", *GROUPS)


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

    Raises:
        HwsimError: for an unknown name, a missing file, and whatever is wrong with a table.
    """
    if isinstance(source, Mapping):
        return _own_table(source, _text(source, "name", "own table"))
    if isinstance(source, Path) or (isinstance(source, str) and source.endswith(".toml")):
        return _own_table(read_toml(source, "The technology table"), user_path(source).stem)
    if not isinstance(source, str) or source not in technologies():
        raise unknown("technology", source, technologies())
    return _known(source)


def device_points(technology: str | None = None) -> tuple[DevicePoint, ...]:
    """Published devices, of one technology or of all."""
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
        for entry in _read_table("device_points")["point"]
    )
    return tuple(point for point in points if technology in (None, point.technology))


def physical_constants() -> dict[str, Constant]:
    """Constants of nature that the equations use."""
    return dict(_read_table("physical"))


@cache
def physical(name: str) -> float:
    """Value of a constant of nature, in the table's unit."""
    value = physical_constants()[name].value
    assert isinstance(value, float)
    return value


@cache
def _table_names() -> tuple[str, ...]:
    files = (Path(file.name) for file in resources.files(_PACKAGE).joinpath(_FOLDER).iterdir())
    return tuple(sorted(f.stem for f in files if f.suffix == ".toml" and f.stem not in _NOT_TECHNOLOGIES))


@cache
def _read_table(name: str) -> dict[str, Any]:
    return load_table(_PACKAGE, f"{_FOLDER}/{name}.toml")


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
        constant = read_constant(key, entry, name)
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
            if isinstance(entry, Mapping | Constant):
                own = read_constant(key, entry, name)
                known = base[key].with_value(_in_unit(own, base[key].unit), own.source)
                changed[key] = replace(known, trust=own.trust, note=own.note) if known.overridden else known
            else:
                changed[key] = base[key].with_value(entry, f"table {name!r}")
    return base._with(
        changed,
        name=name,
        title=_text(table, "title", f"{base.title}, changed"),
        mechanisms=_mechanisms(table, name) if "mechanisms" in table else base.mechanisms,
        note=_text(table, "note", base.note),
    )


def _technology(table: Mapping[str, Any], name: str) -> Technology:
    _check_keys(table, _TABLE, f"key of table {name!r}")
    if "constants" not in table:
        raise HwsimError(f"Table {name!r} has no [constants]: list them, or name a technology in 'based_on'.")
    groups: dict[str, dict[str, Constant]] = {
        group: {key: read_constant(key, entry, name) for key, entry in _section(table, group, name).items()}
        for group in GROUPS
    }
    return Technology(
        name=_text(table, "name", name),
        title=_text(table, "title", name),
        mechanisms=_mechanisms(table, name),
        note=_text(table, "note", ""),
        **groups,
    )


def _in_unit(constant: Constant, unit: str) -> object:
    """The value in another unit, as `with_value` takes it."""
    if isinstance(constant.value, tuple):
        return [f"{one!r} {constant.unit}" for one in constant.value]
    return f"{constant.value!r} {constant.unit}"


def _section(table: Mapping[str, Any], group: str, name: str) -> Mapping[str, Any]:
    section = table.get(group, {})
    if not isinstance(section, Mapping):
        raise HwsimError(f"{group} of table {name!r} must be a table of constants, not {shown(section)}.")
    return section


def _mechanisms(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    mechanisms = table.get("mechanisms", [])
    if not isinstance(mechanisms, list | tuple) or not all(isinstance(one, str) for one in mechanisms):
        raise HwsimError(f"mechanisms of table {name!r} must be a list of names, not {shown(mechanisms)}.")
    return tuple(mechanisms)


def _text(table: Mapping[str, Any], key: str, default: str) -> str:
    """A text of a table, without line breaks."""
    text = table.get(key, default)
    if not isinstance(text, str):
        raise HwsimError(f"{key} of a table of constants is {shown(text)}: give a text.")
    return " ".join(text.split())


def _check_keys(table: Mapping[str, Any], valid: tuple[str, ...], kind: str) -> None:
    for key in table:
        if key not in valid:
            raise unknown(kind.removesuffix(":"), key, valid)
