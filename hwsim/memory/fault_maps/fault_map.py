"""Fault maps: which cells of a memory fail, measured on a chip or taken from a run.

    measured = FaultMap.from_csv("chip.csv", geometry)
    measured.at(0.55).faults(memory)               # what it does to the words of a network, at 0.55 V
    FaultMap.of_readout(device.read()).to_csv("run.csv")

Their form as a file is in `hwsim.memory.fault_maps.fault_map_file`, what tells a clustered one from a random one in
`hwsim.memory.fault_maps.fault_map_summary`, a picture in `hwsim.report.map_figure`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.fault_maps import fault_map_file
from hwsim.memory.fault_maps.fault_map_file import FAILS, Threshold
from hwsim.memory.faults.faults import Faults
from hwsim.memory.mechanisms.mechanism import TOGGLE, Upsets

if TYPE_CHECKING:
    from hwsim.memory.cells.memory import Layout, Memory
    from hwsim.memory.device.readout import Readout

__all__ = ["FAILS", "FaultMap", "Threshold"]


@dataclass(frozen=True, eq=False)
class FaultMap:
    """The faulty cells of a memory.

    Attributes:
        geometry: of the memory.
        cell: numbers of the cells, sorted, each once.
        fails: what each gives when it fails: `FORCE_0`, `FORCE_1` or `TOGGLE`.
        threshold: threshold of each, if any were measured.
        threshold_of: what the thresholds are.
        technology: of the memory, if known.
        conditions: under which the map was taken, name -> value as text.

    Raises:
        HwsimError: for cells that the memory does not have.
    """

    geometry: Geometry
    cell: NDArray[np.int64]
    fails: NDArray[np.uint8]
    threshold: NDArray[np.float64] | None = None
    threshold_of: Threshold | None = None
    technology: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.cell) and bool((np.diff(self.cell) <= 0).any()):
            raise HwsimError("The cells of a fault map must be sorted, each once: use FaultMap.of.")
        if len(self.cell) and not 0 <= self.cell[0] <= self.cell[-1] < self.geometry.cells:
            worst = int(self.cell[0] if self.cell[0] < 0 else self.cell[-1])
            raise HwsimError(f"Cell {worst:,} is beyond the {self.geometry.cells:,} cells of the memory.")
        if not bool(np.isin(self.fails, list(FAILS.values())).all()):
            raise HwsimError("A cell of a fault map fails to 0, to 1 or flips: give FORCE_0, FORCE_1 or TOGGLE.")
        if (self.threshold is None) != (self.threshold_of is None):
            raise HwsimError("Thresholds need to be named: give threshold and threshold_of, or neither.")
        for name, value in {"technology": self.technology, **self.conditions}.items():
            if "\n" in f"{name}{value}" or "=" in name or not name.strip():
                raise HwsimError(f"{name!r} = {value!r} cannot stand in a fault map: no line breaks, no '=' in a name.")

    @classmethod
    def of(cls, geometry: Geometry, cell: npt.ArrayLike, fails: npt.ArrayLike = TOGGLE, **more: Any) -> FaultMap:
        """A map of cells in any order; of a cell that comes twice the first counts.

        Args:
            geometry: of the memory.
            cell: numbers of the cells.
            fails: what each gives, or all give: `FORCE_0`, `FORCE_1`, `TOGGLE`.
            more: `threshold` (one a cell), `threshold_of`, `technology`, `conditions`.
        """
        cells, first = np.unique(np.asarray(cell, np.int64), return_index=True)
        values = np.broadcast_to(np.asarray(fails, np.uint8), np.shape(cell))[first]
        if more.get("threshold") is not None:
            more["threshold"] = np.asarray(more["threshold"], np.float64)[first]
        return cls(geometry, cells, values, **more)

    @classmethod
    def of_upsets(cls, geometry: Geometry, upsets: Upsets, **more: Any) -> FaultMap:
        """The map of what a mechanism does.

        Raises:
            HwsimError: for cells that keep the value from before a write.
        """
        if not bool(np.isin(upsets.becomes, list(FAILS.values())).all()):
            raise HwsimError("Cells that keep the value they held before a write cannot stand in a fault map.")
        return cls.of(geometry, upsets.cell, upsets.becomes, **more)

    @classmethod
    def of_readout(cls, readout: Readout, **more: Any) -> FaultMap:
        """The cells that a device's read found wrong, before decoding; check cells are among them."""
        return cls.of(readout.placement.geometry, readout.cells, TOGGLE, **more)

    @classmethod
    def of_faults(cls, faults: Faults, geometry: Geometry | None = None, **more: Any) -> FaultMap:
        """The flipped bits of a run as cells, each of which flips: replayed on the same words, the same faults.

        Args:
            faults: of a memory of number words.
            geometry: of the cells that hold them, number word after number word in each memory word, the first in its
                lowest bits; None: one bank with a number word in each row.

        Raises:
            HwsimError: where the words do not fit the geometry.
        """
        geometry = geometry or _linear(faults.layout)
        per_word = _number_words(faults.layout, geometry)
        flipped = faults.before ^ faults.after
        row, bit = np.nonzero(flipped[:, None] >> np.arange(faults.format.width, dtype=flipped.dtype) & 1)
        word, slot = np.divmod(faults.address[row], per_word)
        return cls.of(geometry, geometry.cell(word, slot * faults.format.width + bit), TOGGLE, **more)

    def faults(self, memory: Memory) -> Faults:
        """What the map does to the words that `memory` holds, placed as in `of_faults`; other cells hold nothing.

        Raises:
            HwsimError: if the memory is larger than the map's.
        """
        layout, width = memory.layout, memory.format.width
        per_word = _number_words(layout, self.geometry)
        word, bit = self.geometry.locate(self.cell)
        slot, bit = np.divmod(bit, width)
        address = word * per_word + slot
        used = (word >= 0) & (slot < per_word) & (address < layout.words)
        address, bit, fails = address[used], bit[used], self.fails[used]
        dtype = memory.format.dtype
        stored = memory.flat[address] >> bit.astype(dtype) & dtype.type(1)
        after = fails >> stored.astype(np.uint8) & np.uint8(1)
        flips = after != stored
        mask = dtype.type(1) << bit[flips].astype(dtype)
        addresses, which = np.unique(address[flips], return_inverse=True)
        masks = np.zeros(len(addresses), dtype)
        np.bitwise_or.at(masks, which, mask)
        before = memory.flat[addresses]
        return Faults(layout, memory.checksum, addresses, before, before ^ masks)

    def at(self, level: float) -> FaultMap:
        """The cells that fail at a level: a voltage, a time, in the unit of the thresholds. They stay nested.

        Raises:
            HwsimError: for a map without thresholds.
        """
        if self.threshold is None or self.threshold_of is None:
            raise HwsimError("This fault map has no thresholds: all of its cells fail.")
        some = self.threshold > level if self.threshold_of.fails == "below" else self.threshold < level
        return replace(
            self,
            cell=self.cell[some],
            fails=self.fails[some],
            threshold=None,
            threshold_of=None,
            conditions={**self.conditions, "level": f"{level:.17g} {self.threshold_of.unit}"},
        )

    def upsets(self, level: float | None = None) -> Upsets:
        """The failing cells as mechanisms give them; at a level if the map has thresholds."""
        if level is not None:
            return self.at(level).upsets()
        if self.threshold is not None:
            raise HwsimError("This fault map has thresholds: say at which level, as in upsets(0.55).")
        return Upsets(self.cell, self.fails)

    def require(self, geometry: Geometry, name: str = "The fault map") -> None:
        """Check that the map is of a memory of this size: as many banks, rows and columns.

        Raises:
            HwsimError: otherwise.
        """
        self.geometry.require_size_of(geometry, name)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the map to a file.

        Raises:
            HwsimError: if it cannot be written; nothing is left half written.
        """
        fault_map_file.write(self, Path(path))

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], geometry: Geometry | None = None) -> FaultMap:
        """The map that a file holds.

        Args:
            path: of the file.
            geometry: of the memory that it is for, whose words and blocks are then used; None: as the file says.

        Raises:
            HwsimError: if the file is no fault map, or is of a memory of another size.
        """
        found = cls(**fault_map_file.read(Path(path)))
        if geometry is None:
            return found
        found.require(geometry, f"The fault map {os.fspath(path)!r}")
        return replace(found, geometry=geometry)

    def __len__(self) -> int:
        return len(self.cell)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaultMap):
            return NotImplemented
        same = [np.array_equal(self.cell, other.cell), np.array_equal(self.fails, other.fails)]
        if self.threshold is not None and other.threshold is not None:
            same.append(np.array_equal(self.threshold, other.threshold))
        return all(same) and fault_map_file.header(self) == fault_map_file.header(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kinds = ", ".join(f"{int((self.fails == code).sum()):,} {_KINDS[name]}" for name, code in FAILS.items())
        return f"<FaultMap: {len(self):,} of {self.geometry.cells:,} cells fail ({kinds}), {self.geometry.size}>"


_KINDS = {"0": "to 0", "1": "to 1", "flip": "flip"}


def _linear(layout: Layout) -> Geometry:
    width, words = layout.format.width, max(1, layout.words)
    return Geometry(banks=1, rows=words, columns=width, word_cells=width, block_rows=words, block_columns=width)


def _number_words(layout: Layout, geometry: Geometry) -> int:
    """Number words in a memory word."""
    width = layout.format.width
    per_word = geometry.word_cells // width
    if not per_word:
        raise HwsimError(f"A word of {layout.format.name} does not fit a memory word of {geometry.word_cells} cells.")
    if layout.words > per_word * geometry.words:
        raise HwsimError(
            f"{layout.words:,} words of {layout.format.name} do not fit a memory of {geometry.size}, which has room "
            f"for {per_word * geometry.words:,}."
        )
    return per_word
