"""Cells of two or four levels: what a cell that reads as another level does to the bits that it holds.

A cell of one bit holds 0 at its lowest level. A cell of two bits is two neighbouring addresses, 2 c and 2 c + 1, whose
bits, the lower address first, are the Gray code of its level: a neighbouring level differs in one of them. Where words
are interleaved these are bits of two words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.cells.weak_cells import weak_cells, weak_thresholds
from hwsim.memory.mechanisms.mechanism import (
    BitValues,
    Cells,
    Direction,
    Mechanism,
    RandomEvents,
    Rates,
    Situation,
    Traits,
    Upsets,
)
from hwsim.memory.physics.checks import Array, probability, within
from hwsim.memory.physics.levels import gray_code
from hwsim.memory.physics.wear import worn_out
from hwsim.memory.technology.technology import Technology

Errors = Callable[[Situation], Array]  # probabilities to read one level (rows: the stored one) as another (columns)


def bits_per_cell(technology: Technology) -> int:
    """How many bits a cell of a technology holds, for which its table must have the levels.

    Raises:
        HwsimError: for other numbers than these.
    """
    bits = int(technology["bits_per_cell"].to("1"))
    known = [n for n in range(1, 9) if f"levels_{n}bit" in technology]
    if bits not in known:
        raise HwsimError(
            f"bits_per_cell = {bits} has no levels in the table of {technology.name}: give "
            f"{' or '.join(map(str, known))}."
        )
    return bits


def level_errors(name: str, bits: int, errors: Errors, direction: Direction = "both") -> Mechanism:
    """Cells that read as another level, from a write on until the next one; those of one write not those of another.

    Args:
        name: what results call it.
        bits: bits of a cell.
        errors: probabilities of the read levels, in a situation.
        direction: which way the bit of a cell of one bit goes; those of a cell of more go both ways.
    """
    if bits == 1:
        return SingleLevelErrors(name, errors, _traits(direction))
    return MultiLevelErrors(name, bits, errors, _traits("both"))


def _traits(direction: Direction) -> Traits:
    return Traits(direction, "until rewritten", "cell", "since write", "write or scrub")


@dataclass(frozen=True, repr=False)
class SingleLevelErrors(RandomEvents):
    """See `level_errors`."""

    name: str
    errors: Errors
    traits: Traits

    def rates(self, situation: Situation) -> Rates:
        errors = self.errors(situation)
        return Rates(float(errors[0, 1]), float(errors[1, 0]))


@dataclass(frozen=True, repr=False)
class MultiLevelErrors(Mechanism):
    """See `level_errors`. A level is that of the bits that were written last, also where a scrub wrote others back.

    A cell that reads low, or high, goes on reading so, further and further off, as the errors on its side grow. Its
    bits may become right again meanwhile: two levels further, a Gray code has one of them back.

    The level that a cell reads as depends on the one that it holds, and so each interval is drawn for itself.
    """

    name: str
    bits: int
    errors: Errors
    traits: Traits
    afresh: ClassVar[bool] = True

    def upsets(self, situation: Situation) -> Upsets:
        down, up = _tails(self.errors(situation))
        low, read_low = self._misread(situation, down, "down")
        high, read_high = self._misread(situation, up[::-1, ::-1], "up")
        either = ~np.isin(high, low, assume_unique=True)  # one that is in both tails reads low
        cell = np.concatenate([low, high[either]])
        read = np.concatenate([read_low, len(up) - 1 - read_high[either]])
        address, wrong = addresses(cell, self.bits).reshape(-1), bits_of(read, self.bits).reshape(-1)
        differs = wrong != situation.stored(address)
        return Upsets.by_value(address[differs], wrong[differs])

    def _misread(self, situation: Situation, tail: Array, side: str) -> tuple[Cells, NDArray[np.int64]]:
        """Cells that read as a lower level, and the level; or as a higher one, levels being counted from the top."""
        key = situation.key.child("interval", situation.interval, side)
        cell, threshold = weak_thresholds(key, -(-situation.cells // self.bits), float(tail.diagonal(-1).max()))
        stored = situation.stored(addresses(cell, self.bits).reshape(-1)).reshape(-1, self.bits)
        level = _level_of(self.bits)[(stored.astype(np.int64) << np.arange(self.bits)).sum(axis=1)]
        if side == "up":
            level = len(tail) - 1 - level
        read = (threshold[:, None] > tail[level]).sum(axis=1)  # the further away, the lower the threshold
        fails = read < level
        return cell[fails], read[fails]


def _tails(errors: Array) -> tuple[Array, Array]:
    """Probabilities that a level (row) reads as a level (column) or a lower one, and that it does as a higher one.

    The higher ones are for cells that do not read as a lower one; what is no misreading has the probability 1.
    """
    below, above = np.cumsum(errors, axis=1), np.cumsum(errors[:, ::-1], axis=1)[:, ::-1]
    lost = np.tril(errors, -1).sum(axis=1)
    above = above / np.maximum(1 - lost, np.finfo(np.float64).tiny)[:, None]
    level = np.arange(len(errors))
    down = np.where(level < level[:, None], np.minimum(below, 1.0), 1.0)
    up = np.where(level > level[:, None], np.minimum(above, 1.0), 1.0)
    return down, up


def stuck_levels(technology: Technology) -> tuple[StuckLevels, WornLevels]:
    """Cells that are stuck from the start, and those that wear out, with the constants of a table."""
    low, high = technology["stuck_low"].to("1"), technology["stuck_high"].to("1")
    bits = bits_per_cell(technology)
    worn = WornLevels(
        bits,
        low_share=low / (low + high) if low + high else 0.5,
        endurance=technology["endurance"].to("cycles"),
        failure=technology["endurance_failure"].to("1"),
        shape=technology["endurance_shape"].to("1"),
    )
    return StuckLevels(bits, low, high), worn


@dataclass(frozen=True, repr=False)
class StuckLevels(Mechanism):
    """Cells that are stuck at their lowest or their highest level from the start.

    Attributes:
        bits: bits of a cell.
        low: share of cells that are stuck at the lowest level.
        high: share that are stuck at the highest.

    Raises:
        HwsimError: for shares above 1 together.
    """

    bits: int
    low: float
    high: float
    name = "stuck"
    traits = Traits("preferred value", "permanent", "cell", "none", "nothing")
    stage = "stuck"

    def __post_init__(self) -> None:
        if probability("stuck_low", self.low) + probability("stuck_high", self.high) > 1:
            raise HwsimError(f"stuck_low and stuck_high are {self.low + self.high:g} together: give at most 1.")

    def upsets(self, situation: Situation) -> Upsets:
        both = self.low + self.high
        return _stuck(situation, self.bits, both, self.low / both if both else 0.0)


@dataclass(frozen=True, repr=False)
class WornLevels(Mechanism):
    """Cells that were written so often that they stick at their lowest or their highest level.

    Attributes:
        bits: bits of a cell.
        low_share: share of these that stick at the lowest level.
        endurance: writes after which the share
        failure: of the cells has worn out, in a Weibull distribution of the
        shape: `hwsim.memory.physics.wear.worn_out` has.
    """

    bits: int
    low_share: float
    endurance: float
    failure: float
    shape: float
    name = "worn"
    traits = Traits("preferred value", "permanent", "cell", "cycles", "nothing")
    stage = "stuck"

    def __post_init__(self) -> None:
        within("low_share", self.low_share, 0, 1, "a share of the worn cells")
        self.share(0)

    def share(self, cycles: float) -> float:
        """Share of cells that have worn out after a number of writes."""
        return float(worn_out(cycles, endurance=self.endurance, failure=self.failure, shape=self.shape))

    def upsets(self, situation: Situation) -> Upsets:
        return _stuck(situation, self.bits, self.share(situation.cycles), self.low_share)


def _stuck(situation: Situation, bits: int, rate: float, low_share: float) -> Upsets:
    cell = weak_cells(situation.key.child("stuck"), -(-situation.cells // bits), min(rate, 1.0))
    level = np.where(situation.uniform(cell, "low") < low_share, 0, (1 << bits) - 1)
    return Upsets.by_value(addresses(cell, bits).reshape(-1), bits_of(level, bits).reshape(-1))


def addresses(cell: Cells, bits: int) -> Cells:
    """The addresses of the bits of cells; shape (cells, bits)."""
    return cell[:, None] * bits + np.arange(bits)


def bits_of(level: NDArray[np.int64], bits: int) -> BitValues:
    """What cells at some levels hold at each of their addresses; shape (cells, bits)."""
    return (gray_code(1 << bits)[level][:, None] >> np.arange(bits) & 1).astype(np.uint8)


def _level_of(bits: int) -> NDArray[np.int64]:
    """The level of each Gray code."""
    return np.argsort(gray_code(1 << bits))
