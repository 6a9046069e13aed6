"""What dividing costs on a network and what forces it, on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from hwsim.datapath.divisions import DivisionCost
from hwsim.datapath.plans.sites import Group, Site, grouped
from hwsim.report.console import new_table
from hwsim.report.tables import number

WAY_HEADINGS = {
    "divisions": ">true\ndivisions",
    "reciprocal_multiplications": ">recip.\nmult.",
    "shifts": ">shifts",
    "alignments": ">align-\nments",
}
"""The counters of the table, and how they are headed."""

DONE = {
    "division": "divided",
    "reciprocal": "multiplied",
    "shift": "shifted",
    "alignment": "aligned",
    "absorbed": "absorbed",
}
"""What is done at a site, in one word."""

UNITS = {"count": "elements", "energy": "pJ", "cycles": "cycles"}
"""What a cost is measured in."""


def cost_table(rows: Sequence[DivisionCost], each_image: bool = False) -> Table:
    """Exact counts for the batch, or its share for one image, one line a way of dividing."""
    images = rows[0].images
    title = f"For each image, {images} of them sharing a read of the weights" if each_image else None
    table = new_table("dividing", *WAY_HEADINGS.values(), ">ab-\nsorbed", ">con-\nstants", ">their\nbits", title=title)
    for row in rows:
        if row.counts is None or _impossible(row):
            table.add_row(row.way, *["-"] * (len(WAY_HEADINGS) + 3))
            continue
        total = row.counts.total.as_dict()
        counts = [number(row.each_image(name) if each_image else total[name]) for name in WAY_HEADINGS]
        kept = (row.absorbed, row.divisor_words, row.divisor_bits)
        table.add_row(row.way, *counts, *(f"{count:,}" for count in kept))
    return table


def cause_table(rows: Sequence[DivisionCost], cost: str = "count", prices: Mapping[str, float] | None = None) -> Table:
    """What forces the divisions of each way: sites, what is done there, why, and the elements of one image.

    Args:
        rows: of `division_table`.
        cost: what `prices` are, of `hwsim.datapath.costs.COSTS`.
        prices: price of each operation; None leaves out what elements cost, and what each way costs in all.
    """
    priced = [f">{UNITS[cost]}"] if prices else []
    table = new_table("dividing", ">sites", "what is done and what forces it", ">elements", *priced)
    table.title = "What forces them, for one image (weights: for one read)"
    for row in rows:
        if row.counts is None or _impossible(row):
            continue
        groups = grouped(row.sites)
        for at, group in enumerate(groups):
            elements = "-" if group.kind == "absorbed" else f"{group.elements:,}"
            costs = [number(group.elements * prices.get(group.operation, 0.0))] if prices else []
            table.add_row("" if at else row.way, f"{group.sites:,}", cause_text(group), elements, *costs)
        if not groups:
            table.add_row(row.way, "0", "nothing is scaled", "0", *["0"] * len(priced))
        elif prices:
            shared = f", a read shared by {row.images}" if row.images > 1 else ""
            table.add_row("", "", Text(f"in all, for one image{shared}", style="bold"), "", number(row.cost))
    return table


def cause_text(group: Group) -> str:
    """What is done at the sites of a group, and why."""
    return f"{DONE[group.kind]}: {group.cause}"


def site_lines(row: DivisionCost) -> Iterator[str]:
    """One line a division: what is done, to how many elements, by what, of which tensor for whom, what forces it."""
    widths = [max((len(column(site)) for site in row.sites), default=0) for column in _COLUMNS]
    for site in row.sites:
        done, elements, by = (column(site) for column in _COLUMNS)
        numbers = f"{done:<{widths[0]}}  {elements:>{widths[1]}}  {by:<{widths[2]}}"
        yield f"{numbers}  {site.tensor} -> {_readers(site)}: {site.cause}"


def remarks(rows: Sequence[DivisionCost], activations: str, accumulators: str, cost: str = "count") -> Iterator[str]:
    """Why ways are impossible, which leave the range of their formats and where first, and how to repair them."""
    formats = f"activations in {activations}" + (f", accumulators in {accumulators}" if accumulators != "fp32" else "")
    for row in rows:
        if row.impossible:
            yield f"{row.way}: {row.impossible}"
        if not row.overflow:
            continue
        seen = "as its scales and magnitudes predict" if row.predicted == row.overflow else "in the run"
        if row.predicted and row.predicted != row.overflow:
            seen += f" (by its scales and magnitudes it would be {row.predicted})"
        verdict = "is impossible" if _impossible(row) else "overflows"
        yield f"{row.way} {verdict} with {formats}: {row.overflow} leaves the range first, {seen}."
        for at, repair in enumerate(row.repairs):
            first = "the cheapest repair is" if at == 0 else "another is"
            yield f"  {first} {repair.text}: {number(repair.cost)} {UNITS[cost]} for one image."
        if not row.repairs:
            yield "  No plan, t or format of hwsim's keeps it in range."
    lost = [
        f"{row.way} {number(row.each_image('underflows'))}"
        for row in rows
        if row.counts is not None and row.counts.total.underflows
    ]
    if lost:
        yield f"Values that become zero with {formats}, for one image: {', '.join(lost)}."


def _impossible(row: DivisionCost) -> bool:
    """Dividing nowhere but at the logits has no way out where a tensor leaves the range."""
    return row.way == "logits" and bool(row.overflow)


def _readers(site: Site) -> str:
    shown = ", ".join(site.readers[:3])
    return shown if len(site.readers) <= 3 else f"{shown} and {len(site.readers) - 3} more"


_COLUMNS: tuple[Callable[[Site], str], ...] = (
    lambda site: DONE[site.kind],
    lambda site: "-" if site.kind == "absorbed" else f"{site.elements:,}",
    lambda site: f"by {site.by}",
)
"""The first columns of the list of sites."""
