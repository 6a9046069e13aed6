"""What a read of a memory device gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from hwsim.memory.ecc import Outcome
from hwsim.memory.effects import Deviations
from hwsim.memory.faults import Faults
from hwsim.memory.image import Placement
from hwsim.memory.mechanism import Cells
from hwsim.memory.units import duration
from hwsim.tabular import Tabular


@dataclass(frozen=True)
class Readout:
    """What a read of all written words gave.

    Attributes:
        time_s: age of the device at the read, s.
        faults: the number words that are read wrong, after decoding: what `Accelerator.run` takes.
        outcome: what became of the codewords, all of them counted.
        changed: for each mechanism, cells that it changed, in the order in which mechanisms act. One may undo what
            another did.
        placement: where the codewords lie.
        wrong: cells that were read wrong before decoding, by codeword.
    """

    time_s: float
    faults: Faults
    outcome: Outcome
    changed: Mapping[str, int]
    placement: Placement
    wrong: Deviations

    @property
    def wrong_bits(self) -> int:
        """Cells that were read wrong, check cells included."""
        return self.wrong.count

    @cached_property
    def cells(self) -> Cells:
        """The physical addresses of these cells, sorted."""
        return self.placement.set_cells(self.wrong.codeword, self.wrong.masks)

    def _table(self) -> Tabular:
        """What each mechanism changed, what was read wrong, and what became of the codewords."""
        became = asdict(self.outcome)
        rows = [
            *([f"cells changed by {name}", f"{cells:,}"] for name, cells in self.changed.items()),
            ["cells read wrong, before decoding", f"{self.wrong_bits:,}"],
            *([f"codewords {name}", f"{number:,}"] for name, number in became.items()),
            ["words read wrong, after decoding", f"{len(self.faults):,}"],
        ]
        return Tabular(f"Read of a device {duration(self.time_s)} old", ("what", ">how many"), rows)

    def _repr_html_(self) -> str:
        return self._table().html()

    def __repr__(self) -> str:
        return (
            f"<Readout at {self.time_s:g} s: {self.wrong_bits:,} wrong cells, {len(self.faults):,} wrong words; "
            f"{self.outcome}>"
        )
