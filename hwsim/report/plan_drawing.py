"""A drawing of a network with its plan: operations from top to bottom, their scales, and where they are divided out.

One row an operation; the line from row to row is the usual path, arcs on the left are the others (shortcuts, branches).
Larger networks are folded: operations of one block of modules share a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

from hwsim.datapath.plan import Plan
from hwsim.datapath.plans.sites import Site
from hwsim.hardening import Constants
from hwsim.network import Affine, Call, Linear, Network, Operation, Scale, rule_of
from hwsim.report.style import DRAWING

ROW, LANE, TEXT_WIDTH = 22, 10, 7.2
LONGEST_LABEL = 44
"""Letters of the longest label; of a longer one the end is shown, which tells modules apart."""
MARKS = {"divide": "÷", "align": "=", "absorb": "∗"}
"""Divided out; made equal to the other inputs of a join; taken up by a multiplier that is there anyway."""
_MARK_OF = {
    "division": "divide",
    "reciprocal": "divide",
    "shift": "divide",
    "alignment": "align",
    "absorbed": "absorb",
}


@dataclass
class DrawnRow:
    """A row of the drawing: one operation, or the operations of a folded block."""

    label: str
    kind: str
    folded: bool = False
    operations: list[Operation] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    scale: str = ""
    sites: list[Site] = field(default_factory=list)

    @property
    def marks(self) -> list[tuple[str, str]]:
        """Kind of mark, and what it says: one for all sites of one kind and cause."""
        grouped: dict[tuple[str, str], list[Site]] = {}
        for site in self.sites:
            cause = site.cause.general if self.folded else site.cause.located
            grouped.setdefault((_MARK_OF[site.kind], cause), []).append(site)
        return [(mark, _text(mark, cause, found)) for (mark, cause), found in grouped.items()]


def draw_plan(network: Network, plan: Plan, sites: Iterable[Site], fold: int = 0) -> str:
    """An SVG of the network with scales, rescalings and absorptions marked, and what forces them.

    Args:
        network: the captured network.
        plan: what its datapath does about scales.
        sites: every division site, see `hwsim.datapath.plans.sites.division_sites`.
        fold: module levels that are kept apart: with 2, "layer1.0.conv1" and "layer1.0.conv2" share the row
            "layer1.0". Zero keeps every operation apart.
    """
    rows = _rows(network, plan, sites, fold)
    heights = _heights(rows)
    lanes = _lanes(rows)
    left = 20 + LANE * (max(lanes.values(), default=-1) + 2)
    columns = _columns(rows, left)
    longest = max((len(text) for row in rows for _, text in row.marks), default=0)
    width = max(int(columns["marks"] + TEXT_WIDTH * (longest + 4)), 690)
    height = heights[-1] + ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" role="img">',
        f"<title>{escape(plan.way)}: scales and divisions, {len(network.operations)} operations</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _legend(),
    ]
    parts += [
        _arc(heights[source], heights[target], None if target == source + 1 else lanes[source], left)
        for source, target in _edges(rows)
    ]
    parts += [text for y, row in zip(heights, rows, strict=True) for text in _draw(row, y, left, columns)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rows(network: Network, plan: Plan, sites: Iterable[Site], fold: int) -> list[DrawnRow]:
    rows = [DrawnRow("images", "input", fold > 0)]
    of_value = {network.input.name: 0}
    for op in network.operations:
        if isinstance(op, Call) and _is_size(op):
            continue
        label = op.label
        folded = ".".join(label.split(".")[:fold]) if fold else label
        if fold and rows[-1].operations and rows[-1].label == folded:
            row = rows[-1]
            row.kind = f"{len(row.operations) + 1} operations"
        else:
            row = DrawnRow(folded, _kind(op), fold > 0)
            rows.append(row)
        here = len(rows) - 1
        row.operations.append(op)
        row.inputs += [of_value[name] for name in op.inputs if of_value.get(name, here) != here]
        of_value[op.name] = here
        row.scale = _scale(plan.produced(op.name))
    rows.append(DrawnRow("logits", "result", inputs=[of_value[network.output]]))
    for site in sites:
        rows[of_value[site.at]].sites.append(site)
    return rows


def _is_size(op: Call) -> bool:
    """Whether it computes a size or an index, which has no scale and no place on the datapath."""
    rule = rule_of(op)
    return rule is not None and rule.effect == "size"


def _kind(op: Operation) -> str:
    if isinstance(op, Affine):
        return "bias" if op.multiplier is None else "BatchNorm"
    return str(getattr(op.target, "__name__", op.target)).removeprefix("aten.").split(".")[0]


def _text(mark: str, cause: str, sites: list[Site]) -> str:
    """What a mark says of sites that are there for the same cause."""
    if mark == "absorb":
        return (f"{len(sites)} x " if len(sites) > 1 else "") + cause.removesuffix(" takes the scale up")
    count = f"{sum(site.elements for site in sites):,} {'words' if sites[0].per_read else 'elements'}"
    if len(sites) > 1:
        return f"{len(sites)} x, {count} in all: {cause}"
    return f"{count} by {sites[0].by}: {cause}"


def _scale(scale: Scale | Constants) -> str:
    if isinstance(scale, Constants):
        if scale.per_channel:
            return "" if scale.all_one else "c per channel"
        scale = scale.scale
    if scale.is_one:
        return ""
    return f"2^{scale.log2:.4g}" if abs(scale.log2) >= 1e-3 else f"1{float(scale) - 1:+.1e}"


def _edges(rows: list[DrawnRow]) -> list[tuple[int, int]]:
    return [(source, target) for target, row in enumerate(rows) for source in dict.fromkeys(row.inputs)]


def _lanes(rows: list[DrawnRow]) -> dict[int, int]:
    """A lane on the left for every row whose result skips rows, such that no two that overlap share one."""
    reach: dict[int, int] = {}
    for source, target in _edges(rows):
        if target - source > 1:
            reach[source] = max(reach.get(source, 0), target)
    busy_until: list[int] = []
    lanes = {}
    for source, target in sorted(reach.items()):
        lane = next((i for i, until in enumerate(busy_until) if until <= source), len(busy_until))
        if lane == len(busy_until):
            busy_until.append(0)
        busy_until[lane] = target
        lanes[source] = lane
    return lanes


def _columns(rows: list[DrawnRow], left: float) -> Mapping[str, float]:
    kind = left + 14
    label = kind + TEXT_WIDTH * max(len(row.kind) for row in rows) + 16
    scale = label + TEXT_WIDTH * max(len(_short(row.label)) for row in rows) + 16
    return {"kind": kind, "label": label, "scale": scale, "marks": scale + TEXT_WIDTH * 12}


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else "..." + label[3 - LONGEST_LABEL :]


def _heights(rows: list[DrawnRow]) -> list[int]:
    """The height of each row's first line; a row has a line for each of its marks."""
    heights = [56]
    for row in rows[:-1]:
        heights.append(heights[-1] + ROW * max(1, len(row.marks)))
    return heights


def _legend() -> str:
    texts = (("divide", "divided out"), ("align", "aligned for a join"), ("absorb", "absorbed for nothing"))
    x, parts = 20.0, []
    for mark, text in texts:
        parts.append(f'<text x="{x:.0f}" y="24" fill="{DRAWING[mark]}" font-weight="bold">{MARKS[mark]} {text}</text>')
        x += TEXT_WIDTH * (len(text) + 5)
    parts.append(f'<text x="{x:.0f}" y="24" fill="{DRAWING["scale"]}">2^k: scale of what comes out</text>')
    return "\n".join(parts)


def _arc(top: int, bottom: int, lane: int | None, left: float) -> str:
    if lane is None:
        path = f"M {left} {top} L {left} {bottom}"
    else:
        x = left - LANE * (lane + 1.5)
        path = f"M {left} {top} C {x} {top}, {x} {top}, {x} {top + ROW / 2} L {x} {bottom - ROW / 2} "
        path += f"C {x} {bottom}, {x} {bottom}, {left} {bottom}"
    return f'<path d="{path}" fill="none" stroke="{DRAWING["line"]}" stroke-width="1.5"/>'


def _draw(row: DrawnRow, y: int, left: float, columns: Mapping[str, float]) -> list[str]:
    linear = any(isinstance(op, Linear) for op in row.operations)
    fill = DRAWING["linear"] if linear else "white"
    parts = [f'<circle cx="{left}" cy="{y}" r="4.5" fill="{fill}" stroke="{DRAWING["linear"]}" stroke-width="1.5"/>']
    for column, text, colour in (
        ("kind", row.kind, DRAWING["quiet"]),
        ("label", _short(row.label), DRAWING["text"]),
        ("scale", row.scale, DRAWING["scale"]),
    ):
        if text:
            parts.append(f'<text x="{columns[column]:.0f}" y="{y + 4}" fill="{colour}">{escape(text)}</text>')
    for line, (mark, text) in enumerate(row.marks):
        shown, at = escape(f"{MARKS[mark]} {text}"), y + 4 + ROW * line
        parts.append(
            f'<text x="{columns["marks"]:.0f}" y="{at}" fill="{DRAWING[mark]}" font-weight="bold">{shown}</text>'
        )
    return parts
