"""Writes the figures and the HTML report of a run into its results folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from hwsim.experiment import columns
from hwsim.experiment.loading import to_toml
from hwsim.experiment.progress import Progress, silent
from hwsim.experiment.results import COLUMNS, Results
from hwsim.experiment.store import FIGURES, REPORT, ResultsFolder
from hwsim.report.axes import set_out
from hwsim.report.bit_figure import bit_error_figure
from hwsim.report.choices import CHOICES
from hwsim.report.divisions import DONE
from hwsim.report.figures import accuracy_figure
from hwsim.report.style import save, styled
from hwsim.report.tables import code_costs, costs, forced, notes, number, shares, widest_over_images
from hwsim.report.terminal import TITLES


class Drawn(NamedTuple):
    """One figure: the stem of its files, what it shows, and the files' contents by kind ("png", "svg")."""

    name: str
    title: str
    caption: str
    files: dict[str, bytes]

    @property
    def svg(self) -> Markup:
        """The drawing as part of a page, without the XML prologue."""
        text = self.files["svg"].decode("utf-8")
        return Markup(text[text.index("<svg") :])


def write_report(results: Results, progress: Progress = silent) -> Path:
    """Draw the figures (PNG and SVG) and write `report.html`, which needs no other file; returns its path.

    Raises:
        HwsimError: if the folder cannot be written.
    """
    with ResultsFolder(results.folder, results.scenario) as folder:
        folder.claim()
        figures: list[Drawn] = []
        for drawn in draw(results):
            progress(f"drawing {drawn.name}", len(figures), len(TITLES))
            for kind, data in drawn.files.items():
                folder.write_bytes(f"{FIGURES}/{drawn.name}.{kind}", data)
            figures.append(drawn)
        folder.write_text(REPORT, render(results, figures))
    return results.folder / REPORT


def draw(results: Results) -> Iterator[Drawn]:
    """The figures of a study."""
    if results.scenario.study == "bit_errors":
        yield _drawn(
            "bit_errors",
            "Absolute error of one flip by bit position",
            bit_error_figure,
            results,
            "Dots are means over all stored weights, thin lines reach up to the largest error. A triangle stands for "
            "an error off the scale. Bit 0 is the least significant (the paper counts from the sign).",
        )
        return
    axis = set_out(results).axis
    for measure in TITLES:
        yield _drawn(
            measure,
            f"{TITLES[measure].removesuffix(', %')} over {axis.heading}",
            partial(accuracy_figure, measure=measure),
            results,
            f"The point {axis.left!r}, at the left, is the stored format without faults. Points are moved sideways a "
            "little so that their bars can be told apart; variants that differ by less than a line's width are drawn "
            "as one.",
        )


def _drawn(name: str, title: str, figure_of: Callable[[Results], Figure], results: Results, caption: str) -> Drawn:
    with styled():
        return Drawn(name, title, caption, save(figure_of(results)))


def render(results: Results, figures: list[Drawn]) -> str:
    """The HTML page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    study = results.scenario.study
    accuracy = study != "bit_errors"
    tables = [("results.csv", COLUMNS[study])]
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
        notes=notes(results) if accuracy else [],
        tables=[{"title": TITLES[m], "data": shares(results, m)} for m in TITLES] if accuracy else [],
        maps=results.scenario.trials.fault_maps,
        over_images=widest_over_images(results) if accuracy else 0.0,
        costs=costs(results) if accuracy else [],
        forced=forced(results),
        done=DONE,
        codes=code_costs(results) if study == "lifetime" else [],
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
        column_tables=tables,
        number=number,
    )
