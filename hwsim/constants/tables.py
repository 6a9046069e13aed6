"""Tables of constants: what a package has in a TOML file, or a user wrote, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from hwsim.constants.constant import TRUST, Constant, read_value
from hwsim.constants.units import parse_unit
from hwsim.errors import HwsimError, shown, unknown
from hwsim.files import parse_toml

_ENTRY = ("value", "unit", "source", "trust", "note")
_MARKS = {"value", "unit", "source", "trust"}  # a table with one of these keys is an entry; many others have a note


def load_table(package: str, file: str) -> dict[str, Any]:
    """The table in a file of a package, every entry {value, unit, source, trust, note} in it read as a `Constant`.

    A constant has the name of its key, wherever it stands; all else stays as the file has it.

    Args:
        package: dotted name of the package.
        file: path of the TOML file in its folder.

    Raises:
        HwsimError: for an entry that is wrong, or lacks anything but a note.
    """
    text = resources.files(package).joinpath(file).read_text("utf-8")
    return {name: _read(name, of, file) for name, of in parse_toml(text, file).items()}


def _read(name: str, found: object, file: str) -> object:
    if not isinstance(found, Mapping):
        return found
    if not found.keys() & _MARKS:
        return {inner: _read(inner, of, file) for inner, of in found.items()}
    for key in _MARKS - found.keys():
        raise HwsimError(f"{name} in table {file!r} has no {key!r}: give value, unit, source and trust.")
    return read_constant(name, found, file)


def read_constant(name: str, entry: object, table: str) -> Constant:
    """The constant that an entry of a table says.

    Args:
        name: of the constant.
        entry: {value, unit, source, trust, note}, of which a user's own may leave out the last three; or a constant.
        table: name of the table, for errors, and for the source if none is given.

    Raises:
        HwsimError: for anything else.
    """
    if isinstance(entry, Constant):
        return entry
    where = f"{name} in table {table!r}"
    if not isinstance(entry, Mapping):
        raise HwsimError(f"{where} must be {{value, unit, source, trust}}, not {shown(entry)}.")
    for key in entry:
        if key not in _ENTRY:
            raise unknown(f"key of {where}", key, _ENTRY)
    for key in ("value", "unit"):
        if key not in entry:
            raise HwsimError(f'{where} has no {key!r}: give value, unit ("1" for a plain number), source and trust.')
    trust = entry.get("trust", "given")
    if trust not in tuple(TRUST):
        raise unknown("trust", trust, TRUST)
    texts = {"unit": entry["unit"], "source": entry.get("source", f"table {table!r}"), "note": entry.get("note", "")}
    for key, text in texts.items():
        if not isinstance(text, str):
            hint = ', as "s" or "1"' if key == "unit" else ""
            raise HwsimError(f"{where} has the {key} {shown(text)}: give a text{hint}.")
    parse_unit(texts["unit"])
    value = entry["value"]
    if not isinstance(value, int) or isinstance(value, bool):  # whole numbers stay whole
        value = read_value(value, texts["unit"], where)
    return Constant(name, value, trust=trust, **texts)
