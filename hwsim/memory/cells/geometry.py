"""Where the cells of a memory lie: banks, blocks, rows and columns, and how words are interleaved in a row.

The rows of all banks are numbered in turn, row 0 of every bank before row 1 of any: line = row * banks + bank. A cell's
physical address is line * columns + column. Words fill line after line, so that what is stored occupies a prefix of
the lines, and a larger network the cells of a smaller one and more.

Within a line, `interleave` words share a group of columns bit by bit: bit b of the j-th of them lies in column
b * interleave + j of the group. A cluster of upsets in neighbouring columns then hits many words once, and not one
word many times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.errors import HwsimError, shown, unknown

CellNumbers = NDArray[np.int64]

MOST_INTERLEAVED = 4096
"""Words that may share a row bit by bit: rows of real memories have some thousand cells."""

_MOST_ADDRESSES = 2**62  # cells of a memory and of the blocks that it is cut into: numpy counts them in signed words

SCOPES = ("cell", "word", "column", "row", "block", "bank")


class Position(NamedTuple):
    """Where cells lie; arrays, one element a cell.

    Attributes:
        bank: the bank.
        block: the block, counted through all banks in order of `Geometry.unit`.
        row: the row within the bank.
        column: the column within the row.
    """

    bank: CellNumbers
    block: CellNumbers
    row: CellNumbers
    column: CellNumbers


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The arrangement of a memory's cells.

    Attributes:
        banks: number of banks.
        rows: rows of a bank.
        columns: cells in a row; those that no word reaches are spare.
        word_cells: cells of a memory word, its check bits included.
        interleave: words that share a group of columns bit by bit.
        block_rows: rows of a block, an array with bit lines of its own.
        block_columns: columns of a block.

    Raises:
        HwsimError: for numbers below 1 and for a row that is too short for its interleaved words.
    """

    banks: int
    rows: int
    columns: int
    word_cells: int
    interleave: int = 1
    block_rows: int = 512
    block_columns: int = 512

    def __post_init__(self) -> None:
        for name in ("banks", "rows", "columns", "word_cells", "interleave", "block_rows", "block_columns"):
            if getattr(self, name) < 1:
                raise HwsimError(f"{name} = {shown(getattr(self, name))} is no geometry: give at least 1.")
        _check_interleave(self.interleave)
        lines = self.banks * (self.rows + self.block_rows)
        if lines * (self.columns + self.block_columns) > _MOST_ADDRESSES:
            raise HwsimError(
                f"{shown(self.banks)} banks of {shown(self.rows)} rows of {shown(self.columns)} columns have more "
                "cells than an address of 64 bits tells apart, blocks that stick out included: give fewer."
            )
        if self.columns < self.word_cells * self.interleave:
            shared = f" and {self.interleave} of them share a row bit by bit" if self.interleave > 1 else ""
            raise HwsimError(
                f"A memory word has {self.word_cells} cells with its check bits{shared}, which does not fit a row of "
                f"{self.columns} columns: give at least {self.word_cells * self.interleave} columns."
            )

    @classmethod
    def for_words(
        cls,
        words: int,
        *,
        word_bits: int,
        check_bits: int = 0,
        banks: int = 1,
        interleave: int = 1,
        block_rows: int = 512,
        block_columns: int = 512,
        columns: int | None = None,
    ) -> Geometry:
        """A geometry for `words` memory words.

        A row is as long as a block, or as the interleaved words if these are longer, and check bits make it longer
        in proportion: whatever the code, a row holds the same words.

        Args:
            words: how many memory words there are to be, at least.
            word_bits: data bits of a memory word.
            check_bits: its check bits.
            banks: see the attributes, as for the next three.
            interleave: words interleaved in a row.
            block_rows: rows of a block.
            block_columns: columns of a block, without check bits.
            columns: cells in a row, if a block is not to be made wider for check bits.
        """
        cells = word_bits + check_bits
        for name, value in (("words", words), ("word_bits", word_bits), ("banks", banks), ("interleave", interleave)):
            if value < 1:
                raise HwsimError(f"{name} = {value} is no geometry: give at least 1.")
        if interleave > MOST_INTERLEAVED:
            raise HwsimError(
                f"interleave = {shown(interleave)} words cannot share a row: give at most {MOST_INTERLEAVED}."
            )
        if columns is None:
            groups = max(1, block_columns // (word_bits * interleave))
            columns = groups * interleave * cells
            if block_columns >= word_bits * interleave:
                # What the table's block has beyond whole words stays spare.
                columns += block_columns - groups * interleave * word_bits
                block_columns = columns
        per_row = columns // (cells * interleave) * interleave
        rows = -(-words // (max(per_row, 1) * banks))
        return cls(
            banks=banks,
            rows=rows,
            columns=columns,
            word_cells=cells,
            interleave=interleave,
            block_rows=block_rows,
            block_columns=block_columns,
        )

    @property
    def words_per_row(self) -> int:
        """Memory words in a row."""
        return self.columns // (self.word_cells * self.interleave) * self.interleave

    @property
    def words(self) -> int:
        """Memory words in all."""
        return self.words_per_row * self.rows * self.banks

    @property
    def cells(self) -> int:
        """Cells in all, spare ones included."""
        return self.columns * self.rows * self.banks

    @property
    def size(self) -> str:
        """Banks, rows and columns, for a person."""
        return f"{self.banks:,} banks of {self.rows:,} rows of {self.columns:,} cells"

    def require_size_of(self, other: Geometry, name: str) -> None:
        """Check that `other` has as many banks, rows and columns; `name` is what lies in this one.

        Raises:
            HwsimError: otherwise.
        """
        if self.size != other.size:
            raise HwsimError(f"{name} is of another memory: {self.size}, where this memory has {other.size}.")

    def cells_for(self, words: int) -> int:
        """Cells of the lines that `words` memory words occupy: they are the addresses below this number."""
        return -(-words // self.words_per_row) * self.columns

    # ---- Words and cells

    def cell(self, word: npt.ArrayLike, bit: npt.ArrayLike) -> CellNumbers:
        """The physical address of a bit of a memory word."""
        line, slot = np.divmod(np.asarray(word, np.int64), self.words_per_row)
        group, lane = np.divmod(slot, self.interleave)
        column = (group * self.word_cells + np.asarray(bit, np.int64)) * self.interleave + lane
        return line * self.columns + column

    def locate(self, cell: npt.ArrayLike) -> tuple[CellNumbers, CellNumbers]:
        """The memory word and the bit of it that cells hold; -1 and -1 for spare ones. The inverse of `cell`."""
        line, column = np.divmod(np.asarray(cell, np.int64), self.columns)
        position, lane = np.divmod(column, self.interleave)
        group, bit = np.divmod(position, self.word_cells)
        slot = group * self.interleave + lane
        used = slot < self.words_per_row
        return np.where(used, line * self.words_per_row + slot, -1), np.where(used, bit, -1)

    # ---- Places

    def position(self, cell: npt.ArrayLike) -> Position:
        """Bank, block, row and column of cells."""
        line, column = np.divmod(np.asarray(cell, np.int64), self.columns)
        row, bank = np.divmod(line, self.banks)
        return Position(bank, self._block(row, bank, column), row, column)

    def unit(self, scope: str, cell: npt.ArrayLike) -> CellNumbers:
        """Number of the word, column of a block, row, block or bank that cells belong to; -1 for spare ones' words.

        Units that hold the first cells have the first numbers, but for banks: all of them hold some.

        Raises:
            HwsimError: for an unknown scope.
        """
        self._check_scope(scope)
        cells = np.asarray(cell, np.int64)
        if scope == "cell":
            return cells
        if scope == "word":
            return self.locate(cells)[0]
        if scope == "row":
            return cells // self.columns
        bank, block, _, column = self.position(cells)
        if scope == "column":
            return block * self.block_columns + column % self.block_columns
        return bank if scope == "bank" else block

    def units(self, scope: str, cells: int) -> int:
        """Units that lie, at least in part, among the cells below `cells`, whole lines: numbers below this one."""
        self._check_scope(scope)
        lines = -(-cells // self.columns)
        if scope in ("cell", "row"):
            return cells if scope == "cell" else lines
        if scope == "word":
            return lines * self.words_per_row
        if scope == "bank":
            return min(self.banks, lines)
        # The blocks of one row of blocks are numbered bank by bank.
        whole, rest = divmod(lines, self.block_rows * self.banks)
        blocks = (whole * self.banks + min(rest, self.banks)) * self.blocks_across
        return blocks if scope == "block" else blocks * self.block_columns

    def unit_cells(self, scope: str) -> int:
        """The most cells that a unit has: members 0 to this, of which `members` says where they lie."""
        self._check_scope(scope)
        sizes = (1, self.word_cells, self.block_rows, self.columns, self.block_rows * self.block_columns)
        return dict(zip(SCOPES, (*sizes, self.rows * self.columns), strict=True))[scope]

    def members(self, scope: str, unit: npt.ArrayLike, member: npt.ArrayLike) -> CellNumbers:
        """The physical address of a unit's cell number `member`, counted row by row; -1 where it has none such.

        Raises:
            HwsimError: for an unknown scope.
        """
        self._check_scope(scope)
        units, members = np.broadcast_arrays(np.asarray(unit, np.int64), np.asarray(member, np.int64))
        if scope == "cell":
            return units.copy()
        if scope == "word":
            return self.cell(units, members)
        if scope == "row":
            return units * self.columns + members
        if scope == "bank":
            row, column = np.divmod(members, self.columns)
            return (row * self.banks + units) * self.columns + column
        if scope == "column":
            block, in_block = np.divmod(units, self.block_columns)
            row = members
        else:
            block = units
            row, in_block = np.divmod(members, self.block_columns)
        above, across = np.divmod(block, self.blocks_across)
        block_row, bank = np.divmod(above, self.banks)
        row, column = row + block_row * self.block_rows, in_block + across * self.block_columns
        cell = (row * self.banks + bank) * self.columns + column
        return np.where((row < self.rows) & (column < self.columns), cell, -1)

    @property
    def blocks_across(self) -> int:
        """Blocks side by side that make up a row."""
        return -(-self.columns // self.block_columns)

    @property
    def blocks(self) -> int:
        """Blocks in all."""
        return -(-self.rows // self.block_rows) * self.banks * self.blocks_across

    def _block(self, row: CellNumbers, bank: CellNumbers, column: CellNumbers) -> CellNumbers:
        above = row // self.block_rows * self.banks + bank
        return above * self.blocks_across + column // self.block_columns

    def _check_scope(self, scope: str) -> None:
        if scope not in SCOPES:
            raise unknown("scope", scope, SCOPES)

    def __str__(self) -> str:
        return (
            f"{self.banks} banks of {self.rows:,} rows of {self.columns:,} cells, {self.words:,} words of "
            f"{self.word_cells} cells, {self.interleave} of them interleaved"
        )


def _check_interleave(words: int) -> None:
    if words > MOST_INTERLEAVED:
        raise HwsimError(f"interleave = {shown(words)} words cannot share a row: give at most {MOST_INTERLEAVED}.")
