"""Cells with two or more levels: where to set the thresholds, how often a level is read as another, and the bits.

A cell is programmed to a level, reads as a normal variable around it, and is taken for the level whose interval the
value falls in. Levels are numbered from 0 in rising order of what is read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim.errors import HwsimError
from hwsim.memory.physics.checks import Array, equation, non_negative, number, positive, together
from hwsim.memory.physics.common import normal_between


class BitErrors(NamedTuple):
    """Probability that a stored 0, and a stored 1, reads wrong: one for each bit of a cell, least significant first."""

    zero_to_one: Array
    one_to_zero: Array

    @property
    def mean(self) -> float:
        """Error rate of a cell's bits, for bits that are 0 as often as 1."""
        return float(np.mean([self.zero_to_one, self.one_to_zero]))


@equation
def likeliest_thresholds(means: ArrayLike, sigmas: ArrayLike) -> Array:
    """Thresholds where two neighbouring levels are equally likely, which make the fewest errors.

    The x between the means at which N(m1, s1) and N(m2, s2) have the same density: a root of a quadratic.

    Raises:
        HwsimError: for levels so wide that there is no such x.
    """
    mean, sigma = together(means=rising(means), sigmas=positive("sigmas", sigmas))
    gap, s1, s2 = np.diff(mean), sigma[:-1], sigma[1:]
    # With x measured from the lower mean: (x / s1)^2 - ((x - gap) / s2)^2 = 2 ln(s2 / s1); the root between the means.
    a = 1 / s1**2 - 1 / s2**2
    b = gap / s2**2
    c = -((gap / s2) ** 2) - 2 * np.log(s2 / s1)
    discriminant = b * b - a * c
    x = -c / (b + np.sqrt(np.maximum(discriminant, 0)))  # stable, also for a = 0 (equal spreads)
    if np.any(discriminant < 0) or np.any(x <= 0) or np.any(x >= gap):
        raise HwsimError("Two levels overlap so much that no threshold between them is best: give thresholds yourself.")
    return mean[:-1] + x


@equation
def read_errors(means: ArrayLike, sigmas: ArrayLike, thresholds: ArrayLike) -> Array:
    """Probability that a cell of one level is read as another: rows are stored levels, columns are read ones.

    P[j, k] = Phi((t_{k+1} - m_j) / s_j) - Phi((t_k - m_j) / s_j)

    Args:
        means: what each level reads on average, rising; shape (levels,).
        sigmas: standard deviation of each level, above 0; shape (levels,) or one for all.
        thresholds: between the levels, rising; shape (levels - 1,).
    """
    mean, sigma = together(means=rising(means), sigmas=positive("sigmas", sigmas))
    edges = edges_of(thresholds, len(mean))
    z = (edges - mean[:, None]) / sigma[:, None]
    return normal_between(z[:, :-1], z[:, 1:])


def symbol_error(errors: ArrayLike) -> float:
    """Probability that a level is misread, for levels that are stored equally often: the mean off the diagonal."""
    matrix = _matrix(errors)
    return float(matrix[~np.eye(len(matrix), dtype=bool)].sum() / len(matrix))


def gray_code(levels: int) -> NDArray[np.int64]:
    """The bits that each level stands for in a Gray code: neighbouring levels differ in one bit."""
    level = np.arange(levels)
    return level ^ (level >> 1)


def bit_errors(errors: ArrayLike, gray: bool = True) -> BitErrors:
    """Error rates of the bits of a cell, by the value stored, for levels that are stored equally often.

    Args:
        errors: probabilities of reading one level as another, as `read_errors` gives them; a power of two of levels.
        gray: levels are numbered in a Gray code; else in plain binary.

    Raises:
        HwsimError: for a number of levels that is no power of two.
    """
    matrix = _matrix(errors)
    count = len(matrix)
    width = count.bit_length() - 1
    if count != 1 << width or width == 0:
        raise HwsimError(f"{count} levels are no whole number of bits: give 2, 4, 8, ... levels.")
    code = gray_code(count) if gray else np.arange(count)
    bit = (code[:, None] >> np.arange(width)) & 1  # of each level, each bit
    wrong = bit[:, None, :] != bit[None, :, :]  # stored level, read level, bit
    rate = (matrix[:, :, None] * wrong).sum(axis=1)  # stored level, bit
    half = count / 2
    return BitErrors((rate * (1 - bit)).sum(axis=0) / half, (rate * bit).sum(axis=0) / half)


def rising(means: ArrayLike) -> Array:
    """The levels; raises `HwsimError` unless there are two or more and each is above the one before."""
    mean = number("means", means)
    if mean.ndim != 1 or len(mean) < 2 or np.any(np.diff(mean) <= 0):
        raise HwsimError(f"Levels must be two or more rising numbers, not {mean.tolist()}.")
    return mean


def edges_of(thresholds: ArrayLike, levels: int) -> Array:
    """The limits of every level's interval: the thresholds, with infinity at both ends.

    Raises:
        HwsimError: unless the thresholds rise and are one fewer than the levels.
    """
    inner = number("thresholds", thresholds)
    if inner.shape != (levels - 1,) or np.any(np.diff(inner) <= 0):
        raise HwsimError(f"{levels} levels need {levels - 1} rising thresholds, not {inner.tolist()}.")
    return np.concatenate([[-np.inf], inner, [np.inf]])


def _matrix(errors: ArrayLike) -> Array:
    matrix = non_negative("errors", errors)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise HwsimError(f"Read errors must be a square of levels by levels, not of shape {matrix.shape}.")
    return matrix
