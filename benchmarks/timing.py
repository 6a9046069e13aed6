"""Fair timing: the methods to compare take turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Case:
    """One method.

    Attributes:
        name: what it is, for the table.
        run: the timed call; gets what `prepare` returned.
        prepare: the untimed call in front of each timed one.
        every: it takes its turn in one of this many rounds (slow methods need fewer repetitions).
        seconds: the measured times.
    """

    name: str
    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None
    every: int = 1
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median time in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """Lower and upper quartile in seconds; the extremes if there are fewer than four times."""
        if len(self.seconds) < 4:
            return min(self.seconds), max(self.seconds)
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


def take_turns(cases: Sequence[Case], rounds: int) -> None:
    """Runs all cases `rounds` times in turns.

    A quick case (`every` 1) runs once untimed before each timed run, so that it does not pay for the caches
    that the case before it has filled.
    """
    for turn in range(rounds):
        for case in cases:
            if turn % case.every == 0:
                if case.every == 1:
                    case.run(case.prepare())
                prepared = case.prepare()
                start = time.perf_counter()
                case.run(prepared)
                case.seconds.append(time.perf_counter() - start)


def milliseconds(seconds: float) -> str:
    """A time for a table, with three significant digits: '0.123', '12.3', '1,230'."""
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
