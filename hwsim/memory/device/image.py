"""What the cells of a memory were meant to hold: number words in codewords, and codewords in cells.

Cells are handled by codeword: one or two uint64 numbers, the data cells and the check cells if there are any, an
array of shape (codewords, halves). Nothing here looks at more codewords than it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.errors import unknown
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.ecc import Code, Decoded, pack, unpack
from hwsim.memory.mechanisms.mechanism import uniform
from hwsim.memory.random import Key
from hwsim.words import WordFormat

Codewords = NDArray[np.int64]
Masks = NDArray[np.uint64]  # (codewords, halves)
Fill = Literal["zeros", "ones", "random"]
FILLS: dict[str, str] = {
    "zeros": "all cells hold 0",
    "ones": "all cells hold 1",
    "random": "each cell holds 0 or 1, from the seed",
}

_ONE = np.uint64(1)


@dataclass(frozen=True)
class Placement:
    """Which cell holds which bit of which codeword.

    A memory word has its data bits first, codeword after codeword, and then their check bits. Bits of a codeword are
    counted through the data and then the check cells.
    """

    geometry: Geometry
    code: Code

    @property
    def halves(self) -> int:
        """Numbers that hold the cells of a codeword."""
        return 2 if self.code.check_bits else 1

    def locate(self, cell: npt.ArrayLike) -> tuple[Codewords, NDArray[np.int64]]:
        """The codeword that cells belong to, and the bit of it; -1 and -1 for spare cells."""
        code = self.code
        word, bit = self.geometry.locate(cell)
        check = bit - code.word_bits
        is_check = check >= 0
        within = np.where(is_check, check // max(code.check_bits, 1), bit // code.data_bits)
        of_codeword = np.where(is_check, code.data_bits + check % max(code.check_bits, 1), bit % code.data_bits)
        spare = word < 0
        return np.where(spare, -1, word * code.codewords + within), np.where(spare, -1, of_codeword)

    def cell(self, codeword: npt.ArrayLike, bit: npt.ArrayLike) -> NDArray[np.int64]:
        """The physical address of a bit of a codeword."""
        code = self.code
        word, within = np.divmod(np.asarray(codeword, np.int64), code.codewords)
        bits = np.asarray(bit, np.int64)
        data = within * code.data_bits + bits
        check = code.word_bits + within * code.check_bits + bits - code.data_bits
        return self.geometry.cell(word, np.where(bits < code.data_bits, data, check))

    def set_cells(self, codeword: Codewords, masks: Masks) -> NDArray[np.int64]:
        """Sorted addresses of the cells that are 1 in `masks`."""
        row, half, bit = ones(masks)
        return np.sort(self.cell(codeword[row], bit + half * self.code.data_bits))

    def bits(self, image: Image, cell: npt.ArrayLike) -> NDArray[np.uint8]:
        """The bits of `image` in some cells; 0 in spare ones."""
        codeword, bit = self.locate(cell)
        spare = codeword < 0
        codewords, which = np.unique(np.where(spare, 0, codeword), return_inverse=True)
        masks = image.cells(codewords)
        half = (bit >= self.code.data_bits).astype(np.int64)
        shift = np.where(spare, 0, bit - half * self.code.data_bits).astype(np.uint64)
        return np.where(spare, 0, masks[which, half] >> shift & _ONE).astype(np.uint8)

    def encode(self, data: NDArray[np.uint64]) -> Masks:
        """The cells for the data of codewords."""
        return np.stack(self.code.encode(data)[: self.halves], axis=-1)

    def decode(self, masks: Masks) -> Decoded:
        """What the decoder makes of cells."""
        return self.code.decode(masks[:, 0], masks[:, 1] if self.halves == 2 else np.zeros(len(masks), np.uint64))


def ones(masks: Masks) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where masks are 1: row, half, and bit of that half."""
    row, bit = np.nonzero(np.unpackbits(masks.astype("<u8").view(np.uint8), axis=1, bitorder="little"))
    return (row, *np.divmod(bit, 64))


class Image(Protocol):
    """What cells hold, or were meant to hold."""

    def cells(self, codewords: Codewords) -> Masks:
        """The cells of codewords."""


@dataclass(frozen=True)
class Blank:
    """A memory that nothing was ever written to.

    Raises:
        HwsimError: for an unknown `fill`.
    """

    fill: Fill
    placement: Placement
    key: Key

    def __post_init__(self) -> None:
        if self.fill not in FILLS:
            raise unknown("content of a new memory", self.fill, FILLS)

    def cells(self, codewords: Codewords) -> Masks:
        code, halves = self.placement.code, self.placement.halves
        masks = np.zeros((len(codewords), halves), np.uint64)
        for half, bits in enumerate((code.data_bits, code.check_bits)[:halves]):
            if self.fill == "ones":
                masks[:, half] = (1 << bits) - 1
            elif self.fill == "random":
                for bit in range(bits):
                    cell = self.placement.cell(codewords, bit + half * code.data_bits)
                    masks[:, half] |= (uniform(self.key, cell) < 0.5).astype(np.uint64) << np.uint64(bit)
        return masks


@dataclass(frozen=True)
class Written:
    """Number words that were written, over what was there before.

    Attributes:
        flat: the number words, in order of address.
        format: their format.
        placement: where they lie. A last memory word that they do not fill is filled up with zeros.
        beneath: what the cells behind them hold.
    """

    flat: NDArray[Any]
    format: WordFormat
    placement: Placement
    beneath: Image

    @property
    def per_codeword(self) -> int:
        """Number words in a codeword."""
        return self.placement.code.data_bits // self.format.width

    @property
    def memory_words(self) -> int:
        """Memory words that are written."""
        return -(-len(self.flat) // (self.per_codeword * self.placement.code.codewords))

    @property
    def codewords(self) -> int:
        """Codewords that are written."""
        return self.memory_words * self.placement.code.codewords

    def data(self, codewords: Codewords) -> NDArray[np.uint64]:
        """The data of codewords, all of them written."""
        return pack(self.words(codewords), self.format, self.placement.code)

    def words(self, codewords: Codewords) -> NDArray[Any]:
        """The number words of codewords, in rows; zeros behind the last one."""
        address = self.addresses(codewords)
        inside = address < len(self.flat)
        if len(self.flat) == 0:
            return np.zeros(address.shape, self.format.dtype)
        return np.where(inside, self.flat[np.where(inside, address, 0)], self.format.dtype.type(0))

    def addresses(self, codewords: Codewords) -> NDArray[np.int64]:
        """The addresses of the number words of codewords, in rows."""
        return codewords[:, np.newaxis] * self.per_codeword + np.arange(self.per_codeword)

    def cells(self, codewords: Codewords) -> Masks:
        inside = codewords < self.codewords
        if inside.all():
            return self.placement.encode(self.data(codewords))
        masks = self.beneath.cells(codewords)
        masks[inside] = self.placement.encode(self.data(codewords[inside]))
        return masks

    def unpack(self, data: NDArray[np.uint64]) -> NDArray[Any]:
        """The number words in the data of codewords, in rows."""
        return unpack(data, self.format, self.placement.code)
