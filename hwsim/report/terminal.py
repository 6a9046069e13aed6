"""Results on a terminal, legible at 80 columns."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwsim.experiment.results.results import Results, Row
from hwsim.experiment.results.summary import OUTCOMES
from hwsim.report.answer import Answer, answer
from hwsim.report.console import new_table
from hwsim.report.notes import notes
from hwsim.report.tables import Cell, Shares, code_costs, costs, counters, farthest_over_images, number, percent, shares
from hwsim.words import get_format

TITLES = {"accuracy": "Top-1 accuracy, %", "agreement": "Same top-1 as the FP32 network, %"}


def print_results(results: Results, console: Console) -> None:
    """The tables of a run: accuracy and agreement with their intervals, then what dividing costs."""
    if results.scenario.study == "bit_errors":
        console.print(bit_error_table(results))
        if "stored" in results.facts:
            console.print(Text(f"{results.facts['stored']}.", style="dim"))
        return
    facts = results.facts
    console.print(
        Text.assemble(
            "\n",
            (facts["network"], "bold"),
            f" ({facts['parameters']:,} parameters) on {facts['images']:,} images of {facts['data']}; "
            "FP32 with nothing stored: ",
            (f"{100 * facts['accuracy']:.1f} %", "bold"),
        )
    )
    if "stored" in facts:
        console.print(Text(f"{facts['stored']}.", style="dim"))
    found = answer(results)
    if found is not None:
        console.print(Text(f"{found.question}:", style="bold"))
        console.print(answer_table(found))
        console.print(Text(found.basis, style="dim"))
        console.print()
    for measure in TITLES:
        for table in share_tables(shares(results, measure), console.width):
            console.print(table)
    maps = results.scenario.trials.fault_maps
    draw = "device" if results.scenario.mission else "fault map"
    spread = f"[low, high] is the 95 % interval over {maps} {draw}s" if maps > 1 else f"One {draw} a point"
    farthest = f"the ends of that over images lie at most {farthest_over_images(results):.1f} points from the mean."
    console.print(Text(f"{spread}; {farthest}", style="dim"))
    if results.scenario.counts_codewords:
        console.print(code_table(results))
    console.print(cost_table(results))
    for note in notes(results):
        console.print(Text(note, style="yellow"))
    if results.scenario.assumptions:
        console.print(Text("Assumptions:"))
        for assumption in results.scenario.assumptions:
            console.print(Padding(Text(f"- {assumption}"), (0, 0, 0, 2)))


def answer_table(found: Answer) -> Table:
    """How far each variant goes, before all numbers."""
    table = new_table("", "", "")
    table.show_header = False
    section = None
    for line in found.lines:
        table.add_row(Text("" if line.section == section else line.section), Text(line.reach), Text(line.variants))
        section = line.section
    return table


def share_tables(data: Shares, width: int) -> list[Table]:
    """One line a variant, one column a value along the axis, and a section for each panel of the figures.

    An interval stands beside its mean where `width` letters are enough, else below it; where even that leaves no room,
    columns go on in further tables.
    """
    names = [name for section in data.sections for name, _ in section.lines]
    first = max(len(data.axis.heading), *(len(name) + 2 for name in names), *(len(one.title) for one in data.sections))
    columns = list(zip(*(line for section in data.sections for _, line in section.lines), strict=True))

    def cells(gap: str) -> list[int]:
        return [max(_width(_cell(cell, gap).plain) for cell in column) for column in columns]

    headings = [
        name if len(name) <= width else name.replace(" ", "\n")
        for name, width in zip(data.headings, cells("\n"), strict=True)
    ]

    def widths(gap: str) -> list[int]:
        return [max(_width(heading), cell) + 2 for heading, cell in zip(headings, cells(gap), strict=True)]

    room = width - 2 - first
    gap = " " if sum(widths(" ")) <= room else "\n"
    per_table = max(1, room // max(widths(gap))) if sum(widths(gap)) > room else len(headings)
    per_table = -(-len(headings) // -(-len(headings) // per_table))  # tables of about equal size
    return [
        _share_table(data, headings, slice(start, start + per_table), gap)
        for start in range(0, len(headings), per_table)
    ]


def _share_table(data: Shares, headings: list[str], which: slice, gap: str) -> Table:
    title = TITLES[data.measure] + (" (continued)" if which.start else "")
    table = new_table(data.axis.heading, *(">" + heading for heading in headings[which]), title=title)
    for section in data.sections:
        table.add_row(Text(section.title, style="bold cyan"))
        for name, cells in section.lines:
            table.add_row(Text(f"  {name}"), *(_cell(cell, gap) for cell in cells[which]))
        table.add_section()
    return table


def _cell(cell: Cell, gap: str) -> Text:
    return Text.assemble(cell.text, (f"{gap}{cell.interval}", "dim") if cell.interval else "")


def _width(text: str) -> int:
    return max(len(line) for line in text.split("\n"))


RUN_HEADINGS = {
    "divisions": ">divisions",
    "reciprocal_multiplications": ">reciprocal\nmult.",
    "shifts": ">shifts",
    "alignments": ">alignments",
    "comparisons": ">compari-\nsons",
    "words_read": ">words read",
    "bits_read": ">bits\nread",
}
"""The counters of the cost table, and how they are headed."""


NARROW = {
    "divisions": ">divi-\nsions",
    "reciprocal_multiplications": ">recip-\nrocal\nmult.",
    "alignments": ">align-\nments",
    "words_read": ">words\nread",
}
"""Headings that leave room for names where bits, which differ between formats, are shown too."""


def cost_table(results: Results) -> Table:
    """Exact counts for one image: divisions, multiplications by a reciprocal, shifts, words and bits read."""
    batch = results.scenario.datapath.batch
    lines = costs(results)
    shown = [name for name in counters(lines) if name in RUN_HEADINGS]
    heads = RUN_HEADINGS | (NARROW if "bits_read" in shown else {})
    several = len(lines) > len({line.variant for line in lines})  # a variant that costs more in one format
    table = new_table(
        "variant",
        *(["format"] if several else []),
        *(heads[name] for name in shown),
        title="For each image" + (f", {batch} images sharing a read of the weights" if batch > 1 else ""),
    )
    for line in lines:
        formats = [line.formats] if several else []
        table.add_row(Text(line.variant), *formats, *(number(line.counts[name]) for name in shown))
    return table


def code_table(results: Results) -> Table:
    """What the code of each variant costs, and what it met and did at the point with most wrong cells."""
    draw = "device" if results.scenario.mission else "fault map"
    table = new_table(
        "variant",
        "code",
        ">cells\na bit",
        ">share of\ncells wrong",
        ">corrected",
        ">detected",
        ">mis-\ncorrected",
        ">not\nfound",
        title=f"Cells, and codewords at the harshest point, mean over {draw}s",
    )
    section = None
    for line in code_costs(results):
        row = line.row
        outcomes = (number(round(row[f"{name}_words"], 1 if row[f"{name}_words"] < 100 else 0)) for name in OUTCOMES)
        cells = f"{row['cells_per_bit']:.4g}"
        if line.format != section:
            table.add_section()
            table.add_row(Text(line.format, style="bold cyan"))
            section = line.format
        table.add_row(Text(f"  {line.variant}"), row["ecc"], cells, f"{row['raw_ber']:.2e}", *outcomes)
    return table


def bit_error_table(results: Results) -> Table:
    """What one flip does in each field, with the exponent's most significant bit apart, one column a variant."""
    variants = [variant.name for variant in results.scenario.variants]
    table = new_table(
        "flipped bit",
        *(">" + escape(name) for name in variants),
        title="Root-mean-square error of one flip, over all stored weights",
    )
    for fmt in results.scenario.memory.formats:
        table.add_row(Text(fmt, style="bold cyan"))
        for label, bits in _bit_groups(fmt):
            rows = [row for row in results.rows if row["format"] == fmt and row["bit"] in bits]
            cells = [_rms([row for row in rows if row["variant"] == name]) for name in variants]
            table.add_row(f"  {label}", *cells)
        table.add_section()
    return table


def _bit_groups(name: str) -> list[tuple[str, list[int]]]:
    fmt = get_format(name)
    groups = []
    for field in fmt.fields:
        bits = list(range(field.lsb, field.msb + 1))
        if fmt.exponent_msb in bits and len(bits) > 1:
            groups.append((f"{field.name} {bits[-1]} (highest)", bits[-1:]))
            bits = bits[:-1]
        place = f"{bits[0]}" if len(bits) == 1 else f"{bits[-1]} to {bits[0]}"
        groups.append((f"{field.name} {place}", bits))
    return groups


def _rms(rows: list[Row]) -> str:
    """Over all flips that leave a finite value; the share that gives an infinity or NaN is said beside it."""
    if not rows:
        return "-"
    finite = sum(row["words"] - row["nonfinite"] for row in rows)
    lost = sum(row["nonfinite"] for row in rows) / sum(row["words"] for row in rows)
    squares = math.fsum((row["words"] - row["nonfinite"]) * (row["rms_error"] or 0.0) ** 2 for row in rows)
    text = f"{math.sqrt(squares / finite):.3g}" if finite else "-"
    return text + (f" ({percent(lost)} Inf)" if lost else "")
