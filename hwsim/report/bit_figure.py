"""The figure of a bit_errors study: the absolute error of one flip at each bit position (the paper's Fig. 2)."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.experiment.results import Results, Row
from hwsim.experiment.scenario import Variant
from hwsim.report.style import BASELINE, MARKERS, PALETTE, QUIET
from hwsim.words import WordFormat, get_format

PANEL_HEIGHT, WIDTH = 2.5, 8.0  # inches


def bit_error_figure(results: Results) -> Figure:
    """Mean and largest absolute error over bit position, one panel a format, the most significant bit at the left.

    A dot is the mean over all stored weights, the thin line above it reaches to the largest error. Flips that give
    an infinity or NaN are counted at the top instead.
    """
    formats = results.scenario.memory.formats
    figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * len(formats) + 0.8), layout="constrained")
    axes = figure.subplots(len(formats), 1, squeeze=False)
    for fmt, ax in zip(formats, axes.flat, strict=True):
        _draw_panel(ax, results, get_format(fmt))
    axes.flat[-1].set_xlabel("bit position (0 is the least significant)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=min(len(labels), 4), frameon=False)
    figure.suptitle(
        f"Error of one flip in {results.facts['network']}'s weights", x=0.01, ha="left", fontsize=9, color="#333333"
    )
    return figure


def _draw_panel(ax: Axes, results: Results, fmt: WordFormat) -> None:
    variants = [variant for variant in results.scenario.variants if variant.runs_in(fmt.name)]
    _shade_fields(ax, fmt)
    step = 0.62 / max(len(variants), 1)
    plain = 0
    for at, variant in enumerate(variants):
        rows = [row for row in results.rows if (row["format"], row["variant"]) == (fmt.name, variant.name)]
        colour, marker = BASELINE, "o"
        if not variant.is_baseline:
            colour, marker = PALETTE[plain % len(PALETTE)], MARKERS[(plain + 1) % len(MARKERS)]
            plain += 1
        shift = (at - (len(variants) - 1) / 2) * step
        _draw_variant(ax, rows, variant, shift, colour, marker)
    ax.set_yscale("log")
    ax.set_xlim(fmt.width - 0.4, -0.6)
    ticks = [bit for bit in range(fmt.width) if fmt.width <= 16 or bit % 4 == 3 or bit in (0, fmt.width - 1)]
    ax.set_xticks(ticks)
    ax.grid(visible=False, axis="x")
    ax.set_title(fmt.name)
    ax.set_ylabel("absolute error")


def _draw_variant(ax: Axes, rows: list[Row], variant: Variant, shift: float, colour: str, marker: str) -> None:
    known = [row for row in rows if row["mean_error"]]
    x = [row["bit"] - shift for row in known]
    mean = [row["mean_error"] for row in known]
    ax.vlines(x, mean, [row["max_error"] for row in known], color=colour, linewidth=1.0, alpha=0.55)
    ax.plot(x, mean, linestyle="none", marker=marker, color=colour, markersize=4.5, label=variant.name)
    for row in rows:
        share = row["nonfinite"] / row["words"]
        if share > 0:
            ax.annotate(
                f"{100 * share:.0f}%" if share >= 0.01 else "<1%",
                (row["bit"] - shift, 0.985),
                xycoords=ax.get_xaxis_transform(),
                rotation=90,
                va="top",
                ha="center",
                fontsize=7,
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
