"""Many scrub intervals at once: a memory that is scrubbed every hour for ten years costs what its upsets cost.

A scrub reads every memory word, decodes it and writes it back, each cell afresh. A word that is corrected starts
clean; one that is found uncorrectable is written back as it was read, so that it is found again; one that is wrong
without a sign of it is written back wrong. Without a code a scrub therefore locks errors in. A rewrite writes the
original words instead.

Between two upsets of a codeword nothing happens to it, so that only the intervals with upsets are gone through, for
all codewords side by side. What a scrub writes back decodes to itself: a codeword without cells that fail again and
again is settled after one interval. One with such cells is followed until it stays the same for as many intervals as
it takes the conditions to repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.effects import Content, Effects, Flips, in_use, look_up
from hwsim.memory.image import Codewords, Masks, Written
from hwsim.memory.mechanism import (
    KEEP,
    Mechanism,
    RandomEvents,
    Situation,
    Upsets,
    interval_block,
)

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
    """

    first: int
    kind: Intervals
    period: int
    rewritten: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class Layer:
    """The upsets of one mechanism in all intervals.

    Attributes:
        effects: by codeword and version of an interval: key = row of the codeword * versions + version.
        version: for each interval the number of its set of upsets.
        versions: how many there are.
        recurs: whether the same cells fail in many intervals.
        keeps: whether the cells keep the upset, as opposed to a read that errs.
    """

    effects: Effects
    version: Intervals
    versions: int
    recurs: bool
    keeps: bool


def scrub(
    image: Written, target: Flips, old: Content, mechanisms: Sequence[Mechanism], spans: Spans, ask: Ask
) -> tuple[Flips, Flips]:
    """What the cells are meant to hold after the last of some scrubs, and what they held just before it.

    Args:
        image: the words that were written.
        target: where the cells are meant to hold something else since the last scrub.
        old: what they held before they were written in the first interval.
        mechanisms: the mechanisms in the order in which they act.
        spans: the intervals.
        ask: the situation of a mechanism at the end of the interval of that index.

    Returns two sets of cells, both as differences from `image`.
    """
    found = [_collect(mechanism, spans, ask) for mechanism in mechanisms]
    placed = [_place(image, collected) for collected in found]
    touched = [codeword for codeword, *_ in placed]
    if spans.rewritten.any():
        touched.append(target.codeword)
    words = np.unique(np.concatenate([np.empty(0, np.int64), *touched]))
    count, intervals = len(words), len(spans)

    layers, visits, recurs = [], [np.empty(0, np.int64)], np.zeros(count, bool)
    for mechanism, collected, (codeword, bit, becomes, version) in zip(mechanisms, found, placed, strict=True):
        row = words.searchsorted(codeword)
        key = row * collected.versions + version
        effects = Effects.gather(key, bit, becomes, image.placement)
        layers.append(
            Layer(effects, collected.version, collected.versions, collected.recurs, mechanism.stage != "read")
        )
        if collected.recurs:
            recurs[row] = True
            visits.append(_changes(effects, collected, spans))
        else:
            visits.append(effects.key)  # a version is an interval there
    visits.append(np.flatnonzero(recurs) * intervals)
    if spans.rewritten.any():
        visits.append(words.searchsorted(target.codeword) * intervals + int(spans.rewritten.argmax()))

    run = _Run(image, words, target.at(words), old, layers, spans, np.unique(np.concatenate(visits)), recurs)
    run.go()
    after = Flips.of(words, run.target)
    before = Flips.of(words, np.where((run.held_at == intervals - 1)[:, None], run.held, run.target))
    elsewhere = target.without(words)
    return after.merged(elsewhere), before.merged(elsewhere)


@dataclass(frozen=True)
class _Collected:
    """What a mechanism does in each interval: sets of upsets, one after the other, each with its version."""

    upsets: Upsets  # cells come once in each version
    of: Intervals  # the version of each upset
    version: Intervals  # the version of each interval
    versions: int
    recurs: bool


def _collect(mechanism: Mechanism, spans: Spans, ask: Ask) -> _Collected:
    if isinstance(mechanism, RandomEvents):
        upsets, interval = _events(mechanism, spans, ask)
        return _Collected(upsets, interval, np.arange(len(spans)), len(spans), recurs=False)
    if mechanism.afresh:
        sets = [mechanism.upsets(ask(mechanism, index)) for index in range(len(spans))]
        version = np.arange(len(spans))
    else:
        sets, version = _sets(mechanism, spans, ask)
    of = np.repeat(np.arange(len(sets)), [len(one.cell) for one in sets])
    joined = Upsets(*(np.concatenate(parts) for parts in zip(*sets, strict=True)))
    return _Collected(joined, of, version, len(sets), recurs=not mechanism.afresh)


def _events(mechanism: RandomEvents, spans: Spans, ask: Ask) -> tuple[Upsets, Intervals]:
    """The events of all intervals, and the interval of each, block by block."""
    intervals = np.arange(len(spans))
    if mechanism.ages:
        rates = np.array([mechanism.rates(ask(mechanism, index)) for index in intervals.tolist()], np.float64)
    else:
        _, first, inverse = np.unique(spans.kind, return_index=True, return_inverse=True)
        each = np.array([mechanism.rates(ask(mechanism, index)) for index in first.tolist()], np.float64)
        rates = each[inverse]
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


def _sets(mechanism: Mechanism, spans: Spans, ask: Ask) -> tuple[list[Upsets], Intervals]:
    """The distinct sets of upsets of a mechanism whose cells fail again, and the set of each interval.

    One that ages fails a growing set: where it is the same at two times it is the same in between.
    """
    sets: list[Upsets] = []
    known: dict[bytes, int] = {}
    version = np.full(len(spans), -1, np.int64)

    def number(index: int) -> int:
        """The version of an interval, asked for once."""
        if version[index] < 0:
            new = mechanism.upsets(ask(mechanism, index))
            digest = hashlib.blake2b(new.cell.tobytes() + new.becomes.tobytes(), digest_size=16).digest()
            version[index] = known.setdefault(digest, len(sets))
            if version[index] == len(sets):
                sets.append(new)
        return int(version[index])

    for kind in np.unique(spans.kind):
        mine = np.flatnonzero(spans.kind == kind)
        if not mechanism.ages:
            version[mine] = number(int(mine[0]))
            continue
        parts = [(0, len(mine) - 1)]
        while parts:
            low, high = parts.pop()
            if number(int(mine[low])) == number(int(mine[high])):
                version[mine[low:high]] = version[mine[low]]
            elif high - low > 1:
                middle = (low + high) // 2
                parts += [(low, middle), (middle, high)]
    return sets, version


def _place(image: Written, collected: _Collected) -> tuple[Codewords, Intervals, NDArray[np.uint8], Intervals]:
    """Codeword, bit, effect and version of the upsets that hit what is written."""
    upsets = collected.upsets
    codeword, bit, keep = in_use(upsets.cell, upsets.becomes, image.placement, image.codewords)
    return codeword, bit, upsets.becomes[keep], collected.of[keep]


def _changes(effects: Effects, collected: _Collected, spans: Spans) -> NDArray[np.int64]:
    """Codewords and intervals, as keys row * intervals + interval, where a codeword's upsets differ from those of the
    interval one period before: the mechanism has aged.
    """
    version, period = collected.version, spans.period
    changed = np.flatnonzero(version[1 + period :] != version[1 : len(version) - period]) + 1 + period
    row, of = np.divmod(effects.key, collected.versions)
    keys = [np.empty(0, np.int64)]
    for index in changed.tolist():
        before, after = of == version[index - period], of == version[index]
        kept, at_before, at_after = np.intersect1d(row[before], row[after], return_indices=True)
        other = (effects.masks[before][at_before] != effects.masks[after][at_after]).any(axis=(1, 2))
        rows = np.concatenate([np.setxor1d(row[before], row[after]), kept[other]])
        keys.append(rows * len(spans) + index)
    return np.concatenate(keys)


class _Run:
    """All touched codewords, each at the interval that comes next for it.

    `visits` are keys row * intervals + interval of the intervals that a codeword must not pass over, at least one for
    each; `recurs` says which codewords have cells that fail again and again.
    """

    def __init__(
        self,
        image: Written,
        words: Codewords,
        target: Masks,
        old: Content,
        layers: list[Layer],
        spans: Spans,
        visits: NDArray[np.int64],
        recurs: NDArray[np.bool_],
    ) -> None:
        self.image, self.layers, self.spans, self.visits, self.recurs = image, layers, spans, visits, recurs
        self.truth = image.cells(words)
        self.first_old = old.cells(words)
        self.target = target  # what the cells are meant to hold, as a difference from the truth
        self.held = target.copy()  # what they held at the end of the interval `held_at`
        self.held_at = np.full(len(words), -1, np.int64)
        self.quiet = np.zeros(len(words), np.int64)  # intervals in which nothing changed
        rewrites = np.flatnonzero(spans.rewritten)
        after = np.append(rewrites, len(spans))
        self.next_rewrite = after[rewrites.searchsorted(np.arange(len(spans) + 1))]

    def go(self) -> None:
        """Goes through all intervals."""
        row = np.arange(len(self.truth))
        index = self._next_visit(row, np.full(len(row), -1, np.int64))
        while len(row):
            self._step(row, index)
            index = self._next(row, index)
            going = index < len(self.spans)
            row, index = row[going], index[going]

    def _step(self, row: NDArray[np.int64], index: Intervals) -> None:
        """One interval of each codeword, and the scrub or rewrite that ends it."""
        truth, target, placement = self.truth[row], self.target[row], self.image.placement
        meant = truth ^ target
        # Where the interval before was passed over, the cells held what they were meant to.
        old = np.where((self.held_at[row] == index - 1)[:, None], truth ^ self.held[row], meant)
        old[index == 0] = self.first_old[row[index == 0]]
        cells = meant.copy()
        held = cells
        for layer in self.layers:
            if not layer.keeps and held is cells:
                cells = held.copy()
            layer.effects.apply(row * layer.versions + layer.version[index], cells, old)
        decoded = placement.decode(cells)
        written = np.where(decoded.detected[:, None], cells, placement.encode(decoded.data)) ^ truth
        written[self.spans.rewritten[index]] = 0
        stays = (written == target).all(axis=1)
        self.quiet[row] = np.where(stays, self.quiet[row] + 1, 0)
        self.target[row], self.held[row], self.held_at[row] = written, held ^ truth, index

    def _next(self, row: NDArray[np.int64], index: Intervals) -> Intervals:
        """The interval to go through next."""
        visit = self._next_visit(row, index)
        dirty = self.target[row].any(axis=1)
        visit = np.where(dirty, np.minimum(visit, self.next_rewrite[index + 1]), visit)
        self.quiet[row[self._is_visit(row, index)]] = 0
        # After two periods without change, two more give the same again: the cells' old values included, since a
        # period maps each of them to a fixed value, to itself, or to its complement.
        cycle = 2 * self.spans.period
        leap = (visit - 1 - index) // cycle * cycle
        leap[self.quiet[row] < cycle] = 0
        recurs = self.recurs[row]
        self.held_at[row] += np.where(recurs, leap, 0)
        return np.where(recurs, index + 1 + leap, visit)

    def _next_visit(self, row: NDArray[np.int64], index: Intervals) -> Intervals:
        at = self.visits.searchsorted(row * len(self.spans) + index, "right")
        own = at < len(self.visits)
        visit = np.full(len(row), len(self.spans), np.int64)
        visit[own] = np.minimum(visit[own], self.visits[at[own]] - row[own] * len(self.spans))
        return visit

    def _is_visit(self, row: NDArray[np.int64], index: Intervals) -> NDArray[np.bool_]:
        return look_up(self.visits, row * len(self.spans) + index)[1]
