"""Results on a terminal, legible at 80 columns."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwsim.experiment.results import Results
from hwsim.report.tables import Shares, costs, number, overflow_notes, rate, shares, widest_over_images

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
    spread = f"± is the 95 % interval over {maps} fault maps; " if maps > 1 else "one fault map a point; "
    console.print(
        f"[dim]{spread}over images it is ±{widest_over_images(results):.1f} points at most.[/]", highlight=False
    )
    console.print(cost_table(results))
    for note in overflow_notes(results):
        console.print(f"[yellow]{note}[/]", highlight=False)


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1)
    )


def share_table(data: Shares) -> Table:
    """One line a variant, one column a bit error rate, one section for each format and set of immune bits."""
    table = _table(TITLES[data.measure])
    table.add_column("bit error rate", overflow="fold")
    for ber in data.rates:
        table.add_column(rate(ber), justify="right", no_wrap=True)
    for section in data.sections:
        table.add_row(Text(section.title, style="bold cyan"))
        for name, cells in section.lines:
            texts = [Text.assemble(cell.text, (f"\n{cell.spread}", "dim") if cell.spread else "") for cell in cells]
            table.add_row(Text(f"  {name}"), *texts)
        table.add_section()
    return table


def cost_table(results: Results) -> Table:
    """Exact counts for one image: divisions, multiplications by a reciprocal, shifts, words read."""
    batch = results.scenario.datapath.batch
    table = _table("For each image" + (f", {batch} images sharing a read of the weights" if batch > 1 else ""))
    lines = costs(results)
    several = len({line.formats for line in lines}) > 1
    table.add_column("variant", overflow="fold")
    if several:
        table.add_column("format", overflow="fold")
    shown = {
        "divisions": "divisions",
        "reciprocal_multiplications": "reciprocal\nmultiplications",
        "shifts": "shifts",
        "alignments": "alignments",
        "words_read": "words read",
    }
    used = [name for name in shown if name != "alignments" or any(line.counts[name] for line in lines)]
    for name in used:
        table.add_column(shown[name], justify="right", no_wrap=True)
    for line in lines:
        formats = [line.formats] if several else []
        table.add_row(line.variant, *formats, *(number(line.counts[name]) for name in used))
    return table


def bit_error_table(results: Results) -> Table:
    """The largest contribution of each field: what one flip does on average, scaled and not."""
    table = _table("Root mean square error of one flip, over all stored weights")
    names = list(dict.fromkeys((row["format"], row["variant"]) for row in results.rows))
    table.add_column("format")
    table.add_column("variant", overflow="fold")
    for heading in ("sign", "worst bit", "its error", "next worst", "its error", "not finite"):
        table.add_column(heading, justify="right")
    for fmt, variant in names:
        rows = [row for row in results.rows if (row["format"], row["variant"]) == (fmt, variant)]
        known = sorted((row for row in rows if row["rms_error"] is not None), key=lambda row: -row["rms_error"])
        sign = next((row["rms_error"] for row in rows if row["field"] == "sign"), None)
        flipped = sum(row["nonfinite"] for row in rows) / sum(row["words"] for row in rows)
        cells = ["-" if sign is None else f"{sign:.3g}"]
        for row in known[:2]:
            cells += [f"{row['field']} {row['bit']}", f"{row['rms_error']:.3g}"]
        table.add_row(fmt, variant, *cells, f"{100 * flipped:.2f} %")
    return table
