"""What the terminal and the HTML report both show: accuracy by variant and BER, and the cost of dividing."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.experiment.points import immune_label
from hwsim.experiment.results import Results, Row


@dataclass(frozen=True)
class Cell:
    """A share with the half-width of its interval over fault maps, both in percent; None for a single map."""

    value: float
    half: float | None

    @property
    def text(self) -> str:
        return f"{self.value:.1f}"

    @property
    def spread(self) -> str:
        return "" if self.half is None else f"±{self.half:.1f}"


@dataclass(frozen=True)
class Section:
    """The lines of one format and one set of immune bits: (variant, a cell for each rate)."""

    title: str
    lines: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Shares:
    """A share (accuracy or agreement) by variant and bit error rate."""

    measure: str
    rates: list[float]
    sections: list[Section]


def shares(results: Results, measure: str = "accuracy") -> Shares:
    """`measure` of every point of an accuracy study, set out by format, variant and BER."""
    memory = results.scenario.memory
    sections = []
    for fmt in memory.formats:
        for bits in memory.immune:
            immune = immune_label(bits)
            rows = [row for row in results.rows if (row["format"], row["immune"]) == (fmt, immune)]
            names = dict.fromkeys(row["variant"] for row in rows)
            lines = [(name, [_cell(row, measure) for row in rows if row["variant"] == name]) for name in names]
            sections.append(Section(fmt + (f", {immune} immune" if immune else ""), lines))
    return Shares(measure, list(memory.ber), sections)


def _cell(row: Row, measure: str) -> Cell:
    low, high = row[f"{measure}_maps_low"], row[f"{measure}_maps_high"]
    value = row[measure]
    return Cell(100 * value, None if low is None else 100 * max(value - low, high - value))


def widest_over_images(results: Results, measure: str = "accuracy") -> float:
    """The largest half-width, in percent, of any point's interval over images."""
    ends = ((row[measure], row[f"{measure}_images_low"], row[f"{measure}_images_high"]) for row in results.rows)
    return 100 * max(max(value - low, high - value) for value, low, high in ends)


COSTS = ("divisions", "reciprocal_multiplications", "shifts", "alignments", "words_read", "macs")
"""The counters that the cost table shows, per image."""


@dataclass(frozen=True)
class Cost:
    """What one variant costs for one image; `formats` are those in which it costs just this."""

    variant: str
    formats: str
    counts: dict[str, float]
    constant_bits: int


def costs(results: Results) -> list[Cost]:
    """The cost of every variant, formats of equal cost in one line."""
    bits = {(row["format"], row["variant"]): row["constant_bits"] for row in results.rows}
    grouped: dict[tuple[str, tuple[float, ...], int], list[str]] = {}
    for row in results.counts:
        if row["layer"] == "total":
            per_image = tuple(row[name] / row["images"] for name in COSTS)
            key = (row["variant"], per_image, bits[row["format"], row["variant"]])
            grouped.setdefault(key, []).append(row["format"])
    order = {variant.name: at for at, variant in enumerate(results.scenario.variants)}
    lines = sorted(grouped.items(), key=lambda item: order[item[0][0]])
    return [
        Cost(variant, ", ".join(formats), dict(zip(COSTS, counts, strict=True)), constant_bits)
        for (variant, counts, constant_bits), formats in lines
    ]


def number(value: float) -> str:
    """A count as people read it: whole if it is, with thousands separated."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def rate(ber: float) -> str:
    """A bit error rate as people write it: 0, 1e-5, 2.5e-4."""
    if ber == 0:
        return "0"
    significand, exponent = f"{ber:.6e}".split("e")
    return f"{float(significand):g}e{int(exponent)}"


def notes(results: Results) -> list[str]:
    """What a reader must know to read the tables right: images without a result, and overflows without a fault."""
    found = []
    worst = max(results.rows, key=lambda row: row["invalid"])
    if worst["invalid"] > 0:
        found.append(
            f"Images with NaN among their logits count as wrong: up to {100 * worst['invalid']:.1f} % of them "
            f"({worst['format']}, {worst['variant']}, BER {rate(worst['ber'])})."
        )
    for row in results.rows:
        if row["ber"] == 0 and row["overflows"]:
            first = row["overflow_layers"].split("+")[0]
            found.append(
                f"{row['variant']} in {row['format']} overflows without any fault, first in {first} "
                f"({number(row['overflows'])} values)."
            )
    return list(dict.fromkeys(found))
