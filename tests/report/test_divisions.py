"""Every number of the division tables is its way's, under its own heading, and remarks say what the rows say."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import fields

import pytest
import torch

from hwsim import capture
from hwsim.datapath import DatapathConfig, PlanOptions, division_table
from hwsim.datapath.costs import operation_costs, prices, typical
from hwsim.datapath.counts import COUNTERS, Counts, LayerCounts
from hwsim.datapath.divisions import DivisionCost
from hwsim.datapath.plans.repairs import Repair
from hwsim.datapath.plans.sites import Cause, Site
from hwsim.network import Scale
from hwsim.report.divisions import cause_table, cost_table, remarks, site_lines
from tests.datapath.networks import Residual, build
from tests.report.test_cells import terminal_lines

IMAGES = 4
KINDS = {
    "division": ("division", "divided"),
    "reciprocal": ("reciprocal", "multiplied"),
    "shift": ("shift", "shifted"),
    "alignment": ("division", "aligned"),
    "absorbed": ("", "absorbed"),
}
WHAT = "what is done and what forces it"
PRICES = {"division": 26.0, "reciprocal": 3.5, "shift": 0.25}
HEADS = {
    "true divisions": "divisions",
    "recip. mult.": "reciprocal_multiplications",
    "shifts": "shifts",
    "alignments": "alignments",
}


def cost(way: str, numbers: Iterator[int], **more: object) -> DivisionCost:
    """A way with a number of its own in every counter, and two sites of each kind but one that is absorbed."""
    counts = Counts(
        {layer: LayerCounts(**{name: IMAGES * next(numbers) for name in COUNTERS}) for layer in ("conv", "fc")}
    )
    sites = [
        Site(
            tensor=f"{way} {kind} {at}",
            elements=100 * next(numbers),
            kind=kind,
            operation=operation,
            divisor=Scale.of(float(next(numbers))),
            readers=tuple(f"reader {n}" for n in range(1, next(numbers) % 5 + 2)),
            cause=Cause(f"cause {kind}", "needs it", f"{way}.{at}"),
        )
        for kind, (operation, _) in KINDS.items()
        for at in range(1 if kind == "absorbed" else 2)
    ]
    return DivisionCost(way, counts, 0, sites=tuple(sites), images=IMAGES, **more)  # type: ignore[arg-type]


@pytest.fixture
def rows() -> list[DivisionCost]:
    numbers = itertools.count(1001)
    refused = DivisionCost("absorbed", None, 0, impossible="There is no multiplier.")
    out_of_range = cost("logits", numbers, overflow="conv", predicted="conv")
    return [cost("per_weight", numbers), refused, out_of_range, cost("planned", numbers)]


def total(row: DivisionCost, counter: str) -> int:
    assert row.counts is not None
    return sum(int(getattr(layer, counter)) for layer in row.counts.values())


def test_the_made_up_rows_have_no_number_twice(rows: list[DivisionCost]) -> None:
    found = [total(row, field.name) for row in rows if row.counts for field in fields(LayerCounts)]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("each_image", [False, True])
def test_every_count_stands_under_its_heading_for_the_batch_or_for_one_image(
    rows: list[DivisionCost], each_image: bool
) -> None:
    table = cost_table(rows, each_image)
    assert (table.title is None) == (not each_image)
    if each_image:
        assert table.title == "For each image, 4 of them sharing a read of the weights"
    lines = terminal_lines(table)
    assert [line["dividing"] for line in lines] == [row.way for row in rows]
    for line, row in zip(lines, rows, strict=True):
        heads = [*HEADS, "absorbed", "constants", "their bits"]
        assert list(line) == ["dividing", *heads, "section"]
        if row.way in ("absorbed", "logits"):  # one is refused, the other leaves the range
            assert [line[head] for head in heads] == ["-"] * len(heads)
            continue
        for head, counter in HEADS.items():
            assert line[head] == f"{total(row, counter) // (IMAGES if each_image else 1):,}"
        kept = [site for site in row.sites if site.kind != "absorbed"]
        bits = sum(site.constant_bits for site in kept)
        assert [line[head] for head in heads[4:]] == ["1", f"{len(kept)}", f"{bits}"]
        assert 1 != len(kept) != bits


@pytest.mark.parametrize("priced", ["count", "energy", "cycles"])
def test_sites_of_one_cause_are_added_up_and_priced_by_what_does_it(rows: list[DivisionCost], priced: str) -> None:
    table = cause_table(rows, priced, PRICES if priced != "count" else None)
    lines = [line for line in terminal_lines(table) if not line[WHAT].startswith("in all")]
    unit = {"count": [], "energy": ["pJ"], "cycles": ["cycles"]}[priced]
    assert list(lines[0]) == ["dividing", "sites", "what is done and what forces it", "elements", *unit, "section"]
    shown = [row for row in rows if row.way in ("per_weight", "planned")]
    assert [line["dividing"] for line in lines if line["dividing"]] == [row.way for row in shown]
    assert len(lines) == len(shown) * len(KINDS)
    for row, group in zip(shown, (lines[: len(KINDS)], lines[len(KINDS) :]), strict=True):
        by_text = {line["what is done and what forces it"]: line for line in group}
        for kind, (operation, done) in KINDS.items():
            line = by_text[f"{done}: cause {kind} needs it"]
            mine = [site.elements for site in row.sites if site.kind == kind]
            assert line["sites"] == f"{len(mine)}"
            assert line["elements"] == ("-" if kind == "absorbed" else f"{sum(mine):,}")
            for head in unit:
                price = sum(mine) * PRICES.get(operation, 0.0)
                assert float(line[head].replace(",", "")) == pytest.approx(price, abs=0.05)


def test_a_way_that_scales_nothing_says_so() -> None:
    row = cost("per_weight", itertools.count(1))
    nothing = DivisionCost("planned", row.counts, 0)
    (line,) = terminal_lines(cause_table([nothing], "energy", PRICES))
    assert [*line.values()][:-1] == ["planned", "0", "nothing is scaled", "0", "0"]


def test_the_list_says_of_every_site_what_is_done_to_what_by_what_for_whom_and_why(rows: list[DivisionCost]) -> None:
    row = rows[0]
    lines = list(site_lines(row))
    assert len({line.index("  per_weight ") for line in lines}) == 1  # in columns
    for line, site in zip(lines, row.sites, strict=True):
        names = [f"reader {n}" for n in range(1, len(site.readers) + 1)]
        readers = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        elements = "-" if site.kind == "absorbed" else f"{site.elements:,}"
        found = re.fullmatch(r"(\S+) +(\S+)  by (\S+) +(per_weight .+) -> (.+): (.+)", line)
        assert found
        done = KINDS[site.kind][1]
        assert found.groups() == (done, elements, site.by, site.tensor, readers, str(site.cause))
    assert any(" more: " in line for line in lines)
    assert any("reader 3: " in line for line in lines)


def repair(text: str, price: float) -> Repair:
    return Repair("target", "logits", 1.0, "fp16", "fp32", price, text)


def test_remarks_say_what_is_refused_what_leaves_the_range_and_the_cheapest_repair_first() -> None:
    numbers = itertools.count(1001)
    repairs = (repair("t = 0.5", 1234.0), repair("activations in bf16", 99_999.5))
    found = [
        DivisionCost("absorbed", None, 0, impossible="There is no multiplier."),
        cost("logits", numbers, overflow="conv", predicted="conv", repairs=repairs),
        cost("planned", numbers, overflow="fc", predicted="conv"),
        cost("per_layer", numbers, overflow="fc"),
        cost("per_weight", numbers),
    ]
    for row in (found[-1], found[-2]):
        assert row.counts is not None
        for layer in row.counts.values():
            layer.underflows = 0
    *lines, lost = remarks(found, "fp16", "fp16", "energy")
    formats = "activations in fp16, accumulators in fp16"
    assert lines == [
        "absorbed: There is no multiplier.",
        f"logits is impossible with {formats}: conv leaves the range first, as its scales and magnitudes predict.",
        "  the cheapest repair is t = 0.5: 1,234 pJ for one image.",
        "  another is activations in bf16: 99,999.5 pJ for one image.",
        f"planned overflows with {formats}: fc leaves the range first, in the run (by its scales and magnitudes it "
        "would be conv).",
        "  No plan, t or format of hwsim's keeps it in range.",
        f"per_layer overflows with {formats}: fc leaves the range first, in the run.",
        "  No plan, t or format of hwsim's keeps it in range.",
    ]
    shares = [f"{row.way} {total(row, 'underflows') // IMAGES:,}" for row in found[1:3]]
    assert lost == f"Values that become zero with {formats}, for one image: {', '.join(shares)}."


def test_where_nothing_is_wrong_nothing_is_remarked_on() -> None:
    row = cost("per_weight", itertools.count(1))
    assert row.counts is not None
    for layer in row.counts.values():
        layer.underflows = 0
    assert list(remarks([row], "fp32", "fp32")) == []


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("priced", ["energy", "cycles"])
@pytest.mark.parametrize("divider", ["exact", "reciprocal"])
def test_every_way_has_its_cost_in_all_for_one_image(batch: int, priced: str, divider: str) -> None:
    network = capture(build(Residual), torch.zeros(2, 3, 12, 12))
    table = prices(priced, "fp32").values
    rows = division_table(network, config=DatapathConfig(batch=batch, divider=divider), options=PlanOptions(table))
    unit = {"energy": "divide_pipelined", "cycles": "divide_iterative"}[priced]
    quantity = {"energy": "energy", "cycles": "interval"}[priced]
    of = {name: typical(getattr(entry, quantity)) for name, entry in operation_costs()["fp32"].items()}
    head = {"energy": "pJ", "cycles": "cycles"}[priced]
    in_all = [line for line in terminal_lines(cause_table(rows, priced, table)) if line[WHAT].startswith("in all")]
    done = [row for row in rows if row.counts is not None]
    assert len(in_all) == len(done) >= 4
    for row, line in zip(done, in_all, strict=True):
        assert row.counts is not None
        counted = row.counts.total
        aligned = of[unit if divider == "exact" else "reciprocal"]
        spent = counted.divisions * of[unit] + counted.reciprocal_multiplications * of["reciprocal"]
        spent += counted.alignments * aligned + counted.shifts * of["shift"]
        assert line[WHAT] == "in all, for one image" + (f", a read shared by {batch}" if batch > 1 else "")
        assert float(line[head].replace(",", "")) == pytest.approx(spent / batch, abs=0.051)
    assert not any("in all" in line[WHAT] for line in terminal_lines(cause_table(rows)))
