"""The controller: streams of bursts, and a scrub beside them, share one channel of a memory. Events by SimPy.

    timing = Timing.of(technology("dram"))
    report = Controller(timing).simulate([Stream("read", 0, 1_000_000, word_bits=8)])
    print(report)                                          # time, bandwidth, latency, energy, rows, refresh

One event stands for a burst, or for many where a stream runs alone and evenly (see `Channel.skip`); never one for
a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import simpy

from hwsim.errors import HwsimError
from hwsim.memory.controller.channel import Channel
from hwsim.memory.controller.report import TrafficReport, tally
from hwsim.memory.controller.stream import Access, Scrub, Stream
from hwsim.memory.controller.timing import Timing

Process: TypeAlias = Generator[simpy.Event, Any, None]


class Controller:
    """A memory controller of one channel.

    Args:
        timing: of the memory.
        words: size of the memory, words of `timing.word_bits`; unlimited if None.
        bursts_per_bank: bursts that lie in one bank before the next bank follows (see `Channel`).
        scrub: traffic beside the streams.
        one_by_one: simulate every burst by an event of its own. The result is the same.

    Raises:
        HwsimError: for a scrub that the memory cannot keep up with.
    """

    def __init__(
        self,
        timing: Timing,
        *,
        words: int | None = None,
        bursts_per_bank: int = 1,
        scrub: Scrub | None = None,
        one_by_one: bool = False,
    ) -> None:
        if bursts_per_bank < 1 or (timing.has_rows and timing.row_bursts % bursts_per_bank):
            raise HwsimError(
                f"bursts_per_bank = {bursts_per_bank} must "
                + (f"divide the {timing.row_bursts} bursts of a row." if timing.has_rows else "be at least 1.")
            )
        self.timing = timing
        self.words = words
        self.bursts_per_bank = bursts_per_bank
        self.scrub = scrub
        self.one_by_one = one_by_one
        if scrub:
            bits = scrub.words * timing.word_bits * (2 if scrub.write_back else 1)
            needed = bits / 8 / scrub.every_s
            if needed > timing.peak_bandwidth:
                raise HwsimError(
                    f"A scrub of {scrub.words:,} words in {scrub.every_s:g} s moves {needed:.3g} bytes/s, more than "
                    f"the {timing.peak_bandwidth:.3g} bytes/s of the memory."
                )

    def simulate(self, streams: Iterable[Stream]) -> TrafficReport:
        """Serves all streams, each burst in order of arrival, and those that arrive together in order of the streams.

        Raises:
            HwsimError: for words beyond the memory, and for tries that do not fit.
        """
        streams = list(streams)
        for stream in streams:
            self._check(stream)
        run = _Run(self, alone=len(streams) == 1 and self.scrub is None and not self.one_by_one)
        done = run.env.all_of([run.env.process(run.stream(stream)) for stream in streams])
        if self.scrub:
            run.env.process(run.scrub(self.scrub))
        run.env.run(until=done)
        channel = run.channel
        return TrafficReport(
            timing=self.timing,
            cycles=run.end,
            bits_requested=sum(stream.bits(self.timing.word_bits) for stream in streams),
            bursts=dict(run.bursts),
            scrub_bursts=dict(run.scrub_bursts),
            latency={operation: tally(counts) for operation, counts in run.latency.items()},
            rows=dict(channel.rows),
            commands=dict(channel.commands),
            bank_bursts=tuple(channel.served),
            bank_cycles=tuple(channel.occupied),
        )

    def stream_read(self, words: int, word_bits: int | None = None, first_word: int = 0) -> TrafficReport:
        """Reads words one after the other as fast as the memory can: a network's weights, once an inference.

        Args:
            words: how many.
            word_bits: bits of each; the memory's own words if None.
            first_word: address of the first.
        """
        return self.simulate([Stream("read", first_word, words, word_bits)])

    def _check(self, stream: Stream) -> None:
        width = stream.word_bits or self.timing.word_bits
        end = (stream.first_word + stream.words) * width
        if self.words is not None and end > self.words * self.timing.word_bits:
            raise HwsimError(
                f"The stream ends with word {stream.first_word + stream.words - 1:,} of {width} bit, beyond the "
                f"{self.words:,} words of {self.timing.word_bits} bit of the memory."
            )
        if stream.tries is None:
            return
        if self.timing.has_rows:
            raise HwsimError(f"{self.timing.name} writes without checking: leave out the tries of its writes.")
        bursts = len(stream.bursts(self.timing.word_bits, self.timing.burst_bits))
        if np.ndim(stream.tries) > 0 and np.shape(stream.tries) != (bursts,):
            raise HwsimError(f"tries has the shape {np.shape(stream.tries)}, but the stream has {bursts} bursts.")


class _Run:
    """One simulation: the SimPy environment, and what is counted in it."""

    def __init__(self, controller: Controller, alone: bool) -> None:
        self.timing = controller.timing
        self.channel = Channel(controller.timing, controller.bursts_per_bank)
        self.alone = alone
        self.env = simpy.Environment()
        self.door = simpy.Resource(self.env, capacity=1)  # bursts enter the queue one after the other
        self.bursts: Counter[Access] = Counter()
        self.scrub_bursts: Counter[Access] = Counter()
        self.latency: dict[Access, Counter[int]] = {"read": Counter(), "write": Counter()}
        self.end = 0

    @property
    def now(self) -> int:
        """The present cycle."""
        return int(self.env.now)

    def stream(self, stream: Stream) -> Process:
        """Sends the bursts of a stream."""
        bursts = stream.bursts(self.timing.word_bits, self.timing.burst_bits)
        even = self.alone and stream.every_s is None and stream.tries is None
        tries = _tries(stream, len(bursts))
        at = 0
        while at < len(bursts):
            arrival = self.timing.cycle(stream.at_s + at * (stream.every_s or 0.0))
            if arrival > self.now:
                yield self.env.timeout(arrival - self.now)
            with self.door.request() as turn:
                yield turn
                yield from self.place()
                now = self.now
                skipped = self.channel.skip(stream.operation, bursts[at], now, len(bursts) - at) if even else None
                if skipped:
                    self.count(stream.operation, skipped.latency, skipped.end, skipped.bursts)
                    at += skipped.bursts
                    yield self.env.timeout(skipped.cycles)
                    continue
                service = self.channel.serve(stream.operation, bursts[at], now, next(tries))
                self.count(stream.operation, service.answer - (now if stream.every_s is None else arrival), service.end)
                at += 1

    def scrub(self, scrub: Scrub) -> Process:
        """Reads burst after burst of the memory for ever, and writes it back."""
        bursts = Stream("read", 0, scrub.words).bursts(self.timing.word_bits, self.timing.burst_bits)
        spacing = Fraction(scrub.every_s) / Fraction(self.timing.clock_s) / len(bursts)
        operations: tuple[Access, ...] = ("read", "write") if scrub.write_back else ("read",)
        number = 0
        while True:
            burst = bursts[number % len(bursts)]
            number += 1
            wait = int(number * spacing) - self.now
            if wait > 0:
                yield self.env.timeout(wait)
            for operation in operations:
                with self.door.request() as turn:
                    yield turn
                    yield from self.place()
                    service = self.channel.serve(operation, burst, self.now)
                    self.scrub_bursts[operation] += 1
                if operation == "read" and scrub.write_back:
                    yield self.env.timeout(service.end - self.now)

    def place(self) -> Process:
        """Waits until the queue has a place."""
        free = self.channel.accepts_at(self.now)
        if free > self.now:
            yield self.env.timeout(free - self.now)

    def count(self, operation: Access, latency: int, end: int, bursts: int = 1) -> None:
        """Counts bursts with the same latency, the last of which ends in cycle `end`."""
        self.bursts[operation] += bursts
        self.latency[operation][latency] += bursts
        self.end = max(self.end, end)


def _tries(stream: Stream, bursts: int) -> Iterator[int | None]:
    """How often each burst is written; None for bursts that are not read back."""
    if stream.tries is None:
        return iter(lambda: None, 0)  # None for ever
    return iter(np.broadcast_to(stream.tries, bursts).tolist())
