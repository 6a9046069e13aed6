"""Phase-change memory: conductances that are programmed with noise, drift down, and crystallise up.

Drift and programming noise are the fit of a million mushroom cells in S. R. Nandakumar et al. (2019) and V. Joshi et
al., "Accurate deep neural network inference using computational phase-change memory", Nature Communications 11 (2020),
2473, with the coefficients of IBM's aihwkit. Drift lowers every conductance: it widens the gap of a single-level cell,
and moves the middle levels of a multi-level cell into their neighbours. What a single-level cell dies of is
crystallisation, which takes RESET to SET.

Conductances are in siemens, or as g = G / Gmax where the text says so.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from hwsim.memory.physics.checks import (
    Array,
    equation,
    non_negative,
    number,
    positive,
    probability,
    time,
    together,
    within,
)
from hwsim.memory.physics.common import equivalent_time, ever, normal_between
from hwsim.memory.physics.levels import edges_of, rising

EXPONENT_LAW = ("log_slope", "offset", "low", "high")  # coefficients of `drift_exponent`, as the tables name them

_SPREADS = 12  # standard deviations of the drift exponent that an average covers: beyond lies 4e-33


@equation
def programming_sigma(g: ArrayLike, coefficients_us: ArrayLike) -> Array:
    """Standard deviation of a conductance right after it was programmed, uS: c0 + c1 g + c2 g^2.

    Args:
        g: target conductance over Gmax, from 0 to 1.
        coefficients_us: c0, c1, c2, uS.
    """
    c0, c1, c2 = number("coefficients_us", coefficients_us)
    target = _relative(g)
    return c0 + target * (c1 + target * c2)


@equation
def drift_exponent(g: ArrayLike, log_slope: float, offset: float, low: float, high: float) -> Array:
    """A coefficient of the drift exponent nu over the target: clip(log_slope ln g + offset, low, high).

    nu of a cell is |N(m, s)|; m and s both follow this law, with coefficients of their own. g = 0 is the limit.
    """
    target = _relative(g)
    with np.errstate(divide="ignore"):
        return np.clip(number("log_slope", log_slope) * np.log(target) + number("offset", offset), low, high)


@equation
def drift_factor(time_s: ArrayLike, exponent: ArrayLike, reference_s: ArrayLike) -> Array:
    """What is left of a conductance: G / G0 = (t / t0)^-nu, G0 read at t0; 1 before that.

    Args:
        time_s: t, time since programming, s.
        exponent: nu, of one cell or the mean over cells.
        reference_s: t0, s.
    """
    return np.exp(-non_negative("exponent", exponent) * log_time(time_s, reference_s))


@equation
def log_time(time_s: ArrayLike, reference_s: ArrayLike) -> Array:
    """ln(t / t0), and 0 before t0: drift is known from the reference read on."""
    reference = positive("reference_s", reference_s)
    return np.log(np.maximum(time("time_s", time_s), reference) / reference)


@equation
def read_errors(
    levels: ArrayLike,
    thresholds: ArrayLike,
    time_s: float,
    *,
    sigma: ArrayLike,
    exponent_mean: ArrayLike,
    exponent_sigma: ArrayLike,
    reference_s: float,
    tracking_exponent: float = 0.0,
) -> Array:
    """Probability that a drifted cell of one level is read as another: rows are stored levels, columns are read ones.

    A cell reads (g_j + sigma_j x) (t / t0)^-nu, x standard normal and nu = |N(m_j, s_j)|, so that
    P[j, k] = E_nu[ Phi((t_{k+1} e^{nu L} - g_j) / sigma_j) - Phi((t_k e^{nu L} - g_j) / sigma_j) ], L = ln(t / t0).

    Args:
        levels: target of each level, G / Gmax, rising; shape (levels,).
        thresholds: between the levels, G / Gmax, rising; shape (levels - 1,).
        time_s: t, time since programming, s.
        sigma: programming noise of each level, G / Gmax (`programming_sigma` over Gmax).
        exponent_mean: m of each level.
        exponent_sigma: s of each level.
        reference_s: t0, s.
        tracking_exponent: the thresholds fall as (t / t0)^-tracking, as those of drifting reference cells do.
    """
    level, width, mean, spread = together(
        levels=_relative(rising(levels)),
        sigma=positive("sigma", sigma),
        exponent_mean=non_negative("exponent_mean", exponent_mean),
        exponent_sigma=positive("exponent_sigma", exponent_sigma),
    )
    drift = float(log_time(time_s, reference_s))
    edges = edges_of(thresholds, len(level)) * np.exp(-non_negative("tracking_exponent", tracking_exponent) * drift)
    nu, weight = _folded_normal(mean, spread)  # (levels, nodes) each
    z = (edges[None, :, None] * np.exp(nu * drift)[:, None, :] - level[:, None, None]) / width[:, None, None]
    return np.minimum(np.einsum("jkn,jn->jk", normal_between(z[:, :-1], z[:, 1:]), weight), 1.0)


@equation
def crystallised(
    time_s: ArrayLike,
    temperature_c: ArrayLike,
    *,
    activation_energy_ev: ArrayLike,
    reference_c: ArrayLike,
    reference_s: ArrayLike,
    reference_failure: ArrayLike,
) -> Array:
    """Probability that a RESET cell has crystallised and reads as SET.

    P = 1 - (1 - p_ref)^(t_eq / t_ref), t_eq the Arrhenius equivalent of t at the reference temperature.

    Args:
        time_s: time since programming, s.
        temperature_c: temperature, degC.
        activation_energy_ev: of crystallisation, eV.
        reference_c: temperature of a qualified retention, degC.
        reference_s: its time, s.
        reference_failure: share of cells that it allows to be lost.
    """
    aged = equivalent_time(time_s, temperature_c, reference_c, activation_energy_ev)
    return ever(probability("reference_failure", reference_failure), aged / positive("reference_s", reference_s))


def _relative(g: ArrayLike) -> Array:
    return within("g", g, 0, 1, "a conductance over Gmax")


def _folded_normal(mean: Array, sigma: Array) -> tuple[Array, Array]:
    """Nodes and weights of an average over |N(mean, sigma)|, by Gauss and Legendre on the folded density."""
    node, weight = _legendre(768)
    high = (mean + _SPREADS * sigma)[:, None]
    nu = (node + 1) / 2 * high
    m, s = mean[:, None], sigma[:, None]
    density = np.exp(-(((nu - m) / s) ** 2) / 2) + np.exp(-(((nu + m) / s) ** 2) / 2)
    weight = weight * density
    return nu, weight / weight.sum(axis=1, keepdims=True)


@lru_cache(maxsize=4)
def _legendre(nodes: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(nodes)
