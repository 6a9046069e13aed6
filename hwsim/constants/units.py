"""Quantities with units: `quantity("45 ns", "s")` is 4.5e-08.

A unit is a product of powers, written `FIT/Mb`, `pJ/bit`, `1/degC`, `um^2` or `um2`. Letters before a unit
scale it: f p n u (or µ) m k M G T, and Ki Mi Gi Ti for bits and bytes. A temperature that stands alone has an
origin ("85 degC" is 358.15 K); inside a product it is a difference.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from hwsim.errors import HwsimError, shown, unknown
from hwsim.numerals import NUMBER, real, whole

ZERO_CELSIUS_K = 273.15  # by definition of the degree Celsius
ELECTRON_VOLT_J = 1.602176634e-19  # by definition of the coulomb, SI 2019

_DIMENSIONS = ("time", "length", "temperature", "energy", "voltage", "data")
Dimensions = tuple[int, ...]


class Unit(NamedTuple):
    """A unit: how many base units it is, and the power of each dimension in it."""

    scale: float
    dimensions: Dimensions

    def __mul__(self, other: object) -> Unit:
        if not isinstance(other, Unit):
            return NotImplemented
        powers = zip(self.dimensions, other.dimensions, strict=True)
        return Unit(self.scale * other.scale, tuple(a + b for a, b in powers))

    def __pow__(self, power: int) -> Unit:
        return Unit(self.scale**power, tuple(power * dimension for dimension in self.dimensions))


def _unit(scale: float = 1.0, **powers: int) -> Unit:
    return Unit(scale, tuple(powers.get(dimension, 0) for dimension in _DIMENSIONS))


DIMENSIONLESS = _unit()
_HOUR, _DAY, _YEAR = 3600.0, 86400.0, 365.25 * 86400.0

# Units that take a prefix.
_SCALABLE = {
    "s": _unit(time=1),
    "Hz": _unit(time=-1),
    "m": _unit(length=1),
    "K": _unit(temperature=1),
    "J": _unit(energy=1),
    "eV": _unit(ELECTRON_VOLT_J, energy=1),
    "W": _unit(energy=1, time=-1),
    "V": _unit(voltage=1),
    "A": _unit(energy=1, voltage=-1, time=-1),
    "S": _unit(energy=1, voltage=-2, time=-1),
    "T": _unit(voltage=1, time=1, length=-2),
    "bit": _unit(data=1),
    "B": _unit(8.0, data=1),
}
_FIXED = {
    "1": DIMENSIONLESS,
    "%": _unit(0.01),
    "cycles": DIMENSIONLESS,
    "degC": _unit(temperature=1),
    "min": _unit(60.0, time=1),
    "h": _unit(_HOUR, time=1),
    "day": _unit(_DAY, time=1),
    "week": _unit(7 * _DAY, time=1),
    "month": _unit(_YEAR / 12, time=1),
    "year": _unit(_YEAR, time=1),
    "FIT": _unit(1e-9 / _HOUR, time=-1),  # one failure in 10^9 hours
    "Mb": _unit(2.0**20, data=1),  # as in FIT/Mb
}
_ALIASES = {
    "second": "s", "seconds": "s", "sec": "s", "minute": "min", "minutes": "min", "hour": "h", "hours": "h",
    "d": "day", "days": "day", "weeks": "week", "months": "month", "y": "year", "yr": "year", "years": "year",
    "C": "degC", "°C": "degC", "celsius": "degC", "kelvin": "K", "bits": "bit", "byte": "B", "bytes": "B",
    "cycle": "cycles",
}  # fmt: skip
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3}
_PREFIXES |= {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY_PREFIXES = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

_TEMPERATURES = {"K": 0.0, "degC": ZERO_CELSIUS_K}  # where each scale has its zero, in kelvin
_QUANTITY = re.compile(rf"({NUMBER})\s*(.*)", re.DOTALL)
_FACTOR = re.compile(r"([^0-9^\s]+|1)(?:\^?(-?[0-9]+))?")
_HIGHEST_POWER = 9  # of a unit


def quantity(value: object, unit: str, name: str = "quantity") -> float:
    """A quantity as a number of `unit`.

    Args:
        value: a number, which is taken to be in `unit` already, or a text such as "45 ns".
        unit: the unit of the result, which is also the one that an error asks for.
        name: what the quantity is, for errors.

    Raises:
        HwsimError: for anything that is not a finite quantity of the dimensions of `unit`.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return real(value, name)
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise HwsimError(
            f"{name} = {shown(value)} is not a quantity: give a number and a unit, as in {_example(unit)}."
        )
    given = _ALIASES.get(found[2], found[2]) if found[2] else "1"
    number = real(found[1], name)
    if given in _TEMPERATURES and unit in _TEMPERATURES:
        return number + (_TEMPERATURES[given] - _TEMPERATURES[unit])
    have, want = parse_unit(given), parse_unit(unit)
    if have.dimensions != want.dimensions:
        raise HwsimError(
            f"{name} = {shown(value)} is {_dimension(have)} where {_dimension(want)} is meant: give it as in "
            f"{_example(unit)}."
        )
    result = number * have.scale / want.scale
    if not math.isfinite(result):
        raise HwsimError(f"{name} = {shown(value)} is more than a number can hold in {unit}: give less.")
    return result


@lru_cache(maxsize=256)
def parse_unit(text: str) -> Unit:
    """The unit that `text` names.

    Raises:
        HwsimError: for an unknown one.
    """
    result = DIMENSIONLESS
    above, *below = text.replace("·", "*").split("/")
    for power, product in ((1, above), *((-1, product) for product in below)):
        factors = product.replace("*", " ").split()
        if not factors:
            raise _unknown_unit(text)
        for factor in factors:
            found = _FACTOR.fullmatch(factor)
            if not found:
                raise _unknown_unit(factor)
            result *= _atom(found[1]) ** (power * _power(found[2], text))
    if not 0 < result.scale < math.inf:
        raise _unknown_unit(text)
    return result


def _power(text: str | None, unit: str) -> int:
    return 1 if text is None else whole(text, f"A power in the unit {shown(unit)}", -_HIGHEST_POWER, _HIGHEST_POWER)


def _atom(symbol: str) -> Unit:
    symbol = _ALIASES.get(symbol, symbol)
    if symbol in _FIXED:
        return _FIXED[symbol]
    if symbol in _SCALABLE:
        return _SCALABLE[symbol]
    if symbol[:2] in _BINARY_PREFIXES and symbol[2:] in ("bit", "B"):
        return _unit(_BINARY_PREFIXES[symbol[:2]]) * _SCALABLE[symbol[2:]]
    if symbol[:1] in _PREFIXES and symbol[1:] in _SCALABLE:
        return _unit(_PREFIXES[symbol[0]]) * _SCALABLE[symbol[1:]]
    raise _unknown_unit(symbol)


def _unknown_unit(symbol: str) -> HwsimError:
    common = ("ns", "us", "ms", "mV", "pJ", "nJ", "mW", "MHz", "uS", "MiB", "KiB", "GiB", "mm", "um", "nm")
    return unknown("unit", symbol, [*_SCALABLE, *_FIXED, *_ALIASES, *common])


def duration(time_s: float) -> str:
    """A time in the largest unit that leaves a short number."""
    if time_s == 0:
        return "0 s"
    for unit in ("year", "month", "day", "h", "min", "s", "ms", "us"):
        number = time_s / quantity(f"1 {unit}", "s")
        if number >= 0.9995:
            plural = "s" if unit in ("year", "month", "day") and f"{number:.4g}" != "1" else ""
            return f"{number:.4g} {unit}{plural}"
    return f"{time_s:.3g} s"


def _dimension(unit: Unit) -> str:
    """In words, for errors: "a time", "an energy over data"."""
    names: dict[bool, list[str]] = {True: [], False: []}
    for name, power in zip(_DIMENSIONS, unit.dimensions, strict=True):
        if power:
            names[power > 0].append(name if abs(power) == 1 else f"{name}^{abs(power)}")
    if not names[True] and not names[False]:
        return "a plain number"
    over = f" over {' and '.join(names[False])}" if names[False] else ""
    above = " times ".join(names[True]) or "number"
    article = "" if above == "data" else "an " if above[0] in "aeiou" else "a "
    return f"{article}{above}{over}"


def _example(unit: str) -> str:
    return repr(f"1 {unit}") if unit != "1" else "0.5"
