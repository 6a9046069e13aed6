"""Faults of phase-change memory: conductances drift down, RESET cells crystallise, and cells stick.

Equations: `hwsim.memory.physics.pcm`. A cell of one bit holds 1 when SET; one of two bits the Gray code of its level.
Programming noise and drift exponents are new at every write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.memory.mechanisms.levels import bits_per_cell, level_errors, stuck_levels
from hwsim.memory.mechanisms.mechanism import Mechanism, Situation
from hwsim.memory.physics.checks import Array
from hwsim.memory.physics.pcm import EXPONENT_LAW, crystallised, drift_exponent, programming_sigma, read_errors
from hwsim.memory.technology.technology import Technology


def build(technology: Technology) -> dict[str, Callable[[], Mechanism | Sequence[Mechanism]]]:
    """What makes the mechanisms of a phase-change memory with a table's constants; `stuck` are two, one is wear."""
    bits = bits_per_cell(technology)
    return {
        "drift": lambda: level_errors("drift", bits, Drift.of(technology, bits).errors),
        "crystallisation": lambda: _crystallisation(technology, bits),
        "stuck": lambda: stuck_levels(technology),
    }


def _crystallisation(technology: Technology, bits: int) -> Mechanism:
    crystals = Crystals(
        levels=1 << bits,
        activation_energy_ev=technology["crystallisation_activation_energy"].to("eV"),
        reference_c=technology["crystallisation_reference_temperature"].to("degC"),
        reference_s=technology["crystallisation_reference_time"].to("s"),
        reference_failure=technology["crystallisation_reference_failure"].to("1"),
    )
    return level_errors("crystallisation", bits, crystals.errors, "0 to 1")


@dataclass(frozen=True, eq=False)
class Drift:
    """Levels that were programmed with noise and lose conductance.

    Drift itself turns 1 into 0 in a cell of one bit; the noise, which is there from the write on, goes both ways.

    Attributes:
        levels: targets over Gmax.
        thresholds: between them.
        law: further arguments of `hwsim.memory.physics.pcm.read_errors`.
    """

    levels: Array
    thresholds: Array
    law: dict[str, Any]

    @classmethod
    def of(cls, technology: Technology, bits: int) -> Drift:
        """With the constants of a table."""
        levels = np.asarray(technology[f"levels_{bits}bit"].value)
        noise_us = programming_sigma(levels, np.asarray(technology["programming_noise"].value))
        mean, sigma = (
            drift_exponent(levels, **{name: technology[f"drift_{of}_{name}"].to("1") for name in EXPONENT_LAW})
            for of in ("mean", "sigma")
        )
        law = {
            "sigma": noise_us / technology["gmax"].to("uS"),
            "exponent_mean": mean,
            "exponent_sigma": sigma,
            "reference_s": technology["drift_reference_time"].to("s"),
            "tracking_exponent": technology["tracking_exponent"].to("1"),
        }
        drift = cls(levels, np.asarray(technology[f"thresholds_{bits}bit"].value), law)
        drift.after(0.0)  # refuses constants without a meaning
        return drift

    def errors(self, situation: Situation) -> Array:
        """Probabilities to read one level as another."""
        return self.after(situation.since_write.duration_s)

    def after(self, time_s: float) -> Array:
        """The same, a time after programming."""
        return read_errors(self.levels, self.thresholds, time_s, **self.law)


@dataclass(frozen=True)
class Crystals:
    """Amorphous cells that crystallise in the heat, and then read as SET, the highest level.

    The levels between RESET and SET are taken to crystallise as RESET does.

    Attributes:
        levels: number of levels.
        activation_energy_ev: of crystallisation, eV.
        reference_c, reference_s, reference_failure: a qualified retention: see
            `hwsim.memory.physics.pcm.crystallised`.
    """

    levels: int
    activation_energy_ev: float
    reference_c: float
    reference_s: float
    reference_failure: float

    def __post_init__(self) -> None:
        self.share(0.0)

    def errors(self, situation: Situation) -> Array:
        """Probabilities to read one level as another."""
        aged_s = situation.since_write.equivalent_time_s(self.activation_energy_ev, self.reference_c)
        lost = np.full(self.levels, self.share(aged_s))
        lost[-1] = 0.0
        matrix = np.diag(1 - lost)
        matrix[:, -1] += lost
        return matrix

    def share(self, aged_s: float) -> float:
        """Share of amorphous cells that have crystallised, after a time at the reference temperature."""
        return float(
            crystallised(
                aged_s,
                self.reference_c,
                activation_energy_ev=self.activation_energy_ev,
                reference_c=self.reference_c,
                reference_s=self.reference_s,
                reference_failure=self.reference_failure,
            )
        )
