"""STT-MRAM: a magnet that heat turns over, that a write may leave unturned, and that a read may turn.

Thermal stability Delta = E_b / (k T) governs all three: hotter is easier to write and worse to keep. Macrospin with
perpendicular anisotropy throughout. Sources: Butler et al., "Switching distributions for perpendicular spin-torque
devices within the macrospin approximation", IEEE Trans. Magn. 48 (2012), document 6242414, for the slope of the
write error; the prefactor here is our own correction of the one commonly printed, see `write_error`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

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
    within,
)
from hwsim.memory.physics.common import failed, normal_average
from hwsim.memory.technology.constants import physical

LOWEST_OVERDRIVE = 1.5  # below, `write_error` drifts away from the equation it approximates: see there

# ---- Thermal stability


@equation
def stability(barrier_ev: ArrayLike, temperature_c: ArrayLike) -> Array:
    """Thermal stability Delta = E_b / (k T) of an energy barrier, eV, at a temperature, degC."""
    return positive("barrier_ev", barrier_ev) / (physical("boltzmann") * kelvin("temperature_c", temperature_c))


@equation
def stability_at(temperature_c: ArrayLike, delta: ArrayLike, reference_c: ArrayLike) -> Array:
    """Delta at one temperature from Delta at another, for one barrier: Delta T_ref / T."""
    cold, hot = kelvin("reference_c", reference_c), kelvin("temperature_c", temperature_c)
    return positive("delta", delta) * (cold / hot)


@equation
def stability_for(time_s: ArrayLike, failure: ArrayLike, tau0_s: ArrayLike) -> Array:
    """The Delta with which a share `failure` of cells is lost in `time_s`: `retention_failure` solved for it.

    Delta = ln(t / tau0) - ln(-ln(1 - p))
    """
    lost = probability("failure", failure)
    if np.any((lost == 0) | (lost == 1)):
        raise HwsimError("A share of lost cells of 0 or 1 has no Delta: give one in between.")
    return np.log(positive("time_s", time_s) / positive("tau0_s", tau0_s)) - np.log(-np.log1p(-lost))


# ---- Retention


@equation
def flip_rate(delta: ArrayLike, tau0_s: ArrayLike) -> Array:
    """Rate at which heat takes a cell over its barrier, 1/s: exp(-Delta) / tau0 (Neel and Arrhenius)."""
    return np.exp(-non_negative("delta", delta)) / positive("tau0_s", tau0_s)


@equation
def retention_failure(time_s: ArrayLike, delta: ArrayLike, tau0_s: ArrayLike) -> Array:
    """Probability that heat has turned a cell over within `time_s`, the way back left aside.

    P = 1 - exp(-(t / tau0) exp(-Delta))

    Args:
        time_s: time since the write, s.
        delta: thermal stability of the stored state at the cell's temperature.
        tau0_s: attempt time, s.
    """
    return failed(time_s, flip_rate(delta, tau0_s))


@equation
def retention_failure_spread(
    time_s: ArrayLike, delta_mean: ArrayLike, delta_sigma: ArrayLike, tau0_s: ArrayLike
) -> Array:
    """Share of cells that heat has turned over within `time_s`, for a normal spread of Delta over the cells.

    P = E[1 - exp(-(t / tau0) exp(-Delta))], Delta ~ N(mean, sigma^2), integrated numerically, at any time.
    """
    elapsed, tau0 = time("time_s", time_s), positive("tau0_s", tau0_s)
    mean, sigma = positive("delta_mean", delta_mean), non_negative("delta_sigma", delta_sigma)
    log_attempts = np.log(np.maximum(elapsed / tau0, np.finfo(np.float64).tiny))
    lost = normal_average(
        lambda z: -np.expm1(-np.exp(np.minimum((log_attempts - mean)[..., None] - sigma[..., None] * z, 700.0))),
        width=float(1 / max(1.0, float(np.max(sigma, initial=0.0)))),
    )
    return np.where(elapsed > 0, lost, 0.0)[()]


# ---- Write


@equation
def relaxation_time(damping: ArrayLike, anisotropy_field_t: ArrayLike) -> Array:
    """The time that pulse lengths are measured in, s: 1 / (alpha omega0), omega0 = gamma mu0 Hk.

    Args:
        damping: Gilbert damping alpha.
        anisotropy_field_t: mu0 Hk, T.
    """
    omega0 = physical("gyromagnetic_ratio") * positive("anisotropy_field_t", anisotropy_field_t)
    return 1 / (positive("damping", damping) * omega0)


@equation
def write_error(overdrive: ArrayLike, delta: ArrayLike, pulse: ArrayLike) -> Array:
    """Probability that a write pulse leaves a cell that should turn as it was: a failed write keeps the OLD value.

    WER = 1 - exp(-C(i)^2 Delta (i - 1) / (i exp(2 tau (i - 1)) - 1)), C(i)^2 = 2^(2i/(i+1)) ((i - 1)/i)^(2/(i+1))

    Against a numerical solution of the Fokker-Planck equation it is within 0.4 % at i = 3, up to 1.1 times too high at
    i = 2 and up to 1.4 times at i = 1.5 (error rates from 1e-1 to 1e-6); the prefactor pi^2/4 that is commonly printed
    in place of C(i)^2 is 1.07, 1.5 to 1.9 and 3 to 7 times too high. For long pulses ln WER falls with the slope
    -2 (i - 1) in tau.

    Args:
        overdrive: i = I / Ic0, current over critical current, from 1.5.
        delta: thermal stability at the temperature of the write.
        pulse: tau, pulse length over `relaxation_time`. Below about 2 nearly every write fails, and by how little it
            does not, the formula cannot say.

    Raises:
        HwsimError: for an overdrive below 1.5, where the formula does not hold.
    """
    i = number("overdrive", overdrive)
    if np.any(i < LOWEST_OVERDRIVE):
        raise HwsimError(
            f"overdrive = {float(i[i < LOWEST_OVERDRIVE].flat[0]):g} is out of range: the write error formula holds "
            f"from {LOWEST_OVERDRIVE} times the critical current."
        )
    barrier, tau = positive("delta", delta), non_negative("pulse", pulse)
    prefactor = 2 ** (2 * i / (i + 1)) * ((i - 1) / i) ** (2 / (i + 1))
    left = np.exp(-2 * tau * (i - 1))  # of the initial angle's spread: no overflow for long pulses
    return -np.expm1(-prefactor * barrier * (i - 1) * left / (i - left))


@equation
def write_verify_error(error: ArrayLike, tries: ArrayLike) -> Array:
    """Probability that `tries` writes, each read back and repeated if wrong, all fail: p^n, for independent tries."""
    attempts = positive("tries", tries)
    return probability("error", error) ** attempts


# ---- Read


@equation
def read_disturb(
    time_s: ArrayLike, delta: ArrayLike, current_ratio: ArrayLike, exponent: ArrayLike, tau0_s: ArrayLike
) -> Array:
    """Probability that reading turns a cell over, towards the state that the read current favours.

    P = 1 - exp(-(t / tau0) exp(-Delta (1 - I / Ic)^xi))

    xi = 1 is in common use, xi = 2 is right for a perpendicular macrospin; they differ by five decades at I / Ic = 0.3,
    which is why it is a parameter.

    Args:
        time_s: how long the cell was read, over all its reads since it was written, s.
        delta: thermal stability at the temperature of the read.
        current_ratio: I / Ic, read current over critical current, from 0 to 1.
        exponent: xi, from 1 to 2.
        tau0_s: attempt time, s.
    """
    ratio = within("current_ratio", current_ratio, 0, 1, "a read current below the critical one")
    xi = within("exponent", exponent, 1, 2, "an exponent of the barrier under current")
    return failed(time_s, flip_rate(positive("delta", delta) * (1 - ratio) ** xi, tau0_s))
