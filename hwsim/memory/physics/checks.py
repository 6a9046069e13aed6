"""Arguments of the equations, checked: what has no meaning is refused in one sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim.constants.units import ZERO_CELSIUS_K
from hwsim.errors import HwsimError

Array = NDArray[np.float64]
Arguments = ParamSpec("Arguments")


def equation(function: Callable[Arguments, Array]) -> Callable[Arguments, Array]:
    """An equation that is refused where no number in double precision holds what it leads to.

    Raises:
        HwsimError: with the values that it was given.
    """

    @wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Array:
        try:
            with np.errstate(over="raise", invalid="raise"):
                return function(*args, **kwargs)
        except FloatingPointError:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            values = ", ".join(f"{name} = {_show(value)}" for name, value in given.items())
            title = function.__name__.replace("_", " ")
            raise HwsimError(
                f"The {title} is beyond all numbers that can be computed with for {values}: give less extreme values."
            ) from None

    return checked


def together(**values: Array) -> tuple[Array, ...]:
    """Arrays of one shape; raises `HwsimError` where they do not fit each other."""
    try:
        return np.broadcast_arrays(*values.values())
    except ValueError:
        counts = ", ".join(f"{np.size(value)} of {name}" for name, value in values.items())
        raise HwsimError(f"There are {counts}: give as many of each, or one for all.") from None


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


def _show(value: Any) -> str:
    array = np.asarray(value, np.float64)
    return f"{array:g}" if array.ndim == 0 else f"{np.min(array):g} to {np.max(array):g}"


def _refuse(name: str, array: Array, wrong: Any, why: str) -> None:
    if np.any(wrong):
        raise HwsimError(f"{name} = {float(array[wrong].flat[0]):g} {why}.")
