"""What several technologies share: heat, hazards, and how probabilities combine.

Sources: Arrhenius' law as JEDEC JESD22-A108 and JESD218 use it; the rest is elementary probability. Normal tails
are scipy's `ndtr`, `log_ndtr` and their inverses, which keep their relative precision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hwsim.constants.units import ZERO_CELSIUS_K, parse_unit
from hwsim.errors import HwsimError
from hwsim.memory.physics.checks import (
    Array,
    equation,
    kelvin,
    non_negative,
    number,
    positive,
    probability,
    time,
    together,
)
from hwsim.memory.technology.constants import physical

# ---- Heat


@equation
def acceleration(temperature_c: ArrayLike, reference_c: ArrayLike, activation_energy_ev: ArrayLike) -> Array:
    """How many times faster a thermally activated process runs at one temperature than at another.

    AF = exp((Ea / k) (1 / T_ref - 1 / T)), temperatures in kelvin (Arrhenius).

    Args:
        temperature_c: the temperature, degC.
        reference_c: the temperature at which the rate is known, degC.
        activation_energy_ev: Ea, eV; 0 makes the process indifferent to heat.
    """
    hot, reference = kelvin("temperature_c", temperature_c), kelvin("reference_c", reference_c)
    energy = non_negative("activation_energy_ev", activation_energy_ev)
    return np.exp(energy / physical("boltzmann") * ((hot - reference) / (hot * reference)))


@equation
def equivalent_time(
    time_s: ArrayLike, temperature_c: ArrayLike, reference_c: ArrayLike, activation_energy_ev: ArrayLike
) -> Array:
    """Seconds at `reference_c` that age a cell as much as `time_s` at `temperature_c` does.

    t_eq = t exp((Ea / k) (1 / T_ref - 1 / T)); times of one activation energy add up, in any order.
    """
    return time("time_s", time_s) * acceleration(temperature_c, reference_c, activation_energy_ev)


def mean_kinetic_temperature(time_s: ArrayLike, temperature_c: ArrayLike, activation_energy_ev: float) -> float:
    """The constant temperature, degC, that ages a cell as much as a profile does.

    T = (Ea / k) / -ln(sum_i w_i exp(-Ea / (k T_i))), w_i the share of time at T_i.

    Args:
        time_s: duration of each step of the profile.
        temperature_c: temperature of each step, degC.
        activation_energy_ev: Ea, eV; above 0.

    Raises:
        HwsimError: for a profile that lasts no time.
    """
    duration, temperature = together(
        time_s=time("time_s", time_s), temperature_c=kelvin("temperature_c", temperature_c)
    )
    if not duration.sum() > 0:
        raise HwsimError("A profile that lasts 0 s has no mean temperature: give a duration above 0 s.")
    slope = positive("activation_energy_ev", activation_energy_ev) / physical("boltzmann")
    log_mean = special.logsumexp(-slope / temperature, b=duration / duration.sum())
    return float(-slope / log_mean - ZERO_CELSIUS_K)


# ---- Hazards


@equation
def failed(time_s: ArrayLike, rate_s: ArrayLike) -> Array:
    """Probability that a cell has failed for good: p = 1 - exp(-rate t), rate in 1/s."""
    return -np.expm1(-non_negative("rate_s", rate_s) * time("time_s", time_s))


@equation
def two_state(time_s: ArrayLike, rate_s: ArrayLike, back_rate_s: ArrayLike) -> Array:
    """Probability that a cell which may flip to and fro is in the other state.

    p(t) = l01 / (l01 + l10) (1 - exp(-(l01 + l10) t)): one half after a long time if both rates are equal.

    Args:
        time_s: time since the cell was written.
        rate_s: rate out of the state that was written, 1/s.
        back_rate_s: rate back into it, 1/s.
    """
    leaves = non_negative("rate_s", rate_s) * time("time_s", time_s)
    returns = non_negative("back_rate_s", back_rate_s) * time("time_s", time_s)
    return leaves * special.exprel(-(leaves + returns))


def combine_flips(*probabilities: ArrayLike) -> Array:
    """Probability that independent flips of one bit leave it wrong: an odd number of them happened.

    p = (1 - prod_i (1 - 2 p_i)) / 2, computed pair by pair as p (1 - q) + q (1 - p), which cancels nothing.
    """
    wrong: Array = np.zeros(())
    for one in probabilities:
        flips = probability("probability", one)
        wrong = wrong * (1 - flips) + flips * (1 - wrong)
    return wrong[()]


@equation
def ever(probability_each: ArrayLike, times: ArrayLike) -> Array:
    """Probability that something with a given chance happens at least once: 1 - (1 - p)^n."""
    each = probability("probability_each", probability_each)
    return -np.expm1(special.xlog1py(non_negative("times", times), -each))


# ---- Rates


@equation
def rate_of_fit(fit: ArrayLike) -> Array:
    """Failures in time (failures in 10^9 hours) as a rate, 1/s."""
    return non_negative("fit", fit) * parse_unit("FIT").scale


@equation
def rate_of_fit_per_mb(fit_per_mb: ArrayLike) -> Array:
    """FIT per Mb of 2^20 bits as a rate, 1/s for each bit."""
    return non_negative("fit_per_mb", fit_per_mb) * parse_unit("FIT/Mb").scale


# ---- Words


def at_least(errors: ArrayLike, bits: ArrayLike, bit_error: ArrayLike) -> Array:
    """Probability that a word has `errors` wrong bits or more: a binomial tail, without cancellation.

    P(X >= e) = I_p(e, n - e + 1), the regularised incomplete beta function.

    Args:
        errors: e, from 0.
        bits: n, bits of the word.
        bit_error: p, probability that a bit is wrong, independently of the others.
    """
    e, n = non_negative("errors", errors), non_negative("bits", bits)
    p = probability("bit_error", bit_error)
    # Where e is 0 or above n the beta function has no such arguments: the answer is 1 or 0.
    some = (e > 0) & (e <= n)
    tail = special.betainc(np.where(some, e, 1), np.where(some, n - e + 1, 1), p)
    return np.where(e == 0, 1.0, np.where(some, tail, 0.0))[()]


# ---- The normal distribution


def normal_cdf(z: ArrayLike) -> Array:
    """P(Z < z) for a standard normal Z, to full relative precision down to z = -37."""
    return special.ndtr(number("z", z))


def normal_log_cdf(z: ArrayLike) -> Array:
    """ln P(Z < z), for tails that no floating-point number holds."""
    return special.log_ndtr(number("z", z))


def normal_quantile(p: ArrayLike) -> Array:
    """The z with P(Z < z) = p."""
    return special.ndtri(probability("p", p))


def normal_between(low: ArrayLike, high: ArrayLike) -> Array:
    """P(low < Z < high), precise in both tails; limits may be infinite."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    right = low > 0  # both in the right tail: its mirror image is the left one, where ndtr is precise
    a, b = np.where(right, -high, low), np.where(right, -low, high)
    return np.maximum(special.ndtr(b) - special.ndtr(a), 0.0)[()]


def normal_average(function: Callable[[Array], Array], width: float = 1.0) -> Array:
    """The mean of `function(z)` over a standard normal z, by the trapezoidal rule.

    The rule converges exponentially for smooth functions of a normal variable. It covers |z| < 38, where the density
    is above the smallest double, so that a mean which far tails decide comes out right too.

    Args:
        function: takes an array of z and returns values with those z on the last axis; positive ones, or the mean
            loses its relative precision.
        width: the distance in z over which the function changes, if that is less than 1.
    """
    z, weight = _normal_nodes(int(np.ceil(8 / min(max(width, 1e-3), 1.0))))
    return np.asarray(function(z)) @ weight


@lru_cache(maxsize=16)
def _normal_nodes(steps_per_unit: int) -> tuple[Array, Array]:
    z = np.arange(-38 * steps_per_unit, 38 * steps_per_unit + 1) / steps_per_unit
    return z, np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / steps_per_unit
