"""Writes the figures and the HTML report of a run into its results folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from hwsim.experiment.results import columns
from hwsim.experiment.results.results import Results
from hwsim.experiment.results.store import FIGURES, REPORT, ResultsFolder
from hwsim.experiment.scenario.loading import to_toml
from hwsim.experiment.studies.progress import Progress, silent
from hwsim.report.answer import answer
from hwsim.report.axes import set_out
from hwsim.report.bit_figure import bit_error_figure
from hwsim.report.choices import CHOICES
from hwsim.report.dark import PAPER, palette, themed
from hwsim.report.divisions import DONE
from hwsim.report.figures import MEASURES, accuracy_figure, describe, panel_figures
from hwsim.report.glossary import GLOSSARY
from hwsim.report.notes import notes
from hwsim.report.style import save, styled
from hwsim.report.tables import (
    COST_HEADINGS,
    code_costs,
    costs,
    counters,
    decimals,
    farthest_over_images,
    forced,
    number,
    shares,
    without_faults,
)
from hwsim.report.terminal import TITLES


class Panel(NamedTuple):
    """A drawing as part of a page: its own colours, and its natural width in pixels."""

    svg: str
    width: int

    @property
    def markup(self) -> Markup:
        """Without the XML prologue, in the colours of the page."""
        return Markup(themed(self.svg[self.svg.index("<svg") :]))


class Drawn(NamedTuple):
    """One figure: the stem of its files, what it shows, the files' contents by kind, and its panels for the page."""

    name: str
    title: str
    caption: str
    files: dict[str, bytes]
    panels: list[Panel]


def write_report(results: Results, progress: Progress = silent) -> Path:
    """Draw the figures (PNG, SVG and PDF) and write `report.html`, which needs no other file; returns its path.

    Raises:
        HwsimError: if the folder cannot be written.
    """
    with ResultsFolder(results.folder, results.scenario) as folder:
        folder.claim()
        figures: list[Drawn] = []
        for drawn in draw(results):
            progress(f"drawing {drawn.name}", len(figures), len(MEASURES))
            for kind, data in drawn.files.items():
                folder.write_bytes(f"{FIGURES}/{drawn.name}.{kind}", data)
            figures.append(drawn)
        folder.write_text(REPORT, render(results, figures))
    return results.folder / REPORT


def draw(results: Results) -> Iterator[Drawn]:
    """The figures of a study."""
    if results.scenario.study == "bit_errors":
        with styled():
            figure = bit_error_figure(results)
            yield Drawn(
                "bit_errors",
                "Absolute error of one flip by bit position",
                "Dots are means over all stored weights, thin lines reach up to the largest error. A triangle stands "
                "for an error off the scale. Bit 0 is the least significant (the paper counts from the sign).",
                save(figure),
                [_panel(figure)],
            )
        return
    axis = set_out(results).axis
    for measure, shown in MEASURES.items():
        with styled():
            yield Drawn(
                measure,
                f"{shown[0].upper()}{shown[1:]} over {axis.heading}",
                _CAPTIONS[measure],
                save(accuracy_figure(results, measure)),
                [_panel(figure) for _, figure in panel_figures(results, measure)],
            )


_CAPTIONS = {
    "accuracy": "The dotted lines are the FP32 network with nothing stored, and guessing.",
    "loss": (
        "Each variant against its own stored words without faults; losses grow downwards, evenly up to one point and "
        "logarithmically beyond."
    ),
    "agreement": "Images whose largest logit is that of the FP32 network with nothing stored.",
}


def _what_figures_show(results: Results) -> str:
    shown, drawn = describe(results)
    return (
        f"{shown}; {drawn}. The point {set_out(results).axis.left!r}, at the left edge, is the stored format without "
        "faults. A variant has one colour and one marker throughout; curves that coincide share a line, in stripes of "
        "their colours."
    )


def _panel(figure: Figure) -> Panel:
    svg = save(figure, ["svg"])["svg"].decode("utf-8")
    return Panel(svg, round(96 * float(figure.get_figwidth())))


def prose(text: str) -> Markup:
    """Text for a page, with what stands in backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one backtick has no partner: it is a backtick
        return escape(text)
    pieces = [Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)]
    return Markup("").join(pieces)


def render(results: Results, figures: list[Drawn]) -> str:
    """The HTML page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    study = results.scenario.study
    accuracy = study != "bit_errors"
    tables = [("results.csv", columns.of_points(results.scenario))]
    if accuracy:
        tables.append(("counts.csv", columns.count_columns()))
    if study == "lifetime":
        tables.append(("mechanisms.csv", columns.MECHANISMS))
    if study == "lifetime" or results.facts.get("constants"):
        tables.append(("constants.csv", columns.CONSTANTS))
    found = results.environment
    return environment.get_template("report.html.j2").render(
        scenario=results.scenario,
        facts=results.facts,
        rows=results.rows,
        environment=found,
        figures=figures,
        figures_show=_what_figures_show(results) if accuracy else "",
        palette=palette(panel.svg for figure in figures for panel in figure.panels),
        paper=PAPER,
        answer=answer(results) if accuracy else None,
        axis=set_out(results).axis if accuracy else None,
        notes=notes(results) if accuracy else [],
        sound=without_faults(results) if accuracy else [],
        tables=[{"title": TITLES[m], "data": shares(results, m)} for m in TITLES] if accuracy else [],
        maps=results.scenario.trials.fault_maps,
        over_images=farthest_over_images(results) if accuracy else 0.0,
        share=lambda percent: f"{percent:.{decimals(results.facts['images'])}f}",
        safe=results.facts.get("safe", []),
        costs=costs(results) if accuracy else [],
        counters={name: COST_HEADINGS[name] for name in counters(costs(results))} if accuracy else {},
        forced=forced(results),
        done=DONE,
        codes=code_costs(results) if results.scenario.counts_codewords else [],
        constants=results.facts.get("constants", []),
        plans=results.facts.get("plans", []),
        draw="device" if study == "lifetime" else "fault map",
        toml=to_toml(results.scenario),
        versions=[
            *found["packages"].items(),
            ("python", found["python"]),
            ("platform", found["platform"]),
            *((f"fingerprint of {name}", value) for name, value in found["inputs"].items()),
        ],
        choices=CHOICES,
        glossary=GLOSSARY,
        column_tables=tables,
        number=number,
    )
