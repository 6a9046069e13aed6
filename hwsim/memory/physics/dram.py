"""DRAM: charge that leaks away between refreshes, and chips that fail in the field.

The time that a charged cell holds its charge is lognormal over the cells. A true cell stores a 1 as charge, an anti
cell a 0, so leaking turns 1 into 0 in the one and 0 into 1 in the other. The same cells fail at every refresh of the
same length and temperature: a variable retention time is not modelled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hwsim.memory.physics.checks import Array, equation, kelvin, number, positive, probability, time
from hwsim.memory.physics.common import failed, normal_cdf, normal_log_cdf, rate_of_fit

# What a failure in the field takes down, in the order of the published tables.
FIELD_SCOPES = ("bit", "word", "column", "row", "bank", "n_bank", "n_rank")


@equation
def log_retention_mean(
    temperature_c: ArrayLike, reference_mean: ArrayLike, reference_c: ArrayLike, slope_per_c: ArrayLike
) -> Array:
    """Mean of ln(retention time / s) of the cells: it falls by `slope_per_c` with every degree.

    mu(T) = mu(T_ref) - k_T (T - T_ref)
    """
    hotter = kelvin("temperature_c", temperature_c) - kelvin("reference_c", reference_c)
    return number("reference_mean", reference_mean) - number("slope_per_c", slope_per_c) * hotter


@equation
def leakage_acceleration(temperature_c: ArrayLike, reference_c: ArrayLike, slope_per_c: ArrayLike) -> Array:
    """How many times faster charge leaks than at a reference temperature: exp(k_T (T - T_ref))."""
    hotter = number("temperature_c", temperature_c) - number("reference_c", reference_c)
    return np.exp(number("slope_per_c", slope_per_c) * hotter)


@equation
def retention_failure(
    time_s: ArrayLike,
    temperature_c: ArrayLike,
    *,
    reference_mean: ArrayLike,
    sigma: ArrayLike,
    reference_c: ArrayLike,
    slope_per_c: ArrayLike,
) -> Array:
    """Share of charged cells that lose their charge within `time_s` without a refresh.

    F(t, T) = Phi((ln t - mu(T)) / sigma)

    Args:
        time_s: time since the last refresh, s.
        temperature_c: temperature, degC.
        reference_mean: mean of ln(retention time / s) at `reference_c`.
        sigma: standard deviation of ln(retention time).
        reference_c: the temperature of `reference_mean`, degC.
        slope_per_c: by how much the mean falls with every degree, 1/degC.
    """
    return normal_cdf(_z(time_s, temperature_c, reference_mean, sigma, reference_c, slope_per_c))


@equation
def retention_log_slope(
    time_s: ArrayLike,
    temperature_c: ArrayLike,
    *,
    reference_mean: ArrayLike,
    sigma: ArrayLike,
    reference_c: ArrayLike,
    slope_per_c: ArrayLike,
) -> Array:
    """d ln F / d ln t of `retention_failure`: how steeply failures rise as the refresh is stretched.

    phi(z) / (sigma Phi(z)), z = (ln t - mu(T)) / sigma
    """
    z = _z(time_s, temperature_c, reference_mean, sigma, reference_c, slope_per_c)
    return np.exp(-z * z / 2 - np.log(2 * np.pi) / 2 - normal_log_cdf(z)) / sigma


@equation
def slope_per_c(z_per_step: ArrayLike, step_c: ArrayLike, sigma: ArrayLike) -> Array:
    """k_T from a published shift of z: z changes by `z_per_step` in `step_c` degrees, so mu by sigma times that."""
    return number("z_per_step", z_per_step) * positive("sigma", sigma) / positive("step_c", step_c)


def flips(leaked: ArrayLike, true_cell_share: ArrayLike) -> tuple[Array, Array]:
    """Probabilities that a stored 0, and a stored 1, reads wrong: (0 -> 1, 1 -> 0).

    Args:
        leaked: share of charged cells that lost their charge, see `retention_failure`.
        true_cell_share: share of cells in which a 1 is the charged value; the others hold charge for a 0.
    """
    lost, share = probability("leaked", leaked), probability("true_cell_share", true_cell_share)
    return lost * (1 - share), lost * share


@equation
def refresh_interval(temperature_c: ArrayLike, interval_s: ArrayLike, halved_above_c: ArrayLike) -> Array:
    """Time between two refreshes of a row, s: halved above a temperature, as the standards ask."""
    hot = kelvin("temperature_c", temperature_c) > kelvin("halved_above_c", halved_above_c)
    return np.where(hot, 0.5, 1.0)[()] * positive("interval_s", interval_s)


@equation
def field_failure(time_s: ArrayLike, fit: ArrayLike) -> Array:
    """Probability that a chip has failed in one of the modes of `FIELD_SCOPES` within `time_s`: 1 - exp(-FIT t)."""
    return failed(time_s, rate_of_fit(fit))


def _z(
    time_s: ArrayLike,
    temperature_c: ArrayLike,
    reference_mean: ArrayLike,
    sigma: ArrayLike,
    reference_c: ArrayLike,
    slope: ArrayLike,
) -> Array:
    mean = log_retention_mean(temperature_c, reference_mean, reference_c, slope)
    # A refresh after no time at all leaves no failure; ln 0 would not be finite.
    log_time = np.log(np.maximum(time("time_s", time_s), np.finfo(np.float64).tiny))
    return (log_time - mean) / positive("sigma", sigma)
