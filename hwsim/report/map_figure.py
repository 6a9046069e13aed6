"""The picture of a fault map: where its faults lie, bank by bank, and how many a block has, against chance."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from scipy.special import gammaln

from hwsim.errors import HwsimError
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.fault_maps.fault_map_summary import FaultMapSummary, summarise
from hwsim.report.style import BASELINE, PALETTE, decades, ramp

BINS_DOWN, BINS_ACROSS = 96, 64
"""Most bins of a bank's picture: a bin is then wide enough for a single fault to be seen."""

MOST_BANKS, MOST_ACROSS = 64, 8  # in all, side by side
NARROW, WIDE = (1.55, 2.2), (2.9, 3.4)  # width and height of a bank's picture, inches: for many banks and for few
CHART_HEIGHT = 2.3  # inches
FEW = 6
"""Up to so many faults in the fullest bin each number has a colour of its own."""

SPLIT = 24
"""Where a block has more faults than this, numbers of faults are put together in powers of two."""


def fault_map_figure(found: FaultMap, title: str = "") -> Figure:
    """Every bank as a picture of rows and columns, and below, the blocks by their number of faults.

    Cells are put into bins, the same in every bank; a bin's colour is its number of faults, and white is none. Lines
    part blocks. The chart below has the blocks by faults, and as a line what as many faults thrown at random would
    give (Poisson).

    Args:
        found: the map.
        title: what it is of; its technology and conditions if empty.

    Raises:
        HwsimError: for more than 64 banks, and for more blocks than can be counted.
    """
    geometry = found.geometry
    if geometry.banks > MOST_BANKS:
        raise HwsimError(f"A picture has room for {MOST_BANKS} banks, but this memory has {geometry.banks:,}.")
    summary = summarise(found)
    bins = _bins(found)
    across = min(geometry.banks, MOST_ACROSS)
    lines = -(-geometry.banks // across)
    panel, height = WIDE if across <= 2 else NARROW
    width = max(6.4, across * panel + 1.4)
    figure = Figure(figsize=(width, lines * height + CHART_HEIGHT + 1.4), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.06, h_pad=0.06)
    parts: Any = figure.subfigures(2, 1, height_ratios=[lines * height + 0.6, CHART_HEIGHT + 0.5])
    upper, lower = parts
    axes = upper.subplots(lines, across, squeeze=False, sharex=True, sharey=True)
    colours, norm = _colours(int(bins.max(initial=0)))
    for bank, ax in enumerate(axes.flat):
        if bank >= geometry.banks:
            ax.set_visible(False)
            continue
        image = _draw_bank(ax, found, bins[bank], colours, norm)
        ax.set_title(f"bank {bank}", fontsize=8)
        if bank % across == 0:
            ax.set_ylabel("row", fontsize=8)
        if bank // across == lines - 1 or bank + across >= geometry.banks:
            ax.set_xlabel("column", fontsize=8)
            ax.tick_params(labelbottom=True)
    if len(found):
        _bar(upper, image, axes, int(bins.max()), found)
    _draw_blocks(lower.subplots(), summary, width)
    figure.suptitle(_heading(found, summary, title), x=0.01, ha="left", fontsize=9, color="#333333")
    return figure


def _bins(found: FaultMap) -> NDArray[np.int64]:
    """Faults of each bin: (banks, bins down, bins across)."""
    geometry = found.geometry
    down, across = _cut(geometry.rows, BINS_DOWN), _cut(geometry.columns, BINS_ACROSS)
    bank, _, row, column = geometry.position(found.cell)
    place = (bank * down + row * down // geometry.rows) * across + column * across // geometry.columns
    return np.bincount(place, minlength=geometry.banks * down * across).reshape(geometry.banks, down, across)


def _cut(cells: int, most: int) -> int:
    """Bins for so many cells: at most `most`, as many cells in each as can be."""
    return -(-cells // -(-cells // most))


def _colours(most: int) -> tuple[ListedColormap, Normalize]:
    """White for none; a colour for each number where there are few, else a ramp over the logarithm."""
    if most <= FEW:
        colours = ListedColormap(ramp(max(most, 1)))
        return colours, BoundaryNorm([n + 0.5 for n in range(max(most, 1) + 1)], max(most, 1))
    return ListedColormap(ramp(256)), LogNorm(1, most)


def _draw_bank(ax: Axes, found: FaultMap, bins: NDArray[np.int64], colours: ListedColormap, norm: Normalize) -> Any:
    geometry = found.geometry
    image = ax.imshow(
        np.ma.masked_equal(bins, 0),
        cmap=colours,
        norm=norm,
        aspect="auto",
        interpolation="nearest",
        extent=(0, geometry.columns, geometry.rows, 0),
        zorder=2,
    )
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.6)
    # Lines between blocks, while they leave the picture room.
    line: dict[str, Any] = {"color": "#d8d8d8", "linewidth": 0.5, "zorder": 1}
    if geometry.rows / geometry.block_rows <= 32:
        for row in range(geometry.block_rows, geometry.rows, geometry.block_rows):
            ax.axhline(row, **line)
    if geometry.blocks_across <= 16:
        for column in range(geometry.block_columns, geometry.columns, geometry.block_columns):
            ax.axvline(column, **line)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(3, integer=True))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    ax.tick_params(labelsize=7, length=2)
    return image


def _bar(upper: Any, image: Any, axes: Any, most: int, found: FaultMap) -> None:
    geometry = found.geometry
    down = -(-geometry.rows // _cut(geometry.rows, BINS_DOWN))
    across = -(-geometry.columns // _cut(geometry.columns, BINS_ACROSS))
    bar = upper.colorbar(image, ax=axes, fraction=0.03, pad=0.015, aspect=25)
    cells = "cell" if down * across == 1 else f"{_short(down)} x {_short(across)} cells"
    bar.set_label(f"faults in {cells}", fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
    if most <= FEW:
        bar.set_ticks(list(range(1, max(most, 1) + 1)))
    else:
        ticks = [10**n * digit for n in range(10) for digit in (1, 2, 5) if 10**n * digit <= most]
        bar.set_ticks(ticks, labels=[_short(tick) for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.5)


def _draw_blocks(ax: Axes, summary: FaultMapSummary, width: float) -> None:
    """Share of blocks over their number of faults, and the Poisson line."""
    edges = _edges(int(summary.per_block.max(initial=0)))
    shares = np.histogram(summary.per_block, bins=edges)[0] / summary.blocks
    chance = np.add.reduceat(_poisson(summary.mean_per_block, int(edges[-1])), edges[:-1])
    place = np.arange(len(shares))
    ax.bar(place, shares, width=0.8, color=PALETTE[0], label="this map", zorder=3)
    ax.plot(
        place,
        np.where(chance > 0.1 / summary.blocks, chance, np.nan),
        color=BASELINE,
        linestyle="--",
        marker="o",
        markersize=3,
        label="as many faults at random",
        zorder=4,
    )
    names = [f"{low}" if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges.tolist())]
    ax.set_xticks(place, labels=names)
    ax.set_yscale("log")
    decades(ax.yaxis)
    ax.set_ylim(0.5 / summary.blocks, 1.5)
    ax.set_xlabel(f"faults in a block of {summary.geometry.block_rows:,} x {summary.geometry.block_columns:,} cells")
    ax.set_ylabel("share of blocks")
    ax.set_xlim(-0.6, max(len(shares), 8) - 0.4)
    ax.tick_params(axis="x", labelsize=9 if len(shares) <= 12 else 7)
    ax.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    facts = [
        f"variance / mean {summary.variance_over_mean:.3g} (chance {summary.variance_over_mean_by_chance:.3g})",
        f"blocks without a fault {summary.fault_free:.1%} (chance {summary.fault_free_by_chance:.1%})",
        f"pairs in one column {summary.column_clustering:.3g} x chance",
    ]
    if summary.faults > 1:
        gap = ",\n" if width < 9 else ",  "
        ax.set_title(gap.join(facts), fontsize=8, fontweight="normal", color="#333333")


def _edges(most: int) -> NDArray[np.int64]:
    """Where each bar of the chart begins, and where the last one ends."""
    if most <= SPLIT:
        return np.arange(most + 2)
    powers = [0, 1, 2, *(1 + 2**n for n in range(1, most.bit_length() + 1))]
    last = next(n for n, edge in enumerate(powers) if edge > most)
    return np.array(powers[: last + 1])


def _poisson(mean: float, stop: int) -> NDArray[np.float64]:
    """P(0), P(1), ... P(stop - 1)."""
    number = np.arange(stop)
    if mean == 0:
        return (number == 0).astype(np.float64)
    return np.exp(number * math.log(mean) - mean - gammaln(number + 1))


def _heading(found: FaultMap, summary: FaultMapSummary, title: str) -> str:
    known = [found.technology, *(f"{name} {value}" for name, value in found.conditions.items())]
    what = title or ", ".join(part for part in known if part) or "fault map"
    return f"{what}: {summary.faults:,} of {found.geometry.cells:,} cells fail ({summary.rate:.3g})"


def _short(number: float) -> str:
    """A number as an axis has room for it: 65536 is 66k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{number:.10g}"
