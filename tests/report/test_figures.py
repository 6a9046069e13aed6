"""Figures: they show every point, nothing overlaps, and equal results give equal files."""

from __future__ import annotations

import itertools
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from hwsim.experiment.loading import load_scenario
from hwsim.experiment.points import immune_label, prepared
from hwsim.experiment.results import Results
from hwsim.report.axes import rate_axis
from hwsim.report.bit_figure import bit_error_figure, off_scale
from hwsim.report.figures import accuracy_figure
from hwsim.report.style import PALETTE, ramp, spread, styled
from hwsim.report.write import draw

RATES = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]


def made_up(variants: list[dict[str, Any]], formats: list[str], immune: Any = ((),)) -> Results:
    """Results of many variants that all end at chance: the case in which labels would collide."""
    scenario = load_scenario(
        {
            "name": "made_up",
            "network": {"name": "lenet5"},
            "memory": {"formats": formats, "ber": RATES, "immune": [list(bits) for bits in immune]},
            "variants": variants,
        }
    )
    rows = []
    for at, (fmt, variant) in enumerate(prepared(scenario)):
        for bits, ber in itertools.product(scenario.memory.immune, scenario.memory.ber):
            value = 0.1 + 0.8 / (1 + ber * 10 ** (2.5 + 0.35 * at))
            row: dict[str, Any] = {"format": fmt, "variant": variant.name, "immune": immune_label(bits), "ber": ber}
            for measure in ("accuracy", "agreement"):
                row |= {measure: value, f"{measure}_maps_low": value - 0.02, f"{measure}_maps_high": value + 0.02}
            rows.append(row)
    facts = {"network": "lenet5", "data": "fashion_mnist", "images": 1000, "classes": 10, "accuracy": 0.91}
    return Results(scenario, Path("nowhere"), facts, rows, [], {})


SWEEP = [{"name": "scaled", "scaling": {"target": [0.25, 0.5, 1, 1.5, 1.99, 2.5, 3, 4]}}]
MANY = [{"name": f"protection {n}", "scaling": {}, "divide": "per_layer"} for n in range(7)]
CASES = [
    (SWEEP, ["fp32"], ((), ("exponent_msb",))),
    (MANY, ["fp32", "fp16", "q2.5"], ((),)),
    (MANY[:1], ["q2.5"], ((),)),
]


@pytest.mark.parametrize(("variants", "formats", "immune"), CASES, ids=["sweep", "many", "one"])
def test_no_two_labels_overlap_and_none_leaves_the_figure(
    variants: list[dict[str, Any]], formats: list[str], immune: Any
) -> None:
    with styled():
        figure = accuracy_figure(made_up(variants, formats, immune))
        figure.draw_without_rendering()
        texts = [text for ax in figure.axes if ax.get_visible() for text in ax.texts if text.get_text()]
        boxes = [text.get_window_extent() for text in texts]
        for box in boxes:
            assert box.x1 <= figure.bbox.x1
            assert box.x0 >= figure.bbox.x0
        labels = [box for text, box in zip(texts, boxes, strict=True) if is_label(text)]
        assert labels
        for one, other in itertools.combinations(labels, 2):
            assert not (one.overlaps(other) and overlap(one, other) > 1.5)  # pixels; glyphs do not fill their box


def is_label(text: Text) -> bool:
    return text.get_color() not in ("#8a8a8a",)


def overlap(one: Any, other: Any) -> float:
    return min(one.y1, other.y1) - max(one.y0, other.y0)


def panels(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.axes if ax.get_visible()]


def test_there_is_a_panel_for_every_format_and_set_of_immune_bits(accuracy: Results) -> None:
    titles = [ax.get_title(loc="left") for ax in panels(accuracy_figure_of(accuracy))]
    assert titles == ["fp16", "fp16, sign immune", "q2.5", "q2.5, sign immune"]


def accuracy_figure_of(results: Results, measure: str = "accuracy") -> Figure:
    with styled():
        return accuracy_figure(results, measure)


@pytest.mark.parametrize("measure", ["accuracy", "agreement"])
def test_every_point_is_drawn_at_its_height(accuracy: Results, measure: str) -> None:
    ax = panels(accuracy_figure_of(accuracy, measure))[0]
    drawn = [tuple(line.get_ydata()) for line in ax.lines if len(line.get_ydata()) == 3 and line.get_marker() != "None"]
    for variant in ("unscaled", "per layer", "read <= 2 & masked"):
        rows = [row for row in accuracy.rows if row["format"] == "fp16" and row["immune"] == ""]
        heights = tuple(row[measure] for row in rows if row["variant"] == variant)
        assert heights in drawn


def test_variants_that_coincide_are_drawn_as_one_and_named_together(accuracy: Results) -> None:
    ax = panels(accuracy_figure_of(accuracy))[-1]
    assert "per layer\n= per weight" in [text.get_text() for text in ax.texts]


def test_a_protection_that_coincides_with_the_baseline_stays_in_sight() -> None:
    results = made_up([{"name": "clamp", "guards": ["clamp"]}], ["fp32"])
    for row in results.rows:
        row["accuracy"] = 0.5
    texts = [text.get_text() for text in panels(accuracy_figure_of(results))[0].texts]
    assert {"unscaled", "clamp"} <= set(texts)


def test_a_variant_has_one_colour_in_all_panels() -> None:
    results = made_up(
        [{"name": "a", "scaling": {}, "formats": ["fp32"]}, {"name": "b", "scaling": {}}], ["fp32", "fp16"]
    )
    found = {}
    for ax in panels(accuracy_figure_of(results)):
        for text in ax.texts:
            found.setdefault(text.get_text(), set()).add(text.get_color())
    assert len(found["b"]) == 1


def test_the_fault_free_rate_stands_a_decade_to_the_left() -> None:
    assert rate_axis([0.0, 1e-5, 1e-3]).places == {0.0: -6.0, 1e-5: -5.0, 1e-3: -3.0}
    assert rate_axis([0.0]).places == {0.0: -1.0}


def test_a_run_without_faults_can_be_drawn() -> None:
    results = made_up([], ["q2.5"])
    rows = [row for row in results.rows if row["ber"] == 0]
    figure = accuracy_figure_of(Results(results.scenario, results.folder, results.facts, rows, [], {}))
    assert panels(figure)


def test_figures_are_files_of_their_kind_and_equal_for_equal_results(results: Results) -> None:
    for one, other in zip(draw(results), draw(results), strict=True):
        assert one.files == other.files
        png = one.files["png"]
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", png[16:24])
        assert width > 700
        assert height > 300
        assert len(png) > 20_000
        root = ET.fromstring(one.files["svg"])
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 100


def test_the_callers_own_style_is_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["svg.hashsalt"] == "hwsim"
    assert dict(mpl.rcParams) == before


@given(
    st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(0.01, 0.3)), min_size=1, max_size=12),
)
def test_labels_keep_their_order_do_not_overlap_and_stay_inside(items: list[tuple[float, float]]) -> None:
    wanted = [height for height, _ in items]
    sizes = [size for _, size in items]
    placed = spread(wanted, sizes, 0.0, 1.0)
    if sum(sizes) > 1:
        sizes = [size / sum(sizes) for size in sizes]
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for below, above in itertools.pairwise(order):
        assert placed[above] - placed[below] >= (sizes[above] + sizes[below]) / 2 - 1e-9
    for i, at in enumerate(placed):
        assert sizes[i] / 2 - 1e-9 <= at <= 1 - sizes[i] / 2 + 1e-9


def test_labels_with_room_stay_where_they_want_to_be() -> None:
    assert spread([0.8, 0.2, 0.5], [0.1, 0.1, 0.1], 0.0, 1.0) == pytest.approx([0.8, 0.2, 0.5])


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


@pytest.mark.parametrize("colour", PALETTE)
def test_coloured_text_can_be_read_on_white(colour: str) -> None:
    """At least 3:1, what WCAG asks of large text and graphics."""
    assert 1.05 / (luminance(colour) + 0.05) >= 3


def test_a_ramp_goes_from_light_to_dark() -> None:
    shades = [luminance(colour) for colour in ramp(8)]
    assert shades == sorted(shades, reverse=True)
    assert len(ramp(1)) == 1


def test_a_bit_that_would_flatten_the_rest_is_off_the_scale() -> None:
    def row(bit: int, mean: float) -> dict[str, Any]:
        return {"bit": bit, "mean_error": mean, "max_error": 2 * mean}

    assert off_scale([row(0, 1e-3), row(1, 1.0), row(2, 1e36)]) == {2}
    assert off_scale([row(0, 1e-3), row(1, 1.0), row(2, 100.0)]) == set()
    assert off_scale([row(0, 1.0), row(0, None or 0.0)]) == set()


def test_the_bit_figure_has_a_panel_for_every_format_with_the_most_significant_bit_at_the_left(bits: Results) -> None:
    with styled():
        figure = bit_error_figure(bits)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["fp32", "q2.5"]
    for ax, width in zip(figure.axes, (32, 8), strict=True):
        left, right = ax.get_xlim()
        assert left > width - 1
        assert right < 0
        assert ax.get_yscale() == "log"
