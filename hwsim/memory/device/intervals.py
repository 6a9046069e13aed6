"""What mechanisms do in many scrub intervals at once: the upsets of each, by the interval in which they happen.

A mechanism whose cells fail again in each interval is asked for each kind of conditions once, and where it ages at the
changes only. One that strikes by chance draws its events over many intervals together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.cells.weak_cells import distinct
from hwsim.memory.device.effects import in_use
from hwsim.memory.device.image import Codewords, Written
from hwsim.memory.life.mission import Lives
from hwsim.memory.mechanisms.mechanism import (
    KEEP,
    BitValues,
    Mechanism,
    RandomEvents,
    Situation,
    Upsets,
    interval_block,
)
from hwsim.memory.mechanisms.spread_events import SpreadEvents

Intervals = NDArray[np.int64]
Ask = Callable[[Mechanism, int], Situation]


@dataclass(frozen=True)
class Spans:
    """Neighbouring intervals, each ended by a scrub or a rewrite.

    Attributes:
        first: number of the first interval in the device's life.
        kind: for each a number that is the same for intervals under the same conditions.
        period: after how many intervals the kinds repeat, from the second interval on.
        rewritten: for each whether a rewrite ends it; if not, a scrub does.
        written: whether a write of other words began the first one, and not a scrub or a rewrite as the others.
        lives: what the memory had lived through where they meet.
    """

    first: int
    kind: Intervals
    period: int
    rewritten: NDArray[np.bool_]
    written: bool
    lives: Callable[[], Lives]

    def __len__(self) -> int:
        return len(self.kind)


class Placed(NamedTuple):
    """Upsets of what is written, one row each: where, what they become, and in which chain and interval.

    Within a chain of intervals upsets that recur stay as they are until the next entry.
    """

    codeword: Codewords
    bit: NDArray[np.int64]
    becomes: BitValues
    chain: Intervals
    interval: Intervals

    @classmethod
    def of(cls, image: Written, upsets: Upsets, chain: int, interval: Intervals | int) -> Placed:
        """Those of `upsets` that hit what is written."""
        codeword, bit, keep = in_use(upsets.cell, upsets.becomes, image.placement, image.codewords)
        of_all = np.broadcast_to(interval, len(keep))
        return cls(codeword, bit, upsets.becomes[keep], np.full(len(codeword), chain), of_all[keep])

    def of_words(self, words: Codewords) -> Placed:
        """Those of some codewords."""
        mine = np.isin(self.codeword, words)
        return Placed(self.codeword[mine], self.bit[mine], self.becomes[mine], self.chain[mine], self.interval[mine])

    @classmethod
    def join(cls, parts: Sequence[Placed]) -> Placed:
        """All of them."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class Collected(NamedTuple):
    """What a mechanism does in all intervals.

    Attributes:
        upsets: its upsets.
        chain: for each interval the number of its chain.
        chains: how many chains there are.
        recurs: whether the same cells fail in many intervals; if not, an entry is of its own interval alone.
    """

    upsets: Placed
    chain: Intervals
    chains: int
    recurs: bool


def collect(mechanism: Mechanism, image: Written, spans: Spans, ask: Ask) -> Collected:
    """The upsets of a mechanism in all intervals; `ask` gives its situation at the end of one.

    Of one whose failing cells keep their old value only those of a write: what a scrub or a rewrite changes is known
    only when it comes.
    """
    one_chain = np.zeros(len(spans), np.int64)
    if isinstance(mechanism, RandomEvents) and mechanism.keeps_old:
        upsets = mechanism.upsets(ask(mechanism, 0)) if spans.written else Upsets.none()
        return Collected(Placed.of(image, upsets, 0, 0), one_chain, 1, False)
    if isinstance(mechanism, RandomEvents):
        upsets, index = _events(mechanism, spans, ask)
        return Collected(Placed.of(image, upsets, 0, index), one_chain, 1, False)
    if isinstance(mechanism, SpreadEvents):
        upsets, index = mechanism.strikes(ask(mechanism, 0), spans.lives())
        return Collected(Placed.of(image, upsets, 0, index), one_chain, 1, False)
    if mechanism.afresh:
        each = (Placed.of(image, mechanism.upsets(ask(mechanism, at)), 0, at) for at in range(len(spans)))
        return Collected(Placed.join(list(each)), one_chain, 1, False)
    return _recurring(mechanism, image, spans, ask)


def event_rates(mechanism: RandomEvents, spans: Spans, ask: Ask) -> NDArray[np.float64]:
    """(interval, direction): the rates of all intervals."""
    if mechanism.ages:
        return np.array([mechanism.rates(ask(mechanism, index)) for index in range(len(spans))], np.float64)
    _, first, inverse = np.unique(spans.kind, return_index=True, return_inverse=True)
    each = np.array([mechanism.rates(ask(mechanism, index)) for index in first.tolist()], np.float64)
    return each[inverse]


def _events(mechanism: RandomEvents, spans: Spans, ask: Ask) -> tuple[Upsets, Intervals]:
    """The events of all intervals, and the interval of each, block by block."""
    rates = event_rates(mechanism, spans, ask)
    cells, becomes, struck = [np.empty(0, np.int64)], [np.empty(0, np.uint8)], [np.empty(0, np.int64)]
    start, end = spans.first, spans.first + len(spans)
    while start < end:
        block = interval_block(start)
        stop = min(block.first + block.length, end)
        here = slice(start - spans.first, stop - spans.first)
        situation = ask(mechanism, here.start)
        cell, interval, threshold = mechanism.strikes(situation, block, float(rates[here].max()))
        mine = (interval >= start) & (interval < stop)
        cell, index = cell[mine], interval[mine] - spans.first
        effect = mechanism.becomes(threshold[mine], rates[index, 0], rates[index, 1])
        fails = effect != KEEP
        cells.append(cell[fails])
        becomes.append(effect[fails])
        struck.append(index[fails])
        start = stop
    return Upsets(np.concatenate(cells), np.concatenate(becomes)), np.concatenate(struck)


def _recurring(mechanism: Mechanism, image: Written, spans: Spans, ask: Ask) -> Collected:
    """The upsets of a mechanism whose cells fail again.

    One that does not age has a chain for each set of upsets, and its upsets once. One that ages has a chain for each
    kind of conditions: its upsets at first, and at each change those of the codewords that it concerns.
    """
    kind = np.unique(spans.kind, return_inverse=True)[1].reshape(-1)
    chain, sets, parts = np.zeros(len(spans), np.int64), list[Upsets](), list[Placed]()

    def upsets(index: int) -> Upsets:
        return mechanism.upsets(ask(mechanism, index))

    for mine in (np.flatnonzero(kind == one) for one in range(int(kind.max()) + 1)):
        if mechanism.ages:
            chain[mine] = kind[mine]
            before = Upsets.none()
            for index, after in _changes(upsets, mine):
                parts.append(_changed(image, before, after, int(kind[index]), index))
                before = after
            continue
        found = upsets(int(mine[0]))
        known = next((number for number, one in enumerate(sets) if _same(one, found)), len(sets))
        chain[mine] = known
        if known == len(sets):
            sets.append(found)
            parts.append(Placed.of(image, found, known, 0))
    return Collected(Placed.join(parts), chain, int(chain.max()) + 1, True)


def _changes(upsets: Callable[[int], Upsets], mine: Intervals) -> Iterator[tuple[int, Upsets]]:
    """The first of some intervals and those at which upsets change, in order, with the upsets.

    A mechanism that ages fails a growing set: where it is the same at two times it is the same in between.
    """
    first = upsets(int(mine[0]))
    yield int(mine[0]), first
    parts = [(0, first, len(mine) - 1, upsets(int(mine[-1])))]
    while parts:
        low, before, high, after = parts.pop()
        if _same(before, after):
            continue
        if high - low == 1:
            yield int(mine[high]), after
            continue
        middle = (low + high) // 2
        between = upsets(int(mine[middle]))
        parts += [(middle, between, high, after), (low, before, middle, between)]  # the earlier part comes next


def _same(one: Upsets, other: Upsets) -> bool:
    return np.array_equal(one.cell, other.cell) and np.array_equal(one.becomes, other.becomes)


def _changed(image: Written, before: Upsets, after: Upsets, chain: int, index: int) -> Placed:
    """All upsets `after` of the codewords in which they differ from `before`; one that changes nothing if none is."""
    cell = np.setxor1d(before.cell << 4 | before.becomes, after.cell << 4 | after.becomes, assume_unique=True) >> 4
    words = distinct(in_use(cell, np.zeros(len(cell), np.uint8), image.placement, image.codewords)[0])
    placed = Placed.of(image, after, chain, index)
    gone = np.setdiff1d(words, placed.codeword)
    kept = np.full(len(gone), KEEP, np.uint8)
    nothing = Placed(gone, np.zeros_like(gone), kept, np.full_like(gone, chain), np.full_like(gone, index))
    return Placed.join([placed.of_words(words), nothing])
