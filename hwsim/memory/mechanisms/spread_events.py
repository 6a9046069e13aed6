"""Random events whose rate differs from cell to cell: the weak cells are the same ones in every interval.

A cell has a weakness z, a standard normal deviation drawn once from its address, and events strike it as a Poisson
process whose rate depends on z and on the condition. In units of the expected number of events, the cell's own clock,
the process has rate 1 whatever happens: the first event of its life comes after an exponential time. Which cells meet
their first event in a life so far is a question of two thresholds, z and that time, so that they are found without
looking at the others (`hwsim.memory.cells.weak_pairs`); what strikes the few of them later is drawn on the way.

Between two writes only the first event counts: how far the clock is when it comes is a threshold as of other random
events, and the cell has failed if that is at most the probability of the two-state process,
p(t) = l01 / (l01 + l10) (1 - exp(-(l01 + l10) t)), which is never above that of an event. So a cell that has failed
stays failed until it is written.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.cells.weak_pairs import weak_pairs
from hwsim.memory.life.mission import Condition, Lives
from hwsim.memory.mechanisms.mechanism import KEEP, Cells, Mechanism, Numbers, Rates, Situation, Upsets, flips, uniform
from hwsim.memory.physics.common import normal_average, normal_quantile, two_state
from hwsim.memory.random import Key

Intervals = NDArray[np.int64]

_OFTEN = 64.0  # events after the first one, from which on intervals are drawn one by one, not from event to event
_AT_ONCE = 1 << 20  # cells times intervals in one array
_WEAKEST = -40.0  # standard deviations: no cell is


def average_rates(hazards: Callable[[Numbers], tuple[Numbers, Numbers]], width: float) -> Rates:
    """The probabilities that a cell of unknown weakness is in the other state, for cells that hold 0 and that hold 1.

    Args:
        hazards: from z to the integrals over time of the rates out of 0 and out of 1.
        width: see `SpreadEvents.width`.
    """

    def wrong(z: Numbers) -> Numbers:
        up, down = hazards(z)
        return np.stack([two_state(1.0, up, down), two_state(1.0, down, up)])

    up, down = normal_average(wrong, width=width)
    return Rates(min(float(up), 1.0), min(float(down), 1.0))


class SpreadEvents(Mechanism):
    """A fault mechanism that strikes each cell at random, and weak cells more often than others.

    Attributes:
        width: what `normal_average` needs to know of how fast rates change with z: 1 where they do so slowly.
    """

    afresh: ClassVar[bool] = True
    ages: ClassVar[bool] = True  # the first event is one of the whole life

    @abstractmethod
    def hazards(self, condition: Condition, z: Numbers) -> tuple[Numbers, Numbers]:
        """Rates, 1/s, at which cells that hold 0 and cells that hold 1 change under a condition.

        Args:
            condition: the condition.
            z: how much stronger than the mean the cells are, in standard deviations; rates fall with it.
        """

    @property
    def width(self) -> float:
        return 1.0

    def rates(self, situation: Situation) -> Rates:
        """The probabilities that a cell of unknown weakness has failed since the last write or scrub."""

        def hazards(z: Numbers) -> tuple[Numbers, Numbers]:
            up, down = np.zeros_like(z), np.zeros_like(z)
            for condition, seconds in situation.since_write.items():
                rises, falls = self.hazards(condition, z)
                up, down = up + seconds * rises, down + seconds * falls
            return up, down

        return average_rates(hazards, self.width)

    def upsets(self, situation: Situation) -> Upsets:
        lives = Lives.of_one(situation.life - situation.since_write, situation.life)
        return self.strikes(situation, lives)[0]

    def strikes(self, situation: Situation, lives: Lives) -> tuple[Upsets, Intervals]:
        """All that strikes in neighbouring intervals: cells, what they become, and the intervals, from 0.

        Args:
            situation: that of the first of them.
            lives: where they begin and end.
        """
        key = situation.key
        z, first, cells = self._weak(situation, lives)
        clocks = _Clocks(lives, *self._hazards(lives, z))
        row, index, threshold = _struck(key, situation.interval, cells, first, clocks)
        up, down = clocks.expected(row, index)
        becomes = flips(threshold <= two_state(1.0, up, down), threshold <= two_state(1.0, down, up))
        fails = becomes != KEEP
        return Upsets(cells[row[fails]], becomes[fails]), index[fails]

    def _hazards(self, lives: Lives, z: Numbers) -> tuple[Numbers, Numbers]:
        """(cell, condition): both rates of all cells."""
        pairs = [self.hazards(condition, z) for condition in lives.conditions]
        none = np.empty((len(z), 0))
        return (
            np.stack([up for up, _ in pairs], axis=-1) if pairs else none,
            np.stack([down for _, down in pairs], axis=-1) if pairs else none,
        )

    def _weak(self, situation: Situation, lives: Lives) -> tuple[Numbers, Numbers, Cells]:
        """Weakness, time of the first event, and address of all cells struck by the end of some intervals."""

        def late(weakness: Numbers, turn: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
            z = np.maximum(normal_quantile(weakness), _WEAKEST)
            first = -np.log1p(-turn)
            up, down = self._hazards(lives, z)
            return z, first, (np.maximum(up, down) @ lives.seconds[-1]) > first

        found = weak_pairs(situation.key.child("first event"), situation.cells, lambda *corner: late(*corner)[2])
        z, first, fails = late(found.first, found.second)
        return z[fails], first[fails], found.cell[fails]


class _Clocks:
    """The clocks of some cells, in expected events, at the ends of intervals.

    `up` and `down` are rates, 1/s, of each cell under each condition. Events come as the larger of them says.
    """

    def __init__(self, lives: Lives, up: Numbers, down: Numbers) -> None:
        self.lives, self.up, self.down, self.most = lives.seconds, up, down, np.maximum(up, down)

    @property
    def intervals(self) -> int:
        return len(self.lives) - 1

    def at(self, row: NDArray[np.int64] | np.int64, moment: Intervals | int) -> Numbers:
        """The clock of each cell at the beginning of an interval of its own."""
        return np.einsum("...c,...c->...", self.most[row], self.lives[moment])

    def interval_from(self, row: NDArray[np.int64], time: Numbers) -> Intervals:
        """The first interval at whose beginning the clock of a cell has reached a time; how many there are if none."""
        low, high = np.full(len(row), -1), np.full(len(row), self.intervals)
        while (open_ := high - low > 1).any():
            middle = (low + high) // 2
            reached = self.at(row, middle) >= time
            low, high = np.where(open_ & ~reached, middle, low), np.where(open_ & reached, middle, high)
        return high

    def expected(self, row: NDArray[np.int64], index: Intervals) -> tuple[Numbers, Numbers]:
        """Expected changes from 0 and from 1 of cells, each in one interval."""
        spent = self.lives[index + 1] - self.lives[index]
        return np.einsum("ic,ic->i", self.up[row], spent), np.einsum("ic,ic->i", self.down[row], spent)


def _struck(
    key: Key, interval: int, cells: Cells, first: Numbers, clocks: _Clocks
) -> tuple[NDArray[np.int64], Intervals, Numbers]:
    """(row of `cells`, interval, threshold) of the first event of each cell in each interval, in order."""
    row = np.arange(len(cells))
    often = clocks.interval_from(row, first + _OFTEN)
    parts = list(_each_interval(key.child("each interval"), interval, cells, often, clocks))
    index, end = np.zeros(len(cells), np.int64), clocks.at(row, often)
    row = row[often > 0]
    while len(row):
        event, now = first[row], clocks.at(row, index[row]) - first[row]
        late = now >= 0
        left = end[row[late]] - first[row[late]]
        event[late] += next_event(key.child("later events"), cells[row[late]], now[late], left)
        comes = event <= end[row]
        row, event = row[comes], event[comes]
        after = clocks.interval_from(row, event)
        parts.append((row, after - 1, -np.expm1(clocks.at(row, after - 1) - event)))
        index[row] = after
        row = row[after < often[row]]
    rows, times, thresholds = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort([times, rows])
    return rows[order], times[order], thresholds[order]


def _each_interval(
    key: Key, interval: int, cells: Cells, start: Intervals, clocks: _Clocks
) -> Iterator[tuple[NDArray[np.int64], Intervals, Numbers]]:
    """The same for all intervals of each cell from `start` on, drawn one by one."""
    row = np.flatnonzero(start < clocks.intervals)
    step = max(1, _AT_ONCE // clocks.intervals)
    for some in (row[at : at + step] for at in range(0, len(row) + 1, step)):
        counts = clocks.intervals - start[some]
        rows = np.repeat(some, counts)
        index = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - clocks.intervals, counts)
        threshold = uniform(key, cells[rows], interval + index)
        struck = threshold <= -np.expm1(clocks.at(rows, index) - clocks.at(rows, index + 1))
        yield rows[struck], index[struck], threshold[struck]


def next_event(key: Key, cell: Cells, after: Numbers, until: Numbers) -> Numbers:
    """When a Poisson process of rate 1, each cell with its own, strikes next.

    The time from n to n + 1 has draws of its own, so that no earlier time needs to be gone through.

    Args:
        key: of the processes.
        cell: the cells.
        after: for each a time, from 0.
        until: when nobody asks any more; infinity comes back for what is later.
    """
    event = np.full(len(cell), np.inf)
    row = np.flatnonzero(after < until)
    unit = np.floor(after[row])
    time, draw = unit.copy(), np.zeros(len(row), np.uint64)
    while len(row):
        name = unit.astype(np.uint64) << np.uint64(8) | draw
        time = time - np.log(uniform(key, cell[row], name))
        draw = draw + np.uint64(1)
        found = (time > after[row]) & (time < unit + 1)
        event[row[found]] = time[found]
        passed = time >= unit + 1
        unit = np.where(passed, unit + 1, unit)
        time, draw = np.where(passed, unit, time), np.where(passed, np.uint64(0), draw)
        going = ~found & (unit <= until[row])
        row, unit, time, draw = row[going], unit[going], time[going], draw[going]
    return event
