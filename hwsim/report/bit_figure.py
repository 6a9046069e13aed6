"""The figure of a bit_errors study: the absolute error of one flip at each bit position (the paper's Fig. 2)."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.experiment.results.results import Results, Row
from hwsim.report.looks import looks
from hwsim.report.style import QUIET, decades
from hwsim.report.tables import percent
from hwsim.words import WordFormat, get_format

PANEL_HEIGHT, WIDTH = 2.6, 8.0  # inches
OFF_SCALE = 1000.0
"""A bit whose mean error is this many times above all errors at other bits is written instead of drawn."""


def bit_error_figure(results: Results) -> Figure:
    """Mean and largest absolute error over bit position, one panel a format, the most significant bit at the left.

    A dot is the mean over all stored weights, the thin line above it reaches to the largest error. What is off the
    scale, or becomes an infinity or NaN, is written at the top.
    """
    formats = results.scenario.memory.formats
    figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * len(formats) + 0.8), layout="constrained")
    axes = figure.subplots(len(formats), 1, squeeze=False)
    for fmt, ax in zip(formats, axes.flat, strict=True):
        _draw_panel(ax, results, get_format(fmt))
    axes.flat[-1].set_xlabel("bit position (0 is the least significant)")
    named = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    order = [variant.name for variant in results.scenario.variants if variant.name in named]
    figure.legend(
        [named[name] for name in order], order, loc="outside upper right", ncols=min(len(order), 4), frameon=False
    )
    figure.suptitle(
        f"Error of one flip in {results.facts['network']}'s weights", x=0.01, ha="left", fontsize=9, color="#333333"
    )
    return figure


def _draw_panel(ax: Axes, results: Results, fmt: WordFormat) -> None:
    variants = [variant for variant in results.scenario.variants if variant.runs_in(fmt.name)]
    rows = [row for row in results.rows if row["format"] == fmt.name]
    _shade_fields(ax, fmt)
    beyond = off_scale(rows)
    step = 0.62 / max(len(variants), 1)
    notes: dict[int, list[tuple[str, str]]] = {}
    look = looks(results.scenario.variants)
    for at, variant in enumerate(variants):
        colour, marker = look[variant.name]
        shift = (at - (len(variants) - 1) / 2) * step
        for row in (row for row in rows if row["variant"] == variant.name):
            said = [f"mean {row['mean_error']:.0e}"] if row["bit"] in beyond and row["mean_error"] else []
            if row["nonfinite"]:
                said.append(f"{percent(row['nonfinite'] / row['words'])} become Inf or NaN")
            if said:
                notes.setdefault(row["bit"], []).append((f"{variant.name}: {', '.join(said)}", colour))
        shown = [row for row in rows if row["variant"] == variant.name and row["mean_error"]]
        _draw_variant(ax, [r for r in shown if r["bit"] not in beyond], shift, colour, marker, variant.name)
        off = [row["bit"] - shift for row in shown if row["bit"] in beyond]
        ax.plot(off, [0.97] * len(off), linestyle="none", marker="^", color=colour, transform=ax.get_xaxis_transform())
    ax.set_yscale("log")
    decades(ax.yaxis)
    _write_notes(ax, notes)
    ax.set_xlim(fmt.width - 0.4, -0.6)
    ticks = [bit for bit in range(fmt.width) if fmt.width <= 16 or bit % 4 == 3 or bit in (0, fmt.width - 1)]
    ax.set_xticks(ticks)
    ax.grid(visible=False, axis="x")
    ax.set_title(fmt.name)
    ax.set_ylabel("absolute error")


def off_scale(rows: list[Row]) -> set[int]:
    """Bits whose mean error is so far above every error at the other bits that drawing it would flatten the rest."""
    mean: dict[int, float] = {}
    largest: dict[int, float] = {}
    for row in rows:
        mean[row["bit"]] = max(mean.get(row["bit"], 0.0), row["mean_error"] or 0.0)
        largest[row["bit"]] = max(largest.get(row["bit"], 0.0), row["max_error"] or 0.0)
    beyond: set[int] = set()
    for bit in sorted(mean, key=lambda bit: -mean[bit]):
        others = [largest[other] for other in mean if other != bit and other not in beyond]
        if not others or mean[bit] < OFF_SCALE * max(others):
            break
        beyond.add(bit)
    return beyond


def _draw_variant(ax: Axes, rows: list[Row], shift: float, colour: str, marker: str, name: str) -> None:
    x = [row["bit"] - shift for row in rows]
    mean = [row["mean_error"] for row in rows]
    ax.vlines(x, mean, [row["max_error"] for row in rows], color=colour, linewidth=1.0, alpha=0.55)
    ax.plot(x, mean, linestyle="none", marker=marker, color=colour, markersize=4.5, label=name)


def _write_notes(ax: Axes, notes: dict[int, list[tuple[str, str]]]) -> None:
    """What cannot be drawn at a bit, written to the right of it in a band above the errors that are drawn."""
    lines = [(bit, text, colour) for bit in sorted(notes, reverse=True) for text, colour in notes[bit]]
    low, high = (math.log10(edge) for edge in ax.get_ylim())
    band = 0.085 * len(lines) + 0.02 if lines else 0.0
    ax.set_ylim(top=10 ** (low + (high - low) / (1 - band)))
    for at, (bit, text, colour) in enumerate(lines):
        ax.annotate(
            f"bit {bit}, {text}",
            (bit - 0.8, 0.965 - 0.085 * at),
            xycoords=ax.get_xaxis_transform(),
            va="center",
            ha="left",
            fontsize=7.5,
            color=colour,
        )


def _shade_fields(ax: Axes, fmt: WordFormat) -> None:
    """Name the fields along the lower edge and shade every second one."""
    for at, field in enumerate(fmt.fields):
        if at % 2:
            ax.axvspan(field.lsb - 0.5, field.msb + 0.5, color="#f4f4f4", zorder=0, linewidth=0)
        ax.annotate(
            field.name,
            ((field.lsb + field.msb) / 2, 0.02),
            xycoords=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=QUIET,
            rotation=90 if field.width == 1 and fmt.width > 8 else 0,
        )
