"""Where a file becomes bytes, text or tables: what the file system refuses, and what no file may hold, is said here.

Paths are what a user wrote. Sizes are bounded where a few bytes may unpack to many.
"""

from __future__ import annotations

import csv
import lzma
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from hwsim.errors import HwsimError, cut, shown
from hwsim.numerals import MOST

DEEPEST = 32
"""Tables and lists inside each other that a file may have."""

LARGEST_TOML = 16 * 2**20
"""Bytes of a TOML file."""

LARGEST_UNPACKED = 4 * 2**30
"""Bytes that a packed file may unpack to."""

_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_DEEP_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{DEEPEST},}}", re.ASCII)
_WHOLE_NUMBERS = f"whole numbers go up to {MOST}"
_UNPACKER_MEMORY = 2**30  # bytes that xz may take for its dictionary; its own largest preset takes 65 MiB
_AT_ONCE = 2**24  # bytes that are unpacked at a time


class NotTomlError(HwsimError):
    """A text that does not have the form of TOML."""


def user_path(text: str | Path) -> Path:
    """The path that a user wrote, "~" written out.

    Raises:
        HwsimError: for a home that is not known, and a path that no file can have.
    """
    if "\0" in str(text):
        raise HwsimError(f"{shown(str(text))} has a character 0 in it: give the path of a file or folder.")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise HwsimError(f"The home in {shown(str(text))} is not known: give its path in full.") from None


def kind_of(path: Path) -> Literal["file", "folder"] | None:
    """What lies at a path; None for nothing, also where nothing can.

    Raises:
        HwsimError: where one may not look.
    """
    with refused(path, "looked at"):
        if path.is_file():
            return "file"
        if path.is_dir():
            return "folder"
        return "file" if path.exists() else None  # a pipe, say


@contextmanager
def refused(path: object, what: str) -> Iterator[None]:
    """What the file system refuses, as one sentence: `path` cannot be `what` ("read", "written")."""
    try:
        yield
    except OSError as error:
        raise HwsimError(f"{_path(path)} cannot be {what}: {error.strerror or error}.") from None


def read_bytes(path: str | Path, what: str = "", most: int | None = None) -> bytes:
    """The content of a file.

    Args:
        path: of the file.
        what: what it is to be, for errors: "The fault map", say.
        most: bytes that it may have; None for as many as it has, which a file without an end must not be read with.

    Raises:
        HwsimError: if it cannot be read, or is larger.
    """
    file = user_path(path)
    name = f"{what} {file}" if what else file
    if most is None and kind_of(file) == "file" and not file.is_file():
        raise HwsimError(f"{_path(name)} cannot be read: it is not a file.")
    with refused(name, "read"), file.open("rb") as opened:
        content = opened.read() if most is None else opened.read(most + 1)
    if most is not None and len(content) > most:
        raise HwsimError(f"{_path(name)} cannot be read: it has more than {most:,} bytes.")
    return content


def read_text(path: str | Path, what: str = "", most: int | None = None) -> str:
    """The content of a text file in UTF-8; raises `HwsimError` as `read_bytes`, and for what is no text."""
    content = read_bytes(path, what, most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        name = f"{what} {path}" if what else path
        raise HwsimError(f"{_path(name)} cannot be read: it is not text.") from None


def read_toml(path: str | Path, what: str = "") -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        HwsimError: if it cannot be read, or is none: see `parse_toml`.
    """
    return parse_toml(read_text(path, what, LARGEST_TOML), str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        HwsimError: if it is none, has a whole number beyond 64 bits, or nests too deeply.
    """
    if _DEEP_KEY.search(text):  # for which the parser takes memory by the square of its parts
        raise HwsimError(_too_deep(where))
    try:
        tables = tomllib.loads(text)
    except RecursionError:  # the parser calls itself for every bracket
        raise HwsimError(_too_deep(where)) from None
    except tomllib.TOMLDecodeError as error:
        raise NotTomlError(f"{_path(where)} is not a TOML file: {error}.") from None
    except ValueError:  # from `int`, and from nothing else
        raise HwsimError(f"{_path(where)} has a number of thousands of digits: {_WHOLE_NUMBERS}.") from None
    check_tables(tables, where)
    return tables


def check_tables(tables: Mapping[str, Any], where: str) -> None:
    """Refuse what no TOML file may hold: whole numbers beyond 64 bits, tables too deep in others.

    Raises:
        HwsimError: for it.
    """
    waiting: list[tuple[Any, int]] = [(tables, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise HwsimError(_too_deep(where))
        if isinstance(value, Mapping):
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(item, depth + 1) for item in value]
        elif isinstance(value, int) and not -MOST <= value <= MOST:
            raise HwsimError(f"{_path(where)} has {shown(value)}: {_WHOLE_NUMBERS}.")


def read_rows(lines: Iterable[str], what: str, first: int) -> list[list[str]]:
    """The rows of a CSV text, whose first line is number `first` of its file.

    Raises:
        HwsimError: for a line that is none, as one that is too long for the reader.
    """
    reader = csv.reader(lines)
    try:
        return list(reader)
    except csv.Error as error:
        raise HwsimError(
            f"Line {first + max(reader.line_num, 1) - 1} of {_path(what)} cannot be read: {error}."
        ) from None


def unpack(content: bytes, where: object, most: int = LARGEST_UNPACKED) -> bytes:
    """What bytes that xz packed unpack to, at most `most` bytes.

    Raises:
        HwsimError: if they are corrupt, packed by something else, or unpack to more, which is then not unpacked.
    """
    unpacked = bytearray()
    try:
        while content:
            unpacker = lzma.LZMADecompressor(memlimit=_UNPACKER_MEMORY)
            while not unpacker.eof:
                unpacked += unpacker.decompress(content, min(_AT_ONCE, most + 1 - len(unpacked)))
                content = b""
                if len(unpacked) > most:
                    raise HwsimError(f"{_path(where)} unpacks to more than the {most:,} bytes that are expected of it.")
                if unpacker.needs_input and not unpacker.eof:
                    raise lzma.LZMAError("it ends too early")
            content = unpacker.unused_data.lstrip(b"\0")  # streams may follow each other, with zeros between them
    except lzma.LZMAError as error:
        raise HwsimError(f"{_path(where)} is corrupt or not packed by xz: {error}.") from None
    return bytes(unpacked)


def _too_deep(where: str) -> str:
    return f"{_path(where)} has tables or lists more than {DEEPEST} deep in each other: nothing here needs as many."


def _path(path: object) -> str:
    return cut(str(path), 150)
