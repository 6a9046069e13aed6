"""How the points of a study are set out: what runs along the x axis, or from column to column, and what apart.

Whatever is harsher stands further to the right: a higher rate, a later read, a lower voltage. The run without faults
stands at the left edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hwsim.constants.units import duration, quantity
from hwsim.experiment.results.results import Results, Row
from hwsim.experiment.scenario.points import immune_label

AxisValue = float | None

SPAN = 5.0
"""Width of a linear axis, in the units of a logarithmic one, which are decades."""

NO_FAULTS = "no faults"

# Times that people think in, short enough for an axis.
_TIMES = {"1 s": "1 s", "1 min": "1 min", "1 h": "1 h", "1 day": "1 d", "1 month": "1 mo", "1 year": "1 y"}
_TIMES |= {"10 years": "10 y", "100 years": "100 y"}


@dataclass(frozen=True)
class Axis:
    """What runs along the x axis of figures and from column to column of tables.

    Attributes:
        column: the column of the results that it follows.
        heading: what it is, above cells that say their unit.
        unit: of the numbers at the ticks; empty where they say it themselves.
        names: value -> how a table calls it, in the order of the table; None stands for the run without faults.
        places: value -> where it stands, in decades or what looks like them.
        ticks: (place, text) of the axis.
        breaks: places left of which the axis is not what it is right of them.
    """

    column: str
    heading: str
    unit: str
    names: dict[AxisValue, str]
    places: dict[AxisValue, float]
    ticks: tuple[tuple[float, str], ...]
    breaks: tuple[float, ...]

    @property
    def label(self) -> str:
        """What stands below the ticks."""
        return ", ".join(filter(None, (self.heading, self.unit)))

    @property
    def left(self) -> str:
        """What stands at the left edge."""
        return self.names[min(self.places, key=lambda value: self.places[value])]


@dataclass(frozen=True)
class Section:
    """A panel of a figure, or a part of a table: the rows whose columns have these values."""

    title: str
    where: dict[str, Any]

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Its rows, those without faults included."""
        return [row for row in rows if all(self._is_of(row, *item) for item in self.where.items())]

    def _is_of(self, row: Row, name: str, value: Any) -> bool:
        if row[name] == value:
            return True
        return name in _MISSION and row["read_at_s"] is None  # the run without faults belongs to all


@dataclass(frozen=True)
class SetOut:
    """The points of a study, set out."""

    axis: Axis
    sections: tuple[Section, ...]


def set_out(results: Results) -> SetOut:
    """How the points of an accuracy or a lifetime study are set out.

    Of what a lifetime study sweeps, that with the most values runs along the axis, time first.
    """
    memory, mission = results.scenario.memory, results.scenario.mission
    if mission is None:
        sections = tuple(
            Section(fmt + (f", {label} immune" if label else ""), {"format": fmt, "immune": label})
            for fmt in memory.formats
            for label in map(immune_label, memory.immune)
        )
        return SetOut(rate_axis(memory.ber), sections)
    sweeps = list(mission.sweeps)
    values: dict[str, list[AxisValue]] = {"read_at_s": list(mission.read_at_s)}
    values |= {name: list(dict.fromkeys(getattr(sweep, name) for sweep in sweeps)) for name in sweeps[0]._fields}
    column = max(values, key=lambda name: len(values[name]))
    apart = {name: found for name, found in values.items() if name != column and len(found) > 1}
    sections = tuple(
        Section(
            ", ".join([fmt, *map(text_of, apart, chosen)]),
            {"format": fmt, **dict(zip(apart, chosen, strict=True))},
        )
        for fmt in memory.formats
        for chosen in product(*apart.values())
    )
    found = [value for value in values[column] if value is not None]
    make: Callable[[str, list[float]], Axis] = time_axis if column in ("read_at_s", "refresh_every_s") else linear_axis
    return SetOut(make(column, found), sections)


_MISSION = {
    "read_at_s": "age",
    "temperature_c": "temperature",
    "voltage_v": "supply voltage",
    "refresh_every_s": "time between refreshes",
}
_UNITS = {"temperature_c": "°C", "voltage_v": "V"}


def text_of(column: str, value: AxisValue) -> str:
    """A value of one of the columns of a mission, for a person."""
    if value is None:
        return "nominal"
    match column:
        case "temperature_c" | "voltage_v":
            return f"{value:g} {_UNITS[column]}"
        case "refresh_every_s":
            return f"refresh {duration(value)}"
        case _:
            return f"at {duration(value)}"


def rate_axis(rates: Sequence[float]) -> Axis:
    """Bit error rates: their decimal logarithms, and 0 one decade below the least."""
    above = [ber for ber in rates if ber > 0]
    least = math.log10(min(above)) if above else 0.0
    places: dict[AxisValue, float] = {ber: math.log10(ber) if ber > 0 else least - 1.0 for ber in rates}
    lowest, highest = min(places.values()), max(places.values())
    decades = [
        decade
        for decade in range(math.floor(lowest), math.ceil(highest) + 1)
        if 10.0**decade >= 0.999 * min(above, default=2.0) and decade <= highest + 1e-9
    ]
    ticks = [(float(decade), power_of_ten(decade)) for decade in decades]
    if 0.0 in places:
        ticks.insert(0, (places[0.0], "0"))
    breaks = (lowest + 0.5,) if 0.0 in places and decades else ()
    names: dict[AxisValue, str] = {ber: rate(ber) for ber in rates}
    return Axis("ber", "bit error rate", "", names, places, tuple(ticks), breaks)


def time_axis(column: str, times_s: Sequence[float]) -> Axis:
    """Times: their decimal logarithms, 0 one decade below the least, and the run without faults one more."""
    above = sorted(time_s for time_s in times_s if time_s > 0)
    least = math.log10(above[0]) if above else 0.0
    places: dict[AxisValue, float] = {time_s: math.log10(time_s) for time_s in above}
    ticks = []
    edge = least
    breaks = []
    if 0.0 in times_s:
        edge -= 1.0
        places[0.0] = edge
        ticks.append((edge, "0"))
        breaks += [edge + 0.5] if above else []
    edge -= 1.0
    places[None] = edge
    ticks.append((edge, "no\nfaults"))
    breaks.append(edge + 0.5)
    ticks += _time_ticks(above, room=0.11 * (max(places.values()) - edge))
    names: dict[AxisValue, str] = {None: NO_FAULTS}
    names |= {time_s: duration(time_s) for time_s in times_s}
    return Axis(column, _MISSION[column], "", names, places, tuple(sorted(ticks)), tuple(breaks))


def _time_ticks(above: Sequence[float], room: float) -> list[tuple[float, str]]:
    """Times that people think in, as far as they lie in the range; the values themselves if too few do."""
    if not above:
        return []
    usual = [(math.log10(quantity(text, "s")), short) for text, short in _TIMES.items()]
    inside = [tick for tick in usual if math.log10(above[0]) - 0.05 <= tick[0] <= math.log10(above[-1]) + 0.05]
    if len(inside) < 2:
        inside = [(math.log10(time_s), duration(time_s)) for time_s in above]
    kept: list[tuple[float, str]] = []
    for tick in reversed(inside):
        if not kept or kept[-1][0] - tick[0] >= room:
            kept.append(tick)
    return kept


def linear_axis(column: str, values: Sequence[float]) -> Axis:
    """Voltages, falling, or temperatures, rising; the run without faults to the left of them."""
    sign = -1.0 if column == "voltage_v" else 1.0
    low, high = min(sign * value for value in values), max(sign * value for value in values)
    scale = SPAN / (high - low) if high > low else 1.0
    places: dict[AxisValue, float] = {value: (sign * value - low) * scale for value in values}
    places[None] = -1.0
    room, last = 0.1 * SPAN, -math.inf
    ticks = [(-1.0, "no\nfaults")]
    for value in sorted(values, key=lambda value: places[value]):
        if places[value] - last >= room:
            last = places[value]
            ticks.append((last, f"{value:g}"))
    names: dict[AxisValue, str] = {None: NO_FAULTS}
    names |= {value: text_of(column, value) for value in values}
    return Axis(column, _MISSION[column], _UNITS[column], names, places, tuple(ticks), (-0.5,))


def rate(ber: float) -> str:
    """A bit error rate as people write it: 0, 1e-5, 2.5e-4."""
    if ber == 0:
        return "0"
    significand, exponent = f"{ber:.6e}".split("e")
    return f"{float(significand):g}e{int(exponent)}"


def power_of_ten(exponent: int) -> str:
    """Ten to a whole power, as text that needs no markup."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
