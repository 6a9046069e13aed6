"""Faults of SRAM: cells below their minimum voltage, ageing that raises it, and particles.

A cell fails while the supply is below its own minimum voltage, the sum of a part of its block, one of its column within
the block, and one of its own. These are properties of the cells, drawn once: faults cluster, a lower voltage and a
longer life fail a superset, and a higher voltage undoes everything. Equations: `hwsim.memory.physics.sram`.

The columns are looked at one by one (one number for each 512 cells, say), the cells are not: columns that are about as
weak as each other are drawn together at the rate of the weakest of them, and thinned to the rate of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.cells.weak_cells import weak_thresholds
from hwsim.memory.life.mission import Condition, Exposure
from hwsim.memory.mechanisms.mechanism import Cells, Mechanism, RandomEvents, Rates, Situation, Traits, Upsets, uniform
from hwsim.memory.physics.checks import within
from hwsim.memory.physics.common import normal_cdf, normal_quantile
from hwsim.memory.physics.sram import (
    Spread,
    bti_of_stress,
    bti_prefactor,
    bti_stress,
    bti_stress_factor,
    soft_error_flip,
    spread,
)
from hwsim.memory.random import Key
from hwsim.memory.technology.technology import Technology

_STEP = 0.25  # of the cells' own spread: columns this close are drawn together; most draws are then kept
_MOST = 8.3  # standard deviations that a normal number made from 53 bits has at most
_LEAST = 1e-23  # below the lowest threshold of a cell, 2^-53 of 1e-6


def build(technology: Technology) -> dict[str, Callable[[], Mechanism]]:
    """What makes the mechanisms of an SRAM with a table's constants."""

    def cells() -> MinimumVoltages:
        return MinimumVoltages(
            mean_v=technology["vmin_mean"].to("V"),
            spread=spread(
                technology["vmin_sigma"].to("V"),
                technology["vmin_block_share"].to("1"),
                technology["vmin_column_share"].to("1"),
            ),
            one_share=technology["preferred_one_share"].to("1"),
            nominal_v=technology["nominal_voltage"].to("V"),
        )

    return {
        "low_voltage": lambda: LowVoltage(cells()),
        "bti": lambda: Ageing(
            cells(),
            sensitivity=technology["vmin_sensitivity"].to("1"),
            end_of_life_shift_v=technology["bti_end_of_life_shift"].to("V"),
            end_of_life_s=technology["bti_end_of_life"].to("s"),
            reference_c=technology["bti_reference_temperature"].to("degC"),
            reference_v=technology["bti_reference_voltage"].to("V"),
            duty=technology["bti_duty"].to("1"),
            time_exponent=technology["bti_time_exponent"].to("1"),
            activation_energy_ev=technology["bti_activation_energy"].to("eV"),
            voltage_exponent=technology["bti_voltage_exponent"].to("1"),
        ),
        "soft_error": lambda: SoftErrors(technology["soft_error_rate"].to("FIT/Mb")),
    }


# ---- Low voltage


@dataclass(frozen=True)
class MinimumVoltages:
    """The minimum voltages of a memory's cells.

    Attributes:
        mean_v: mean of the cells when new, V.
        spread: standard deviations of its parts, V.
        one_share: share of the cells that fall to 1 when they fail; the others fall to 0.
        nominal_v: supply voltage unless a condition says otherwise, V.
    """

    mean_v: float
    spread: Spread
    one_share: float
    nominal_v: float

    def __post_init__(self) -> None:
        within("preferred_one_share", self.one_share, 0, 1, "a share of the cells")

    def voltage(self, condition: Condition) -> float:
        """The supply voltage under a condition, V."""
        return self.nominal_v if condition.voltage_v is None else condition.voltage_v

    def failing(self, situation: Situation, shift_v: float = 0.0) -> Upsets:
        """The cells whose minimum voltage, raised by `shift_v`, is above the supply now; all, if power was lost."""
        # Not the mechanism's own key: a cell has one minimum voltage, whichever mechanism asks for it.
        key = Key(situation.key.parts[:-1], "minimum voltage")
        if all(condition.powered for condition in situation.since_write):
            cell = self._below(situation, key, shift_v)
        else:
            cell = np.arange(situation.cells)
        return Upsets.by_value(cell, uniform(key.child("preferred value"), cell) < self.one_share)

    def _below(self, situation: Situation, key: Key, shift_v: float) -> Cells:
        margin = (self.mean_v + shift_v - self.voltage(situation.now)) / self.spread.cell
        if normal_cdf(margin + _MOST * (self.spread.block + self.spread.column) / self.spread.cell) < _LEAST:
            return np.empty(0, np.int64)
        groups = _columns(key, situation.geometry, situation.cells, self.spread)
        cell = np.concatenate([group.failing(key, situation.geometry, margin) for group in groups])
        return np.sort(cell[(cell >= 0) & (cell < situation.cells)])


class Columns(NamedTuple):
    """Columns of blocks that are about as weak as each other.

    Attributes:
        step: the weakest is at most `step` * `_STEP` weaker than the average column.
        column: their numbers, sorted.
        weaker: by how much each is weaker than the average, in standard deviations of the cells' own part.
    """

    step: int
    column: Cells
    weaker: NDArray[np.float64]

    def failing(self, key: Key, geometry: Geometry, margin: float) -> Cells:
        """Cells of these columns that fail when an average column's would at `margin` standard deviations."""
        rows = geometry.unit_cells("column")
        most = float(normal_cdf(margin + self.step * _STEP))
        # A cell is counted through the columns of the group, so that a larger memory has those of a smaller one.
        address, threshold = weak_thresholds(key.child("columns", self.step), len(self.column) * rows, most)
        which, row = np.divmod(address, rows)
        fails = threshold <= normal_cdf(margin + self.weaker[which])
        return geometry.members("column", self.column[which[fails]], row[fails])


@lru_cache(maxsize=2)
def _columns(key: Key, geometry: Geometry, cells: int, parts: Spread) -> tuple[Columns, ...]:
    """All columns in use, in groups: the same ones at every voltage, and so kept from read to read."""
    column = np.arange(geometry.units("column", cells))
    block = column // geometry.block_columns
    of_blocks = -normal_quantile(uniform(key.child("block"), np.arange(geometry.units("block", cells))))
    of_columns = -normal_quantile(uniform(key.child("column"), column))
    weaker = (parts.block * of_blocks[block] + parts.column * of_columns) / parts.cell
    step = np.ceil(weaker / _STEP).astype(np.int64)
    order = np.argsort(step, kind="stable")
    steps, first = np.unique(step[order], return_index=True)
    return tuple(
        Columns(int(one), column[mine], weaker[mine])
        for one, mine in zip(steps, np.split(order, first[1:]), strict=True)
    )


@dataclass(frozen=True, repr=False)
class LowVoltage(Mechanism):
    """Cells below their minimum voltage fall to the value that they prefer, until the voltage rises.

    Without power all of them do, and stay there until they are rewritten.

    Attributes:
        cells: their minimum voltages when new.
    """

    cells: MinimumVoltages
    name = "low_voltage"
    traits = Traits("preferred value", "while the condition lasts", "cell", "none", "raising the voltage")
    stage = "stuck"

    def upsets(self, situation: Situation) -> Upsets:
        return self.cells.failing(situation)


# ---- Bias temperature instability


@dataclass(frozen=True, repr=False)
class Ageing(Mechanism):
    """Bias raises the minimum voltages over the device's life; the cells of `LowVoltage` are among those that fail.

    A cell weakens against the value that it holds for long. Weights are taken to be held for life: one that fails,
    away from the value that it holds, has aged in full. Recovery is not modelled.

    Attributes:
        cells: their minimum voltages when new.
        sensitivity: shift of the minimum voltage over shift of the threshold voltage.
        end_of_life_shift_v: shift of the threshold voltage, V, after
        end_of_life_s: a life of so many seconds
        reference_c: at this temperature, degC,
        reference_v: this supply, V,
        and always under bias.
        duty: share of the time under stress that a transistor is under bias.
        time_exponent: n in dVth = A t^n.
        activation_energy_ev: of the shift, eV.
        voltage_exponent: m in A ~ V^m.
    """

    cells: MinimumVoltages
    sensitivity: float
    end_of_life_shift_v: float
    end_of_life_s: float
    reference_c: float
    reference_v: float
    duty: float
    time_exponent: float
    activation_energy_ev: float
    voltage_exponent: float
    name = "bti"
    traits = Traits("preferred value", "permanent", "cell", "device life", "nothing")
    stage = "stuck"

    def upsets(self, situation: Situation) -> Upsets:
        return self.cells.failing(situation, self.sensitivity * self.shift_v(situation.life))

    def shift_v(self, life: Exposure) -> float:
        """Shift of the threshold voltage after a life, V."""
        prefactor = bti_prefactor(self.end_of_life_shift_v, self.end_of_life_s, self.time_exponent)
        stress = life.integral(lambda one: float(bti_stress(prefactor * self._factor(one), 1.0, self.time_exponent)))
        return float(bti_of_stress(stress, self.time_exponent))

    def _factor(self, condition: Condition) -> float:
        """Stress under a condition, as a multiple of the reference's."""
        return float(
            bti_stress_factor(
                condition.temperature_c,
                self.cells.voltage(condition) if condition.powered else 0.0,
                condition.duty * self.duty,
                reference_c=self.reference_c,
                reference_v=self.reference_v,
                activation_energy_ev=self.activation_energy_ev,
                voltage_exponent=self.voltage_exponent,
                time_exponent=self.time_exponent,
            )
        )


# ---- Soft errors


@dataclass(frozen=True, repr=False)
class SoftErrors(RandomEvents):
    """Particles flip cells one by one, until these are rewritten.

    Attributes:
        fit_per_mb: rate, FIT for each 2^20 cells.
    """

    fit_per_mb: float
    name = "soft_error"
    traits = Traits("both", "until rewritten", "cell", "since write", "write or scrub")

    def rates(self, situation: Situation) -> Rates:
        return Rates.both(float(soft_error_flip(situation.since_write.duration_s, self.fit_per_mb)))
