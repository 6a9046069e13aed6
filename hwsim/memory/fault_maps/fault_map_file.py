"""The form of a fault map as a CSV file.

The file opens with comment lines that say what was measured, then a line of column names, then one row a faulty cell:

    # hwsim fault map, version 1
    # geometry banks=8 rows=4096 columns=64 word_cells=16 interleave=4 block_rows=512 block_columns=16
    # technology sram
    # threshold V, fails below
    # condition temperature = 25 degC
    bank,row,column,fails,threshold
    0,17,3,0,0.547
    2,4090,61,1,0.5512

geometry    needed. What is left out: word_cells and interleave are 1, a block is a whole bank.
technology  a name, if known.
threshold   if rows have thresholds: their unit, and whether a cell fails below its threshold (a least voltage) or above
            it (a retention time, a number of cycles).
condition   under which it was measured, one a line: name = value.

Columns, in any order:

    bank, row, column   where the cell is, each counted from 0; or instead of the three
    cell                its number: (row x banks + bank) x columns + column
    fails               what a failing cell gives: 0, 1 (whatever it was to hold), or flip. Needed.
    threshold           of the cell, in the unit that the header names

Cells may be in any order, each once. hwsim writes them in order of `cell`, with bank, row and column.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hwsim.constants.units import parse_unit
from hwsim.errors import HwsimError, cut, shown, unknown
from hwsim.files import read_rows, read_text
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.mechanisms.mechanism import FORCE_0, FORCE_1, TOGGLE
from hwsim.numerals import real, whole

MAP_TITLE = "# hwsim fault map, version 1"
FAILS = {"0": FORCE_0, "1": FORCE_1, "flip": TOGGLE}
"""What a failing cell gives, as the file writes it and as mechanisms do."""

_NAMES = {code: name for name, code in FAILS.items()}
_PLACE = ("bank", "row", "column")
_COLUMNS = (*_PLACE, "cell", "fails", "threshold")
_GEOMETRY = ("banks", "rows", "columns", "word_cells", "interleave", "block_rows", "block_columns")


@dataclass(frozen=True)
class Threshold:
    """What the thresholds of a map are: their unit, and on which side of its threshold a cell fails."""

    unit: str
    fails: Literal["below", "above"]

    def __post_init__(self) -> None:
        parse_unit(self.unit)
        if self.fails not in ("below", "above"):
            raise unknown("side of a threshold", self.fails, ("below", "above"))

    def __str__(self) -> str:
        return f"{self.unit}, fails {self.fails}"


class Listed(Protocol):
    """What a file holds: `hwsim.memory.FaultMap`, which says what each of these means."""

    @property
    def geometry(self) -> Geometry: ...
    @property
    def cell(self) -> NDArray[np.int64]: ...
    @property
    def fails(self) -> NDArray[np.uint8]: ...
    @property
    def threshold(self) -> NDArray[np.float64] | None: ...
    @property
    def threshold_of(self) -> Threshold | None: ...
    @property
    def technology(self) -> str: ...
    @property
    def conditions(self) -> Mapping[str, str]: ...


def header(found: Listed) -> list[str]:
    """The comment lines that say what a map belongs to."""
    geometry = asdict(found.geometry)
    lines = [MAP_TITLE, "# geometry " + " ".join(f"{name}={geometry[name]}" for name in _GEOMETRY)]
    if found.technology:
        lines.append(f"# technology {found.technology}")
    if found.threshold_of:
        lines.append(f"# threshold {found.threshold_of}")
    return lines + [f"# condition {name} = {value}" for name, value in found.conditions.items()]


def write(found: Listed, target: Path) -> None:
    """Writes a map; a file that cannot be written in full is not left behind."""
    unfinished = target.with_name(target.name + ".part")
    place = found.geometry.position(found.cell)
    columns = [place.bank.tolist(), place.row.tolist(), place.column.tolist()]
    columns.append([_NAMES[code] for code in found.fails.tolist()])
    names = [*_PLACE, "fails"]
    if found.threshold is not None:
        columns.append([repr(value) for value in found.threshold.tolist()])  # shortest that reads back the same
        names.append("threshold")
    try:
        with open(unfinished, "w", encoding="utf-8", newline="") as file:
            file.writelines(f"{line}\n" for line in header(found))
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(zip(*columns, strict=True))
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise HwsimError(f"The fault map {str(target)!r} cannot be written: {error.strerror}.") from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """What a file says, as the arguments of `FaultMap`.

    Raises:
        HwsimError: if it is no fault map.
    """
    name = cut(str(path), 100)
    text = read_text(path, "The fault map").splitlines()
    if text[:1] != [MAP_TITLE]:
        raise HwsimError(f"{name!r} is not a fault map: its first line is not {MAP_TITLE!r}.")
    comments = list(itertools.takewhile(lambda line: line.startswith("#"), text))
    facts = _facts(comments, name)
    geometry: Geometry = facts["geometry"]
    columns = _columns(text, len(comments), name)
    rows = len(columns["fails"])

    def numbers(column: str, limit: int) -> NDArray[np.int64]:
        return _numbers(columns[column], column, limit, name, len(comments) + 2)

    limits = dict(
        zip((*_PLACE, "cell"), (geometry.banks, geometry.rows, geometry.columns, geometry.cells), strict=True)
    )
    place = {column: numbers(column, limit) for column, limit in limits.items() if column in columns}
    if "cell" in place:
        cell = place.pop("cell")
        for part, values in place.items():
            wrong = np.flatnonzero(getattr(geometry.position(cell), part) != values)
            if len(wrong):
                line = len(comments) + 2 + int(wrong[0])
                raise HwsimError(f"Line {line} of the fault map {name!r} gives a {part} that its cell does not lie in.")
    else:
        cell = (place["row"] * geometry.banks + place["bank"]) * geometry.columns + place["column"]
    fails = np.empty(rows, np.uint8)
    for at, value in enumerate(columns["fails"]):
        if value.strip() not in FAILS:
            raise HwsimError(f"Line {len(comments) + 2 + at} of {name!r} fails as {shown(value)}: give 0, 1 or flip.")
        fails[at] = FAILS[value.strip()]
    threshold = None
    if "threshold" in columns:
        if facts["threshold"] is None:
            raise HwsimError(f"{name!r} has thresholds without a line such as '# threshold V, fails below'.")
        threshold = _floats(columns["threshold"], name, len(comments) + 2)
    elif facts["threshold"] is not None:
        raise HwsimError(f"{name!r} has the line '# threshold {facts['threshold']}' but no column 'threshold'.")
    order = np.argsort(cell, kind="stable")
    cell = cell[order]
    twice = np.flatnonzero(np.diff(cell) == 0)
    if len(twice):
        line = len(comments) + 2 + int(order[twice[0] + 1])
        raise HwsimError(f"Line {line} of the fault map {name!r} gives a cell that an earlier line gives.")
    return {
        "geometry": geometry,
        "cell": cell,
        "fails": fails[order],
        "threshold": None if threshold is None else threshold[order],
        "threshold_of": facts["threshold"],
        "technology": facts["technology"],
        "conditions": facts["condition"],
    }


def _facts(comments: list[str], name: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"geometry": None, "technology": "", "threshold": None, "condition": {}}
    for number, line in enumerate(comments[1:], start=2):
        key, _, value = line.removeprefix("#").strip().partition(" ")
        value = value.strip()
        if key not in facts:
            raise HwsimError(f"Line {number} of the fault map {name!r}: {unknown('key', key, facts)}")
        if key != "condition" and facts[key]:
            raise HwsimError(f"Line {number} of the fault map {name!r} says the {key} again: say it once.")
        if key == "geometry":
            facts[key] = _geometry(value, f"Line {number} of the fault map {name!r}")
        elif key == "threshold":
            unit, comma, fails = value.partition(",")
            side = fails.strip().removeprefix("fails").strip()
            if not comma or side not in ("below", "above"):
                raise HwsimError(f"Line {number} of {name!r} must be like '# threshold V, fails below'.")
            facts[key] = Threshold(unit.strip(), "below" if side == "below" else "above")
        elif key == "condition":
            what, equals, amount = value.partition("=")
            if not equals:
                raise HwsimError(f"Line {number} of {name!r} must be like '# condition temperature = 25 degC'.")
            facts[key][what.strip()] = amount.strip()
        else:
            facts[key] = value
    if facts["geometry"] is None:
        raise HwsimError(f"The fault map {name!r} has no line such as '# geometry banks=8 rows=4096 columns=64'.")
    return facts


def _geometry(text: str, where: str) -> Geometry:
    given: dict[str, int] = {}
    for part in text.split():
        key, _, value = part.partition("=")
        if key not in _GEOMETRY:
            raise HwsimError(f"{where}: {unknown('part of a geometry', key, _GEOMETRY)}")
        if key in given:
            raise HwsimError(f"{where} says {key} twice: say it once.")
        given[key] = whole(value, f"{where}: {key}", least=1)
    for key in _GEOMETRY[:3]:
        if key not in given:
            raise HwsimError(f"{where} does not say how many {key} there are, as in banks=8 rows=4096 columns=64.")
    usual = {"word_cells": 1, "block_rows": given["rows"], "block_columns": given["columns"]}
    return Geometry(**{**usual, **given})


def _columns(text: list[str], start: int, name: str) -> dict[str, list[str]]:
    """The columns by name, each with the texts of its rows."""
    rows = read_rows(text[start:], f"the fault map {name!r}", start + 1)
    names = [column.strip() for column in rows[0]] if rows else []
    for column in names:
        if column not in _COLUMNS:
            raise HwsimError(f"Line {start + 1} of the fault map {name!r}: {unknown('column', column, _COLUMNS)}")
    placed = "cell" in names or all(part in names for part in _PLACE)
    if not placed or "fails" not in names or len(set(names)) < len(names):
        raise HwsimError(
            f"Line {start + 1} of the fault map {name!r} must name the columns, as in 'bank,row,column,fails'."
        )
    for number, row in enumerate(rows[1:], start=start + 2):
        if len(row) != len(names):
            raise HwsimError(f"Line {number} of the fault map {name!r} has {len(row)} of the {len(names)} columns.")
    return dict(zip(names, map(list, zip(*rows[1:], strict=True)), strict=True)) if rows[1:] else {n: [] for n in names}


def _numbers(texts: list[str], column: str, limit: int, name: str, first: int) -> NDArray[np.int64]:
    where = f"of the fault map {name!r}: the {column}, as the geometry bounds it,"
    found = (whole(text, f"Line {line} {where}", most=limit - 1) for line, text in enumerate(texts, first))
    return np.fromiter(found, np.int64, len(texts))


def _floats(texts: list[str], name: str, first: int) -> NDArray[np.float64]:
    found = (real(text, f"Line {line} of the fault map {name!r}: threshold") for line, text in enumerate(texts, first))
    return np.fromiter(found, np.float64, len(texts))
