"""NAND flash: raw bit error rates that grow with wear, time and reads.

Two published fits. One of 72-layer triple-level cells adds wear, retention and read disturb as powers of cycles,
hours and reads: B. S. Kim, J. Choi, S. L. Min, "Design tradeoffs for SSD reliability", FAST 2019. The other, of an
earlier 3D flash, is linear in the logarithm of time, in the form of Y. Luo et al., "Improving 3D NAND flash memory
lifetime by tolerating early retention loss and process variation", SIGMETRICS 2018.

Heat enters as equivalent time, `hwsim.memory.physics.common.equivalent_time`. Some 3D flash contradicts Arrhenius'
law: 13 times faster at 100 degC than at 40 degC was measured where 1.1 eV says 702 times. The energy of activation is
a parameter for that reason.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hwsim.constants.units import parse_unit
from hwsim.memory.physics.checks import Array, equation, non_negative, number, positive, time

_WORST = 0.5  # a bit that is wrong more often than not would be read inverted

# ---- Powers of cycles, hours and reads


@equation
def wear_error(cycles: ArrayLike, *, floor: ArrayLike, wear: ArrayLike, wear_exponent: ArrayLike) -> Array:
    """Errors right after programming: eps + a N^k, at most 1/2.

    Args:
        cycles: N, program and erase cycles of the block.
        floor: eps.
        wear: a.
        wear_exponent: k.
    """
    worn = non_negative("wear", wear) * _cycles(cycles) ** positive("wear_exponent", wear_exponent)
    return np.minimum(non_negative("floor", floor) + worn, _WORST)


@equation
def retention_error(
    cycles: ArrayLike,
    time_s: ArrayLike,
    *,
    retention: ArrayLike,
    retention_cycle_exponent: ArrayLike,
    retention_time_exponent: ArrayLike,
) -> Array:
    """Errors that charge loss adds: b N^m t^n with t in hours, at most 1/2.

    Args:
        cycles: N, program and erase cycles of the block.
        time_s: time since programming, at the reference temperature, s.
        retention: b.
        retention_cycle_exponent: m.
        retention_time_exponent: n.
    """
    hours = time("time_s", time_s) / parse_unit("h").scale
    aged = hours ** positive("retention_time_exponent", retention_time_exponent)
    worn = _cycles(cycles) ** positive("retention_cycle_exponent", retention_cycle_exponent)
    return np.minimum(non_negative("retention", retention) * worn * aged, _WORST)


@equation
def read_disturb_error(
    cycles: ArrayLike,
    reads: ArrayLike,
    *,
    disturb: ArrayLike,
    disturb_cycle_exponent: ArrayLike,
    disturb_read_exponent: ArrayLike,
) -> Array:
    """Errors that reading adds: g N^p r^q, at most 1/2.

    Args:
        cycles: N, program and erase cycles of the block.
        reads: r, reads per page since the block was erased.
        disturb: g.
        disturb_cycle_exponent: p.
        disturb_read_exponent: q.
    """
    read = non_negative("reads", reads) ** positive("disturb_read_exponent", disturb_read_exponent)
    worn = _cycles(cycles) ** positive("disturb_cycle_exponent", disturb_cycle_exponent)
    return np.minimum(non_negative("disturb", disturb) * worn * read, _WORST)


@equation
def bit_error_rate(
    cycles: ArrayLike,
    time_s: ArrayLike,
    reads: ArrayLike,
    *,
    floor: ArrayLike,
    wear: ArrayLike,
    wear_exponent: ArrayLike,
    retention: ArrayLike,
    retention_cycle_exponent: ArrayLike,
    retention_time_exponent: ArrayLike,
    disturb: ArrayLike,
    disturb_cycle_exponent: ArrayLike,
    disturb_read_exponent: ArrayLike,
) -> Array:
    """Raw bit error rate: eps + a N^k + b N^m t^n + g N^p r^q, at most 1/2.

    The sum of `wear_error`, `retention_error` and `read_disturb_error`, whose arguments these are.
    """
    return np.minimum(
        wear_error(cycles, floor=floor, wear=wear, wear_exponent=wear_exponent)
        + retention_error(
            cycles,
            time_s,
            retention=retention,
            retention_cycle_exponent=retention_cycle_exponent,
            retention_time_exponent=retention_time_exponent,
        )
        + read_disturb_error(
            cycles,
            reads,
            disturb=disturb,
            disturb_cycle_exponent=disturb_cycle_exponent,
            disturb_read_exponent=disturb_read_exponent,
        ),
        _WORST,
    )


# ---- Logarithm of time


@equation
def log_time_bit_error_rate(
    cycles: ArrayLike,
    time_s: ArrayLike,
    *,
    slope: ArrayLike,
    slope_per_cycle: ArrayLike,
    offset: ArrayLike,
    offset_per_cycle: ArrayLike,
) -> Array:
    """Raw bit error rate: ln RBER = (a N + b) ln t + c N + d, at most 1/2.

    Args:
        cycles: N, program and erase cycles of the block.
        time_s: t, time since programming at the reference temperature, s; 0 gives no errors.
        slope: b.
        slope_per_cycle: a.
        offset: d.
        offset_per_cycle: c.
    """
    n, elapsed = _cycles(cycles), time("time_s", time_s)
    power = positive("slope", slope) + number("slope_per_cycle", slope_per_cycle) * n
    log_rate = special.xlogy(power, elapsed) + number("offset_per_cycle", offset_per_cycle) * n
    return np.exp(np.minimum(log_rate + number("offset", offset), np.log(_WORST)))


def _cycles(cycles: ArrayLike) -> Array:
    return non_negative("cycles", cycles)
