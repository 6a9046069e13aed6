"""Faults: which words of a memory changed, from what to what. Sparse, one row for each faulty word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.cells.memory import Layout, Memory, Region, Words
from hwsim.memory.faults import fault_log
from hwsim.tabular import Notebook, Tabular

if TYPE_CHECKING:
    from hwsim.words import WordFormat


@dataclass(frozen=True, eq=False)
class Faults(Notebook):
    """The faulty words of a memory, in order of address, each once.

    Attributes:
        layout: what lies where in the memory.
        checksum: of the words that were written to the memory: `Memory.checksum`.
        address: addresses of the words.
        before: the words as stored.
        after: the words with their flipped bits. A faulty word is always a word: no bit beyond its width.
    """

    layout: Layout
    checksum: int
    address: NDArray[np.int64]
    before: Words
    after: Words

    @property
    def format(self) -> WordFormat:
        """The number format of the words."""
        return self.layout.format

    @property
    def flips(self) -> int:
        """Number of flipped bits."""
        return int(np.bitwise_count(self.before ^ self.after).sum(dtype=np.int64))

    def by_region(self) -> Iterator[tuple[Region, NDArray[np.int64], Words, Words]]:
        """The tensors that have faults: (region, row-major indices of the faulty elements, before, after)."""
        starts = np.array([region.first_word for region in self.layout.regions], np.int64)
        bounds = [*self.address.searchsorted(starts).tolist(), len(self)]
        for region, start, stop in zip(self.layout.regions, bounds[:-1], bounds[1:], strict=True):
            if start < stop:
                index = self.address[start:stop] - region.first_word
                yield region, index, self.before[start:stop], self.after[start:stop]

    def by_field(self) -> dict[str, int]:
        """Flipped bits in each field of the format, in order from the most significant."""
        flipped = self.before ^ self.after
        return {
            field.name: int(np.bitwise_count(flipped & flipped.dtype.type(field.mask)).sum(dtype=np.int64))
            for field in self.format.fields
        }

    def require(self, layout: Layout, checksum: int) -> None:
        """Check that the faults are of a memory that was written with the words of this checksum.

        Raises:
            HwsimError: otherwise.
        """
        difference = self.layout.difference(layout)
        if difference:
            raise HwsimError(f"These faults belong to another memory: they were drawn for {difference}.")
        if self.checksum != checksum:
            raise HwsimError(
                "These faults belong to another memory: it was written with other words, of the same layout; draw them "
                "on a memory of the words that are read."
            )

    def bits_set(self, mask: int) -> int:
        """Bits under `mask` that were stored as 0 and are 1."""
        raised = self.after & ~self.before
        return int(np.bitwise_count(raised & raised.dtype.type(mask)).sum(dtype=np.int64))

    def apply(self, memory: Memory) -> None:
        """Flips the bits in `memory`, in place.

        Raises:
            HwsimError: if its layout is another one.
        """
        difference = self.layout.difference(memory.layout)
        if difference:
            raise HwsimError(f"These faults belong to another memory: they were drawn for {difference}.")
        memory.flat[self.address] ^= self.before ^ self.after

    def undo(self, memory: Memory) -> None:
        """Flips the same bits back, in place: exactly what `apply` did is undone."""
        self.apply(memory)

    def log(self) -> NDArray[Any]:
        """The fault log, one row for each flipped bit: fields tensor, index, bit, before, after.

        See `hwsim.memory.faults.fault_log` for their meaning and for the form as a file.
        """
        return fault_log.rows(self)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Writes the fault log to a CSV file.

        Raises:
            HwsimError: if it cannot be written.
        """
        fault_log.write(self, path)

    @classmethod
    def from_csv(cls, path: str | PathLike[str], memory: Memory) -> Faults:
        """The flips that a CSV file logs, on what `memory` holds now.

        On the words that the log was drawn on this gives back the logged faults to the bit.

        Raises:
            HwsimError: if the file is no fault log, or was drawn for another layout.
        """
        address, mask = fault_log.read(path, memory.layout)
        before = memory.flat[address]
        return cls(memory.layout, memory.checksum, address, before, before ^ mask)

    def _table(self) -> Tabular:
        """The tensors that have faults, and which bits flipped in each."""
        names = [field.name for field in self.format.fields]
        rows = []
        for region, index, before, after in self.by_region():
            flips = Faults(self.layout, self.checksum, region.first_word + index, before, after).by_field()
            counted = (region.words, len(index), *(flips[name] for name in names))
            rows.append([region.name, *(f"{count:,}" for count in counted)])
        columns = ("tensor", ">words", ">faulty", *(f">{name} flips" for name in names))
        return Tabular(repr(self).strip("<>"), columns, rows)

    def __len__(self) -> int:
        return len(self.address)

    def __repr__(self) -> str:
        fields = ", ".join(f"{count:,} {name}" for name, count in self.by_field().items())
        return (
            f"<Faults: {self.flips:,} flipped bits ({fields}) in {len(self):,} of {self.layout.words:,} words "
            f"of {self.format.name}>"
        )
