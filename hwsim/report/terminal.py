"""Results on a terminal, legible at 80 columns."""

from __future__ import annotations

import math

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwsim.experiment.results import Results, Row
from hwsim.experiment.summary import OUTCOMES
from hwsim.report.console import new_table
from hwsim.report.tables import Shares, code_costs, costs, notes, number, shares, widest_over_images
from hwsim.words import get_format

TITLES = {"accuracy": "Top-1 accuracy, %", "agreement": "Same top-1 as the FP32 network, %"}


def print_results(results: Results, console: Console) -> None:
    """The tables of a run: accuracy and agreement with their intervals, then what dividing costs."""
    if results.scenario.study == "bit_errors":
        console.print(bit_error_table(results))
        return
    facts = results.facts
    console.print(
        f"\n[bold]{facts['network']}[/] ({facts['parameters']:,} parameters) on {facts['images']:,} images of "
        f"{facts['data']}; FP32 with nothing stored: [bold]{100 * facts['accuracy']:.1f} %[/]",
        highlight=False,
    )
    for measure in TITLES:
        console.print(share_table(shares(results, measure)))
    maps = results.scenario.trials.fault_maps
    draw = "device" if results.scenario.mission else "fault map"
    spread = f"± is the 95 % interval over {maps} {draw}s; " if maps > 1 else f"one {draw} a point; "
    console.print(
        f"[dim]{spread}over images it is ±{widest_over_images(results):.1f} points at most.[/]", highlight=False
    )
    if results.scenario.mission:
        console.print(code_table(results))
    console.print(cost_table(results))
    for note in notes(results):
        console.print(f"[yellow]{note}[/]", highlight=False)
    if results.scenario.assumptions:
        console.print(Text("Assumptions:"))
        for assumption in results.scenario.assumptions:
            console.print(Padding(Text(f"- {assumption}"), (0, 0, 0, 2)))


def share_table(data: Shares) -> Table:
    """One line a variant, one column a value along the axis, and a section for each panel of the figures."""
    headings = [name.replace(" ", "\n") for name in data.headings]
    table = new_table(data.axis.heading, *(">" + name for name in headings), title=TITLES[data.measure])
    gap = " " if len(headings) <= 4 else "\n"  # all on one line where 80 columns are enough
    for section in data.sections:
        table.add_row(Text(section.title, style="bold cyan"))
        for name, cells in section.lines:
            texts = [Text.assemble(cell.text, (f"{gap}{cell.spread}", "dim") if cell.spread else "") for cell in cells]
            table.add_row(Text(f"  {name}"), *texts)
        table.add_section()
    return table


COUNTERS = {
    "divisions": ">divisions",
    "reciprocal_multiplications": ">reciprocal\nmult.",
    "shifts": ">shifts",
    "alignments": ">alignments",
    "words_read": ">words read",
}
"""The counters of the cost tables, and how they are headed."""


def cost_table(results: Results) -> Table:
    """Exact counts for one image: divisions, multiplications by a reciprocal, shifts, words read."""
    batch = results.scenario.datapath.batch
    lines = costs(results)
    several = len(lines) > len({line.variant for line in lines})  # a variant that costs more in one format
    table = new_table(
        "variant",
        *(["format"] if several else []),
        *COUNTERS.values(),
        title="For each image" + (f", {batch} images sharing a read of the weights" if batch > 1 else ""),
    )
    for line in lines:
        formats = [line.formats] if several else []
        table.add_row(line.variant, *formats, *(number(line.counts[name]) for name in COUNTERS))
    return table


def code_table(results: Results) -> Table:
    """What the code of each variant costs, and what it met and did at the point with most wrong cells."""
    table = new_table(
        "variant",
        "code",
        ">cells\na bit",
        ">raw bit\nerror rate",
        ">corrected",
        ">detected",
        ">mis-\ncorrected",
        ">not\nfound",
        title="Cells, and codewords at the harshest point, mean over devices",
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
        table.add_row(f"  {line.variant}", row["ecc"], cells, f"{row['raw_ber']:.2e}", *outcomes)
    return table


def bit_error_table(results: Results) -> Table:
    """What one flip does in each field, with the exponent's most significant bit apart, one column a variant."""
    variants = [variant.name for variant in results.scenario.variants]
    table = new_table(
        "flipped bit",
        *(">" + name for name in variants),
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
    return text + (f" ({100 * lost:.2g} % Inf)" if lost else "")
