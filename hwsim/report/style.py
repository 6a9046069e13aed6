"""How figures look: colours that colour-blind readers can tell apart, plain axes, the same bytes each time."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from hwsim.report.axes import power_of_ten

BASELINE = "#3c3c3c"
"""Unprotected and unscaled: always dark grey and dashed."""

# Okabe and Ito's palette ("Color Universal Design", 2008), its yellows darkened so that text in them can be read.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A6D00", "#3A9BD0", "#882255", "#6F4E37")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
QUIET = "#757575"
"""Chance levels, reference lines and notes."""

_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same letters everywhere
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.7,
    "lines.markersize": 5.0,
    "svg.hashsalt": "hwsim",
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and edited
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name may hold any character
}


@contextmanager
def styled() -> Iterator[None]:
    """Figures drawn and saved inside have hwsim's look; the caller's own settings are not touched."""
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        yield


def ramp(n: int) -> list[str]:
    """`n` colours in order, light to dark, readable on white (from matplotlib's viridis, its yellow end left out)."""
    from matplotlib.colors import to_hex

    colours = mpl.colormaps["viridis"]
    return [to_hex(colours(0.82 * (1 - i / max(n - 1, 1)))) for i in range(n)]


FIGURE_FORMATS: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""The kinds of files that figures are saved as, and what is left out of them: dates and version numbers."""


def save(figure: Figure, kinds: Iterable[str] = tuple(FIGURE_FORMATS)) -> dict[str, bytes]:
    """The figure's files by kind, equal for equal figures."""
    files = {}
    for kind in kinds:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=160, metadata=FIGURE_FORMATS[kind], facecolor="white")
        files[kind] = buffer.getvalue()
    return files


def decades(axis: MatplotlibAxis) -> None:
    """Label the powers of ten of a logarithmic axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(round(math.log10(value)))))
    axis.set_minor_formatter(NullFormatter())


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Centres near the `wanted` ones, in the same order, of things of these `sizes` that must not overlap.

    The least-squares solution, kept within [low, high]: neighbours that collide move as one block around their mean.
    Where there is no room for all, they overlap evenly.
    """
    total = sum(sizes)
    if total > high - low:
        sizes = [size * (high - low) / total for size in sizes]
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    offsets, edge = [], 0.0  # from the lower edge of the stack to the centre of each
    for i in order:
        offsets.append(edge + sizes[i] / 2)
        edge += sizes[i]
    blocks: list[tuple[float, int]] = []  # sum of where its members want the stack's lower edge, and how many
    for i, offset in zip(order, offsets, strict=True):
        block = (wanted[i] - offset, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] > block[0] / block[1]:
            below = blocks.pop()
            block = (below[0] + block[0], below[1] + block[1])
        blocks.append(block)
    bases = [min(max(shift / n, low), high - edge) for shift, n in blocks for _ in range(n)]
    placed = [0.0] * len(wanted)
    for i, base, offset in zip(order, bases, offsets, strict=True):
        placed[i] = base + offset
    return placed


class LineEnd(NamedTuple):
    """The right end of a drawn line, in data units, and how to name it."""

    text: str
    colour: str
    marker: str
    x: float
    y: float


def label_lines(axes: Axes, ends: list[LineEnd]) -> None:
    """Write each line's name and marker to the right of `axes`, joined to the line's end.

    Heights are moved apart where names would collide.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    line = 1.4 * mpl.rcParams["font.size"] * figure.dpi / 72 / axes.get_window_extent().height
    sizes = [line * (end.text.count("\n") + 1) for end in ends]
    to_axes = axes.transData + axes.transAxes.inverted()
    points = [to_axes.transform((end.x, end.y)) for end in ends]
    heights = spread([float(point[1]) for point in points], sizes, -0.05, 1.05)
    for end, point, y in zip(ends, points, heights, strict=True):
        axes.plot(
            [float(point[0]), 1.07],
            [float(point[1]), y],
            transform=axes.transAxes,
            color=end.colour,
            linewidth=0.7,
            alpha=0.6,
            clip_on=False,
            zorder=2,
        )
        axes.plot(
            [1.07],
            [y],
            transform=axes.transAxes,
            color=end.colour,
            marker=end.marker,
            markersize=4.5,
            clip_on=False,
        )
        axes.text(1.095, y, end.text, transform=axes.transAxes, color=end.colour, va="center", linespacing=1.1)


DRAWING = {
    "divide": "#b5121b",
    "align": "#b06500",
    "absorb": "#1a7f37",
    "scale": "#5b2a86",
    "linear": "#0072b2",
    "line": "#8a8f98",
    "quiet": "#6b7280",
    "text": "#111827",
}
"""Colours of the drawing of a plan, each at least 4.5 to 1 against white."""
