"""The one error that hwsim raises for wrong input, the sentence for an unknown name, and input repeated in one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from reprlib import Repr

LONGEST_MESSAGE = 300
"""Characters of a message: of a longer one `HwsimError` shortens what it repeats, then leaves out the middle."""

_SHOWN = 60  # characters of a value that a message repeats
_LISTED = 160  # characters of the names that a message lists
_COMPARED = 100  # characters of a name that are compared with others


_REPEATED = re.compile(rf"""(?<!\w)'[^']{{{_SHOWN},}}'(?!\w)|(?<!\w)"[^"]{{{_SHOWN},}}"(?!\w)|\S{{{_SHOWN},}}""")
"""What a message repeats: no sentence of ours has quotes, or words, of this length."""


class HwsimError(ValueError):
    """Wrong input. The message is one sentence: what is wrong, where, and what would be right."""

    def __init__(self, message: str) -> None:
        text = _on_one_line(message)
        if len(text) > LONGEST_MESSAGE:
            text = _REPEATED.sub(lambda found: cut(found[0], _SHOWN), text)
        super().__init__(cut(text, LONGEST_MESSAGE))


def _on_one_line(text: str) -> str:
    """A text without line breaks and without what would move a terminal's cursor, which is written out."""
    return "".join(char if char.isprintable() else " " if char.isspace() else ascii(char)[1:-1] for char in text)


def cut(text: str, most: int) -> str:
    """A text of at most `most` characters: where it is longer, its middle is left out.

    What is wrong stands at the beginning of a sentence, and what would be right at its end.
    """
    if len(text) <= most:
        return text
    end = most * 2 // 5
    return f"{text[: most - end - 3]}...{text[-end:]}"


class _Short(Repr):
    """Python's own short form of a value, which writes out nothing large or deep."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = _SHOWN

    def repr_int(self, x: int, level: int) -> str:
        digits = x.bit_length() * 30103 // 100000 + 1  # log10 of 2; Python writes no more than 4,300 of them
        return repr(x) if digits <= _SHOWN else f"a number of about {digits} digits"


def shown(value: object) -> str:
    """A value as a message repeats it: as Python writes it, without its middle where that is long."""
    return cut(_Short().repr(value), _SHOWN)


def unknown(kind: str, name: object, valid: Iterable[str]) -> HwsimError:
    """The error for a name that is not one of `valid`: names the nearest one, else lists as many as fit."""
    names = sorted(valid)
    near = _nearest(name[:_COMPARED] if isinstance(name, str) else shown(name), names)
    hint = f"did you mean {near!r}?" if near else f"choose one of {_listed(names)}."
    return HwsimError(f"Unknown {kind} {shown(name)}: {hint}")


def _listed(names: list[str]) -> str:
    text = ", ".join(names)
    if len(text) <= _LISTED:
        return text
    some = text[:_LISTED].rpartition(", ")[0]
    return f"{some} and {len(names) - some.count(', ') - 1} more"


_ELSEWHERE = {
    "float": "fp32", "float32": "fp32", "single": "fp32", "f32": "fp32",
    "half": "fp16", "float16": "fp16", "f16": "fp16", "bfloat16": "bf16",
    "float8_e4m3": "fp8_e4m3", "float8_e4m3fn": "fp8_e4m3", "e4m3fn": "fp8_e4m3", "float8_e5m2": "fp8_e5m2",
    "rram": "reram", "flash": "nand_tlc", "nand": "nand_tlc", "ddr4": "dram", "lpddr4": "dram",
}  # fmt: skip
"""What things are called elsewhere -> here."""


def _nearest(name: str, names: list[str]) -> str | None:
    """The name that was meant: in other letters, under another name, with a part left out, or mistyped."""
    plain = name.casefold().replace("-", "_")
    folded = {one.casefold(): one for one in names}
    if plain in folded:
        return folded[plain]
    if _ELSEWHERE.get(plain) in names:
        return _ELSEWHERE[plain]
    parts = [one for one in names if plain in re.split(r"[_/.]", one.casefold())]
    if len(plain) > 2 and parts:
        return min(parts, key=lambda one: (len(one), one))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or difflib.get_close_matches(plain, folded, n=1)
    return folded.get(near[0].casefold(), near[0]) if near else None
