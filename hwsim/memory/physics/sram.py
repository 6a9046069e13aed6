"""SRAM: cells that fail at low voltage, age under bias, and are struck by particles.

A cell fails while the supply is below its own minimum voltage, Vmin = mean + block + column + cell, four independent
normal terms: cells of one block, and of one column of it, share theirs, so faults cluster. Ageing shifts the mean of
Vmin and hardly widens it ("SRAM cell static noise margin and VMIN sensitivity to transistor degradation", IEDM 2006).
Which value a cell prefers when it fails is a property of the cell and not of these probabilities.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hwsim.errors import HwsimError
from hwsim.memory.physics.checks import Array, equation, non_negative, number, positive, time, together, within
from hwsim.memory.physics.common import acceleration, normal_average, normal_cdf, rate_of_fit_per_mb, two_state

# ---- Low voltage


class Spread(NamedTuple):
    """Standard deviations of the parts of Vmin, V: `block` and `column` are shared, `cell` is each cell's own."""

    block: float
    column: float
    cell: float


def spread(vmin_sigma_v: float, block_share: float, column_share: float) -> Spread:
    """The parts of a total spread whose variance is split into shares: sigma_block^2 = block_share sigma^2.

    Raises:
        HwsimError: for shares that leave nothing for the cells themselves.
    """
    sigma = float(positive("vmin_sigma_v", vmin_sigma_v))
    block = float(within("block_share", block_share, 0, 1, "a share"))
    column = float(within("column_share", column_share, 0, 1, "a share"))
    if block + column >= 1:
        raise HwsimError(
            f"block_share and column_share are {block + column:g} together: give less than 1, and leave the cells some."
        )
    return Spread(*(sigma * math.sqrt(share) for share in (block, column, 1 - block - column)))


@equation
def low_voltage_failure(
    voltage_v: ArrayLike, vmin_mean_v: ArrayLike, vmin_sigma_v: ArrayLike, shift_v: ArrayLike = 0.0
) -> Array:
    """Share of cells that fail at a supply voltage.

    P(V) = Phi((mean + shift - V) / sigma)

    Args:
        voltage_v: supply voltage, V.
        vmin_mean_v: mean of the cells' Vmin when new, V. Fitted to measured tails, it is a parameter of the tail
            and not the median cell.
        vmin_sigma_v: total spread of Vmin, V.
        shift_v: by how much ageing has raised the mean, V: gamma dVth, see `bti_shift`.
    """
    voltage, sigma = non_negative("voltage_v", voltage_v), positive("vmin_sigma_v", vmin_sigma_v)
    return normal_cdf((number("vmin_mean_v", vmin_mean_v) + number("shift_v", shift_v) - voltage) / sigma)


def pair_failure(
    voltage_v: float, vmin_mean_v: float, vmin_sigma_v: float, shared: float, shift_v: float = 0.0
) -> float:
    """Probability that two cells fail together which share the share `shared` of the variance of Vmin.

    P = E[Phi((z - sqrt(shared) x) / sqrt(1 - shared))^2], x standard normal, z = (mean + shift - V) / sigma.
    """
    share, own, z = _conditional(voltage_v, vmin_mean_v, vmin_sigma_v, shared, shift_v)
    return float(normal_average(lambda x: normal_cdf((z - share * x) / own) ** 2, own / max(share, own)))


def fault_free_block(
    voltage_v: float,
    vmin_mean_v: float,
    vmin_sigma_v: float,
    block_share: float,
    column_share: float,
    rows: int,
    columns: int,
    shift_v: float = 0.0,
) -> float:
    """Share of blocks of `rows` by `columns` cells in which no cell fails.

    P = E_block[ E_column[ (1 - p(block, column))^rows ]^columns ]
    """
    parts = spread(vmin_sigma_v, block_share, column_share)
    margin = float(
        number("vmin_mean_v", vmin_mean_v) + number("shift_v", shift_v) - non_negative("voltage_v", voltage_v)
    )
    rows, columns = int(positive("rows", rows)), int(positive("columns", columns))
    # What changes fastest is the chance of no fault in a column, over a fraction of the cells' own spread.
    width = parts.cell / max(parts.block, parts.column, parts.cell) / 4

    def columns_of(block: Array) -> Array:
        def rows_of(column: Array) -> Array:
            z = (margin + parts.block * block[:, None] + parts.column * column) / parts.cell
            return np.exp(rows * special.log_ndtr(-z))

        return normal_average(rows_of, width) ** columns

    return float(normal_average(columns_of, width))


def faults_dispersion(
    voltage_v: float,
    vmin_mean_v: float,
    vmin_sigma_v: float,
    block_share: float,
    column_share: float,
    rows: int,
    columns: int,
    shift_v: float = 0.0,
) -> float:
    """Variance over mean of the faults per block: 1 for independent cells, more where faults cluster.

    1 + (n (rows - 1) P_column + n (n - rows) P_block) / (n p) - n p, with n = rows columns and P the chance that two
    cells of one column, or of one block, fail together.
    """
    state = voltage_v, vmin_mean_v, vmin_sigma_v
    n = int(positive("rows", rows)) * int(positive("columns", columns))
    p = float(low_voltage_failure(*state, shift_v))
    same_block = pair_failure(*state, block_share, shift_v)
    same_column = pair_failure(*state, block_share + column_share, shift_v)
    return 1 + ((rows - 1) * same_column + (n - rows) * same_block) / p - n * p


def fit_vmin(voltage_v: ArrayLike, faults: ArrayLike, cells: ArrayLike) -> tuple[float, float]:
    """Mean and spread of Vmin, V, from faults counted at several voltages.

    A straight line through the normal quantiles of the fault rates, each weighted by the square root of its count
    (its distance divided by its standard error, to first order). Points without faults say nothing and are left out.

    Raises:
        HwsimError: for fewer than two voltages with faults, and for rates that do not rise as the voltage falls.
    """
    voltage, count, total = together(
        voltage_v=positive("voltage_v", voltage_v),
        faults=non_negative("faults", faults),
        cells=positive("cells", cells),
    )
    seen = (count > 0) & (count < total)
    if len(np.unique(voltage[seen])) < 2:
        raise HwsimError("A fit of Vmin needs faults at two voltages at least.")
    slope, offset = np.polyfit(voltage[seen], special.ndtri(count[seen] / total[seen]), 1, w=np.sqrt(count[seen]))
    if slope >= 0:
        raise HwsimError("These faults do not become more as the voltage falls: they say nothing of Vmin.")
    return float(-offset / slope), float(-1 / slope)


def _conditional(
    voltage_v: float, vmin_mean_v: float, vmin_sigma_v: float, shared: float, shift_v: float
) -> tuple[float, float, float]:
    share = float(within("shared", shared, 0, 1, "a share"))
    if share == 1:
        raise HwsimError("shared = 1 leaves nothing for the cells themselves: give less than 1.")
    margin = number("vmin_mean_v", vmin_mean_v) + number("shift_v", shift_v) - non_negative("voltage_v", voltage_v)
    z = float(margin / positive("vmin_sigma_v", vmin_sigma_v))
    return math.sqrt(share), math.sqrt(1 - share), z


# ---- Bias temperature instability


@equation
def bti_prefactor(end_of_life_shift_v: ArrayLike, end_of_life_s: ArrayLike, time_exponent: ArrayLike) -> Array:
    """A in dVth = A t^n that gives a stated shift at the end of life, V / s^n: A = shift / t^n.

    Published prefactors differ by a factor of eight, so a stated end of life says more than any of them.
    """
    life = positive("end_of_life_s", end_of_life_s)
    return non_negative("end_of_life_shift_v", end_of_life_shift_v) / life ** _exponent(time_exponent)


@equation
def bti_stress_factor(
    temperature_c: ArrayLike,
    voltage_v: ArrayLike,
    duty: ArrayLike,
    *,
    reference_c: float,
    reference_v: float,
    activation_energy_ev: float,
    voltage_exponent: float,
    time_exponent: float,
) -> Array:
    """A at some stress, as a multiple of A at the reference stress.

    A / A_ref = exp(-(Ea / k) (1 / T - 1 / T_ref)) (V / V_ref)^m duty^n: Arrhenius in temperature, a power of the
    voltage, and only the time under bias counts.

    Args:
        temperature_c: temperature, degC.
        voltage_v: supply voltage, V; 0 stops ageing.
        duty: share of the time that the transistor is under bias, from 0 to 1.
        reference_c: reference temperature, degC.
        reference_v: reference voltage, V.
        activation_energy_ev: Ea of the shift (not of its rate), eV.
        voltage_exponent: m.
        time_exponent: n.
    """
    relative = non_negative("voltage_v", voltage_v) / positive("reference_v", reference_v)
    power = positive("voltage_exponent", voltage_exponent)
    under_bias = within("duty", duty, 0, 1, "a share of time") ** _exponent(time_exponent)
    return acceleration(temperature_c, reference_c, activation_energy_ev) * relative**power * under_bias


@equation
def bti_shift(prefactor_v: ArrayLike, time_s: ArrayLike, time_exponent: ArrayLike) -> Array:
    """Shift of the threshold voltage under constant stress, V: dVth = A t^n."""
    return non_negative("prefactor_v", prefactor_v) * time("time_s", time_s) ** _exponent(time_exponent)


@equation
def bti_stress(prefactor_v: ArrayLike, time_s: ArrayLike, time_exponent: ArrayLike) -> Array:
    """What ageing accumulates, V^(1/n): A^(1/n) t. A life is the sum over its parts, in any order; see `bti_of_stress`.

    The recovery when bias is removed is not modelled: a shift is the one seen under bias.
    """
    return non_negative("prefactor_v", prefactor_v) ** (1 / _exponent(time_exponent)) * time("time_s", time_s)


@equation
def bti_of_stress(stress: ArrayLike, time_exponent: ArrayLike) -> Array:
    """Shift of the threshold voltage after an accumulated stress, V: dVth = stress^n."""
    return non_negative("stress", stress) ** _exponent(time_exponent)


def _exponent(time_exponent: ArrayLike) -> Array:
    return positive("time_exponent", time_exponent)


# ---- Soft errors


@equation
def soft_error_flip(time_s: ArrayLike, fit_per_mb: ArrayLike) -> Array:
    """Probability that particles have left a bit flipped after `time_s` without being rewritten.

    A strike flips either value: p = (1 - exp(-2 r t)) / 2, r = FIT/Mb 1e-9 / 3600 / 2^20 per second.
    """
    rate = rate_of_fit_per_mb(fit_per_mb)
    return two_state(time_s, rate, rate)
