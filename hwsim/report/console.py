"""The terminal: plain tables on stdout, a progress bar on stderr."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich import box
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from hwsim.experiment.studies.progress import Progress


def stdout() -> Console:
    """Where results go: texts as they are, whose brackets are never markup.

    Into a file or pipe they go without the blanks that fill up lines on a terminal.
    """
    file = None if sys.stdout.isatty() else cast(IO[str], _Trimmed(sys.stdout))
    return Console(file=file, markup=False, emoji=False)


class _Trimmed:
    """A stream that leaves out blanks at the end of lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def plain(text: str) -> Text:
    """Text that is not highlighted."""
    return Text(text)


def new_table(*columns: str, title: str | None = None) -> Table:
    """A table without rows; a heading that begins with ">" is of a column of numbers, which never wrap."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        numbers = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if numbers else "left", no_wrap=numbers, overflow="fold"
        )
    return table


class _Handler(logging.Handler):
    """What the library says, above the bar."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(Text(record.getMessage()), soft_wrap=True)


@contextmanager
def _messages(console: Console) -> Iterator[None]:
    log, handler = logging.getLogger("hwsim"), _Handler(console)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar with the time left, on stderr, gone when the work is done; silent where nobody watches."""
    console = Console(stderr=True)
    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[steps]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars, _messages(console):
        task = bars.add_task("starting", total=None, steps="")

        def progress(text: str, done: int, total: int) -> None:
            steps = f"{done}/{total}" if total else ""
            bars.update(task, description=text, completed=done, total=total or None, steps=steps)

        yield progress
