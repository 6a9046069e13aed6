"""Faults of NAND flash: wear, charge that leaks away, and charge that reading adds.

Equations: `hwsim.memory.physics.nand`, two published fits of raw bit error rates. They do not say which way errors go:
a table gives the share of the errors that read 1. The rate of a direction is then twice its share of the raw error
rate, which holds for bits that are 0 as often as 1.

Cycles are those of the table (a life before this one) and of the device, whose every write, refresh or scrub is one:
a first write is cycle 1. The fits are of cells of several bits; pages are not told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from hwsim.memory.mechanisms.mechanism import Direction, Mechanism, RandomEvents, Rates, Situation, Traits, Upsets
from hwsim.memory.physics.checks import within
from hwsim.memory.physics.nand import log_time_bit_error_rate, read_disturb_error, retention_error, wear_error
from hwsim.memory.technology.technology import Technology

Law = Callable[..., Any]  # raw bit error rate over cycles and, at the second place, seconds or reads

_WEAR = ("floor", "wear", "wear_exponent")
_RETENTION = ("retention", "retention_cycle_exponent", "retention_time_exponent")
_DISTURB = ("disturb", "disturb_cycle_exponent", "disturb_read_exponent")
_LOG_TIME = ("slope", "slope_per_cycle", "offset", "offset_per_cycle")


def build(technology: Technology) -> dict[str, Callable[[], Mechanism]]:
    """What makes the mechanisms of a flash memory with a table's constants, of either fit."""
    earlier = int(technology["cycles"].to("1"))

    def retention(law: Law) -> NandRetention:
        return NandRetention(
            law,
            technology["retention_to_one"].to("1"),
            earlier,
            activation_energy_ev=technology["retention_activation_energy"].to("eV"),
            reference_c=technology["retention_reference_temperature"].to("degC"),
        )

    if "slope" in technology:
        return {"retention": lambda: retention(partial(log_time_bit_error_rate, **technology.values(*_LOG_TIME)))}
    return {
        "wear": lambda: Wear(
            partial(wear_error, **technology.values(*_WEAR)), technology["wear_to_one"].to("1"), earlier
        ),
        "retention": lambda: retention(partial(retention_error, **technology.values(*_RETENTION))),
        "read_disturb": lambda: NandReadDisturb(
            partial(read_disturb_error, **technology.values(*_DISTURB)),
            technology["read_disturb_to_one"].to("1"),
            earlier,
        ),
    }


@dataclass(frozen=True, repr=False)
class _Errors:
    """Errors of one kind.

    Attributes:
        law: their share of the bits: see `Law`.
        to_one: share of them that read 1.
        earlier_cycles: program and erase cycles before the device's first write.
    """

    law: Law
    to_one: float
    earlier_cycles: int
    _nothing: ClassVar[tuple[float, ...]] = (0.0,)  # seconds or reads

    def __post_init__(self) -> None:
        within("to_one", self.to_one, 0, 1, "a share of the errors")
        self.law(self.earlier_cycles, *self._nothing)  # refuses constants without a meaning

    @property
    def direction(self) -> Direction:
        """Which way bits go."""
        return "0 to 1" if self.to_one == 1 else "1 to 0" if self.to_one == 0 else "both"

    def split(self, situation: Situation, *amount: float) -> Rates:
        """Probabilities that a 0 and that a 1 fails, so that the law holds for bits that are 0 as often as 1."""
        rate = float(self.law(self.earlier_cycles + situation.cycles, *amount))
        return Rates(2 * self.to_one * rate, 2 * (1 - self.to_one) * rate)


@dataclass(frozen=True, repr=False)
class Wear(_Errors, Mechanism):
    """Cells that cannot be programmed as they should: some when new, more with every cycle, always the same ones."""

    name = "wear"
    _nothing = ()

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, of which the share of errors that read 1 says the direction."""
        return Traits(self.direction, "permanent", "cell", "cycles", "nothing")

    def upsets(self, situation: Situation) -> Upsets:
        rates = self.split(situation)
        return Upsets.by_rates(*situation.thresholds(max(rates)), rates)


@dataclass(frozen=True, repr=False)
class NandRetention(_Errors, RandomEvents):
    """Charge that leaks away since programming: the hotter and the more worn, the faster.

    Attributes:
        activation_energy_ev: of the leaking, eV; time counts as its equivalent
        reference_c: at this temperature, degC.
    """

    activation_energy_ev: float
    reference_c: float
    name = "retention"
    ages: ClassVar[bool] = True

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, of which the share of errors that read 1 says the direction."""
        return Traits(self.direction, "until rewritten", "cell", "since write", "write or scrub")

    def rates(self, situation: Situation) -> Rates:
        time_s = situation.since_write.equivalent_time_s(self.activation_energy_ev, self.reference_c)
        return self.split(situation, time_s)


@dataclass(frozen=True, repr=False)
class NandReadDisturb(_Errors, RandomEvents):
    """Charge that reads of a page add to it, until it is erased."""

    name = "read_disturb"
    ages: ClassVar[bool] = True

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, of which the share of errors that read 1 says the direction."""
        return Traits(self.direction, "until rewritten", "cell", "reads", "write or scrub")

    def rates(self, situation: Situation) -> Rates:
        return self.split(situation, situation.reads)
