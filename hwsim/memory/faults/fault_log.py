"""The fault log: one row for each flipped bit, and its form as a CSV file.

Columns:

    tensor   name of the tensor
    index    the element's index in it, row-major: numpy.unravel_index(index, shape) gives the coordinates
    bit      the flipped bit; 0 is the least significant
    before   the stored word
    after    the word with all of its flipped bits, so words with several faults repeat it

Rows are in order of address, then of bit. The file opens with comment lines that say what the log belongs
to, then a line of column names; words are hexadecimal:

    # hwsim fault log, version 1
    # format fp32
    # tensor 64x3x7x7 conv1.weight
    tensor,index,bit,before,after
    conv1.weight,5,30,0x3c1e0ea9,0x7c1e0ea9
"""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError, cut, shown
from hwsim.files import read_rows, read_text
from hwsim.memory.cells.memory import Layout, Region, Words
from hwsim.numerals import whole

LOG_TITLE = "# hwsim fault log, version 1"
LOG_COLUMNS = ("tensor", "index", "bit", "before", "after")


class Logged(Protocol):
    """What a log is of: `hwsim.memory.Faults`."""

    @property
    def layout(self) -> Layout: ...

    def by_region(self) -> Iterator[tuple[Region, NDArray[np.int64], Words, Words]]: ...


def rows(faults: Logged) -> NDArray[Any]:
    """The log as a structured array with the fields `LOG_COLUMNS`; `tensor` holds Python strings."""
    fmt = faults.layout.format
    word = fmt.dtype
    parts = []
    kind = np.dtype([("tensor", object), ("index", np.int64), ("bit", np.uint8), ("before", word), ("after", word)])
    for region, index, before, after in faults.by_region():
        row, bit = np.nonzero(_bits(before ^ after, fmt.width))
        part = np.empty(len(row), kind)
        part["tensor"] = region.name
        part["index"], part["bit"], part["before"], part["after"] = index[row], bit, before[row], after[row]
        parts.append(part)
    return np.concatenate([np.empty(0, kind), *parts])


def write(faults: Logged, path: str | os.PathLike[str]) -> None:
    """Writes the log of `faults`; a file that cannot be written in full is not left behind."""
    target = Path(path)
    unfinished = target.with_name(target.name + ".part")
    digits = 2 + -(-faults.layout.format.width // 4)
    log = rows(faults)
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _header(faults.layout))
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(LOG_COLUMNS)
            for tensor, index, bit, before, after in zip(*(log[name].tolist() for name in LOG_COLUMNS), strict=True):
                writer.writerow((tensor, index, bit, f"{before:#0{digits}x}", f"{after:#0{digits}x}"))
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise HwsimError(f"The fault log {str(target)!r} cannot be written: {error.strerror}.") from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str], layout: Layout) -> tuple[NDArray[np.int64], Words]:
    """The flips of a log: (word addresses, sorted; flipped bits of each).

    Raises:
        HwsimError: if the file is no fault log or belongs to another layout.
    """
    name = cut(os.fspath(path), 100)
    text = read_text(Path(path), "The fault log").splitlines()
    header = list(itertools.takewhile(lambda line: line.startswith("#"), text))
    if not header or header[0] != LOG_TITLE:
        raise HwsimError(f"{name!r} is not a fault log: its first line is not {LOG_TITLE!r}.")
    for expected, found in zip(_padded(_header(layout), len(header)), header, strict=False):
        if expected != found:
            raise HwsimError(
                f"The fault log {name!r} belongs to another memory: it says {found[2:]!r} where this memory "
                f"has {expected[2:] or 'nothing'!r}."
            )
    if len(header) < 2 + len(layout.regions):
        missing = layout.regions[len(header) - 2]
        raise HwsimError(f"The fault log {name!r} belongs to another memory: it has no tensor {missing}.")
    mask: dict[int, int] = {}
    for line, row in _table(name, text, len(header)):
        address, bit = _flip(name, line, row, layout)
        if mask.get(address, 0) >> bit & 1:
            raise HwsimError(f"Line {line} of the fault log {name!r} flips a bit that an earlier line flips.")
        mask[address] = mask.get(address, 0) | 1 << bit
    addresses = np.array(sorted(mask), np.int64)
    return addresses, np.array([mask[address] for address in addresses.tolist()], layout.format.dtype)


def _header(layout: Layout) -> list[str]:
    tensors = [f"# tensor {'x'.join(map(str, region.shape)) or 'scalar'} {region.name}" for region in layout.regions]
    return [LOG_TITLE, f"# format {layout.format.name}", *tensors]


def _padded(lines: list[str], length: int) -> Iterable[str]:
    return lines + [""] * (length - len(lines))


def _table(name: str, text: list[str], start: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, row) of each row below the column names."""
    if tuple(text[start : start + 1]) != (",".join(LOG_COLUMNS),):
        raise HwsimError(f"Line {start + 1} of the fault log {name!r} is not {','.join(LOG_COLUMNS)!r}.")
    for line, row in enumerate(read_rows(text[start + 1 :], f"the fault log {name!r}", start + 2), start + 2):
        if row:
            yield line, row


def _flip(name: str, line: int, row: list[str], layout: Layout) -> tuple[int, int]:
    """(word address, bit) of one row."""
    try:
        tensor, *numbers = row
        region = layout.region(tensor)
        index = whole(numbers[0], "index", most=region.words - 1)
        bit = whole(numbers[1], "bit", most=layout.format.width - 1)
        before, after = (int(text, 16) for text in numbers[2:])  # of any length: only decimal digits are bounded
        sound = bool((before ^ after) >> bit & 1)
    except (IndexError, ValueError):  # HwsimError is a ValueError
        sound = False
    if not sound:
        raise HwsimError(
            f"Line {line} of the fault log {name!r} is no flip in this memory: "
            f"{shown(','.join(row))} should be {', '.join(LOG_COLUMNS)}, with a bit in which before and after differ."
        )
    return region.first_word + index, bit


def _bits(words: Words, width: int) -> NDArray[np.bool_]:
    """A row of `width` flags for each word, least significant bit first."""
    return (words[:, None] >> np.arange(width, dtype=words.dtype) & 1).astype(bool)
