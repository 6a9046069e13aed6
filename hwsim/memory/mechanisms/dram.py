"""Faults of DRAM: charge that leaks before it is refreshed, and parts of chips that fail in the field.

Equations: `hwsim.memory.physics.dram`. How long a cell holds its charge, and which of its values is the charged one,
are properties of the cell: the same cells leak again after a rewrite. Failures in the field strike at rates that are
known per chip: a memory that is part of a chip meets its share of them, one of several chips a multiple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.memory.cells.geometry import CellNumbers, Geometry
from hwsim.memory.cells.weak_cells import weak_cells, weak_thresholds
from hwsim.memory.life.mission import Exposure
from hwsim.memory.mechanisms.mechanism import (
    Block,
    Cells,
    Mechanism,
    RandomEvents,
    Rates,
    Scope,
    Situation,
    Traits,
    Upsets,
)
from hwsim.memory.mechanisms.mechanism import Numbers as Thresholds
from hwsim.memory.physics.checks import within
from hwsim.memory.physics.dram import (
    FIELD_SCOPES,
    field_failure,
    leakage_acceleration,
    refresh_interval,
    retention_failure,
)
from hwsim.memory.technology.technology import Technology

# The units of a geometry that a mode of the field studies takes down; None for a whole chip. In how many banks or ranks
# a failure of several of them is seen was not published: it is taken for one of all banks.
_UNITS: dict[str, Scope | None] = {"bit": "cell", "n_bank": None, "n_rank": None}


def build(technology: Technology) -> dict[str, Callable[[], Mechanism | Sequence[Mechanism]]]:
    """What makes the mechanisms of a DRAM with a table's constants; `field_failures` are one for each mode."""
    return {"retention": lambda: _retention(technology), "field_failures": lambda: _field_failures(technology)}


def _field_failures(technology: Technology) -> list[Mechanism]:
    chip_cells = round(technology["chip_capacity"].to("bit"))
    modes = {
        f"{kind}_{mode}": Mode(mode, technology[f"{kind}_{mode}_fit"].to("FIT"), chip_cells)
        for kind in ("transient", "permanent")
        for mode in FIELD_SCOPES
    }
    return [
        TransientFailure(name, mode) if name.startswith("transient") else PermanentFailure(name, mode)
        for name, mode in modes.items()
    ]


def _retention(technology: Technology) -> DramRetention:
    return DramRetention(
        log_mean=technology["retention_log_mean"].to("1"),
        log_sigma=technology["retention_log_sigma"].to("1"),
        reference_c=technology["retention_reference_temperature"].to("degC"),
        slope_per_c=technology["retention_slope"].to("1/degC"),
        refresh_s=technology["refresh_interval"].to("s"),
        halved_above_c=technology["refresh_halved_above"].to("degC"),
        true_share=technology["true_cell_share"].to("1"),
    )


# ---- Retention


@dataclass(frozen=True, repr=False)
class DramRetention(Mechanism):
    """Cells that lose their charge before the next refresh, which then restores the wrong value until a rewrite.

    Those fail that leak within a refresh interval in the hottest, or least refreshed, of the conditions since they were
    written. All the time without power counts as one interval without refresh.

    Attributes:
        log_mean: mean of ln(retention time / s) over the cells, at
        reference_c: this temperature, degC.
        log_sigma: its standard deviation.
        slope_per_c: by how much the mean falls with every degree.
        refresh_s: time between two refreshes, s, unless a condition gives one;
        halved_above_c: half of that above this temperature, degC.
        true_share: share of the cells that store a 1 as charge; the others store a 0 so.
    """

    log_mean: float
    log_sigma: float
    reference_c: float
    slope_per_c: float
    refresh_s: float
    halved_above_c: float
    true_share: float
    name = "retention"
    traits = Traits("charged to discharged", "until rewritten", "cell", "since refresh", "write")

    def __post_init__(self) -> None:
        within("true_cell_share", self.true_share, 0, 1, "a share of the cells")
        self.leaked(Exposure())

    def upsets(self, situation: Situation) -> Upsets:
        cell = situation.weak(self.leaked(situation.since_write)).cell
        return Upsets.by_value(cell, situation.uniform(cell, "anti cell") >= self.true_share)

    def leaked(self, since_write: Exposure) -> float:
        """Share of charged cells that have lost their charge under the conditions since they were written."""
        return float(
            retention_failure(
                self.longest_s(since_write),
                self.reference_c,
                reference_mean=self.log_mean,
                sigma=self.log_sigma,
                reference_c=self.reference_c,
                slope_per_c=self.slope_per_c,
            )
        )

    def longest_s(self, since_write: Exposure) -> float:
        """The longest time without a refresh, as seconds at the reference temperature."""
        longest = without_power = 0.0
        for condition, spent_s in since_write.items():
            faster = float(leakage_acceleration(condition.temperature_c, self.reference_c, self.slope_per_c))
            if not condition.powered:
                without_power += spent_s * faster
                continue
            every_s = condition.refresh_every_s
            if every_s is None:
                every_s = float(refresh_interval(condition.temperature_c, self.refresh_s, self.halved_above_c))
            longest = max(longest, min(every_s, spent_s) * faster)
        return max(longest, without_power)


# ---- Failures in the field


@dataclass(frozen=True)
class Mode:
    """A mode in which chips fail.

    Attributes:
        mode: what it takes down, one of `hwsim.memory.physics.dram.FIELD_SCOPES`.
        fit: rate for each chip, FIT.
        chip_cells: cells of a chip.
    """

    mode: str
    fit: float
    chip_cells: int

    def __post_init__(self) -> None:
        field_failure(0.0, self.fit)

    @property
    def scope(self) -> Scope:
        """What fails together, as traits name it."""
        return _UNITS.get(self.mode, self.mode) or "bank"  # type: ignore[arg-type]

    def rate(self, geometry: Geometry, time_s: float) -> float:
        """Probability that one unit has failed within a time."""
        if self._is_chip:
            share = 1.0
        elif self.mode == "bank":
            # A memory that is smaller than a chip has all of its banks, each with fewer rows.
            share = max(geometry.cells / self.chip_cells, 1.0) / geometry.banks
        else:
            share = geometry.unit_cells(self.scope) / self.chip_cells
        return float(field_failure(time_s, self.fit * share))

    def units(self, geometry: Geometry, cells: int) -> int:
        """Number of units that may fail, among the first cells."""
        return -(-cells // self.chip_cells) if self._is_chip else geometry.units(self.scope, cells)

    def members(self, geometry: Geometry, cells: int, unit: CellNumbers) -> tuple[Cells, CellNumbers]:
        """The cells in use of some units, and for each the position in `unit` of the one that it belongs to."""
        if not len(unit):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        member = np.arange(min(self.chip_cells, cells) if self._is_chip else geometry.unit_cells(self.scope))
        if self._is_chip:
            cell = unit[:, None] * self.chip_cells + member
        else:
            cell = geometry.members(self.scope, unit[:, None], member)
        used = (cell >= 0) & (cell < cells)
        return cell[used], np.nonzero(used)[0]

    @property
    def _is_chip(self) -> bool:
        return _UNITS.get(self.mode, "cell") is None


@dataclass(frozen=True, repr=False)
class TransientFailure(RandomEvents):
    """A bit flips, or a larger part of a chip is left with half of its bits flipped, until it is rewritten.

    Attributes:
        name: what results call it.
        mode: what fails, and how often.
    """

    name: str
    mode: Mode

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, of which the mode says the scope."""
        return Traits("both", "until rewritten", self.mode.scope, "since write", "write or scrub")

    def rates(self, situation: Situation) -> Rates:
        return Rates.both(self.mode.rate(situation.geometry, situation.since_write.duration_s))

    def strikes(self, situation: Situation, block: Block, rate: float) -> tuple[Cells, CellNumbers, Thresholds]:
        geometry, key = situation.geometry, situation.key.child("interval", block.first)
        units = self.mode.units(geometry, situation.cells)
        address, threshold = weak_thresholds(key, units * block.length, rate)
        unit, interval = np.divmod(address, block.length)
        cell, which = self.mode.members(geometry, situation.cells, unit)
        order = np.lexsort((interval[which], cell))
        cell, which = cell[order], which[order]
        if self.mode.scope != "cell":
            flipped = situation.uniform(cell * block.length + interval[which], "flipped", block.first) < 0.5
            cell, which = cell[flipped], which[flipped]
        return cell, interval[which] + block.first, threshold[which]


@dataclass(frozen=True, repr=False)
class PermanentFailure(Mechanism):
    """A part of a chip is stuck for good, each cell at a value that has nothing to do with what is written.

    Attributes:
        name: what results call it.
        mode: what fails, and how often.
    """

    name: str
    mode: Mode
    stage = "stuck"

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, of which the mode says the scope."""
        return Traits("preferred value", "permanent", self.mode.scope, "device life", "repair")

    def upsets(self, situation: Situation) -> Upsets:
        geometry = situation.geometry
        rate = self.mode.rate(geometry, situation.life.duration_s)
        unit = weak_cells(situation.key.child("units"), self.mode.units(geometry, situation.cells), rate)
        cell = np.sort(self.mode.members(geometry, situation.cells, unit)[0])
        return Upsets.by_value(cell, situation.uniform(cell, "stuck at") < 0.5)
