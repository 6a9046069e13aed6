"""Arguments of the equations, checked: what has no meaning is refused in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim.errors import HwsimError
from hwsim.memory.units import ZERO_CELSIUS_K

Array = NDArray[np.float64]


def number(name: str, value: ArrayLike) -> Array:
    """`value` in double precision; raises `HwsimError` where it is not a finite number."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise HwsimError(f"{name} = {value!r} is not a number.") from None
    _refuse(name, array, ~np.isfinite(array), "is not finite: give a number")
    return array


def positive(name: str, value: ArrayLike) -> Array:
    """`value`; raises `HwsimError` unless it is above zero."""
    array = number(name, value)
    _refuse(name, array, array <= 0, "must be above 0")
    return array


def non_negative(name: str, value: ArrayLike) -> Array:
    """`value`; raises `HwsimError` where it is below zero."""
    array = number(name, value)
    _refuse(name, array, array < 0, "must not be negative")
    return array


def probability(name: str, value: ArrayLike) -> Array:
    """`value`; raises `HwsimError` unless it lies in [0, 1]."""
    return within(name, value, 0, 1, "a probability")


def within(name: str, value: ArrayLike, low: float, high: float, what: str) -> Array:
    """`value`; raises `HwsimError` unless it lies in [low, high], as `what` does."""
    array = number(name, value)
    _refuse(name, array, (array < low) | (array > high), f"is not {what}: give a number from {low:g} to {high:g}")
    return array


def time(name: str, value: ArrayLike) -> Array:
    """A duration in seconds; raises `HwsimError` for one that runs backwards."""
    array = number(name, value)
    _refuse(name, array, array < 0, "runs backwards: give a time of at least 0 s")
    return array


def kelvin(name: str, temperature_c: ArrayLike) -> Array:
    """A temperature in degrees Celsius as kelvin; raises `HwsimError` at absolute zero and below."""
    array = number(name, temperature_c)
    cold = f"is not a temperature: absolute zero is {-ZERO_CELSIUS_K} degC, give more"
    _refuse(name, array, array <= -ZERO_CELSIUS_K, cold)
    return array + ZERO_CELSIUS_K


def _refuse(name: str, array: Array, wrong: Any, why: str) -> None:
    if np.any(wrong):
        raise HwsimError(f"{name} = {float(array[wrong].flat[0]):g} {why}.")
