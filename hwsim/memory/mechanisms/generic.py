"""Fault mechanisms of no particular technology: independent flips, stuck cells, clusters, and a given fault map."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hwsim.errors import HwsimError, unknown
from hwsim.memory.cells.geometry import SCOPES, Geometry
from hwsim.memory.cells.weak_cells import check_rate, distinct, weak_cells
from hwsim.memory.mechanisms.mechanism import (
    FORCE_0,
    FORCE_1,
    STAGES,
    TOGGLE,
    BitValues,
    Cells,
    Mechanism,
    RandomEvents,
    Rates,
    Scope,
    Situation,
    Stage,
    Traits,
    Upsets,
)
from hwsim.memory.physics.common import two_state

Per = Literal["write", "second", "read"]
FaultKind = Literal["flip", "to 0", "to 1"]

FAULT_KINDS: dict[FaultKind, int] = {"flip": TOGGLE, "to 0": FORCE_0, "to 1": FORCE_1}
_TRAITS: dict[Per, Traits] = {
    "write": Traits("both", "until rewritten", "cell", "per write", "write or scrub"),
    "second": Traits("both", "until rewritten", "cell", "since write", "write or scrub"),
    "read": Traits("both", "one read", "cell", "none", "nothing"),
}


@dataclass(frozen=True, repr=False)
class Flips(RandomEvents):
    """Independent flips of a device's cells, the same for all of them; `hwsim.BitFlips` are those of bare words.

    Attributes:
        rate: how often a cell flips, or a pair: a stored 0, and a stored 1.
        per: "write" (a probability; the flips are there from the write on), "second" (a hazard in 1/s, to and fro: it
            saturates) or "read" (a probability at each read, which changes nothing that is stored).
        name: what results call it; two in one device need two names.

    Raises:
        HwsimError: for a probability outside [0, 1], a negative hazard, and an unknown `per`.
    """

    rate: float | tuple[float, float]
    per: Per = "write"
    name: str = "flips"

    def __post_init__(self) -> None:
        if self.per not in _TRAITS:
            raise unknown("unit of a rate", self.per, _TRAITS)
        for rate in self._pair:
            if self.per != "second":
                check_rate("rate", rate)
            elif not 0 <= rate < np.inf:
                raise HwsimError(f"rate = {rate!r} per second is no hazard: give at least 0.")

    @property
    def _pair(self) -> Rates:
        return Rates(*self.rate) if isinstance(self.rate, tuple) else Rates.both(self.rate)

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, which follows from `per` and `rate`."""
        up, down = self._pair
        traits = _TRAITS[self.per]
        return traits if up and down else traits._replace(direction="0 to 1" if up else "1 to 0")

    @property
    def stage(self) -> Stage:  # type: ignore[override]
        """A read errs after all else; other flips happen while data is held."""
        return "read" if self.per == "read" else "retain"

    def rates(self, situation: Situation) -> Rates:
        if self.per != "second":
            return self._pair
        up, down = self._pair
        time_s = situation.since_write.duration_s
        return Rates(float(two_state(time_s, up, down)), float(two_state(time_s, down, up)))


@dataclass(frozen=True, repr=False)
class StuckAt(Mechanism):
    """Cells that hold one value for good, independent of each other.

    Attributes:
        zero: share of the cells that are stuck at 0.
        one: share of the cells that are stuck at 1. Of the few cells that are drawn for both, each is stuck at what it
            would be at if both shares were smaller.
        name: what results call it.

    Raises:
        HwsimError: for a share outside [0, 1].
    """

    zero: float = 0.0
    one: float = 0.0
    name: str = "stuck-at"
    traits = Traits("preferred value", "permanent", "cell", "none", "nothing")
    stage = "stuck"

    def __post_init__(self) -> None:
        check_rate("zero", self.zero)
        check_rate("one", self.one)

    def upsets(self, situation: Situation) -> Upsets:
        zeros, of_zeros = situation.thresholds(self.zero, "zero")
        ones, of_ones = situation.thresholds(self.one, "one")
        _, at_zeros, at_ones = np.intersect1d(zeros, ones, return_indices=True)
        first = of_zeros[at_zeros] * self.one <= of_ones[at_ones] * self.zero
        zeros, ones = np.delete(zeros, at_zeros[~first]), np.delete(ones, at_ones[first])
        return Upsets.by_value(zeros, 0) | Upsets.by_value(ones, 1)


@dataclass(frozen=True, repr=False)
class Clusters(Mechanism):
    """Words, columns, rows, blocks or banks that fail together.

    Attributes:
        scope: what fails: "word", "column" (of a block), "row", "block" or "bank".
        rate: share of these that fail.
        density: share of the cells of a failing one that fail.
        kind: "flip" (whatever was written is read as its complement), "to 0" or "to 1".
        name: what results call it.

    Raises:
        HwsimError: for an unknown scope or kind and for a share outside [0, 1].
    """

    scope: Scope
    rate: float
    density: float = 1.0
    kind: FaultKind = "to 0"
    name: str = "clusters"
    stage = "stuck"

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise unknown("scope", self.scope, SCOPES)
        if self.kind not in FAULT_KINDS:
            raise unknown("kind of fault", self.kind, FAULT_KINDS)
        check_rate("rate", self.rate)
        check_rate("density", self.density)

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, which follows from `kind` and `scope`."""
        direction = "both" if self.kind == "flip" else "preferred value"
        return Traits(direction, "permanent", self.scope, "none", "nothing")  # type: ignore[arg-type]

    def upsets(self, situation: Situation) -> Upsets:
        units = weak_cells(
            situation.key.child("units"), situation.geometry.units(self.scope, situation.cells), self.rate
        )
        return Upsets.of(cells_of(situation, self.scope, units, self.density), FAULT_KINDS[self.kind])


_SMALL, _CHUNK = 1 << 14, 1 << 20  # cells of a unit, and of all units that are looked at together


def cells_of(situation: Situation, scope: Scope, units: Cells, density: float = 1.0) -> Cells:
    """The cells in use, of some units, that fail when these units do, sorted.

    Args:
        situation: for the geometry, the cells in use and the key.
        scope: what the units are: see `Geometry.unit`.
        units: their numbers.
        density: share of a unit's cells that fail, the same ones always and more of them at a higher density.
    """
    geometry = situation.geometry
    size = geometry.unit_cells(scope)
    found = [np.empty(0, np.int64)]
    if size <= _SMALL:  # many units at a time, each cell looked at
        for some in np.array_split(units, 1 + len(units) * size // _CHUNK):
            member = np.arange(size)
            keep = situation.uniform(some[:, None] * size + member, "in", scope) < density
            found.append(geometry.members(scope, some[:, None], member)[keep])
    else:  # unit by unit, only the failing cells
        for unit in units.tolist():
            member = np.arange(size)
            if density < 1:
                member = weak_cells(situation.key.child("in", scope, unit), size, density)
            found.append(geometry.members(scope, unit, member))
    cells = np.concatenate(found)
    return distinct(cells[(cells >= 0) & (cells < situation.cells)])


@dataclass(frozen=True, repr=False, eq=False)
class Replay(Mechanism):
    """Given cells that fail: a fault map that was measured, or saved in another run.

    Attributes:
        cell: physical addresses of the cells.
        becomes: what they become: see `hwsim.memory.mechanisms.mechanism`.
        of: where the cells of the device that the map is of lie; this one's must lie alike; None for no check.
        stage: when it acts.
        name: what results call it.

    Raises:
        HwsimError: for an unknown stage and arrays that do not fit each other; at a read for a device of another
            size.
    """

    cell: Cells
    becomes: BitValues
    of: Geometry | None = None
    stage: Stage = "stuck"
    name: str = "fault map"
    traits: Traits = field(default=Traits("preferred value", "permanent", "cell", "none", "nothing"))

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise unknown("stage", self.stage, STAGES)
        if np.shape(self.cell) != np.shape(self.becomes):
            raise HwsimError(
                f"A fault map of {len(self.cell)} cells says of {len(self.becomes)} what they become: give one value "
                "each."
            )

    def upsets(self, situation: Situation) -> Upsets:
        size = situation.geometry.cells
        if self.of is not None:
            self.of.require_size_of(situation.geometry, "The fault map")
        if len(self.cell) and not 0 <= int(np.min(self.cell)) <= int(np.max(self.cell)) < size:
            raise HwsimError(f"The fault map names cells that a memory of {size:,} cells does not have.")
        upsets = Upsets.of(self.cell, self.becomes)
        used = upsets.cell < situation.cells
        return Upsets(upsets.cell[used], upsets.becomes[used])
