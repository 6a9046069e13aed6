"""The memory device: cells of a technology that are written, live through heat and years, and are read.

    device = Device("stt_mram", capacity="16 MiB", ecc="secded", seed=1)
    device.write(memory)
    device.advance(Mission.constant(Condition(temperature_c=85), 365.25 * 86400))
    readout = device.read()
    readout.faults, readout.outcome

What a device holds follows from its seed, from what was written, and from how long it was under which conditions
since. `advance` adds up the conditions and goes through scrubs; which cells have failed is worked out at a read, for
the failing cells only. A read repairs nothing and, but for what a mechanism says of reads, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from hwsim.constants.units import duration
from hwsim.errors import HwsimError
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.cells.memory import Layout, Memory
from hwsim.memory.cells.weak_cells import distinct
from hwsim.memory.device.device_config import DeviceConfig, DeviceSource
from hwsim.memory.device.effects import Content, Deviations, Effects, WriteBacks, count_ones, in_use
from hwsim.memory.device.image import Blank, Codewords, Masks, Placement, Written
from hwsim.memory.device.intervals import Spans
from hwsim.memory.device.readout import Readout
from hwsim.memory.device.scrub import scrub
from hwsim.memory.ecc import Code, round_words
from hwsim.memory.life.clocks import Moment, Times, period_of
from hwsim.memory.life.mission import Condition, Exposure, Mission, Phase, to_ticks
from hwsim.memory.mechanisms.mechanism import Mechanism, RandomEvents, Situation, situation_for
from hwsim.memory.random import Key, Seed
from hwsim.tabular import Notebook, Tabular
from hwsim.words import WordFormat

_AT_ONCE = 1 << 21  # upsets that are gone through together: some hundred bytes each
_FIRST, _GROWTH = 1, 16  # intervals that are gone through together: at first, and how many times more the next time


class Device(Notebook):
    """A memory device.

    Args:
        technology: name or table of a technology, whose mechanisms act and whose geometry is the default; None for
            `mechanisms` alone; or a whole `DeviceConfig`.
        mechanisms: further mechanisms, which act after those of the technology at the same stage.
        seed: an integer, a word, or a tuple of them.
        settings: attributes of `DeviceConfig` by name, such as `capacity` and `ecc`.

    Attributes:
        config: what it is made of.
        mechanisms: all mechanisms, in the order in which they act.
        life: conditions since it was new.
        now: the condition now.
        interval: number of the write or scrub since which the cells hold what they hold; -1 before the first.
        cycles: how often each cell was written.

    Raises:
        HwsimError: for what makes no `DeviceConfig`, and for settings beside one.
    """

    def __init__(
        self,
        technology: DeviceSource | DeviceConfig = None,
        mechanisms: Sequence[Mechanism] = (),
        *,
        seed: Seed = 0,
        **settings: Any,
    ) -> None:
        if not isinstance(technology, DeviceConfig):
            self.config = DeviceConfig.of(technology, mechanisms, **settings)
        elif mechanisms or settings:
            beside = next(iter(settings), "mechanisms")
            raise HwsimError(f"A device has a configuration or {beside}, not both: say it in the configuration.")
        else:
            self.config = technology
        self.mechanisms = self.config.mechanisms
        self.key = Key(seed, "device")
        self.cycles = self.config.cycles
        self.life = Exposure()
        self.now = Condition()
        self.interval = -1
        self._layout: Layout | None = None  # of what is written; None before the first write, and no more is set then
        self._checksum: int
        self._image: Written
        self._old: Content  # what the cells held before the interval
        self._target: Deviations  # where they are meant to hold something else than the image, as a scrub wrote it
        self._written = -1  # the interval that the last write began; scrubs and rewrites begin the others
        self._since_write, self._at_write = Exposure(), self.now
        self._reads: float = 0
        self._accesses = 0

    # ---- Writing

    def write(self, memory: Memory) -> None:
        """Writes the words of `memory` to the first cells, over whatever these hold.

        The words are copied. The write begins a new interval: clocks that run since a write start again.

        Raises:
            HwsimError: if they do not fit, for another format than before, and for words that the code cannot store
                exactly.
        """
        placement = self._placement(memory.format, memory.words)
        beneath = Blank(self.config.new, placement, self.key.child("new cells"))
        old = Content(beneath, Deviations.none(placement))
        if self._layout is not None:
            old = Content(self._image, self._held())
        image = Written(memory.flat.copy(), memory.format, placement, beneath)
        _check_exact(image)
        self._old, self._image, self._layout, self._checksum = old, image, memory.layout, memory.checksum
        self._target = Deviations.none(placement)
        self._begin_interval()
        self._written = self.interval

    def _held(self) -> Deviations:
        """Where the cells hold something else than the image."""
        cells = self._evaluate(access=0)
        return Deviations.of(cells.codeword, cells.held ^ cells.truth)

    def _placement(self, fmt: WordFormat, words: int) -> Placement:
        """Where words of a format go: made at the first write, since a code depends on the format."""
        if self._layout is not None:
            before = self._layout.format
            if fmt.name != before.name:
                raise HwsimError(
                    f"This device holds words of {before.name}: write words of {fmt.name} to a device of their own."
                )
            placement = self._image.placement
        else:
            placement = self.config.placement(fmt, words)
        self.config.require_room(placement, fmt, words)
        return placement

    # ---- Living

    @property
    def time_s(self) -> float:
        """Age of the device, s."""
        return self.life.duration_s

    @property
    def geometry(self) -> Geometry:
        """Where the cells lie; known from the first write on, since the check bits depend on the number format."""
        self._check_written("geometry")
        return self._image.placement.geometry

    @property
    def code(self) -> Code:
        """The code; known from the first write on."""
        self._check_written("code")
        return self._image.placement.code

    @property
    def locked_in(self) -> Deviations:
        """Codewords that scrubs wrote back wrong, or as they were read, and the cells concerned."""
        self._check_written("scrub")
        return self._target

    def advance(self, what: float | Phase | Mission) -> None:
        """Lets time pass.

        Args:
            what: seconds under the present condition; a phase; or a mission from its beginning to its end, with its
                scrubs and rewrites (but not its first write, nor its reads: see `follow`).

        Raises:
            HwsimError: for a time that goes back.
        """
        if isinstance(what, Mission):
            mission = what
        elif isinstance(what, Phase):
            mission = Mission((what,))
        elif to_ticks("time to advance", what):
            mission = Mission((Phase(what, self.now),))
        else:
            return
        self._live(mission, 0, to_ticks("duration", mission.duration_s))

    def follow(self, mission: Mission, memory: Memory) -> Iterator[Readout]:
        """Lives through a mission: writes `memory` when it says so, and gives a readout at each of its times to read.

        The device comes to the times one by one, as readouts are asked for, and stays at the last of them.
        """
        at = 0
        written = to_ticks("write_at_s", mission.write_at_s)
        self._live(mission, at, written)
        if not written:
            self.now = mission.condition_at(0)
        self.write(memory)
        at = written
        for read_s in mission.read_at_s:
            read = to_ticks("read_at_s", read_s)
            self._live(mission, at, read)
            at = read
            yield self.read()

    def scrub(self) -> None:
        """Reads every word, decodes it, and writes it back: see `hwsim.memory.device.scrub`."""
        self._check_written("scrub")
        self._pass(Times(self._moment(), Mission((Phase(1.0, self.now),)), np.zeros(1, np.int64), 0, np.zeros(1, bool)))

    def rewrite(self) -> None:
        """Writes the words of the last write once more."""
        self._check_written("rewrite")
        self._pass(Times(self._moment(), Mission((Phase(1.0, self.now),)), np.zeros(1, np.int64), 0, np.ones(1, bool)))

    def _live(self, mission: Mission, start: int, stop: int) -> None:
        """From one nanosecond of a mission to another, with what happens at the first and not at the last of them."""
        done = start
        if self._layout is not None:
            scrubs = mission.events(mission.scrub_every_s, start, stop)
            rewrites = mission.events(mission.rewrite_every_s, start, stop)
            moments = np.union1d(scrubs, rewrites)
            at, count = 0, _FIRST
            while at < len(moments):
                some = moments[at : at + count]
                handled = self._pass(Times(self._moment(), mission, some, done, np.isin(some, rewrites)))
                done, at = int(some[-1]), at + len(some)
                count = max(1, int(len(some) * min(_GROWTH, _AT_ONCE / max(handled, 1))))
            self._since_write += mission.exposure_ticks(done, stop)
        self.life += mission.exposure_ticks(done, stop)
        if stop > start:
            self.now = mission.conditions[int(mission.conditions_at(np.array([stop]))[0])]

    def _pass(self, times: Times) -> int:
        """Goes through intervals, each to the scrub or rewrite that ends it; returns how many upsets there were."""
        written = self.interval == self._written
        spans = Spans(self.interval, times.kind, period_of(times.kind[1:]), times.rewritten, written, times.lives)

        def ask(mechanism: Mechanism, index: int) -> Situation:
            return self._situation(mechanism, times.moment(index), access=0)

        self._target, before, handled = scrub(self._image, self._target, self._old, self.mechanisms, spans, ask)
        self._old = Content(self._image, before)
        last = times.moment(len(spans) - 1)
        self.life, self.now = last.life, last.now
        self.interval += len(spans) - 1
        self.cycles += len(spans) - 1
        self._begin_interval()
        return handled

    def _begin_interval(self) -> None:
        self.interval += 1
        self.cycles += 1
        self._since_write = Exposure()
        self._at_write = self.now
        self._reads, self._accesses = 0, 0

    # ---- Reading

    def read(self) -> Readout:
        """Reads all that is written.

        Raises:
            HwsimError: before the first write.
        """
        self._check_written("read")
        self._accesses += 1
        cells = self._evaluate(self._accesses)
        self._reads += 1
        wrong = Deviations.of(cells.codeword, cells.read ^ cells.truth)
        assert self._layout is not None
        return Readout.of(self._image, wrong, self._layout, self._checksum, cells.changed, self.time_s)

    def count_reads(self, reads: int) -> None:
        """Counts reads of every word that nobody looks at, for mechanisms that reads disturb.

        Raises:
            HwsimError: before the first write, and for a negative number.
        """
        self._check_written("read")
        if reads < 0:
            raise HwsimError(f"reads = {reads} is no number of reads: give at least 0.")
        self._reads += reads

    def _evaluate(self, access: int) -> _Cells:
        """What the cells of all codewords hold that are not simply as they were written."""
        image, now = self._image, self._moment()
        layers = [
            (mechanism, *self._effect(self._situation(mechanism, now, access), mechanism))
            for mechanism in self.mechanisms
        ]
        words = distinct(self._target.codeword, *(concerned for _, concerned, _ in layers))
        truth = image.cells(words)
        cells = truth ^ self._target.at(words)
        held, old, changed = cells, self._old.cells(words), {}
        for mechanism, _, change in layers:
            if mechanism.stage == "read" and held is cells:
                cells = held.copy()
            before = cells.copy()
            change(words, cells, old)
            changed[mechanism.name] = count_ones(before ^ cells)
        return _Cells(words, truth, held, cells, changed)

    def _effect(self, situation: Situation, mechanism: Mechanism) -> tuple[Codewords, _Change]:
        """The codewords that a mechanism may change, and the function that does it."""
        image, placement = self._image, self._image.placement
        if isinstance(mechanism, RandomEvents) and mechanism.keeps_old and self.interval != self._written:
            write_backs = WriteBacks(mechanism, situation.key, placement)
            return self._old.flips.codeword, partial(write_backs.change, self.interval, mechanism.rates(situation))
        upsets = mechanism.upsets(situation)
        codeword, bit, keep = in_use(upsets.cell, upsets.becomes, placement, image.codewords)
        effects = Effects.gather(codeword, bit, upsets.becomes[keep], placement)
        return effects.key, effects.apply

    def _moment(self) -> Moment:
        since = self._since_write
        reads = self._reads + since.reads
        return Moment(self.interval, self.cycles, since, self.life, self._at_write, self.now, reads)

    def _situation(self, mechanism: Mechanism, moment: Moment, access: int) -> Situation:
        image = self._image
        geometry = image.placement.geometry
        return situation_for(
            mechanism,
            geometry=geometry,
            cells=geometry.cells_for(image.memory_words),
            key=self.key.child(mechanism.name),
            interval=moment.interval,
            since_write=moment.since_write,
            life=moment.life,
            at_write=moment.at_write,
            now=moment.now,
            reads=moment.reads,
            cycles=moment.cycles,
            access=access,
            stored=lambda cell: image.placement.bits(image, cell),
        )

    def _check_written(self, what: str) -> None:
        if self._layout is None:
            raise HwsimError(f"Nothing was written to this device before its {what}: write a memory first.")

    def _table(self) -> Tabular:
        """What it is made of, how long it has lived, and where its cells lie once something is written."""
        technology, layout = self.config.technology, self._layout
        rows = [
            ["technology", technology.name if technology else "none"],
            ["mechanisms", ", ".join(mechanism.name for mechanism in self.mechanisms) or "none"],
            ["age", duration(self.time_s)],
            ["written", f"{layout.words:,} words of {layout.format.name}" if layout else "nothing"],
            ["code", str(self.code) if layout else self.config.ecc],
            *([["cells", str(self.geometry)]] if layout else []),
            ["cycles before", f"{self.config.cycles:,}"],
        ]
        return Tabular("Device", ("what", "as it is"), rows)

    def __repr__(self) -> str:
        held = (
            f"{self._layout.words:,} words of {self._layout.format.name} written" if self._layout else "nothing written"
        )
        names = ", ".join(mechanism.name for mechanism in self.mechanisms) or "no mechanisms"
        technology = self.config.technology
        return f"<Device: {technology.name if technology else 'no technology'} ({names}), {held}>"


_Change = Callable[[Codewords, Masks, Masks], None]  # of codewords, in place, what they hold; and what they held before


class _Cells(NamedTuple):
    """Codewords that may be wrong, and their cells: as written, as they are, and as they are read."""

    codeword: Codewords
    truth: Masks
    held: Masks
    read: Masks
    changed: dict[str, int]


def _check_exact(image: Written) -> None:
    """Check that the code stores the words as they are.

    Raises:
        HwsimError: if it would store others.
    """
    code = image.placement.code
    if code.is_exact:
        return
    changed = round_words(image.flat, image.format, code)[1].changed
    if changed:
        raise HwsimError(
            f"{code.name} stores {changed:,} of these words as others: round them first, with "
            "hwsim.memory.ecc.round_words, so that the network that is run is the one that is stored."
        )
