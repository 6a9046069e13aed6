"""A heading with a table, as plain text for a terminal and as HTML for a notebook; what shows itself as one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import islice
from typing import NamedTuple

SHOWN = 60
"""Rows that a notebook shows; what more there are is said."""


class Tabular(NamedTuple):
    """A heading and rows under columns.

    Attributes:
        heading: one line above it.
        columns: their headings; one that begins with ">" is of numbers, which stand at the right.
        rows: texts, as many a row as there are columns.
        note: a line below it.
        foot: a last row, such as a total, that a notebook shows too where rows are left out.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    foot: Sequence[str] = ()

    def text(self) -> str:
        """In columns that are as wide as they must be."""
        names, rows = [name.removeprefix(">") for name in self.columns], [*self.rows, *filter(None, [self.foot])]
        numbers = [name.startswith(">") for name in self.columns]
        widths = [max(map(len, cells)) for cells in zip(names, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(cells, widths, numbers, strict=True)
            ).rstrip()
            for cells in (names, *rows)
        ]
        return "\n".join(filter(None, [self.heading, *lines, self.note]))

    def html(self) -> str:
        """As part of a page; everything is escaped."""
        sides = ["right" if name.startswith(">") else "left" for name in self.columns]

        def line(cells: Sequence[str], tag: str) -> str:
            pairs = zip(cells, sides, strict=True)
            return (
                "<tr>"
                + "".join(f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>' for cell, side in pairs)
                + "</tr>"
            )

        head = line([name.removeprefix(">") for name in self.columns], "th")
        body = "".join(line(row, "td") for row in islice(self.rows, SHOWN))
        rest = len(self.rows) - SHOWN
        notes = [*([f"and {rest:,} more"] if rest > 0 else []), *filter(None, [self.note])]
        foot = f"<tfoot>{line(self.foot, 'td')}</tfoot>" if self.foot else ""
        return (
            (f"<p>{escape(self.heading)}</p>" if self.heading else "")
            + f"<table><thead>{head}</thead><tbody>{body}</tbody>{foot}</table>"
            + "".join(f"<p>{escape(note)}</p>" for note in notes)
        )


class Notebook:
    """What a notebook shows as a table, however it is printed."""

    def _table(self) -> Tabular:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self._table().html()


class Shown(Notebook):
    """What shows itself as a table: printed as text, and as HTML where a notebook asks for it."""

    def __str__(self) -> str:
        return self._table().text()

    def __repr__(self) -> str:
        return str(self)
