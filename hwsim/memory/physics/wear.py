"""Cells that are written so often that they stick."""

from __future__ import annotations

from numpy.typing import ArrayLike

from hwsim.memory.physics.checks import Array, equation, non_negative, positive, probability
from hwsim.memory.physics.common import ever


@equation
def worn_out(cycles: ArrayLike, *, endurance: ArrayLike, failure: ArrayLike, shape: ArrayLike) -> Array:
    """Share of cells that have worn out after a number of writes: a Weibull distribution through one known point.

    P(N) = 1 - (1 - p)^((N / N_e)^shape): early on the share grows as N^shape.

    Args:
        cycles: N, writes.
        endurance: N_e, writes after which a share is known.
        failure: p, that share.
        shape: the Weibull shape; 1 wears cells at a constant rate, more spares new ones.
    """
    relative = non_negative("cycles", cycles) / positive("endurance", endurance)
    return ever(probability("failure", failure), relative ** positive("shape", shape))
