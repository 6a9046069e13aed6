"""One word at a time, for people: its bits by field, its value, and what flipping bits does to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import HwsimError, shown
from hwsim.numerals import real
from hwsim.tabular import Notebook, Tabular
from hwsim.words.format import Field, WordFormat
from hwsim.words.names import format_names, get_format

if TYPE_CHECKING:
    from bitstring import BitArray
    from rich.console import ConsoleRenderable, RenderableType
    from rich.table import Table

_BIT_NOTE = "Bit 0 is the least significant; counted from the sign as bit 1, it is bit {width}."


@dataclass(frozen=True)
class FieldView:
    """One field of a word.

    Attributes:
        field: which bits.
        bits: them in binary, most significant first.
        meaning: what they contribute to the value.
    """

    field: Field
    bits: str
    meaning: str


@dataclass(frozen=True)
class FlipView:
    """What a word becomes when bits flip.

    Attributes:
        bits: the flipped positions; bit 0 is the least significant.
        label: their names.
        word: the word after the flip.
        value: its value.
        error: |value after - value before|, both as decoded; infinite or NaN where one of them is.
    """

    bits: tuple[int, ...]
    label: str
    word: int
    value: float
    error: float


@dataclass(frozen=True)
class WordView(Notebook):
    """A value as one word of a format. `print` shows it as text, a rich console in colour, a notebook as tables.

    Attributes:
        format: the number format.
        given: the number that was asked for; None if the word itself was given.
        word: the stored word.
        value: what the word decodes to.
        fields: its fields, most significant first.
        flips: one entry per flipped bit, then, if there are several, one with all of them flipped.
    """

    format: WordFormat
    given: float | None
    word: int
    value: float
    fields: tuple[FieldView, ...]
    flips: tuple[FlipView, ...]

    @property
    def rounding_error(self) -> float | None:
        """`value - given`: what storing the number did to it. None if the word itself was given."""
        return None if self.given is None else 0.0 if self.value == self.given else self.value - self.given

    def bits(self, word: int | None = None) -> str:
        """This word, or another of the same format, in binary, a space between fields."""
        bits = _bits(self.format, self.word if word is None else word)
        return " ".join(_cut(self.format, field, bits) for field in self.format.fields)

    def hex(self, word: int | None = None) -> str:
        """This word, or another of the same format, in hexadecimal."""
        return f"{self.word if word is None else word:#0{2 + -(-self.format.width // 4)}x}"

    @property
    def _heading(self) -> str:
        source = self.hex() if self.given is None else repr(self.given)
        heading = f"{source} in {self.format.name}: word {self.hex()}, value {self.value!r}"
        if self.rounding_error is not None:
            heading += f", rounding error {self.rounding_error:.3g}"
        return heading

    def __rich__(self) -> ConsoleRenderable:
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [Text(self._heading, style="bold"), _rich(self._table())]
        if self.flips:
            parts.append(_rich(self._flip_table()))
        parts.append(Text(_BIT_NOTE.format(width=self.format.width), style="dim"))
        return Group(*parts)

    def _repr_html_(self) -> str:
        note = _BIT_NOTE.format(width=self.format.width)
        if not self.flips:
            return self._table()._replace(note=note).html()
        return self._table().html() + self._flip_table()._replace(note=note).html()

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=120, color_system=None, highlight=False)
        with console.capture() as capture:
            console.print(self)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def _table(self) -> Tabular:
        """Its fields."""
        rows = []
        for view in self.fields:
            field = view.field
            place = f"{field.msb}" if field.width == 1 else f"{field.msb} to {field.lsb}"
            rows.append([field.name, place, view.bits, view.meaning])
        return Tabular(self._heading, ("field", "bits", "content", "meaning"), rows)

    def _flip_table(self) -> Tabular:
        """What flips make of it."""
        rows = []
        for flip in self.flips:
            single = len(flip.bits) == 1
            names = (str(flip.bits[0]), flip.label) if single else ("all", "together")
            rows.append([*names, self.hex(flip.word), repr(flip.value), f"{flip.error:.9g}"])
        return Tabular("", ("flip", "is", "word", "value", "absolute error"), rows)


def describe(value: float | str, fmt: str | WordFormat, flip: int | Iterable[int] = ()) -> WordView:
    """Show how `value` is stored in `fmt`, and what flipping each of the bits `flip`, and all of them, does.

    Args:
        value: a number, or its text ("0.1", "-inf"); or a word as hexadecimal or binary text ("0x3dcccccd",
            "0b00001101").
        fmt: a format or its name.
        flip: one bit position or several; bit 0 is the least significant.

    Raises:
        HwsimError: for a text that is neither number nor word, a word of too many bits, an unknown format, or
            a bit that the word does not have or that is named twice.
    """
    fmt = get_format(fmt)
    given, word = _parse(value, fmt)
    before = _value(fmt, word)
    flips = (flip,) if isinstance(flip, int) else tuple(flip)
    if len(set(flips)) < len(flips):
        raise HwsimError(f"A bit is flipped twice in {', '.join(map(str, flips))}: name each bit once.")
    groups = [(bit,) for bit in flips] + ([flips] if len(flips) > 1 else [])
    bits = _bits(fmt, word)
    return WordView(
        format=fmt,
        given=given,
        word=word,
        value=before,
        fields=tuple(FieldView(field, _cut(fmt, field, bits), fmt.field_meaning(field, word)) for field in fmt.fields),
        flips=tuple(_flip(fmt, bits, before, group) for group in groups),
    )


def format_table(formats: Iterable[str | WordFormat] | None = None) -> Table:
    """A rich table of formats, by default the named ones: width, fields, range, smallest step, default t.

    Raises:
        HwsimError: for an unknown format.
    """
    table = _table("format", "bits", "fields", "lowest", "largest", "smallest", "default t")
    table.caption = "S sign, E exponent, I integer, F fraction bits; smallest positive value"
    for fmt in map(get_format, format_names() if formats is None else formats):
        fields = " ".join(f"{field.name[0].upper()}{field.width}" for field in fmt.fields)
        numbers = (f"{number:.6g}" for number in (fmt.lowest, fmt.largest, fmt.smallest))
        table.add_row(fmt.name, str(fmt.width), fields, *numbers, f"{fmt.default_target:.9g}")
    return table


def _parse(value: float | str, fmt: WordFormat) -> tuple[float | None, int]:
    """The number asked for, None for a literal word; and the word."""
    text = value.strip().lower().replace("_", "") if isinstance(value, str) else ""
    if re.fullmatch(r"0x[0-9a-f]+|0b[01]+", text):
        word = int(text, 0)
        if word >> fmt.width:
            raise HwsimError(f"{shown(value)} has more than the {fmt.width} bits of a {fmt.name} word.")
        return None, word
    try:
        given = real(value, "the value", finite=False)
    except HwsimError:
        raise HwsimError(
            f"{shown(value)} is neither a number, such as 0.1, nor a word, such as 0x{0:0{-(-fmt.width // 4)}x}."
        ) from None
    return given, int(fmt.encode(given))


def _value(fmt: WordFormat, word: int) -> float:
    return float(fmt.decode(word, "float64"))


def _bits(fmt: WordFormat, word: int) -> BitArray:
    from bitstring import BitArray

    return BitArray(uint=word, length=fmt.width)


def _cut(fmt: WordFormat, field: Field, bits: BitArray) -> str:
    return str(bits[fmt.width - 1 - field.msb : fmt.width - field.lsb].bin)


def _flip(fmt: WordFormat, bits: BitArray, before: float, positions: tuple[int, ...]) -> FlipView:
    label = " + ".join(fmt.bit_label(bit) for bit in positions)
    flipped = bits[:]
    flipped.invert([fmt.width - 1 - bit for bit in positions])
    after = _value(fmt, flipped.uint)
    return FlipView(positions, label, flipped.uint, after, abs(after - before))


def _rich(tabular: Tabular) -> Table:
    table = _table(*tabular.columns)
    for row in tabular.rows:
        table.add_row(*row)
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
