"""Figures on a dark page: nothing on them fades into it."""

from __future__ import annotations

import re

import pytest

from hwsim.experiment.results.results import Results
from hwsim.report.dark import PAPER, contrast, luminance, on_dark, palette, themed
from hwsim.report.style import BASELINE, PALETTE, QUIET, ramp
from hwsim.report.write import draw, render


@pytest.mark.parametrize("colour", [*PALETTE, *ramp(8), BASELINE, QUIET, "#222222", "#000000"])
def test_what_is_read_on_white_is_read_on_dark(colour: str) -> None:
    """4.5 to 1, what WCAG asks of text."""
    assert contrast(on_dark(colour), PAPER) >= 4.5


def test_white_becomes_the_page_and_greys_change_ends() -> None:
    assert on_dark("#ffffff") == PAPER
    shades = [luminance(on_dark(grey)) for grey in ("#000000", "#555555", "#8a8a8a", "#e6e6e6", "#ffffff")]
    assert shades == sorted(shades, reverse=True)


def test_a_colour_that_is_light_enough_stays() -> None:
    assert on_dark("#ffd700") == "#ffd700"


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WCAG's well-known border case


def test_every_colour_of_a_drawing_becomes_a_variable_that_the_page_gives_for_both_schemes(accuracy: Results) -> None:
    assert themed('<path style="fill: #ffffff; stroke: #0072b2"/>') == (
        '<path style="fill: var(--c-ffffff); stroke: var(--c-0072b2)"/>'
    )
    figures = list(draw(accuracy))
    page = render(accuracy, figures)
    drawings = page[page.index('id="figures"') : page.index('id="results"')]
    assert re.search(r"#[0-9a-f]{6}\b", re.sub(r'"#[^"]*"|url\([^)]*\)', "", drawings)) is None
    style = page[: page.index("</style>")]
    light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
    variables = palette(panel.svg for figure in figures for panel in figure.panels)
    assert len(variables) > 5
    for name in set(re.findall(r"var\((--c-[0-9a-f]{6})\)", drawings)):
        assert f"{name}: {variables[name][0]};" in light
        assert f"{name}: {variables[name][1]};" in dark


def test_text_of_a_drawing_is_text(accuracy: Results) -> None:
    for figure in draw(accuracy):
        for svg in (figure.files["svg"].decode(), *(panel.svg for panel in figure.panels)):
            assert ">bit error rate</text>" in svg
