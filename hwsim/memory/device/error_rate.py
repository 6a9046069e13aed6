"""How many cells of a technology are wrong under one condition: closed forms, without a device and without draws.

    error_rate(technology("sram"), Condition(85, voltage_v=0.6), age_s=10 * 365.25 * 86400)

The cells hold random data and held other random data before; each mechanism is asked for the share of the cells that
it alone makes wrong. Together they are taken for independent: a cell is wrong if an odd number of them flips it, and
one that is stuck, or keeps its old bit, is wrong half the time, which is the same as a flip half as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.life.mission import Condition, Exposure, to_ticks
from hwsim.memory.mechanisms import dram, levels, mechanisms_of, nand, sram
from hwsim.memory.mechanisms.mechanism import Mechanism, RandomEvents, Situation, situation_for
from hwsim.memory.mechanisms.spread_events import SpreadEvents
from hwsim.memory.physics.common import combine_flips, normal_cdf
from hwsim.memory.physics.levels import bit_errors
from hwsim.memory.random import Key
from hwsim.memory.technology.technology import Technology

_WORDS = 1 << 20  # of the memory that is asked about: only failures of whole chips and banks depend on it


@dataclass(frozen=True)
class ErrorRate:
    """Share of the cells that are wrong.

    Attributes:
        parts: mechanism -> the share that it alone makes wrong; None where its class has no closed form.
    """

    parts: Mapping[str, float | None]

    @property
    def total(self) -> float:
        """The share of all mechanisms together, as far as they are known."""
        return float(combine_flips(*(part for part in self.parts.values() if part is not None)))


def error_rate(source: Technology, condition: Condition, age_s: float = 0.0, cycles: int = 0) -> ErrorRate:
    """The share of wrong cells.

    Args:
        source: the technology.
        condition: under what it is from the write to the read, and under what it is written and read.
        age_s: time since the write, which is also the first in its life, s.
        cycles: how often the cells were written before.

    Raises:
        HwsimError: for what no such memory can live through.
    """
    shape = {
        name: int(source.geometry[name].to(source.geometry[name].unit))
        for name in ("word_bits", "banks", "interleave", "block_rows", "block_columns")
        if name in source.geometry
    }
    geometry = Geometry.for_words(_WORDS, **{"word_bits": 64, **shape})
    to_ticks("age_s", age_s)  # refuses what is no age
    exposure = Exposure({condition: age_s})
    parts: dict[str, float | None] = {}
    for mechanism in mechanisms_of(source):
        situation = situation_for(
            mechanism,
            geometry=geometry,
            cells=geometry.cells_for(_WORDS),
            key=Key(0, mechanism.name),
            since_write=exposure,
            life=exposure,
            at_write=condition,
            now=condition,
            reads=exposure.reads,
            cycles=cycles + 1,
        )
        parts[mechanism.name] = wrong_share(mechanism, situation)
    return ErrorRate(parts)


@singledispatch
def wrong_share(mechanism: Mechanism, situation: Situation) -> float | None:
    """The share of cells that a mechanism makes wrong; `wrong_share.register` teaches it a class of one's own."""
    return None


@wrong_share.register
def _(mechanism: RandomEvents, situation: Situation) -> float:
    rates = mechanism.rates(situation)
    return sum(rates) / 2 * (0.5 if mechanism.keeps_old else 1.0)


@wrong_share.register
def _(mechanism: SpreadEvents, situation: Situation) -> float:
    return sum(mechanism.rates(situation)) / 2


@wrong_share.register
def _(mechanism: sram.LowVoltage, situation: Situation) -> float:
    return _below_minimum(mechanism.cells, situation)


@wrong_share.register
def _(mechanism: sram.Ageing, situation: Situation) -> float:
    """Those that fail because the cells have aged, beside those that fail when new."""
    shift_v = mechanism.sensitivity * mechanism.shift_v(situation.life)
    return _below_minimum(mechanism.cells, situation, shift_v) - _below_minimum(mechanism.cells, situation)


def _below_minimum(cells: sram.MinimumVoltages, situation: Situation, shift_v: float = 0.0) -> float:
    sigma = sum(part**2 for part in cells.spread) ** 0.5
    return float(normal_cdf((cells.mean_v + shift_v - cells.voltage(situation.now)) / sigma)) / 2


@wrong_share.register
def _(mechanism: dram.DramRetention, situation: Situation) -> float:
    return mechanism.leaked(situation.since_write) / 2  # a cell of random data is charged half the time


@wrong_share.register
def _(mechanism: dram.TransientFailure, situation: Situation) -> float:
    struck = mechanism.mode.rate(situation.geometry, situation.since_write.duration_s)
    return struck if mechanism.mode.scope == "cell" else struck / 2


@wrong_share.register
def _(mechanism: dram.PermanentFailure, situation: Situation) -> float:
    return mechanism.mode.rate(situation.geometry, situation.life.duration_s) / 2


@wrong_share.register
def _(mechanism: nand.Wear, situation: Situation) -> float:
    return sum(mechanism.split(situation)) / 2


@wrong_share.register
def _(mechanism: levels.MultiLevelErrors, situation: Situation) -> float:
    return bit_errors(mechanism.errors(situation)).mean


@wrong_share.register
def _(mechanism: levels.StuckLevels, situation: Situation) -> float:
    return (mechanism.low + mechanism.high) / 2


@wrong_share.register
def _(mechanism: levels.WornLevels, situation: Situation) -> float:
    return mechanism.share(situation.cycles) / 2
