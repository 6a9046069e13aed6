"""Accuracy, or agreement, over what an accuracy study or a lifetime study varies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.experiment.results import Results, Row
from hwsim.experiment.scenario import Variant
from hwsim.report.axes import Axis, set_out
from hwsim.report.style import BASELINE, MARKERS, PALETTE, QUIET, LineEnd, label_lines, ramp

SAME = 0.004
"""Curves that are nowhere further apart than this (less than a line's width) are drawn as one."""

PANEL_WIDTH, PANEL_HEIGHT, LABEL_WIDTH = 3.1, 2.9, 1.9  # inches
MEASURES = {
    "accuracy": "top-1 accuracy",
    "agreement": "same top-1 as the FP32 network",
}


@dataclass(frozen=True)
class Curve:
    """One line of a panel: its rows from left to right, and the names of all variants that it stands for."""

    names: tuple[str, ...]
    rows: list[Row]
    colour: str
    marker: str
    dashed: bool
    alone: bool


def accuracy_figure(results: Results, measure: str = "accuracy") -> Figure:
    """`measure` over BER, age or what is swept, a panel for each section of the tables, a line for each variant.

    Error bars are the 95 % intervals over fault maps or devices. The fault-free point stands at the left edge.
    Variants that differ only in their target t are coloured by t, from light to dark.

    Args:
        results: of an accuracy study or a lifetime study.
        measure: "accuracy" or "agreement".
    """
    out = set_out(results)
    panels = out.sections
    formats = len(results.scenario.memory.formats)
    if results.scenario.mission and formats == 2:  # side by side, what is swept from line to line
        panels = tuple(panel for at in range(len(panels) // 2) for panel in panels[at :: len(panels) // 2])
    columns = min(len(panels), 2)
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(columns * (PANEL_WIDTH + LABEL_WIDTH), lines * PANEL_HEIGHT + 0.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    labels = []
    for at, (section, ax) in enumerate(zip(panels, axes.flat, strict=False)):
        labels.append((ax, _draw_panel(ax, results, section.rows(results.rows), out.axis, measure)))
        ax.set_title(section.title)
        ax.set_xlabel(out.axis.heading)
        if at % columns == 0:
            ax.set_ylabel(MEASURES[measure])
    for ax in list(axes.flat)[len(panels) :]:
        ax.set_visible(False)
    facts = results.facts
    maps = results.scenario.trials.fault_maps
    shown = f"{facts['network']} on {facts['data']}: {facts['images']:,} images"
    one, many = ("device", "devices") if results.scenario.mission else ("fault map", "maps")
    drawn = f"{maps} {one}{'s' if maps > 1 else ''} a point"
    bars = f", bars are 95 % intervals over {many}" if maps > 1 else ""
    if mission := results.scenario.mission:
        drawn += f" read at {mission.read_at[0]}" if len(mission.read_at) == 1 else ""
    figure.suptitle(
        f"{shown}{', ' if columns > 1 else chr(10)}{drawn}{bars}",
        x=0.01,
        ha="left",
        fontsize=9,
        color="#333333",
    )
    for ax, ends in labels:
        label_lines(ax, ends)
    return figure


def _draw_panel(ax: Axes, results: Results, rows: list[Row], axis: Axis, measure: str) -> list[LineEnd]:
    """Draw the curves of one panel; returns what `label_lines` needs."""
    rows = sorted(rows, key=lambda row: axis.places[row[axis.column]])
    left = min(axis.places.values())
    curves = _curves(results.scenario.variants, rows, measure)
    dodge = 0.07 if len(curves) <= 7 else 0.02  # decades that neighbouring curves are moved apart
    ends = []
    for at, curve in enumerate(curves):
        shift = (at - (len(curves) - 1) / 2) * dodge
        places = [axis.places[row[axis.column]] for row in curve.rows]
        x = [place + (shift if place > left else 0.0) for place in places]
        y = [row[measure] for row in curve.rows]
        style: dict[str, Any] = {"color": curve.colour, "zorder": 3 if curve.dashed else 4}
        ax.plot(
            x,
            y,
            linestyle="--" if curve.dashed else "-",
            marker=curve.marker,
            markeredgecolor="white",
            markeredgewidth=0.6,
            **style,
        )
        ax.errorbar(x, y, yerr=_bars(curve.rows, measure), fmt="none", elinewidth=1.0, capsize=2.0, **style)
        ends.append(LineEnd("\n= ".join(curve.names), curve.colour, curve.marker, x[-1], y[-1]))
    _axes(ax, results, axis, measure)
    return ends


def _looks(variants: Sequence[Variant]) -> dict[str, tuple[str, str]]:
    """Each variant's colour and marker, the same in every panel; a sweep of targets gets a ramp of colours."""
    targets = sorted({v.target for v in variants if isinstance(v.target, float)})
    by_target = dict(zip(targets, ramp(len(targets)), strict=True)) if len(targets) > 2 else {}
    looks: dict[str, tuple[str, str]] = {}
    plain = 0
    for variant in variants:
        if variant.is_baseline:
            looks[variant.name] = (BASELINE, "o")
        elif isinstance(variant.target, float) and variant.target in by_target:
            looks[variant.name] = (by_target[variant.target], "o")
        else:
            looks[variant.name] = (PALETTE[plain % len(PALETTE)], MARKERS[(plain + 1) % len(MARKERS)])
            plain += 1
    return looks


def _curves(variants: Sequence[Variant], rows: list[Row], measure: str) -> list[Curve]:
    """One curve for each variant, those that coincide as one; never the baseline, nor two targets of a sweep."""
    looks = _looks(variants)
    curves: list[Curve] = []
    for variant in variants:
        mine = [row for row in rows if row["variant"] == variant.name]
        if not mine:
            continue
        colour, marker = looks[variant.name]
        alone = variant.is_baseline or colour not in PALETTE
        twin = next((i for i, c in enumerate(curves) if not c.alone and _same(c.rows, mine, measure)), None)
        if alone or twin is None:
            curves.append(Curve((variant.name,), mine, colour, marker, variant.is_baseline, alone))
        else:
            curves[twin] = replace(curves[twin], names=(*curves[twin].names, variant.name))
    return curves


def _same(one: list[Row], other: list[Row], measure: str) -> bool:
    pairs = zip(one, other, strict=True)
    return all(abs(a[measure] - b[measure]) <= SAME for a, b in pairs)


def _bars(rows: list[Row], measure: str) -> list[list[float]]:
    """Lengths of the error bars down and up; none where there is one map."""
    down, up = [], []
    for row in rows:
        low, high = row[f"{measure}_maps_low"], row[f"{measure}_maps_high"]
        down.append(0.0 if low is None else max(0.0, row[measure] - low))
        up.append(0.0 if high is None else max(0.0, high - row[measure]))
    return [down, up]


def _axes(ax: Axes, results: Results, axis: Axis, measure: str) -> None:
    from matplotlib.ticker import PercentFormatter

    ax.set_xticks([place for place, _ in axis.ticks])
    ax.set_xticklabels([text for _, text in axis.ticks])
    ax.set_xlim(min(axis.places.values()) - 0.25, max(axis.places.values()) + 0.25)
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for place in axis.breaks:
        _axis_break(ax, place)
    if measure == "accuracy":
        _level(ax, results.facts["accuracy"], "FP32, nothing stored")
        if results.facts["classes"] <= 100:
            _level(ax, 1 / results.facts["classes"], "chance")


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
