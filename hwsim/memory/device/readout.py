"""What a read of a memory device gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from hwsim.constants.units import duration
from hwsim.memory.cells.memory import Layout
from hwsim.memory.device.effects import Deviations
from hwsim.memory.device.image import Placement, Written
from hwsim.memory.ecc import Outcome, outcome
from hwsim.memory.faults.faults import Faults
from hwsim.memory.mechanisms.mechanism import Cells
from hwsim.tabular import Notebook, Tabular


@dataclass(frozen=True)
class Readout(Notebook):
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

    @classmethod
    def of(
        cls, image: Written, wrong: Deviations, layout: Layout, checksum: int, changed: Mapping[str, int], time_s: float
    ) -> Readout:
        """What a decoder makes of the cells of written words.

        Args:
            image: the words, and where they lie.
            wrong: the cells that are read wrong.
            layout: of the memory that was written.
            checksum: of its words.
            changed: as the attribute.
            time_s: the same.
        """
        decoded = image.placement.decode(image.cells(wrong.codeword) ^ wrong.masks)
        found = outcome(image.data(wrong.codeword), decoded)
        before, after = image.words(wrong.codeword), image.unpack(decoded.data)
        address = image.addresses(wrong.codeword)
        faulty = (before != after) & (address < len(image.flat))
        return cls(
            time_s=time_s,
            faults=Faults(layout, checksum, address[faulty], before[faulty], after[faulty]),
            outcome=found + Outcome(clean=image.codewords - found.codewords),
            changed=changed,
            placement=image.placement,
            wrong=wrong,
        )

    def __repr__(self) -> str:
        return (
            f"<Readout at {self.time_s:g} s: {self.wrong_bits:,} wrong cells, {len(self.faults):,} wrong words; "
            f"{self.outcome}>"
        )
