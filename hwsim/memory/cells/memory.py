"""The simulated memory: the words of named tensors, one after the other in one address space.

Word w holds the cells w * width to w * width + width - 1, least significant bit first; tensors follow each
other in the order in which they were written, each in row-major order, without gaps.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError, shown, unknown
from hwsim.tabular import Notebook, Tabular
from hwsim.words import WordFormat, get_format

Words = NDArray[Any]  # uint8, uint16 or uint32, as the format says


@dataclass(frozen=True)
class Region:
    """Where a tensor lies.

    Attributes:
        name: the tensor's name.
        shape: its shape.
        first_word: address of its first word.
    """

    name: str
    shape: tuple[int, ...]
    first_word: int

    @property
    def words(self) -> int:
        """Number of words, one per element."""
        return math.prod(self.shape)

    @property
    def end(self) -> int:
        """Address after its last word."""
        return self.first_word + self.words

    def __str__(self) -> str:
        return f"{self.name} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Layout:
    """What lies where in a memory: all that is to be known of it but the stored words themselves."""

    format: WordFormat
    regions: tuple[Region, ...]

    @classmethod
    def of(cls, tensors: Mapping[str, Words], format: WordFormat) -> Layout:
        """The layout of tensors that follow each other.

        Raises:
            HwsimError: for arrays that hold no such words.
        """
        if not isinstance(tensors, Mapping):
            raise HwsimError(f"What a memory holds must be names and their arrays of words, not {shown(tensors)}.")
        regions, first = [], 0
        for name, words in tensors.items():
            if not isinstance(words, np.ndarray):
                raise HwsimError(
                    f"Tensor {name!r} must be an array of words, not {type(words).__name__}: encode it first."
                )
            if words.dtype != format.dtype:
                raise HwsimError(
                    f"Tensor {name!r} has elements of type {words.dtype}, but words of {format.name} are "
                    f"{format.dtype}: encode it first."
                )
            regions.append(Region(name, tuple(words.shape), first))
            first = regions[-1].end
        return cls(format, tuple(regions))

    @cached_property
    def words(self) -> int:
        """Number of words."""
        return self.regions[-1].end if self.regions else 0

    @property
    def cells(self) -> int:
        """Number of cells; each stores one bit."""
        return self.words * self.format.width

    def region(self, name: str) -> Region:
        """The region of a tensor.

        Raises:
            HwsimError: for a name that is not stored.
        """
        for region in self.regions:
            if region.name == name:
                return region
        raise unknown("stored tensor", name, [region.name for region in self.regions])

    def difference(self, other: Layout) -> str | None:
        """What tells `other` from this layout, as part of a sentence; None if they are the same."""
        if self.format.name != other.format.name:
            return f"{self.format.name} words, not {other.format.name} words"
        for mine, theirs in zip(self.regions, other.regions, strict=False):
            if mine != theirs:
                return f"{mine}, not {theirs}"
        if len(self.regions) != len(other.regions):
            return f"{len(self.regions)} tensors, not {len(other.regions)}"
        return None


def checksum(tensors: Iterable[Words]) -> int:
    """CRC-32 of words in order of address: what tells two memories of one layout apart."""
    found = 0
    for words in tensors:
        found = zlib.crc32(np.ascontiguousarray(words).data, found)
    return found


class Memory(Notebook):
    """A memory that `tensors` have just been written to.

    The words are copied, as a write does: what happens to the cells does not reach the arrays given.

    Args:
        tensors: name -> array of words, of any shape, in the order of their addresses.
        format: their format, or its name; every array has its `dtype` and no bits beyond its `width`.

    Attributes:
        layout: what lies where.
        flat: all words in order of address, one dimension.
        words_written: words that were written to it.
        checksum: of these words, whatever became of them since: see `hwsim.memory.cells.memory.checksum`.

    Raises:
        HwsimError: for arrays that are not words of this format.
    """

    def __init__(self, tensors: Mapping[str, Words], format: WordFormat | str) -> None:
        format = get_format(format)
        self.layout = Layout.of(tensors, format)
        self.flat: Words = np.empty(self.layout.words, format.dtype)
        for name, words in tensors.items():
            self.tensor(name)[...] = words
        spare = 8 * format.dtype.itemsize - format.width
        if spare and self.layout.words and int(self.flat.max()) >> format.width:
            raise HwsimError(f"A stored word has bits beyond the {format.width} bits of {format.name}.")
        self.words_written = self.layout.words
        self.checksum = checksum([self.flat])

    @property
    def format(self) -> WordFormat:
        """The number format of its words."""
        return self.layout.format

    @property
    def regions(self) -> tuple[Region, ...]:
        """Where each tensor lies, in order of address."""
        return self.layout.regions

    @property
    def words(self) -> int:
        """Number of words."""
        return self.layout.words

    @property
    def cells(self) -> int:
        """Number of cells; each stores one bit."""
        return self.layout.cells

    def tensor(self, name: str) -> Words:
        """The stored words of a tensor, in its shape: a view, so that writing to it writes to the memory."""
        region = self.layout.region(name)
        return self.flat[region.first_word : region.end].reshape(region.shape)

    def _table(self) -> Tabular:
        """Where each tensor lies."""
        rows = [
            [region.name, " x ".join(map(str, region.shape)), f"{region.first_word:,}", f"{region.words:,}"]
            for region in self.regions
        ]
        return Tabular(repr(self).strip("<>"), ("tensor", "shape", ">first word", ">words"), rows)

    def __repr__(self) -> str:
        return (
            f"<Memory: {self.words:,} words of {self.format.name} in {len(self.regions)} tensors, {self.cells:,} cells>"
        )
