"""How a fault mechanism is written: which cells fail, and what a failing cell reads as.

    class Sticky(Mechanism):
        name = "sticky"
        traits = Traits("preferred value", "permanent", "cell", "none", "nothing")
        stage = "stuck"

        def upsets(self, situation):
            return situation.weak(1e-6, becomes=FORCE_1)

A mechanism is a function without state. It sees a `Situation`: how long the memory has been under what since its
cells were last written, and over its life; and it answers with `Upsets`: the cells that fail and, for each, the map
from the bit that it holds to the bit that it then holds. Times, temperatures and writes only grow until the next
write, so that a mechanism which compares the same thresholds with a growing rate fails a growing set of cells, and
what has failed stays failed.

There are three kinds:

* a `Mechanism` fails cells for what they are: a stuck cell, a leaky one. The same cells fail again after a rewrite.
* a `RandomEvents` mechanism strikes afresh after every write or scrub, any cell as likely as any other: a particle, a
  failed write. It gives the probabilities only; the draws over thousands of scrub intervals are made together.
* a `SpreadEvents` mechanism (`hwsim.memory.mechanisms.spread_events`) strikes at random too, and weak cells more
  often than others: heat that takes a cell over a barrier of its own. It gives the rates of a cell by its weakness.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.errors import HwsimError, unknown
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.cells.weak_cells import weak_cells, weak_thresholds
from hwsim.memory.life.mission import Condition, Exposure
from hwsim.memory.random import Key

Cells = NDArray[np.int64]
BitValues = NDArray[np.uint8]
Numbers = NDArray[np.float64]

Direction = Literal["both", "0 to 1", "1 to 0", "charged to discharged", "preferred value", "keeps the old value"]
Persistence = Literal["one read", "until rewritten", "while the condition lasts", "permanent"]
Scope = Literal["cell", "word", "column", "row", "block", "bank"]
Clock = Literal["none", "since write", "since refresh", "device life", "cycles", "reads", "per write"]
Reset = Literal["nothing", "write", "write or scrub", "raising the voltage", "repair"]
Stage = Literal["write", "retain", "stuck", "read"]

STAGES: dict[Stage, str] = {
    "write": "at a write: what the cells then hold, given what they held before",
    "retain": "while time passes: flips add up, two of them cancel",
    "stuck": "cells that cannot hold another value: whatever came before",
    "read": "what a read gives in place of the bit that the cell holds and keeps",
}

# What a cell becomes: bit 0 is the result for a cell that holds 0, bit 1 for one that holds 1. Bit 2 says that a cell
# meant to hold 0 keeps what it held before the write, bit 3 the same for one meant to hold 1.
FORCE_0 = 0b00
FORCE_1 = 0b11
TOGGLE = 0b01
KEEP = 0b10
OLD_FOR_0 = 0b0100 | KEEP
OLD_FOR_1 = 0b1000 | KEEP
OLD = OLD_FOR_0 | OLD_FOR_1


class Traits(NamedTuple):
    """The nature of a mechanism, as the tables of the documentation print it.

    Attributes:
        direction: which way bits go.
        persistence: how long an upset stays.
        scope: what fails together.
        clock: what makes more cells fail as it grows. "device life" and "cycles" tell the simulator that a rewrite
            does not set it back.
        reset: what undoes an upset.
    """

    direction: Direction
    persistence: Persistence
    scope: Scope
    clock: Clock
    reset: Reset


class Upsets(NamedTuple):
    """The cells that fail.

    Attributes:
        cell: their physical addresses, sorted, each once.
        becomes: for each the map from the bit it holds to the bit it gets: `FORCE_0`, `FORCE_1`, `TOGGLE`, `KEEP`,
            `OLD` (the bit from before the write), `OLD_FOR_0`, `OLD_FOR_1`.
    """

    cell: Cells
    becomes: BitValues

    @classmethod
    def none(cls) -> Upsets:
        """No cell fails."""
        return cls(np.empty(0, np.int64), np.empty(0, np.uint8))

    @classmethod
    def of(cls, cell: npt.ArrayLike, becomes: npt.ArrayLike) -> Upsets:
        """Cells in any order; where one comes twice, the first counts. `becomes` may be one value for all."""
        cells, first = np.unique(np.asarray(cell, np.int64), return_index=True)
        values = np.broadcast_to(np.asarray(becomes, np.uint8), np.shape(cell))
        return cls(cells, values[first])

    @classmethod
    def by_value(cls, cell: npt.ArrayLike, bit: npt.ArrayLike) -> Upsets:
        """Cells that take the value `bit` (0 or 1, one for each cell or one for all)."""
        return cls.of(cell, np.where(np.asarray(bit, bool), FORCE_1, FORCE_0))

    @classmethod
    def by_rates(cls, cell: Cells, threshold: Numbers, rates: Rates) -> Upsets:
        """Of sorted cells those that flip: a stored 0 where the threshold is at most `rates.zero_to_one`, ..."""
        up = threshold <= rates.zero_to_one
        down = threshold <= rates.one_to_zero
        fails = up | down
        return cls(cell[fails], flips(up, down)[fails])

    def __or__(self, other: object) -> Upsets:
        """Both; where a cell is in both, this one's value counts."""
        if not isinstance(other, Upsets):
            return NotImplemented
        return Upsets.of(np.concatenate([self.cell, other.cell]), np.concatenate([self.becomes, other.becomes]))


class Rates(NamedTuple):
    """Probabilities, from the last write to now, that a stored 0 and a stored 1 fail."""

    zero_to_one: float
    one_to_zero: float

    @classmethod
    def both(cls, rate: float) -> Rates:
        """The same for both."""
        return cls(rate, rate)


def _no_image(cell: Cells) -> BitValues:
    raise HwsimError("This situation has no stored words: read the cells of a device that was written.")


@dataclass(frozen=True)
class Holding:
    """What is known of cells that hold data: the same in two intervals of a life under the same conditions.

    Attributes: see `Situation`.
    """

    geometry: Geometry
    cells: int
    key: Key
    since_write: Exposure = field(default_factory=Exposure)
    at_write: Condition = field(default_factory=Condition)
    now: Condition = field(default_factory=Condition)
    reads: float = 0.0
    access: int = 0
    stored: Callable[[Cells], BitValues] = _no_image

    def __getattr__(self, name: str) -> Any:
        """Only asked for what is not there."""
        wanted = {"interval": "afresh", "life": "ages", "cycles": "ages"}.get(name)
        if wanted is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise HwsimError(
            f"A mechanism looks at Situation.{name}, but does not say so: set {wanted} = True in its class."
        )

    def weak(self, rate: float, *purpose: int | str, becomes: int = TOGGLE) -> Upsets:
        """Each cell with the probability `rate`, the same ones always, and more of them at a higher rate.

        Args:
            rate: share of the cells.
            purpose: further parts of the key, where a mechanism draws more than once.
            becomes: what they do.

        Raises:
            HwsimError: for a rate outside [0, 1].
        """
        cell = weak_cells(self.key.child(*purpose), self.cells, rate)
        return Upsets(cell, np.full(len(cell), becomes, np.uint8))

    def thresholds(self, rate: float, *purpose: int | str) -> tuple[Cells, Numbers]:
        """The same cells with their thresholds, uniform in (0, rate]: for rates that differ from cell to cell."""
        return weak_thresholds(self.key.child(*purpose), self.cells, rate)

    def uniform(self, index: npt.ArrayLike, *purpose: int | str) -> Numbers:
        """A number, uniform in (0, 1), for each index (of a cell, a column, ...): always the same for the same one."""
        return uniform(self.key.child(*purpose), index)


@dataclass(frozen=True)
class Aged(Holding):
    """The same, and the life before. Attributes: see `Situation`."""

    life: Exposure = field(default_factory=Exposure)
    cycles: int = 1


@dataclass(frozen=True)
class Numbered(Holding):
    """The same, and which interval of the life it is. Attributes: see `Situation`."""

    interval: int = 0


@dataclass(frozen=True)
class Situation(Numbered, Aged):
    """All that a mechanism may know. Between two writes it changes only so that more cells fail.

    A mechanism that does not say that it looks at `life` and `cycles`, or at `interval`, is given a situation without.

    Attributes:
        geometry: where the cells lie.
        cells: number of cells in use: addresses 0 to cells - 1.
        key: what random draws of this mechanism are keyed by; it is the same over the device's life.
        since_write: conditions since the last write or scrub.
        at_write: the condition at that write or scrub.
        now: the condition now.
        reads: how often each word was read since that write or scrub.
        access: number of the read since that write or scrub, from 1, for noise that is new at each; 0 for the read
            of the scrub that comes next.
        stored: from addresses of cells to the bits that were written to them last, 0 for a spare cell. A scrub that
            writes back wrong bits does not change that.
        life: conditions since the device was new.
        cycles: how often each word was written, this write included.
        interval: number of the write or scrub since which the cells hold what they hold, from 0; key draws that
            a write renews by it.
    """


class Mechanism(ABC):
    """A fault mechanism that strikes the same cells again after a rewrite, in the same situation.

    Attributes:
        name: what results call it.
        traits: its nature.
        stage: when it acts, one of `STAGES`. Within a stage mechanisms act in the order in which a device lists them.
        afresh: whether `upsets` depends on `Situation.interval`. The simulator then asks for every scrub interval,
            one by one: `RandomEvents` says the same and costs less.
        ages: whether what it says depends on `Situation.life` or `Situation.cycles`. It may not, unless it says so:
            the simulator takes two scrub intervals under the same conditions for equal.
    """

    name: str
    traits: Traits
    stage: Stage = "retain"
    afresh: ClassVar[bool] = False

    @property
    def ages(self) -> bool:
        return self.traits.clock in ("device life", "cycles")

    @abstractmethod
    def upsets(self, situation: Situation) -> Upsets:
        """The cells that fail in a situation. What it says may depend on nothing else."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self.traits)}>"


class RandomEvents(Mechanism):
    """A fault mechanism that strikes each cell independently, and afresh after each write or scrub.

    At the stage "read" it strikes afresh at each read.

    Attributes:
        keeps_old: whether a cell that is struck keeps its old value, as in a failed write, and does not flip;
            `rates` are then the probabilities that a change from 0 to 1 fails and that one from 1 to 0 does. What
            writes the same words again, a scrub or a rewrite, changes few cells, and only those are drawn: see
            `fails_to_change`.
    """

    afresh: ClassVar[bool] = True
    keeps_old: ClassVar[bool] = False

    @abstractmethod
    def rates(self, situation: Situation) -> Rates:
        """The probabilities that a cell has failed by now, since the last write or scrub.

        They grow with time, and depend neither on `Situation.interval` nor on what is stored.
        """

    def upsets(self, situation: Situation) -> Upsets:
        rates = self.rates(situation)
        cell, interval, threshold = self.strikes(situation, interval_block(situation.interval), max(rates))
        mine = interval == situation.interval
        becomes = self.becomes(threshold[mine], rates.zero_to_one, rates.one_to_zero)
        fails = becomes != KEEP
        return Upsets(cell[mine][fails], becomes[fails])

    def fails_to_change(
        self, key: Key, cell: Cells, interval: npt.ArrayLike, rate: Numbers | float
    ) -> NDArray[np.bool_]:
        """Whether single cells keep their old value where a scrub or a rewrite begins their interval.

        Args:
            key: `Situation.key`.
            cell: cells whose value is to change.
            interval: for each, or for all, the interval.
            rate: with which probability.
        """
        return uniform(key.child("written back"), cell, interval) <= rate

    def strikes(self, situation: Situation, block: Block, rate: float) -> tuple[Cells, NDArray[np.int64], Numbers]:
        """All that strikes in a block of intervals: (cell, interval, threshold), in order of both; threshold <= rate.

        The addresses drawn are cell * block.length + interval: those of a smaller network are the first of them.
        """
        key = situation.key.child("interval", block.first)
        if self.stage == "read":
            key = key.child("read", situation.access)
        address, threshold = weak_thresholds(key, situation.cells * block.length, rate)
        cell, interval = np.divmod(address, block.length)
        return cell, interval + block.first, threshold

    def becomes(self, threshold: Numbers, zero_to_one: Numbers | float, one_to_zero: Numbers | float) -> BitValues:
        """What cells with these thresholds become, `KEEP` where nothing; the rates are for all of them or for each."""
        up, down = threshold <= zero_to_one, threshold <= one_to_zero
        if self.keeps_old:
            return np.where(up, OLD_FOR_1, KEEP).astype(np.uint8) | np.where(down, OLD_FOR_0, KEEP).astype(np.uint8)
        return flips(up, down)


class Block(NamedTuple):
    """Neighbouring intervals that are drawn together."""

    first: int
    length: int


def interval_block(interval: int) -> Block:
    """The block of an interval: 0; 1; 2 and 3; 4 to 7; ... and from 4096 on blocks of 4096.

    Those that grow cost a device that is written once nothing, and one that is scrubbed for years few draws.
    """
    if interval < 2:
        return Block(interval, 1)
    length = min(1 << interval.bit_length() - 1, _LONGEST_BLOCK)
    return Block(interval - interval % length, length)


_LONGEST_BLOCK = 4096


def uniform(key: Key, index: npt.ArrayLike, second: npt.ArrayLike = 0) -> Numbers:
    """A number, uniform in (0, 1), for each of the non-negative integers `index`: a hash of it and the key.

    Two rounds of the SplitMix64 finaliser (Steele, Lea, Flood, OOPSLA 2014), each with half of the key.

    Args:
        key: what the numbers are for.
        index: the integers.
        second: a second one for each of them, or for all.
    """
    mixed = np.asarray(index).astype(np.uint64)
    for half, other in ((key.entropy >> 64, 0), (key.entropy & _WORD, second)):
        mixed = _mix((mixed + np.asarray(other).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(half))
    return (np.right_shift(mixed, np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


_WORD = (1 << 64) - 1


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def flips(up: NDArray[np.bool_], down: NDArray[np.bool_]) -> BitValues:
    """Maps of cells in which a 0 flips (`up`) and in which a 1 does (`down`)."""
    return np.where(up, 1, 0).astype(np.uint8) | np.where(down, 0, 2).astype(np.uint8)


def situation_for(mechanism: Mechanism, **attributes: Any) -> Situation:
    """The situation with these attributes, less those that `mechanism` does not say that it looks at."""
    kind = {(True, True): Situation, (True, False): Aged, (False, True): Numbered, (False, False): Holding}[
        mechanism.ages, mechanism.afresh
    ]
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in attributes.items() if name in known})


def check_mechanism(mechanism: object) -> None:
    """Refuse what a device cannot use as a mechanism.

    Raises:
        HwsimError: for it.
    """
    if not isinstance(mechanism, Mechanism):
        raise HwsimError(f"{mechanism!r} is no mechanism: give objects of classes derived from Mechanism.")
    for attribute in ("name", "traits"):
        if not hasattr(mechanism, attribute):
            raise HwsimError(f"The mechanism {type(mechanism).__name__} has no {attribute!r}: set it in the class.")
    if mechanism.stage not in STAGES:
        raise unknown(f"stage of mechanism {mechanism.name!r}", mechanism.stage, STAGES)
