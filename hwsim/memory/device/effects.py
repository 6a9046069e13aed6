"""Upsets, gathered by codeword, and what they do to its cells: many codewords at a time, a few operations on bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.memory.device.image import Codewords, Image, Masks, Placement, ones
from hwsim.memory.mechanisms.mechanism import BitValues, Cells, RandomEvents
from hwsim.memory.random import Key


@dataclass(frozen=True)
class Deviations:
    """Cells that hold something else than an image says.

    Attributes:
        codeword: the codewords with such cells, sorted.
        masks: 1 for each of these cells; none is all zeros.
    """

    codeword: Codewords
    masks: Masks

    @classmethod
    def of(cls, codeword: Codewords, masks: Masks) -> Deviations:
        """Of sorted codewords those that have such cells."""
        some = masks.any(axis=1)
        return cls(codeword[some], masks[some])

    @classmethod
    def none(cls, placement: Placement) -> Deviations:
        """No such cells."""
        return cls(np.empty(0, np.int64), np.empty((0, placement.halves), np.uint64))

    @property
    def count(self) -> int:
        """Number of such cells."""
        return count_ones(self.masks)

    def at(self, codewords: Codewords) -> Masks:
        """The masks of some codewords; zeros where there is nothing."""
        masks = np.zeros((len(codewords), self.masks.shape[1]), np.uint64)
        row, found = look_up(self.codeword, codewords)
        masks[found] = self.masks[row[found]]
        return masks

    def without(self, codewords: Codewords) -> Deviations:
        """Those outside some sorted codewords."""
        _, found = look_up(codewords, self.codeword)
        return Deviations(self.codeword[~found], self.masks[~found])

    def merged(self, other: Deviations) -> Deviations:
        """These and those of other codewords."""
        codeword = np.concatenate([self.codeword, other.codeword])
        order = np.argsort(codeword, kind="stable")
        return Deviations(codeword[order], np.concatenate([self.masks, other.masks])[order])


@dataclass(frozen=True)
class Content:
    """What cells hold: an image, and where they differ from it."""

    image: Image
    flips: Deviations

    def cells(self, codewords: Codewords) -> Masks:
        """The cells of codewords."""
        return self.image.cells(codewords) ^ self.flips.at(codewords)


@dataclass(frozen=True)
class Effects:
    """Upsets of one mechanism, one row for each group of cells that are looked up together.

    Attributes:
        key: names of the groups, sorted: a codeword, or a codeword and an interval.
        masks: (group, effect, half): cells in which a 0 goes up, a 1 goes down, and in which a 0, or a 1, is replaced
            by the old value.
    """

    key: NDArray[np.int64]
    masks: NDArray[np.uint64]

    @classmethod
    def gather(
        cls, key: NDArray[np.int64], bit: NDArray[np.int64], becomes: BitValues, placement: Placement
    ) -> Effects:
        """Rows from single cells.

        Args:
            key: the group of each cell.
            bit: its bit in the codeword.
            becomes: what it becomes.
            placement: for the number of data cells and of halves.
        """
        order = np.argsort(key, kind="stable")
        key, bit, becomes = key[order], bit[order], becomes[order]
        new = np.ones(len(key), bool)
        np.not_equal(key[1:], key[:-1], out=new[1:])
        first = np.flatnonzero(new)
        masks = np.zeros((len(first), 4, placement.halves), np.uint64)
        data_bits = placement.code.data_bits
        for half in range(placement.halves):
            mine = (bit < data_bits) if half == 0 else (bit >= data_bits)
            shift = np.where(mine, bit - half * data_bits, 0).astype(np.uint64)
            # A codeword has 64 cells in a half at most, and a cell comes once: sums of powers of two are unions.
            for effect, which in enumerate((becomes & 1, ~(becomes >> 1) & 1, becomes >> 2 & 1, becomes >> 3 & 1)):
                if which.any():
                    of_cells = np.where(mine, which, 0).astype(np.uint64) << shift
                    masks[:, effect, half] = np.bitwise_or.reduceat(of_cells, first)
        return cls(key[first], masks)

    def apply(self, key: NDArray[np.int64], cells: Masks, old: Masks) -> None:
        """Changes `cells`, in place.

        Args:
            key: the group of each row of `cells`, in any order.
            cells: what the cells hold.
            old: what they held before they were written.
        """
        row, found = look_up(self.key, key)
        self.change(row[found], found, cells, old)

    def change(self, row: NDArray[np.int64], found: NDArray[np.bool_], cells: Masks, old: Masks) -> None:
        """The same for groups that were looked up: `found` says for which rows of `cells`, `row` which groups."""
        if not len(row):
            return
        up, down, old_0, old_1 = np.moveaxis(self.masks[row], 1, 0)
        held, before = cells[found], old[found]
        flips = (~held & (up | old_0 & before)) | (held & (down | old_1 & ~before))
        cells[found] = held ^ flips


@dataclass(frozen=True)
class WriteBacks:
    """Failed writes of words that were there before: a scrub or a rewrite changes only the cells that were wrong.

    Attributes:
        mechanism: whose cells keep their old value.
        key: of its draws.
        placement: of the codewords.
    """

    mechanism: RandomEvents
    key: Key
    placement: Placement

    def change(
        self, interval: npt.ArrayLike, rates: npt.ArrayLike, codeword: Codewords, cells: Masks, old: Masks
    ) -> None:
        """Changes `cells`, in place.

        Args:
            interval: the interval that the write began, one for all rows of `cells` or one for each.
            rates: the probabilities that a change from 0 to 1 fails, and one from 1 to 0, in the same way.
            codeword: that of each row.
            cells: what the cells hold.
            old: what they held before they were written.
        """
        row, half, bit = ones(cells ^ old)
        rises = (cells[row, half] >> bit.astype(np.uint64) & np.uint64(1)).astype(bool)
        cell = self.placement.cell(codeword[row], bit + half * self.placement.code.data_bits)
        of_rows = np.broadcast_to(np.asarray(rates, np.float64), (len(cells), 2))[row]
        intervals = np.broadcast_to(interval, len(cells))[row]
        rate = np.where(rises, of_rows[:, 0], of_rows[:, 1])
        fails = self.mechanism.fails_to_change(self.key, cell, intervals, rate)
        flips = np.uint64(1) << bit[fails].astype(np.uint64)
        np.bitwise_xor.at(cells, (row[fails], half[fails]), flips)


def count_ones(masks: Masks) -> int:
    """Number of ones in all of them."""
    return int(np.bitwise_count(masks).sum(dtype=np.int64))


def look_up(table: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where keys stand in a sorted table, and whether they do."""
    row = table.searchsorted(keys)
    inside = row < len(table)
    found = np.zeros(len(keys), bool)
    found[inside] = table[row[inside]] == keys[inside]
    return row, found


def in_use(
    cell: Cells, becomes: BitValues, placement: Placement, codewords: int
) -> tuple[Codewords, NDArray[np.int64], NDArray[np.bool_]]:
    """Codeword and bit of cells that belong to the first `codewords`, and which of the cells these are."""
    codeword, bit = placement.locate(cell)
    keep = (codeword >= 0) & (codeword < codewords)
    return codeword[keep], bit[keep], keep
