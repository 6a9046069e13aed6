"""Many scrub intervals at once: a memory that is scrubbed every hour for ten years costs what its upsets cost.

A scrub reads every memory word, decodes it and writes it back, each cell afresh. A word that is corrected starts
clean; one that is found uncorrectable is written back as it was read, so that it is found again; one that is wrong
without a sign of it is written back wrong. Without a code a scrub therefore locks errors in. A rewrite writes the
original words instead.

Between two upsets of a codeword nothing happens to it, so that only the intervals with upsets are gone through, for
all codewords side by side, and after each the one in which what was written back may have failed. What a scrub writes
back decodes to itself: a codeword without cells that fail again and again is settled after one interval. One with
such cells is followed until it stays the same for as many intervals as it takes the conditions to repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.cells.weak_cells import distinct
from hwsim.memory.device.effects import Content, Deviations, Effects, WriteBacks, look_up
from hwsim.memory.device.image import Codewords, Masks, Written
from hwsim.memory.device.intervals import Ask, Intervals, Spans, collect, event_rates
from hwsim.memory.mechanisms.mechanism import Mechanism, RandomEvents


@dataclass(frozen=True)
class UpsetLayer:
    """The upsets of one mechanism in all intervals.

    Attributes:
        effects: by codeword, chain and interval: key = (row * chains + chain) * intervals + interval.
        chain: see `hwsim.memory.device.intervals.Collected`.
        chains: the same.
        recurs: the same.
        keeps: whether the cells keep the upset, as opposed to a read that errs.
    """

    effects: Effects
    chain: Intervals
    chains: int
    recurs: bool
    keeps: bool

    def apply(self, row: NDArray[np.int64], word: Codewords, index: Intervals, cells: Masks, old: Masks) -> None:
        """Changes the cells of some codewords, each in an interval of its own: see `Effects.apply`."""
        intervals = len(self.chain)
        key = (row * self.chains + self.chain[index]) * intervals + index
        if self.recurs:
            at = self.effects.key.searchsorted(key, "right") - 1
            found = at >= 0
            found[found] = self.effects.key[at[found]] // intervals == key[found] // intervals
        else:
            at, found = look_up(self.effects.key, key)
        self.effects.change(at[found], found, cells, old)


@dataclass(frozen=True)
class WriteBackLayer:
    """The failed writes of one mechanism in all intervals, where scrubs and rewrites begin them.

    Attributes:
        write_backs: what fails.
        spans: the intervals.
        rates: for each interval the probabilities that a change from 0 to 1 fails, and one from 1 to 0.
        keeps: whether the cells keep what happens to them.
    """

    write_backs: WriteBacks
    spans: Spans
    rates: NDArray[np.float64]
    keeps: bool

    def apply(self, row: NDArray[np.int64], word: Codewords, index: Intervals, cells: Masks, old: Masks) -> None:
        """Changes the cells of some codewords, each in an interval of its own."""
        mine = np.flatnonzero(index > 0) if self.spans.written else np.arange(len(index))
        changed = cells[mine]
        self.write_backs.change(self.spans.first + index[mine], self.rates[index[mine]], word[mine], changed, old[mine])
        cells[mine] = changed


def scrub(
    image: Written, target: Deviations, old: Content, mechanisms: Sequence[Mechanism], spans: Spans, ask: Ask
) -> tuple[Deviations, Deviations, int]:
    """What the cells are meant to hold after the last of some scrubs, and what they held just before it.

    Args:
        image: the words that were written.
        target: where the cells are meant to hold something else since the last scrub.
        old: what they held before they were written in the first interval.
        mechanisms: the mechanisms in the order in which they act.
        spans: the intervals.
        ask: the situation of a mechanism at the end of the interval of that index.

    Returns two sets of cells, both as differences from `image`, and how many upsets that took: memory and time follow
    them, and several calls for a part of the intervals each give the same.
    """
    found = [collect(mechanism, image, spans, ask) for mechanism in mechanisms]
    touched = [collected.upsets.codeword for collected in found]
    if spans.rewritten.any():
        touched.append(target.codeword)
    if not spans.written:
        touched += [target.codeword, old.flips.codeword]  # what the last scrub wrote back may have failed
    words = distinct(np.empty(0, np.int64), *touched)
    count, intervals = len(words), len(spans)

    layers, visits, recurs = list[UpsetLayer | WriteBackLayer](), [np.empty(0, np.int64)], np.zeros(count, bool)
    for mechanism, collected in zip(mechanisms, found, strict=True):
        upsets = collected.upsets
        row = words.searchsorted(upsets.codeword)
        key = (row * collected.chains + upsets.chain) * intervals + upsets.interval
        effects = Effects.gather(key, upsets.bit, upsets.becomes, image.placement)
        keeps = mechanism.stage != "read"
        layers.append(UpsetLayer(effects, collected.chain, collected.chains, collected.recurs, keeps))
        if isinstance(mechanism, RandomEvents) and mechanism.keeps_old:
            write_backs = WriteBacks(mechanism, ask(mechanism, 0).key, image.placement)
            layers.append(WriteBackLayer(write_backs, spans, event_rates(mechanism, spans, ask), keeps))
        if collected.recurs:
            recurs[row] = True
        visits.append(row * intervals + upsets.interval)
    visits.append(np.flatnonzero(recurs) * intervals)
    if spans.rewritten.any():
        visits.append(words.searchsorted(target.codeword) * intervals + int(spans.rewritten.argmax()))

    if not spans.written:
        differs = (target.at(words) != old.flips.at(words)).any(axis=1)
        visits.append(np.flatnonzero(differs) * intervals)
    run = _Run(image, words, target.at(words), old, layers, spans, distinct(*visits), recurs)
    run.go()
    after = Deviations.of(words, run.target)
    before = Deviations.of(words, np.where((run.held_at == intervals - 1)[:, None], run.held, run.target))
    elsewhere = target.without(words)
    return after.merged(elsewhere), before.merged(elsewhere), sum(len(one.upsets.interval) for one in found)


class _Run:
    """All touched codewords, each at the interval that comes next for it.

    `visits` are keys row * intervals + interval of the intervals that a codeword must not pass over; `recurs` says
    which codewords have cells that fail again and again.
    """

    def __init__(
        self,
        image: Written,
        words: Codewords,
        target: Masks,
        old: Content,
        layers: list[UpsetLayer | WriteBackLayer],
        spans: Spans,
        visits: NDArray[np.int64],
        recurs: NDArray[np.bool_],
    ) -> None:
        self.image, self.layers, self.spans, self.visits, self.recurs = image, layers, spans, visits, recurs
        self.words = words
        self.truth = image.cells(words)
        self.first_old = old.cells(words)
        self.target = target  # what the cells are meant to hold, as a difference from the truth
        self.held = target.copy()  # what they held at the end of the interval `held_at`
        self.held_at = np.full(len(words), -1, np.int64)
        self.quiet = np.zeros(len(words), np.int64)  # intervals in which nothing changed
        self.fails = any(isinstance(layer, WriteBackLayer) and layer.rates.any() for layer in layers)
        rewrites = np.flatnonzero(spans.rewritten)
        after = np.append(rewrites, len(spans))
        self.next_rewrite = after[rewrites.searchsorted(np.arange(len(spans) + 1))]

    def go(self) -> None:
        """Goes through all intervals."""
        row = np.arange(len(self.truth))
        index = self._next_visit(row, np.full(len(row), -1, np.int64))
        while True:
            going = index < len(self.spans)
            row, index = row[going], index[going]
            if not len(row):
                return
            self._step(row, index)
            index = self._next(row, index)

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
            layer.apply(row, self.words[row], index, cells, old)
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
        if self.fails:  # no two writes that change a cell need end the same way
            changed = (self.held[row] != self.target[row]).any(axis=1)
            visit = np.where(changed, index + 1, visit)
            self.quiet[row[changed]] = 0
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
