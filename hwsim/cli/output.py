"""What commands share: the option `--json`, and streams that take every text, whatever their encoding."""

from __future__ import annotations

import codecs
import json
import math
import os
import sys
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs, instead of tables.")]

SPELLED = "hwsim.spelled"
_ASCII = {"±": "+-", "×": "x", "·": "*", "µ": "u", "μ": "u", "°": " deg ", "–": "-", "—": "-", "→": "->", "≤": "<="}
_ASCII |= {"≥": ">=", "’": "'", "…": "...", "σ": "sigma", "Δ": "delta"}


def print_json(value: Any) -> None:
    """Plain data, dataclasses among it, as JSON on stdout. What JSON has no number for is a text: "inf", "nan"."""
    print(json.dumps(_plain(value), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def open_streams() -> None:
    """Letters that the encoding of stdout or stderr lacks are written as ASCII comes nearest to them."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SPELLED)


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(letter) or _without_accent(letter) for letter in text), error.end


def _without_accent(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


codecs.register_error(SPELLED, _spell)


def close_stdout() -> None:
    """Give up a stdout that cannot be written, so that Python does not try again when it ends."""
    with suppress(OSError, ValueError):  # a stdout that is no file has nothing to give up
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
