"""Accuracy, agreement, or what faults take of it, over what an accuracy study or a lifetime study varies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from hwsim.experiment.results.results import Results, Row
from hwsim.report.axes import Axis, Section, SetOut, set_out
from hwsim.report.estimates import Estimate, estimate, lost, sound_rows
from hwsim.report.looks import Look, looks
from hwsim.report.style import QUIET, LineEnd, label_lines

SAME = 0.004
"""Curves of shares that are nowhere further apart than this (less than a line's width) hide each other."""

PANEL_WIDTH, PANEL_HEIGHT, LABEL_WIDTH = 3.1, 2.9, 1.9  # inches
MEASURES = {
    "accuracy": "top-1 accuracy",
    "loss": "points of accuracy lost to faults",
    "agreement": "same top-1 as the FP32 network",
}
"""What a figure can show, and how its y axis is called."""

LOSSES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Ticks of an axis of losses, in points: even up to one point, logarithmic beyond, so that one point can be seen."""


@dataclass(frozen=True)
class Curve:
    """One line of a panel, its points from left to right."""

    name: str
    look: Look
    baseline: bool
    x: list[float]
    points: list[Estimate]

    @property
    def y(self) -> list[float]:
        """Heights of the points."""
        return [point.value for point in self.points]

    def covers(self, other: Curve, same: float) -> bool:
        """Whether the two could not be told apart if one were drawn over the other."""
        return self.x == other.x and all(abs(a - b) <= same for a, b in zip(self.y, other.y, strict=True))


def accuracy_figure(results: Results, measure: str = "accuracy") -> Figure:
    """`measure` over BER, age or what is swept, a panel for each section of the tables, a line for each variant.

    Every variant stands at the same x, in one colour and with one marker in all figures of a run. Error bars are the
    95 % intervals over fault maps or devices. The fault-free point stands at the left edge. Variants that differ only
    in their target t are coloured by t, from light to dark. Curves that coincide share one line, in stripes of their
    colours.

    Args:
        results: of an accuracy study or a lifetime study.
        measure: "accuracy", "loss" (to faults: against the same words without any, in points) or "agreement".
    """
    out = set_out(results)
    sections = in_order(results, out)
    columns = min(len(sections), 2)
    lines = math.ceil(len(sections) / columns)
    figure = _new_figure(columns, lines)
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    labels = []
    for at, (section, ax) in enumerate(zip(sections, axes.flat, strict=False)):
        labels.append((ax, _draw_panel(ax, results, section, out.axis, measure)))
        if at % columns == 0:
            ax.set_ylabel(MEASURES[measure])
    for ax in list(axes.flat)[len(sections) :]:
        ax.set_visible(False)
    figure.suptitle(
        (", " if columns > 1 else "\n").join(describe(results)), x=0.01, ha="left", fontsize=9, color="#333333"
    )
    for ax, ends in labels:
        label_lines(ax, ends)
    return figure


def panel_figures(results: Results, measure: str = "accuracy") -> Iterator[tuple[Section, Figure]]:
    """Each panel of `accuracy_figure` as a figure of its own, for a page that sets them out by its width."""
    out = set_out(results)
    for section in in_order(results, out):
        figure = _new_figure(1, 1)
        ax = figure.subplots()
        ends = _draw_panel(ax, results, section, out.axis, measure)
        ax.set_ylabel(MEASURES[measure])
        label_lines(ax, ends)
        yield section, figure


def _new_figure(columns: int, lines: int) -> Figure:
    figure = Figure(figsize=(columns * (PANEL_WIDTH + LABEL_WIDTH), lines * PANEL_HEIGHT + 0.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    return figure


def in_order(results: Results, out: SetOut) -> Sequence[Section]:
    """The sections as panels: of a lifetime in two formats these stand side by side."""
    sections = out.sections
    if results.scenario.mission and len(results.scenario.memory.formats) == 2:
        half = len(sections) // 2
        return tuple(section for at in range(half) for section in sections[at::half])
    return sections


def describe(results: Results) -> tuple[str, str]:
    """What was run, and how often, in two phrases."""
    facts, mission, maps = results.facts, results.scenario.mission, results.scenario.trials.fault_maps
    one, many = ("device", "devices") if mission else ("fault map", "maps")
    drawn = f"{maps} {one}{'s' if maps > 1 else ''} a point"
    if mission and len(mission.read_at) == 1:
        drawn += f" read at {mission.read_at[0]}"
    bars = f", bars are 95 % intervals over {many}" if maps > 1 else ""
    return f"{facts['network']} on {facts['data']}: {facts['images']:,} images", drawn + bars


def _draw_panel(ax: Axes, results: Results, section: Section, axis: Axis, measure: str) -> list[LineEnd]:
    """Draw one panel but for its y label; returns what `label_lines` needs."""
    curves = _curves(results, section.rows(results.rows), axis, measure)
    for group in _hidden_behind_each_other(curves, SAME if measure != "loss" else 100 * SAME):
        for at, curve in enumerate(group):
            _draw_curve(ax, curve, at, len(group))
    ax.set_title(section.title)
    ax.set_xlabel(axis.label)
    _set_x(ax, axis)
    if measure == "loss":
        _set_losses(ax, curves)
    else:
        _set_shares(ax)
    if measure == "accuracy":
        _level(ax, results.facts["accuracy"], "FP32, nothing stored")
        if results.facts["classes"] <= 100:
            _level(ax, 1 / results.facts["classes"], "chance")
    return [LineEnd(curve.name, curve.look.colour, curve.look.marker, curve.x[-1], curve.y[-1]) for curve in curves]


def _curves(results: Results, rows: list[Row], axis: Axis, measure: str) -> list[Curve]:
    rows = sorted(rows, key=lambda row: axis.places[row[axis.column]])
    look = looks(results.scenario.variants)
    sound = sound_rows(results) if measure == "loss" else {}
    curves = []
    for variant in results.scenario.variants:
        mine = [row for row in rows if row["variant"] == variant.name]
        if mine:
            points = [lost(row, sound) if measure == "loss" else estimate(row, measure) for row in mine]
            places = [axis.places[row[axis.column]] for row in mine]
            curves.append(Curve(variant.name, look[variant.name], variant.is_baseline, places, points))
    return curves


def _hidden_behind_each_other(curves: list[Curve], same: float) -> list[list[Curve]]:
    """The curves in groups of those that coincide."""
    groups: list[list[Curve]] = []
    for curve in curves:
        group = next((group for group in groups if group[0].covers(curve, same)), None)
        if group is None:
            groups.append([curve])
        else:
            group.append(curve)
    return groups


def _draw_curve(ax: Axes, curve: Curve, at: int, among: int) -> None:
    """Draw a curve, the `at`-th `among` those that coincide: they take turns along the line, and markers are nested."""
    line: Any = "--" if curve.baseline else "-"
    if among > 1:
        line = (4.0 * at, (4.0, 4.0 * (among - 1)))
    inner = min(1.8, 6.0 / max(among - 1, 1)) * (among - 1 - at)
    style: dict[str, Any] = {"color": curve.look.colour, "zorder": (3 if curve.baseline else 4) + at / among}
    ax.plot(
        curve.x,
        curve.y,
        linestyle=line,
        marker=curve.look.marker,
        markersize=5.0 + inner,
        markeredgecolor="white",
        markeredgewidth=0.6,
        label=curve.name,
        **style,
    )
    if any(point.known for point in curve.points):
        ax.errorbar(
            curve.x, curve.y, yerr=_bars(curve.points), fmt="none", elinewidth=1.0, capsize=2.0 + inner / 2, **style
        )


def _bars(points: Sequence[Estimate]) -> list[list[float]]:
    """Lengths of the error bars down and up; none where there is one map."""
    down = [0.0 if point.low is None else max(0.0, point.value - point.low) for point in points]
    up = [0.0 if point.high is None else max(0.0, point.high - point.value) for point in points]
    return [down, up]


def _set_x(ax: Axes, axis: Axis) -> None:
    ax.set_xticks([place for place, _ in axis.ticks])
    ax.set_xticklabels([text for _, text in axis.ticks])
    ax.set_xlim(min(axis.places.values()) - 0.25, max(axis.places.values()) + 0.25)
    for place in axis.breaks:
        _axis_break(ax, place)


def _set_shares(ax: Axes) -> None:
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _set_losses(ax: Axes, curves: Sequence[Curve]) -> None:
    """Losses grow downwards, as accuracy falls; up to one point either way the axis is even."""
    ax.set_yscale("symlog", linthresh=1.0, linscale=1.0)
    lows = [point.value if point.low is None else point.low for curve in curves for point in curve.points]
    gain = max(1.0, -min(lows, default=0.0))
    ax.set_ylim(115.0, -1.15 * gain)
    gains = [-tick for tick in LOSSES if 0 < tick <= gain]
    ax.yaxis.set_major_locator(FixedLocator([*gains, *LOSSES]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    _level(ax, 0.0, "as without faults")
    _level(ax, 1.0, "one point")


def _level(ax: Axes, y: float, text: str) -> None:
    """A named height, its name at the left where curves are seldom anywhere else than at the top."""
    ax.axhline(y, color=QUIET, linewidth=0.9, linestyle=":", zorder=1)
    ax.annotate(
        text,
        (0.01, y),
        xycoords=ax.get_yaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        color=QUIET,
        fontsize=7.5,
        va="bottom",
        ha="left",
    )


def _axis_break(ax: Axes, x: float) -> None:
    """Two short strokes on the axis: to the left of them the axis is not what it is right of them."""
    for offset in (-0.035, 0.035):
        ax.plot(
            [x + offset - 0.03, x + offset + 0.03],
            [-0.018, 0.018],
            transform=ax.get_xaxis_transform(),
            color="#555555",
            linewidth=1.0,
            clip_on=False,
            zorder=5,
        )
