"""What the terminal and the HTML report both show: accuracy by variant along an axis, and what protection costs."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.experiment.results.results import Results, Row
from hwsim.report.axes import Axis, set_out
from hwsim.report.estimates import Estimate, estimate, sound_rows


@dataclass(frozen=True)
class Cell:
    """A share with its interval over fault maps, in percent."""

    estimate: Estimate

    @property
    def text(self) -> str:
        """The mean."""
        return f"{100 * self.estimate.value:.1f}"

    @property
    def interval(self) -> str:
        """The ends as they are, as they need not be equally far from the mean; empty for a single map."""
        _, low, high = self.estimate
        return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True)
class Lines:
    """The lines of one section: (variant, a cell for each value along the axis)."""

    title: str
    lines: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Shares:
    """A share (accuracy or agreement) by variant and what runs along the axis."""

    measure: str
    axis: Axis
    sections: list[Lines]

    @property
    def headings(self) -> list[str]:
        """How the columns are called."""
        return list(self.axis.names.values())


def shares(results: Results, measure: str = "accuracy") -> Shares:
    """`measure` of every point of a study, set out as in the figures."""
    out = set_out(results)
    sections = []
    for section in out.sections:
        rows = section.rows(results.rows)
        names = dict.fromkeys(row["variant"] for row in rows)
        lines = []
        for name in names:
            cells = {row[out.axis.column]: Cell(estimate(row, measure)) for row in rows if row["variant"] == name}
            lines.append((name, [cells[value] for value in out.axis.names]))
        sections.append(Lines(section.title, lines))
    return Shares(measure, out.axis, sections)


@dataclass(frozen=True)
class Sound:
    """One format and variant without faults.

    Attributes:
        accuracy: share of the images.
        rounding: points of accuracy that storing alone costs, against the FP32 network; below 0 where it adds.
        agreement: share of the images on which it says what the FP32 network says.
    """

    format: str
    variant: str
    accuracy: float
    rounding: float
    agreement: float


def without_faults(results: Results) -> list[Sound]:
    """Every format and variant without faults: what no protection can be better than."""
    sound, whole = sound_rows(results), results.facts["accuracy"]
    return [
        Sound(fmt, name, row["accuracy"], 100 * (whole - row["accuracy"]), row["agreement"])
        for fmt, name in dict.fromkeys((row["format"], row["variant"]) for row in results.rows)
        for row in [sound[fmt, name]]
    ]


def farthest_over_images(results: Results, measure: str = "accuracy") -> float:
    """How far, in percent, an end of any point's interval over images lies from its mean, at most."""
    ends = ((row[measure], row[f"{measure}_images_low"], row[f"{measure}_images_high"]) for row in results.rows)
    return 100 * max(max(value - low, high - value) for value, low, high in ends)


COST_HEADINGS = {
    "divisions": "divisions",
    "reciprocal_multiplications": "reciprocal multiplications",
    "shifts": "shifts",
    "alignments": "alignments",
    "comparisons": "comparisons of guards",
    "words_read": "words read",
    "bits_read": "bits read, check bits included",
    "macs": "MACs",
}
"""The counters that the cost table shows, per image, and how a page heads them."""


@dataclass(frozen=True)
class VariantCost:
    """What one variant costs for one image; `formats` are those in which it costs just this."""

    variant: str
    formats: str
    counts: dict[str, float]
    constant_bits: int


def costs(results: Results) -> list[VariantCost]:
    """The cost of every variant, formats of equal cost in one line."""
    bits = {(row["format"], row["variant"]): row["constant_bits"] for row in results.rows}
    # Bits tell formats apart that cost the same otherwise: they are shown where they say more than words.
    coded = any(row.get("check_bits") for row in results.rows) and all("bits_read" in row for row in results.counts)
    shown = [name for name in COST_HEADINGS if name != "bits_read" or coded]
    grouped: dict[tuple[str, tuple[float, ...], int], list[str]] = {}
    for row in results.counts:
        if row["layer"] == "total":
            per_image = tuple(row[name] / row["images"] for name in shown)
            key = (row["variant"], per_image, bits[row["format"], row["variant"]])
            grouped.setdefault(key, []).append(row["format"])
    order = {variant.name: at for at, variant in enumerate(results.scenario.variants)}
    lines = sorted(grouped.items(), key=lambda item: order[item[0][0]])
    return [
        VariantCost(variant, ", ".join(formats), dict(zip(shown, counts, strict=True)), constant_bits)
        for (variant, counts, constant_bits), formats in lines
    ]


def counters(lines: list[VariantCost]) -> list[str]:
    """The counters that are worth a column: all, but comparisons where no guard makes any, bits without check bits."""
    optional = ("comparisons", "bits_read")
    return [name for name in COST_HEADINGS if name not in optional or any(line.counts.get(name) for line in lines)]


@dataclass(frozen=True)
class Forced:
    """What forces the divisions of one variant; `formats` are those in which it is just this.

    Attributes:
        groups: rows of the facts: kind, cause, sites, elements of one image (or words of one read).
    """

    variant: str
    formats: str
    groups: list[Row]


def forced(results: Results) -> list[Forced]:
    """What forces the divisions of every variant that is scaled, formats that agree in one line.

    Results of the earliest versions do not say it.
    """
    by_format: dict[tuple[str, str], list[Row]] = {}
    for row in results.facts.get("causes", []):
        group = {key: value for key, value in row.items() if key not in ("format", "variant")}
        if "places" in group:  # as earlier versions called them
            group["sites"] = group.pop("places")
        by_format.setdefault((row["variant"], row["format"]), []).append(group)
    found: list[tuple[str, list[str], list[Row]]] = []
    for (variant, fmt), groups in by_format.items():
        same = next((formats for name, formats, others in found if (name, others) == (variant, groups)), None)
        if same is not None:
            same.append(fmt)
        else:
            found.append((variant, [fmt], groups))
    order = {variant.name: at for at, variant in enumerate(results.scenario.variants)}
    lines = [Forced(variant, ", ".join(formats), groups) for variant, formats, groups in found]
    return sorted(lines, key=lambda line: order[line.variant])


def decimals(images: int) -> int:
    """Digits behind the point of a percentage of so many images: a second one only if an image is less than 0.1 %."""
    return 1 if images <= 1000 else 2


def number(value: float) -> str:
    """A count as people read it: whole if it is, with thousands separated."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def percent(share: float) -> str:
    """A share to two digits."""
    return f"{float(f'{100 * share:.2g}'):g} %"


@dataclass(frozen=True)
class CodeCost:
    """What the code of a variant costs in one format, and what it did at the harshest point.

    Attributes:
        row: the row of the results where most cells were read wrong.
    """

    variant: str
    format: str
    row: Row


def code_costs(results: Results) -> list[CodeCost]:
    """One line for each variant and format, at the point with most wrong cells."""
    worst: dict[tuple[str, str], Row] = {}
    for row in results.rows:
        key = row["variant"], row["format"]
        if key not in worst or row["wrong_cells"] > worst[key]["wrong_cells"]:
            worst[key] = row
    return [CodeCost(variant, fmt, row) for (variant, fmt), row in worst.items()]
