"""Faults of resistive memory: levels that broaden as cells relax, and cells that stick.

Equations: `hwsim.memory.physics.reram`. A cell of one bit holds 0 in its state of high resistance; one of two bits the
Gray code of its level. Where a cell lies within its level is new at every write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwsim.constants import Value
from hwsim.memory.mechanisms.levels import bits_per_cell, level_errors, stuck_levels
from hwsim.memory.mechanisms.mechanism import Mechanism, Situation
from hwsim.memory.physics.checks import Array
from hwsim.memory.physics.reram import relaxed_read_errors
from hwsim.memory.technology.technology import Technology


def build(technology: Technology) -> dict[str, Callable[[], Mechanism | Sequence[Mechanism]]]:
    """What makes the mechanisms of a resistive memory with a table's constants; `stuck` are two, one of them wear."""
    return {"relaxation": lambda: _relaxation(technology), "stuck": lambda: stuck_levels(technology)}


def _relaxation(technology: Technology) -> Mechanism:
    bits = bits_per_cell(technology)
    relaxation = Relaxation(
        means=technology[f"levels_{bits}bit"].value,
        sigmas=technology[f"sigmas_{bits}bit"].value,
        start_s=technology["relaxation_start"].to("s"),
        end_s=technology["relaxation_end"].to("s"),
        growth=technology["relaxation_growth"].to("1"),
    )
    return level_errors("relaxation", bits, relaxation.errors)


@dataclass(frozen=True)
class Relaxation:
    """Levels that broaden with the logarithm of time, between thresholds that stay where they are best when fresh.

    Attributes:
        means: what each level reads on average.
        sigmas: standard deviation of each, when fresh.
        start_s, end_s, growth: see `hwsim.memory.physics.reram.relaxation`.
    """

    means: Value
    sigmas: Value
    start_s: float
    end_s: float
    growth: float

    def __post_init__(self) -> None:
        self.after(0.0)

    def errors(self, situation: Situation) -> Array:
        """Probabilities to read one level as another."""
        return self.after(situation.since_write.duration_s)

    def after(self, time_s: float) -> Array:
        """The same, a time after programming."""
        law = {"start_s": self.start_s, "end_s": self.end_s, "growth": self.growth}
        return relaxed_read_errors(self.means, self.sigmas, time_s, **law)
