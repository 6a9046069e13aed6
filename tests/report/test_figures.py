"""Figures: they show every point, nothing overlaps, and equal results give equal files."""

from __future__ import annotations

import itertools
import math
import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import immune_label, prepared
from hwsim.report.axes import power_of_ten, rate_axis, set_out
from hwsim.report.bit_figure import bit_error_figure, off_scale
from hwsim.report.figures import MEASURES, accuracy_figure, in_order, panel_figures
from hwsim.report.looks import looks
from hwsim.report.style import PALETTE, QUIET, ramp, save, spread, styled
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
    return text.get_color() != QUIET


def overlap(one: Any, other: Any) -> float:
    return min(one.y1, other.y1) - max(one.y0, other.y0)


def panels(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.axes if ax.get_visible()]


def test_there_is_a_panel_for_every_format_and_set_of_immune_bits(accuracy: Results) -> None:
    titles = [ax.get_title(loc="left") for ax in panels(accuracy_figure_of(accuracy))]
    assert titles == ["fp16", "fp16, sign immune", "q2.5", "q2.5, sign immune"]


@pytest.mark.parametrize("formats", [["q2.5"], ["fp16", "q2.5"], ["fp32", "fp16", "q2.5"]])
def test_panels_of_two_formats_stand_side_by_side_in_a_lifetime(formats: list[str]) -> None:
    """Each line of two panels is one temperature; other numbers of formats stand one after the other."""
    scenario = load_scenario(
        {
            "name": "made_up",
            "network": {"name": "lenet5"},
            "memory": {"formats": formats, "technology": "stt_mram"},
            "mission": {
                "profile": {"for": "1 year"},
                "at": ["25 degC", "60 degC", "85 degC"],
                "read_at": ["0 s", "1 day", "1 month", "1 year"],
            },
        }
    )
    results = Results(scenario, Path("nowhere"), {}, [], [], {})
    titles = [section.title for section in in_order(results, set_out(results))]
    degrees = ("25 °C", "60 °C", "85 °C")
    by_format = [f"{fmt}, {degree}" for fmt in formats for degree in degrees]
    assert titles == ([f"{fmt}, {d}" for d in degrees for fmt in formats] if len(formats) == 2 else by_format)


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


def lines_of(ax: Axes) -> dict[str, Line2D]:
    """The curves of a panel by variant."""
    return {str(line.get_label()): line for line in ax.lines if not str(line.get_label()).startswith("_")}


def test_variants_that_coincide_share_a_line_in_stripes_and_keep_their_names_colours_and_markers(
    accuracy: Results,
) -> None:
    ax = panels(accuracy_figure_of(accuracy))[-1]
    lines = lines_of(ax)
    one, other = lines["per layer"], lines["per weight"]
    assert list(one.get_ydata()) == list(other.get_ydata())
    assert one.get_color() != other.get_color()
    assert one.get_marker() != other.get_marker()
    assert one.get_markersize() > other.get_markersize()  # the first is seen around the second
    stripes = [line._unscaled_dash_pattern for line in (one, other)]  # type: ignore[attr-defined]
    (start, (length, gap)), (next_start, (next_length, next_gap)) = stripes
    assert (length, gap) == (next_length, next_gap)
    assert length == gap == (next_start - start) % (length + gap)  # each fills the other's gaps
    texts = {text.get_text(): text.get_color() for text in ax.texts}
    assert texts["per layer"] == one.get_color()
    assert texts["per weight"] == other.get_color()


def test_a_protection_that_coincides_with_the_baseline_stays_in_sight() -> None:
    results = made_up([{"name": "clamp", "guards": ["clamp"]}], ["fp32"])
    for row in results.rows:
        row["accuracy"] = 0.5
    ax = panels(accuracy_figure_of(results))[0]
    lines = lines_of(ax)
    assert set(lines) == {"unscaled", "clamp"}
    assert lines["unscaled"].get_markersize() > lines["clamp"].get_markersize()
    assert {"unscaled", "clamp"} <= {text.get_text() for text in ax.texts}


SOME_FORMATS = [{"name": "a", "scaling": {}, "formats": ["fp32"]}, {"name": "b", "scaling": {}}]


@pytest.mark.parametrize("variants", [SOME_FORMATS, MANY, SWEEP], ids=["some formats", "many", "sweep"])
def test_a_variant_has_one_colour_and_one_marker_in_all_panels_and_figures_and_no_other_has_both(
    variants: list[dict[str, Any]],
) -> None:
    results = made_up(variants, ["fp32", "fp16"])
    found: dict[str, set[tuple[Any, Any]]] = {}
    for measure in MEASURES:
        for figure in (accuracy_figure_of(results, measure), *(one for _, one in panel_figures(results, measure))):
            for ax in panels(figure):
                for name, line in lines_of(ax).items():
                    found.setdefault(name, set()).add((line.get_color(), line.get_marker()))
    assert len(found) > 2
    assert {len(drawn) for drawn in found.values()} == {1}
    assert len(set.union(*found.values())) == len(found)


def test_more_variants_than_colours_still_look_different() -> None:
    variants = [{"name": f"protection {n}", "scaling": {}, "divide": "per_layer"} for n in range(20)]
    scenario = made_up(variants, ["fp32"]).scenario
    found = looks(scenario.variants)
    assert len(set(found.values())) == len(found) == 21


def test_variants_of_one_target_differ_by_their_markers() -> None:
    sweep = [{"name": name, "scaling": {"target": [0.5, 1, 2], "granularity": name}} for name in ("layer", "channel")]
    found = looks(made_up(sweep, ["fp32"]).scenario.variants)
    assert len(set(found.values())) == 7
    by_target = {name.split("=")[-1]: set() for name in found if "=" in name}
    for name, look in found.items():
        if "=" in name:
            by_target[name.split("=")[-1]].add(look.colour)
    assert {len(colours) for colours in by_target.values()} == {1}


def test_the_figure_of_bits_uses_the_same_looks(bits: Results) -> None:
    with styled():
        figure = bit_error_figure(bits)
    found = looks(bits.scenario.variants)
    for ax in panels(figure):
        for name, line in lines_of(ax).items():
            assert (line.get_color(), line.get_marker()) == found[name]


@pytest.mark.parametrize("measure", ["accuracy", "loss", "agreement"])
def test_all_variants_stand_at_the_same_x_with_bars_as_long_as_their_intervals(measure: str) -> None:
    results = unequal(made_up(MANY[:3], ["fp32", "q2.5"]))
    sound = {(row["format"], row["variant"]): row["accuracy"] for row in results.rows if row["ber"] == 0}
    for ax, fmt in zip(panels(accuracy_figure_of(results, measure)), ("fp32", "q2.5"), strict=True):
        assert {tuple(line.get_xdata()) for line in lines_of(ax).values()} == {(-8, -7, -6, -5, -4, -3, -2)}
        drawn = {}
        for container in ax.containers:
            assert isinstance(container, ErrorbarContainer)
            (bars,) = container[2]
            drawn[tuple(map(tuple, bars.get_color()))] = [segment.tolist() for segment in bars.get_segments()]
        assert len(drawn) == 4
        for name, line in lines_of(ax).items():
            rows = [row for row in results.rows if (row["format"], row["variant"]) == (fmt, name)]
            segments = drawn[(to_rgba(line.get_color()),)]
            heights = list(line.get_ydata())
            for row, segment, height in zip(rows, segments, heights, strict=True):
                key = "accuracy" if measure == "loss" else measure
                ends = [row[key], row[f"{key}_maps_low"], row[f"{key}_maps_high"]]
                if measure == "loss":
                    whole = sound[fmt, name]
                    ends = [100 * (whole - ends[0]), 100 * (whole - ends[2]), 100 * (whole - ends[1])]
                place = -8 if row["ber"] == 0 else round(math.log10(row["ber"]))
                assert height == pytest.approx(ends[0])
                (x_low, low), (x_high, high) = sorted(segment, key=lambda end: end[1])
                assert (x_low, x_high) == (place, place)
                assert (low, high) == pytest.approx((ends[1], ends[2]))


def unequal(results: Results) -> Results:
    """The same results with intervals that reach further down than up, and further for each row."""
    for at, row in enumerate(results.rows):
        for measure, size in (("accuracy", 1e-3), ("agreement", 2e-3)):
            row[measure] -= 0.01 * at / len(results.rows) if measure == "agreement" else 0.0
            row[f"{measure}_maps_low"] = row[measure] - size * (5 + at)
            row[f"{measure}_maps_high"] = row[measure] + size * (1 + at / 7)
    return results


AXES = {
    "accuracy": "top-1 accuracy",
    "loss": "points of accuracy lost to faults",
    "agreement": "same top-1 as the FP32 network",
}


@pytest.mark.parametrize("measure", AXES)
def test_axes_are_named_after_what_they_show(
    measure: str, accuracy: Results, lifetime: Results, voltages: Results
) -> None:
    for results, x in ((accuracy, "bit error rate"), (lifetime, "age"), (voltages, "supply voltage, V")):
        whole = panels(accuracy_figure_of(results, measure))
        assert {ax.get_xlabel() for ax in whole} == {x}
        assert whole[0].get_ylabel() == AXES[measure]
        for _, figure in panel_figures(results, measure):
            (ax,) = panels(figure)
            assert (ax.get_xlabel(), ax.get_ylabel()) == (x, AXES[measure])


def test_a_loss_of_one_point_is_as_far_from_none_as_it_takes_to_see_it() -> None:
    """An eighth of the panel's height; on an axis of shares it is a hundredth."""
    (ax,) = panels(accuracy_figure_of(made_up([], ["q2.5"]), "loss"))
    to_panel = ax.transData + ax.transAxes.inverted()
    none, one, all_lost = (float(to_panel.transform((0, loss))[1]) for loss in (0, 1, 100))
    assert none - one > 1 / 8
    assert 0 <= all_lost < one < none <= 1
    assert [label.get_text() for label in ax.get_yticklabels()][-8:] == ["0", "1", "2", "5", "10", "20", "50", "100"]


def test_the_fault_free_rate_stands_a_decade_to_the_left() -> None:
    assert rate_axis([0.0, 1e-5, 1e-3]).places == {0.0: -6.0, 1e-5: -5.0, 1e-3: -3.0}
    assert rate_axis([0.0]).places == {0.0: -1.0}


def test_a_run_without_faults_is_drawn_as_one_point_a_variant() -> None:
    results = made_up(MANY[:1], ["q2.5"])
    rows = [row for row in results.rows if row["ber"] == 0]
    (ax,) = panels(accuracy_figure_of(Results(results.scenario, results.folder, results.facts, rows, [], {})))
    assert {name: list(line.get_ydata()) for name, line in lines_of(ax).items()} == {
        row["variant"]: [row["accuracy"]] for row in rows
    }


def test_equal_results_give_equal_files_that_show_every_variant_by_name(results: Results) -> None:
    for one, other in zip(draw(results), draw(results), strict=True):
        assert one == other
        assert one.files["png"][:8] == b"\x89PNG\r\n\x1a\n"
        assert one.files["pdf"][:5] == b"%PDF-"
        root = ET.fromstring(one.files["svg"])
        assert root.tag.endswith("svg")
        texts = [text.text for text in root.iter() if text.tag.endswith("}text")]
        for variant in results.scenario.variants:
            assert variant.name in texts
        if one.name != "bit_errors":
            assert texts.count(MEASURES[one.name]) >= 1


def test_a_picture_has_as_many_dots_as_its_inches_ask_for(accuracy: Results) -> None:
    figure = accuracy_figure_of(accuracy)
    with styled():
        png = save(figure, ["png"])["png"]
    assert struct.unpack(">II", png[16:24]) == tuple(round(160 * inches) for inches in figure.get_size_inches())


def test_names_are_drawn_as_they_are_whatever_they_hold() -> None:
    name = r"$\frac$ <b> & _{1}"
    results = made_up([{"name": name, "scaling": {}}], ["fp32"])
    with styled():
        svg = save(accuracy_figure(results), ["svg"])["svg"]
    assert name in [text.text for text in ET.fromstring(svg).iter()]


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
    assert off_scale([row(0, 1.0), {"bit": 0, "mean_error": None, "max_error": None}]) == set()
    assert off_scale([row(0, 1.0), {"bit": 1, "mean_error": None, "max_error": None}, row(2, 1e36), row(3, 2.0)]) == {2}


def test_the_bit_figure_has_a_panel_for_every_format_with_the_most_significant_bit_at_the_left(bits: Results) -> None:
    with styled():
        figure = bit_error_figure(bits)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["fp32", "q2.5"]
    for ax, width in zip(figure.axes, (32, 8), strict=True):
        left, right = ax.get_xlim()
        assert left > width - 1
        assert right < 0
        assert ax.get_yscale() == "log"


def test_levels_are_drawn_at_what_they_name(accuracy: Results) -> None:
    def levels(ax: Axes) -> dict[str, float]:
        found = {text.get_text(): text.xy[1] for text in ax.texts if text.get_color() == QUIET}  # type: ignore[attr-defined]
        dotted = {line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == ":"}  # type: ignore[index]
        assert dotted == set(found.values())
        return found

    for measure, expected in (
        ("accuracy", {"FP32, nothing stored": accuracy.facts["accuracy"], "chance": 0.1}),
        ("loss", {"as without faults": 0.0, "one point": 1.0}),
        ("agreement", {}),
    ):
        for ax in panels(accuracy_figure_of(accuracy, measure)):
            assert levels(ax) == pytest.approx(expected)


def test_losses_that_differ_by_less_than_a_line_share_it_and_others_do_not() -> None:
    for points, shared in ((0.3, True), (0.5, False)):
        results = made_up([{"name": "clamp", "guards": ["clamp"]}], ["fp32"])
        for row in results.rows:
            row["accuracy"] = 0.9 if row["ber"] == 0 else 0.5 + (points / 100 if row["variant"] == "clamp" else 0)
        for measure in ("accuracy", "loss"):
            lines = lines_of(panels(accuracy_figure_of(results, measure))[0])
            assert (lines["unscaled"].get_markersize() > lines["clamp"].get_markersize()) == shared


def test_what_was_run_is_said_above_the_panels(accuracy: Results, voltages: Results) -> None:
    said = "lenet5 on fashion_mnist: 40 images, 2 fault maps a point, bars are 95 % intervals over maps"
    assert accuracy_figure_of(accuracy).get_suptitle() == said
    said = "lenet5 on fashion_mnist: 20 images\n2 devices a point read at 0 s, bars are 95 % intervals over devices"
    assert accuracy_figure_of(voltages).get_suptitle() == said


def test_every_bit_has_its_mean_its_largest_error_and_what_cannot_be_drawn(bits: Results) -> None:
    with styled():
        figure = bit_error_figure(bits)
    for ax, fmt in zip(figure.axes, ("fp32", "q2.5"), strict=True):
        rows = [row for row in bits.rows if row["format"] == fmt]
        beyond = off_scale(rows)
        segments = [tuple(map(tuple, one)) for each in ax.collections for one in each.get_segments()]  # type: ignore[attr-defined]
        said = [text.get_text() for text in ax.texts]
        for name, line in lines_of(ax).items():
            points = list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]
            mine = [row for row in rows if row["variant"] == name]
            drawn = [row for row in mine if row["bit"] not in beyond and row["mean_error"]]
            assert [row["mean_error"] for row in drawn] == [y for _, y in points]
            for row, (x, y) in zip(drawn, points, strict=True):
                assert abs(x - row["bit"]) < 0.2  # two variants, on either side of the bit
                assert ((x, y), (x, row["max_error"])) in segments
            for row in mine:
                notes = [f"mean {row['mean_error']:.0e}"] if row["bit"] in beyond else []
                if row["nonfinite"]:
                    notes.append(f"{100 * row['nonfinite'] / row['words']:.2g} % become Inf or NaN")
                text = f"bit {row['bit']}, {name}: {', '.join(notes)}"
                assert (text in said) == bool(notes)
    assert "bit 30, unscaled: mean" in " ".join(text.get_text() for text in figure.axes[0].texts)


def test_a_bit_off_the_scale_says_no_mean_of_a_variant_that_has_none(bits: Results) -> None:
    rows = [dict(row) for row in bits.rows]
    lost = [row for row in rows if (row["format"], row["variant"], row["bit"]) == ("fp32", "scaled", 30)]
    for row in lost:
        row |= {"mean_error": None, "max_error": None, "rms_error": None, "nonfinite": row["words"]}
    with styled():
        figure = bit_error_figure(replace(bits, rows=rows))
    said = {text.get_text() for text in figure.axes[0].texts}
    assert len(lost) == 1
    assert "bit 30, scaled: 100 % become Inf or NaN" in said
    assert any(text.startswith("bit 30, unscaled: mean ") for text in said)


def test_powers_of_ten_stand_at_their_heights(bits: Results) -> None:
    with styled():
        figure = bit_error_figure(bits)
        figure.draw_without_rendering()
        for ax in figure.axes:
            for height, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True):
                assert label.get_text() == power_of_ten(round(math.log10(height)))
    assert [power_of_ten(n) for n in (-12, 0, 3)] == ["10⁻¹²", "10⁰", "10³"]
