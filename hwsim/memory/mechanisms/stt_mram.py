"""Faults of STT-MRAM: heat turns cells over, writes leave them as they were, and reads turn them one way.

All three follow from the energy barriers of a cell, which differ from cell to cell and between the two directions.
Equations: `hwsim.memory.physics.stt_mram`. The cells that heat turns over are the weak ones, and the same ones after
each write. Reads disturb so few that which cells they are is drawn anew after each write, at the rate of the spread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwsim.memory.life.mission import Condition
from hwsim.memory.mechanisms.mechanism import Mechanism, RandomEvents, Rates, Situation, Traits
from hwsim.memory.mechanisms.spread_events import SpreadEvents, average_rates
from hwsim.memory.physics.checks import Array, within
from hwsim.memory.physics.stt_mram import (
    flip_rate,
    read_disturb,
    relaxation_time,
    stability_at,
    write_error,
    write_verify_error,
)
from hwsim.memory.technology.technology import Technology


def build(technology: Technology) -> dict[str, Callable[[], Mechanism]]:
    """What makes the mechanisms of an STT-MRAM with a table's constants."""
    barriers = Barriers(
        delta=technology["delta"].to("1"),
        reference_c=technology["delta_reference_temperature"].to("degC"),
        sigma=technology["delta_sigma"].to("1"),
        asymmetry=technology["delta_asymmetry"].to("1"),
    )

    def write_errors() -> WriteError:
        unit_s = float(relaxation_time(technology["damping"].to("1"), technology["anisotropy_field"].to("T")))
        return WriteError(
            barriers,
            overdrive=technology["write_overdrive"].to("1"),
            pulse=technology["write_pulse"].to("s") / unit_s,
            tries=int(technology["write_tries"].to("1")),
        )

    return {
        "retention": lambda: MagneticRetention(barriers, technology["tau0"].to("s")),
        "write_error": write_errors,
        "read_disturb": lambda: MagneticReadDisturb(
            barriers,
            tau0_s=technology["tau0"].to("s"),
            pulse_s=technology["read_pulse"].to("s"),
            current_ratio=technology["read_current_ratio"].to("1"),
            exponent=technology["read_exponent"].to("1"),
            to_one=technology["read_disturb_to_one"].to("1"),
        ),
    }


_LARGEST = 1e300
"""Of barriers over kT: cells lie tens of standard deviations off, and cold multiplies, by thousands at most."""


@dataclass(frozen=True)
class Barriers:
    """Thermal stabilities of the cells: normal over the cells, and unequal by direction.

    Attributes:
        delta: mean over the cells and both states at `reference_c`.
        reference_c: temperature of `delta`, degC.
        sigma: standard deviation over the cells.
        asymmetry: by how much the barrier out of 1 (antiparallel) exceeds the one out of 0 (parallel).

    Raises:
        HwsimError: for numbers so large that no number holds the barriers of weak cells at all temperatures.
    """

    delta: float
    reference_c: float
    sigma: float = 0.0
    asymmetry: float = 0.0

    def __post_init__(self) -> None:
        for name in ("delta", "delta_sigma", "delta_asymmetry"):
            value = getattr(self, name.removeprefix("delta_"))
            within(name, value, -_LARGEST, _LARGEST, "a barrier over kT that can be computed with")

    def at(self, temperature_c: float, state: int, z: Array | float = 0.0) -> Array:
        """Thermal stability of a state at a temperature, of cells `z` standard deviations above the mean."""
        half = self.asymmetry / 2 if state else -self.asymmetry / 2
        delta = np.maximum(self.delta + half + self.sigma * np.asarray(z), np.finfo(np.float64).tiny)
        return stability_at(temperature_c, delta, self.reference_c)

    @property
    def width(self) -> float:
        """How fast rates change with `z`: see `SpreadEvents.width`."""
        # Half the absolute reference temperature is colder than any memory: spreads in units of k T at most double.
        return 1 / (1 + 2 * self.sigma)


@dataclass(frozen=True, repr=False)
class MagneticRetention(SpreadEvents):
    """Heat turns cells over, and back: more the hotter, and one half of them in the end if the barriers are equal.

    A cell of low barrier turns over again and again; a scrub or a rewrite only sets it right until it does.

    Attributes:
        barriers: of the cells.
        tau0_s: attempt time, s.

    Where temperatures change, the hazards of the two directions are added up separately: exact while few cells have
    turned over twice.
    """

    barriers: Barriers
    tau0_s: float
    name = "retention"
    traits = Traits("both", "until rewritten", "cell", "since write", "write or scrub")

    @property
    def width(self) -> float:
        return self.barriers.width

    def hazards(self, condition: Condition, z: Array) -> tuple[Array, Array]:
        zero, one = (flip_rate(self.barriers.at(condition.temperature_c, state, z), self.tau0_s) for state in (0, 1))
        return zero, one


@dataclass(frozen=True, repr=False)
class WriteError(RandomEvents):
    """A write leaves cells as they were: the fewer the longer the pulse, the larger the current and the hotter it is.

    The spread of barriers over the cells hardly matters, since errors are in proportion to the barrier.

    Attributes:
        barriers: of the cells.
        overdrive: write current over critical current, from 1.5.
        pulse: length of a write pulse over the relaxation time.
        tries: writes, each read back and repeated if it failed; 1 writes blindly.

    Raises:
        HwsimError: for an overdrive for which no equation holds, and for other settings without a meaning.
    """

    barriers: Barriers
    overdrive: float
    pulse: float
    tries: int = 1
    name = "write_error"
    traits = Traits("keeps the old value", "until rewritten", "cell", "per write", "write or scrub")
    stage = "write"
    keeps_old = True

    def __post_init__(self) -> None:
        self._at(self.barriers.reference_c)

    def rates(self, situation: Situation) -> Rates:
        return self._at(situation.at_write.temperature_c)

    def _at(self, temperature_c: float) -> Rates:
        """A change from 0 to 1 has the barrier of 0 to overcome."""
        one_try = (write_error(self.overdrive, self.barriers.at(temperature_c, state), self.pulse) for state in (0, 1))
        return Rates(*(float(write_verify_error(error, self.tries)) for error in one_try))


@dataclass(frozen=True, repr=False)
class MagneticReadDisturb(RandomEvents):
    """The read current turns cells towards the state that it favours: each read adds to it, until the next write.

    Attributes:
        barriers: of the cells.
        tau0_s: attempt time, s.
        pulse_s: how long a read takes, s.
        current_ratio: read current over critical current.
        exponent: of the barrier under current: see `hwsim.memory.physics.stt_mram.read_disturb`.
        to_one: share of the reads whose current favours a 1.

    Raises:
        HwsimError: for settings without a meaning.
    """

    barriers: Barriers
    tau0_s: float
    pulse_s: float
    current_ratio: float
    exponent: float = 1.0
    to_one: float = 0.0
    name = "read_disturb"

    def __post_init__(self) -> None:
        read_disturb(self.pulse_s, self.barriers.delta, self.current_ratio, self.exponent, self.tau0_s)
        within("read_disturb_to_one", self.to_one, 0, 1, "a share of the reads")

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Its nature, of which `to_one` says the direction."""
        direction = {0.0: "1 to 0", 1.0: "0 to 1"}.get(self.to_one, "both")
        return Traits(direction, "until rewritten", "cell", "reads", "write or scrub")  # type: ignore[arg-type]

    def rates(self, situation: Situation) -> Rates:
        lowered = (1 - self.current_ratio) ** self.exponent
        spent = situation.since_write
        counted = situation.reads - spent.reads
        # Nobody says how hot it was at single reads: no cooler than ever since the write, so that disturbs stay.
        hottest_c = max(spent.hottest_c, situation.at_write.temperature_c, situation.now.temperature_c)
        reads = [(condition.temperature_c, condition.reads_per_s * time_s) for condition, time_s in spent.items()]

        def hazards(z: Array) -> tuple[Array, Array]:
            out_of_0, out_of_1 = (
                sum(
                    (
                        number * self.pulse_s * flip_rate(lowered * self.barriers.at(at_c, state, z), self.tau0_s)
                        for at_c, number in [*reads, (hottest_c, counted)]
                        if number > 0
                    ),
                    np.zeros_like(z),
                )
                for state in (0, 1)
            )
            return self.to_one * out_of_0, (1 - self.to_one) * out_of_1

        return average_rates(hazards, self.barriers.width)
