"""The answer first: how far each variant goes before faults take a point of its accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwsim.experiment.results.results import Results, Row
from hwsim.report.axes import Axis, AxisValue, set_out
from hwsim.report.estimates import fault_free, lost, sound_rows

POINT = 1.0
"""What a variant may lose of its accuracy without faults, in percentage points: less than this."""

_UP_TO = {
    "ber": ("up to a bit error rate of", "rate"),
    "read_at_s": ("up to an age of", "age"),
    "refresh_every_s": ("up to a time between refreshes of", "time"),
    "voltage_v": ("down to a supply voltage of", "voltage"),
    "temperature_c": ("up to a temperature of", "temperature"),
}


@dataclass(frozen=True)
class Reach:
    """How far one variant goes in one section of the tables.

    Attributes:
        variant: its name.
        last: the harshest value at which its mean loss is below `POINT`, and is so at every milder one that was
            tried; None if it is at none.
        sure: whether the whole 95 % interval of the loss over maps lies below `POINT` there and at every milder
            value; a single map gives no interval, and nothing sure.
    """

    variant: str
    last: AxisValue
    sure: bool


@dataclass(frozen=True)
class AnswerLine:
    """The variants of one section that go equally far."""

    section: str
    reach: str
    variants: str


@dataclass(frozen=True)
class Answer:
    """How far each variant goes, and what that rests on.

    Attributes:
        question: what the lines answer.
        lines: section by section, the furthest first.
        basis: what was compared, on how many maps or devices and images, and what it cannot say.
    """

    question: str
    lines: tuple[AnswerLine, ...]
    basis: str

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.question}:",
                *(f"  {line.section}: {line.reach}: {line.variants}" for line in self.lines),
                self.basis,
            ]
        )


def reaches(results: Results) -> Iterator[tuple[str, list[Reach]]]:
    """For each section of the tables, how far each of its variants goes, in the order of the scenario."""
    out, sound = set_out(results), sound_rows(results)
    for section in out.sections:
        rows = [row for row in section.rows(results.rows) if not fault_free(row)]
        names = dict.fromkeys(row["variant"] for row in rows)
        yield section.title, [_reach(name, rows, out.axis, sound) for name in names]


def _reach(name: str, rows: list[Row], axis: Axis, sound: dict[tuple[str, str], Row]) -> Reach:
    last: AxisValue = None
    sure = True
    mine = [row for row in rows if row["variant"] == name]
    for row in sorted(mine, key=lambda row: axis.places[row[axis.column]]):
        loss = lost(row, sound)
        if round(loss.value, 9) >= POINT:  # 0.57 - 0.56 is a point, though not in binary
            break
        last = row[axis.column]
        sure = sure and loss.high is not None and loss.high < POINT
    return Reach(name, last, sure or last is None)


def answer(results: Results) -> Answer | None:
    """The answer of an accuracy or a lifetime study; None where nothing was tried but the run without faults."""
    axis = set_out(results).axis
    tried = [value for value in axis.places if value is not None and (axis.column, value) != ("ber", 0.0)]
    if not tried:
        return None
    tried.sort(key=lambda value: axis.places[value])
    several = results.scenario.trials.fault_maps > 1
    lines: list[AnswerLine] = []
    for section, found in reaches(results):
        for last in [*reversed(tried), None]:
            names = [
                reach.variant + ("*" if several and not reach.sure else "") for reach in found if reach.last == last
            ]
            if names:
                lines.append(AnswerLine(section, _said(axis, tried, last), "; ".join(names)))  # a name may hold a comma
    question = f"Less than {POINT:g} point of accuracy lost to faults, {_UP_TO[axis.column][0]}"
    return Answer(question, tuple(lines), _basis(results, starred=any("*" in line.variants for line in lines)))


def _said(axis: Axis, tried: list[float], last: AxisValue) -> str:
    """How far, and whether it is all that was tried."""
    if last is None:
        return f"none (mildest: {axis.names[tried[0]]})" if len(tried) > 1 else f"not even {axis.names[tried[0]]}"
    return axis.names[last] + (f" (every {_UP_TO[axis.column][1]} tried)" if last == tried[-1] else "")


def _basis(results: Results, starred: bool) -> str:
    images, maps = results.facts["images"], results.scenario.trials.fault_maps
    one = "device" if results.scenario.mission else "fault map"
    text = f"Mean over {maps} {one}s" if maps > 1 else f"One {one} only, and another may lose more; on"
    text += f" and {images:,} images" if maps > 1 else f" {images:,} images"
    text += ", against the same stored words without faults."
    if 100 / images >= POINT:
        text += f" One image is {100 / images:.3g} point{'' if images == 100 else 's'}."
    if starred:
        text += f" * The 95 % interval of the loss over {one}s reaches {POINT:g} point or more."
    return text
