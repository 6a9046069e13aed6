"""A drawing of a network with its plan: operations from top to bottom, their scales, and where they are divided out.

One row an operation; the line from row to row is the usual path, arcs on the left are the others (shortcuts, branches).
Larger networks are folded: operations of one block of modules share a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from hwsim.datapath.plan import RESULT, Plan, Rescaling
from hwsim.hardening import Constants
from hwsim.network import Affine, Call, Linear, Network, Operation, Scale, rule_of
from hwsim.report.style import DRAWING

ROW, LANE, TEXT_WIDTH = 22, 10, 7.2
MARKS = {"divide": "÷", "align": "=", "absorb": "∗"}
"""Divided out; made equal to the other inputs of a join; taken up by a multiplier that is there anyway."""


@dataclass
class Row:
    """A row of the drawing: one operation, or the operations of a folded block."""

    label: str
    kind: str
    operations: list[Operation] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    scale: str = ""
    marks: list[tuple[str, str]] = field(default_factory=list)  # (kind of mark, what it says)


def draw_plan(network: Network, plan: Plan, fold: int = 0) -> str:
    """An SVG of the network with scales, rescalings and absorptions marked.

    Args:
        network: the captured network.
        plan: what its datapath does about scales.
        fold: module levels that are kept apart: with 2, "layer1.0.conv1" and "layer1.0.conv2" share the row
            "layer1.0". Zero keeps every operation apart.
    """
    rows = _rows(network, plan, fold)
    lanes = _lanes(rows)
    left = 20 + LANE * (max(lanes.values(), default=-1) + 2)
    columns = _columns(rows, left)
    width = int(columns["marks"] + max((_width(row) for row in rows), default=0) + 30)
    height = ROW * len(rows) + 66
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" role="img">',
        f"<title>{escape(plan.way)}: scales and divisions, {len(network.operations)} operations</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _legend(),
    ]
    parts += [_arc(source, target, lanes.get((source, target)), left) for source, target in _edges(rows)]
    parts += [text for y, row in enumerate(rows) for text in _draw(row, y, left, columns)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rows(network: Network, plan: Plan, fold: int) -> list[Row]:
    rows = [Row("images", "input")]
    of_value = {network.input.name: 0}
    for op in network.operations:
        label = op.layer or op.name
        folded = ".".join(label.split(".")[:fold]) if fold else label
        if fold and rows[-1].operations and rows[-1].label == folded:
            row = rows[-1]
        else:
            row = Row(folded, "block" if fold else _kind(op))
            rows.append(row)
        here = len(rows) - 1
        row.operations.append(op)
        row.inputs += [of_value[name] for name in op.inputs if of_value[name] != here]
        of_value[op.name] = here
        row.scale = _scale(plan.produced(op.name))
        row.marks += _marks(network, op, plan)
    rows.append(Row("logits", "result", [], [of_value[network.output]]))
    for rescaling in plan.rescalings:
        at = of_value[rescaling.value]
        rows[at].marks.append(_mark(network, rescaling))
    return rows


def _kind(op: Operation) -> str:
    if isinstance(op, Call):
        return str(op.target).removeprefix("aten.").split(".")[0]
    return type(op).__name__.lower()


def _marks(network: Network, op: Operation, plan: Plan) -> list[tuple[str, str]]:
    changes = [plan.seen(name, op.name) != plan.produced(op.name) for name in op.inputs]
    if isinstance(op, Affine) and changes[0]:
        if op.multiplier:
            return [("absorb", "absorbed by BatchNorm")]
        return [("divide", f"{network.elements[op.name]:,} elements in the bias addition's multiplier")]
    rule = rule_of(op) if isinstance(op, Call) else None
    if rule is not None and rule.effect == "absorb" and changes[0]:
        return [("absorb", "absorbed by its constant")]
    return []


def _mark(network: Network, rescaling: Rescaling) -> tuple[str, str]:
    count = f"{network.elements[rescaling.value]:,}"
    labels = {op.name: op.layer or op.name for op in network.operations}
    readers = ", ".join(dict.fromkeys(labels.get(name, name) for name in rescaling.readers))
    shown = readers if len(readers) <= 40 else readers[:37] + "..."
    if rescaling.reason == "join" and isinstance(rescaling.divisor, Scale):
        return "align", f"{count} elements times {_scale(Scale() / rescaling.divisor)} for {shown}"
    before = "" if rescaling.readers == (RESULT,) or rescaling.reason == "layer" else f" for {shown}"
    return "divide", f"{count} elements by {_scale(rescaling.divisor)}{before}"


def _scale(scale: Scale | Constants) -> str:
    if isinstance(scale, Constants):
        return "" if scale.all_one else "c per channel"
    return "" if scale.is_one else f"2^{scale.log2:.4g}"


def _edges(rows: list[Row]) -> list[tuple[int, int]]:
    return [(source, target) for target, row in enumerate(rows) for source in dict.fromkeys(row.inputs)]


def _lanes(rows: list[Row]) -> dict[tuple[int, int], int]:
    """A lane on the left for every edge that skips rows, such that no two that overlap share one."""
    busy_until: list[int] = []
    lanes = {}
    for source, target in sorted(edge for edge in _edges(rows) if edge[1] - edge[0] > 1):
        lane = next((i for i, until in enumerate(busy_until) if until <= source), len(busy_until))
        if lane == len(busy_until):
            busy_until.append(0)
        busy_until[lane] = target
        lanes[source, target] = lane
    return lanes


def _columns(rows: list[Row], left: float) -> Mapping[str, float]:
    kind = left + 14
    label = kind + TEXT_WIDTH * max(len(row.kind) for row in rows) + 16
    scale = label + TEXT_WIDTH * max(len(row.label) for row in rows) + 16
    return {"kind": kind, "label": label, "scale": scale, "marks": scale + TEXT_WIDTH * 12}


def _width(row: Row) -> float:
    return TEXT_WIDTH * sum(len(text) + 5 for _, text in row.marks)


def _y(row: int) -> int:
    return 56 + ROW * row


def _legend() -> str:
    texts = (("divide", "divided out"), ("align", "aligned for a join"), ("absorb", "absorbed for nothing"))
    x, parts = 20.0, []
    for mark, text in texts:
        parts.append(f'<text x="{x:.0f}" y="24" fill="{DRAWING[mark]}" font-weight="bold">{MARKS[mark]} {text}</text>')
        x += TEXT_WIDTH * (len(text) + 5)
    parts.append(f'<text x="{x:.0f}" y="24" fill="{DRAWING["scale"]}">2^k: scale of what comes out</text>')
    return "\n".join(parts)


def _arc(source: int, target: int, lane: int | None, left: float) -> str:
    top, bottom = _y(source), _y(target)
    if lane is None:
        path = f"M {left} {top} L {left} {bottom}"
    else:
        x = left - LANE * (lane + 1.5)
        path = f"M {left} {top} C {x} {top}, {x} {top}, {x} {top + ROW / 2} L {x} {bottom - ROW / 2} "
        path += f"C {x} {bottom}, {x} {bottom}, {left} {bottom}"
    return f'<path d="{path}" fill="none" stroke="{DRAWING["line"]}" stroke-width="1.5"/>'


def _draw(row: Row, index: int, left: float, columns: Mapping[str, float]) -> list[str]:
    y = _y(index)
    linear = any(isinstance(op, Linear) for op in row.operations)
    fill = DRAWING["linear"] if linear else "white"
    parts = [f'<circle cx="{left}" cy="{y}" r="4.5" fill="{fill}" stroke="{DRAWING["linear"]}" stroke-width="1.5"/>']
    for column, text, colour in (
        ("kind", row.kind, DRAWING["quiet"]),
        ("label", row.label, DRAWING["text"]),
        ("scale", row.scale, DRAWING["scale"]),
    ):
        if text:
            parts.append(f'<text x="{columns[column]:.0f}" y="{y + 4}" fill="{colour}">{escape(text)}</text>')
    x = columns["marks"]
    for mark, text in row.marks:
        shown = escape(f"{MARKS[mark]} {text}")
        parts.append(f'<text x="{x:.0f}" y="{y + 4}" fill="{DRAWING[mark]}" font-weight="bold">{shown}</text>')
        x += TEXT_WIDTH * (len(text) + 5)
    return parts
