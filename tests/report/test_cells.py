"""Every number of a table, on the page and on the terminal, is its row's, under its own heading."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from hwsim.experiment.results.columns import ACCURACY, BIT_ERRORS, CONSTANTS, LIFETIME, MECHANISMS, count_columns
from hwsim.experiment.results.results import Results, Row
from hwsim.report.answer import Answer, AnswerLine, answer
from hwsim.report.tables import forced, shares
from hwsim.report.terminal import answer_table, bit_error_table, code_table, cost_table, print_results, share_tables
from hwsim.report.write import render
from tests.report.made_up import made_up

Cells = dict[str, str]
"""A line of a table: its cells by their headings."""


class Tables(HTMLParser):
    """The tables of a page by the heading above them and their caption; a section's line names the lines after it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[tuple[str, str], list[Cells]] = {}
        self.under = self.caption = self.section = self.text = ""
        self.head: list[str] = []
        self.line: list[str] = []
        self.in_head = self.is_section = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "h2":
            self.under = given.get("id") or ""
        elif tag == "table":
            self.caption, self.section, self.head = "", "", []
        elif tag == "thead":
            self.in_head = True
        elif tag == "tr":
            self.line, self.is_section = [], given.get("class") == "section"
        if tag in ("th", "td", "caption"):
            self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.caption = self.text
        elif tag in ("th", "td"):
            self.line.append(" ".join(self.text.split()))
        elif tag == "thead":
            self.in_head = False
        elif tag == "tr" and self.in_head:
            self.head = self.line
        elif tag == "tr" and self.is_section:
            (self.section,) = self.line
        elif tag == "tr":
            head = self.head or [str(at) for at in range(len(self.line))]
            cells = dict(zip(head, self.line, strict=True)) | {"section": self.section}
            key = self.under, self.caption or "/".join(self.head)
            self.found.setdefault(key, []).append(cells)


def page_tables(results: Results) -> dict[tuple[str, str], list[Cells]]:
    return Tables(render(results, [])).found


def terminal_lines(table: Table) -> list[Cells]:
    """The lines of a terminal's table, by headings on one line; a line with one cell names the lines after it."""
    heads = [" ".join(str(column.header).replace("-\n", "").split()) for column in table.columns]
    lines, section = [], ""
    for cells in zip(*([*column.cells] for column in table.columns), strict=True):
        texts = [" ".join(str(cell).split()) for cell in cells]
        if not any(texts[1:]):
            section = texts[0]
        else:
            lines.append(dict(zip(heads, texts, strict=True)) | {"section": section})
    return lines


def percent(row: Row, measure: str) -> str:
    low, high = row[f"{measure}_maps_low"], row[f"{measure}_maps_high"]
    interval = "" if low is None else f"[{low * 100:.1f}, {high * 100:.1f}]"
    return f"{row[measure] * 100:.1f}{interval}"


HEADS: dict[str, dict[str, tuple[str, Any]]] = {
    "accuracy": {"0": ("ber", 0.0), "1e-4": ("ber", 1e-4), "2e-2": ("ber", 2e-2)},
    "lifetime": {
        "no faults": ("read_at_s", None),
        "0 s": ("read_at_s", 0.0),
        "1 year": ("read_at_s", 31_557_600.0),
        "10 years": ("read_at_s", 315_576_000.0),
    },
}
MEASURES = {"Top-1 accuracy, %": "accuracy", "Same top-1 as the FP32 network, %": "agreement"}


@pytest.mark.parametrize("study", HEADS)
@pytest.mark.parametrize("title", MEASURES)
def test_shares_stand_under_what_they_were_measured_at(study: str, title: str) -> None:
    results = made_up(study)
    on_page = page_tables(results)["results", title]
    in_terminal = [share_tables(shares(results, MEASURES[title]), width) for width in (300, 80, 40)]
    assert len(in_terminal[0]) == 1
    assert len(in_terminal[-1]) > 1
    axis = {"accuracy": "bit error rate", "lifetime": "age"}[study]
    for lines in (on_page, *(_joined(tables) for tables in in_terminal)):
        assert len(lines) == 6
        for line in lines:
            for head, (column, value) in HEADS[study].items():
                row = results.row(format=line["section"], variant=line[axis], **{column: value})
                assert line[head].replace(" [", "[") == percent(row, MEASURES[title])


@pytest.mark.parametrize("study", HEADS)
def test_intervals_stand_beside_their_means_just_where_the_terminal_has_room(study: str) -> None:
    data, console = shares(made_up(study)), Console(width=300)
    (wide,) = share_tables(data, 300)
    needed = console.measure(wide).maximum
    (lower,) = share_tables(data, needed - 1)
    assert console.measure(lower).maximum < needed
    for width in range(console.measure(lower).maximum - 12, needed + 3):
        tables = share_tables(data, width)
        found = [console.measure(table).maximum for table in tables]
        assert max(found) <= width
        assert (found == [needed]) == (width >= needed)
        assert (len(tables) == 1) == (width >= console.measure(lower).maximum)


def _joined(tables: list[Table]) -> list[Cells]:
    """Tables that go on from each other as one."""
    parts = [terminal_lines(table) for table in tables]
    return [dict(pair for part in line for pair in part.items()) for line in zip(*parts, strict=True)]


@pytest.mark.parametrize("study", HEADS)
@pytest.mark.parametrize(("images", "digits"), [(800, 1), (1000, 1), (10_000, 2)])
def test_what_stands_without_faults_is_the_row_without_faults_in_digits_that_images_support(
    study: str, images: int, digits: int
) -> None:
    results = made_up(study)
    results.facts["images"] = images
    (lines,) = [lines for (under, _), lines in page_tables(results).items() if under == "sound"]
    assert len(lines) == 6
    column, value = next(iter(HEADS[study].values()))
    for line in lines:
        row = results.row(format=line["section"], variant=line["variant"], **{column: value})
        assert line["top-1 accuracy, %"] == f"{100 * row['accuracy']:.{digits}f}"
        assert line["points below FP32"] == f"{100 * (0.9375 - row['accuracy']):.{digits}f}"
        assert line["same top-1 as FP32, %"] == f"{100 * row['agreement']:.{digits}f}"
    whole = {1: "93.8", 2: "93.75"}[digits]
    assert f"With nothing stored, the FP32 network classifies {whole} % of" in " ".join(render(results, []).split())


def harshest(results: Results, fmt: str, variant: str) -> Row:
    rows = [row for row in results.rows if (row["format"], row["variant"]) == (fmt, variant)]
    return sorted(rows, key=lambda row: row["wrong_cells"])[-1]


def test_codes_show_the_point_with_most_wrong_cells() -> None:
    results = made_up("lifetime")
    for row in results.rows:  # the harshest is neither the first nor the last of its rows
        row["wrong_cells"] = {None: 0, 0.0: 7, 315_576_000.0: 9}.get(row["read_at_s"], 100 + row["wrong_cells"])
    (lines,) = [lines for (under, _), lines in page_tables(results).items() if under == "memory"]
    assert len(lines) == 6
    for line in lines:
        row = harshest(results, line["format"], line["variant"])
        assert row["read_at_s"] == 31_557_600.0
        expected = {
            "variant": row["variant"],
            "format": row["format"],
            "code": row["ecc"],
            "cells a bit": f"{row['cells_per_bit']:g}",
            "check bits": f"{row['check_bits']:,}",
            "share of cells wrong": f"{row['raw_ber']:.2e}",
            "corrected": f"{row['corrected_words']:,}",
            "detected": f"{row['detected_words']:,}",
            "miscorrected": f"{row['miscorrected_words']:,}",
            "not found": f"{row['silent_words']:,}",
            "decoder, pJ": f"{row['decode_energy_pj']:.3g}",
            "um²": f"{row['decode_area_um2']:.3g}",
            "ns": f"{row['decode_latency_ns']:.3g}",
        }
        assert line == expected | {"section": ""}
    shown = terminal_lines(code_table(results))
    assert len(shown) == 6
    for line in shown:
        row = harshest(results, line["section"], line["variant"])
        counts = ("corrected", "detected", "miscorrected", "not found")
        assert [line[name] for name in ("code", "cells a bit", "share of cells wrong")] == [
            row["ecc"],
            f"{row['cells_per_bit']:g}",
            f"{row['raw_ber']:.2e}",
        ]
        names = ("corrected_words", "detected_words", "miscorrected_words", "silent_words")
        assert [line[name] for name in counts] == [f"{round(row[name]):,}" for name in names]


COSTS = {
    "divisions": "divisions",
    "reciprocal multiplications": "reciprocal_multiplications",
    "shifts": "shifts",
    "alignments": "alignments",
    "words read": "words_read",
    "MACs": "macs",
}
BITS = "bits read, check bits included"


@pytest.mark.parametrize("study", HEADS)
def test_costs_are_the_counts_of_the_total_for_one_image(study: str) -> None:
    results = made_up(study)
    totals = {(row["format"], row["variant"]): row for row in results.counts if row["layer"] == "total"}
    bits = {(row["format"], row["variant"]): row["constant_bits"] for row in results.rows}
    lines = next(lines for (under, head), lines in page_tables(results).items() if under == "cost" and "MACs" in head)
    assert {(line["formats"], line["variant"]) for line in lines} == set(totals)
    for table in (lines, terminal_lines(cost_table(results))):
        names = [variant.name for variant in results.scenario.variants]
        assert list(dict.fromkeys(line["variant"] for line in table)) == names
    for line in lines:
        key = line["formats"], line["variant"]
        # Only the lifetime study has codes with check bits.
        assert (BITS in line) is (study == "lifetime")
        for head, counter in {**COSTS, **({BITS: "bits_read"} if BITS in line else {})}.items():
            assert line[head] == f"{totals[key][counter] // 800:,}"
        assert line["bits of constants"] == f"{bits[key]:,}"
    shown = terminal_lines(cost_table(results))
    assert {(line["format"], line["variant"]) for line in shown} == set(totals)
    for line in shown:
        assert ("bits read" in line) is (study == "lifetime")
        bits_read = {"bits read": "bits_read"} if study == "lifetime" else {}
        for head, counter in (*list(COSTS.items())[:5], *bits_read.items()):
            assert (
                line[head.replace("multiplications", "mult.")]
                == f"{totals[line['format'], line['variant']][counter] // 800:,}"
            )


@pytest.mark.parametrize("study", HEADS)
def test_comparisons_have_a_column_where_a_guard_makes_any(study: str) -> None:
    results = made_up(study)
    with_guard, *others = (row for row in results.counts if row["layer"] == "total")
    for row in others:
        row["comparisons"] = 0
    page = next(lines for (_, head), lines in page_tables(results).items() if "MACs" in head)
    for lines, head in ((page, "comparisons of guards"), (terminal_lines(cost_table(results)), "comparisons")):
        shown = {line["variant"]: line[head] for line in lines}
        assert shown[with_guard["variant"]] == f"{with_guard['comparisons'] // 800:,}" or len(lines) > len(shown)
        assert sum(line[head] != "0" for line in lines) == 1
    with_guard["comparisons"] = 0
    page = next(lines for (_, head), lines in page_tables(results).items() if "MACs" in head)
    for lines in (page, terminal_lines(cost_table(results))):
        assert not any("comparisons" in head for head in lines[0])


@pytest.mark.parametrize("study", [*HEADS, "bit_errors"])
def test_what_lies_in_safe_memory_stands_under_its_headings_and_only_where_something_does(study: str) -> None:
    results = made_up(study)
    assert not any(under == "safe" for under, _ in page_tables(results))
    results.facts["safe"] = [
        {"parameter": "bn.weight", "elements": 12_345, "use": "batch_norm", "share": 0.0123456},
        {"parameter": "fc.bias", "elements": 10, "use": "bias", "share": 1e-5},
    ]
    (lines,) = [lines for (under, _), lines in page_tables(results).items() if under == "safe"]
    assert lines == [
        {"parameter": name, "numbers": numbers, "share of all": share, "read by": use, "section": ""}
        for name, numbers, share, use in (
            ("bn.weight", "12,345", "1.235 %", "batch_norm"),
            ("fc.bias", "10", "0.001 %", "bias"),
        )
    ]


@pytest.mark.parametrize("study", HEADS)
def test_the_answer_on_the_page_stands_under_its_headings(study: str) -> None:
    results = made_up(study)
    found = answer(results)
    assert found is not None
    (lines,) = [lines for (_, head), lines in page_tables(results).items() if head.endswith("variants")]
    axis = {"accuracy": "bit error rate", "lifetime": "age"}[study]
    assert [(line["stored as"], line[axis], line["variants"]) for line in lines] == [
        (line.section, line.reach, line.variants) for line in found.lines
    ]


def test_causes_of_results_that_call_division_sites_places_are_read() -> None:
    results = made_up("accuracy")
    earlier = [
        {"places" if key == "sites" else key: value for key, value in row.items()} for row in results.facts["causes"]
    ]
    assert forced(replace(results, facts={**results.facts, "causes": earlier})) == forced(results) != []


def test_causes_and_plans_are_those_of_the_facts() -> None:
    results = made_up("accuracy")
    tables = {head: lines for (under, head), lines in page_tables(results).items() if under == "cost"}
    (causes,) = [lines for head, lines in tables.items() if "what forces it" in head]
    done = {
        "division": "divided",
        "reciprocal": "multiplied",
        "shift": "shifted",
        "alignment": "aligned",
        "absorbed": "absorbed",
    }
    assert [(line["sites"], line["what is done and what forces it"], line["elements"]) for line in causes] == [
        (
            f"{row['sites']:,}",
            f"{done[row['kind']]}: {row['cause']}",
            "-" if row["kind"] == "absorbed" else f"{row['elements']:,}",
        )
        for row in results.facts["causes"]
    ]
    assert [line["formats"] for line in causes if line["variant"]] == ["fp16", "q2.5"]
    (plans,) = [lines for head, lines in tables.items() if "rescalings" in head]
    for line, row in zip(plans, results.facts["plans"], strict=True):
        own = "fixed_cost" in row
        assert line == {
            "section": "",
            "variant": row["variant"],
            "format": row["format"],
            "rescalings": f"{row['rescalings']}",
            "cost": f"{row['cost']}",
            "gap": "1.2 %",
            "cost with constants as they were": f"{row['fixed_cost']}" if own else "-",
            "bits of t, largest": "0.125" if own else "-",
            "mean": "0.062" if own else "-",
        }


def test_constants_stand_with_their_unit_trust_source_and_the_tables_value() -> None:
    (lines,) = [lines for (under, _), lines in page_tables(made_up("lifetime")).items() if under == "constants"]
    assert [list(line.values())[:-1] for line in lines] == [
        ["constant_0", "value 0", "unit 0", "trust 0", "source 0"],
        ["constant_1", "value 1 (default 1)", "unit 1", "trust 1", "source 1"],
        ["constant_2", "value 2", "unit 2", "trust 2", "source 2 note 2"],
    ]
    assert list(lines[0])[:-1] == ["constant", "value", "unit", "trust", "source"]


def test_errors_of_bits_are_those_of_their_rows() -> None:
    results = made_up("bit_errors")
    lines = page_tables(results)["results", "Absolute error of one flip, as the weight is used"]
    for line, row in zip(lines, results.rows, strict=True):
        assert line == {
            "section": "",
            "format": row["format"],
            "variant": row["variant"],
            "bit": str(row["bit"]),
            "field": row["field"],
            "mean": f"{row['mean_error']:.4g}",
            "rms": f"{row['rms_error']:.4g}",
            "largest": f"{row['max_error']:.4g}",
            "not finite": f"{row['nonfinite']} of {row['words']:,}",
        }


def test_the_terminal_sums_up_bits_by_field_as_the_root_of_the_mean_square_of_what_stays_finite() -> None:
    results = made_up("bit_errors")
    shown = terminal_lines(bit_error_table(results))
    groups = {
        "fp16": {
            "sign 15": {15},
            "exponent 14 (highest)": {14},
            "exponent 13 to 10": {10, 11, 12, 13},
            "fraction 9 to 0": set(range(10)),
        },
        "q2.5": {"sign 7": {7}, "integer 6 to 5": {5, 6}, "fraction 4 to 0": set(range(5))},
    }
    assert [(line["section"], line["flipped bit"]) for line in shown] == [
        (fmt, label) for fmt, labels in groups.items() for label in labels
    ]
    for line in shown:
        for variant in ("unscaled", "scaled", "smaller & <b>"):
            rows = [
                row
                for row in results.rows
                if (row["format"], row["variant"]) == (line["section"], variant)
                and row["bit"] in groups[line["section"]][line["flipped bit"]]
            ]
            errors = [(row["rms_error"], row["words"] - row["nonfinite"]) for row in rows]
            rms = math.sqrt(sum(error**2 * n for error, n in errors) / sum(n for _, n in errors))
            lost = 100 * sum(row["nonfinite"] for row in rows) / sum(row["words"] for row in rows)
            assert line[variant] == f"{rms:.3g} ({lost:.2g} % Inf)"


def test_a_field_that_is_never_finite_has_no_error() -> None:
    results = made_up("bit_errors")
    for row in results.rows:
        row["nonfinite"] = row["words"] if row["bit"] == 14 else 0
    line = next(line for line in terminal_lines(bit_error_table(results)) if "highest" in line["flipped bit"])
    assert line["scaled"] == "- (100 % Inf)"


TABLES: dict[str, tuple[tuple[str, Callable[[], Any]], ...]] = {
    "accuracy": (
        ("results.csv", lambda: ACCURACY),
        ("counts.csv", count_columns),
        ("constants.csv", lambda: CONSTANTS),
    ),
    "lifetime": (
        ("results.csv", lambda: LIFETIME),
        ("counts.csv", count_columns),
        ("mechanisms.csv", lambda: MECHANISMS),
        ("constants.csv", lambda: CONSTANTS),
    ),
    "bit_errors": (("results.csv", lambda: BIT_ERRORS),),
}


@pytest.mark.parametrize("study", TABLES)
def test_every_column_is_explained_in_the_words_of_the_list_behind_it(study: str) -> None:
    found = {caption: lines for (under, caption), lines in page_tables(made_up(study)).items() if under == "columns"}
    assert list(found) == [name for name, _ in TABLES[study]]
    for name, columns in TABLES[study]:
        assert [(line["column"], line["unit"], line["meaning"]) for line in found[name]] == [
            (column.name, column.unit, " ".join(column.meaning.replace("`", "").split())) for column in columns()
        ]


def test_versions_and_fingerprints_stand_beside_their_names() -> None:
    lines = [lines for (under, _), lines in page_tables(made_up("accuracy")).items() if under == "settings"]
    assert [(line["0"], line["1"]) for (found,) in [lines] for line in found] == [
        ("hwsim", "1.2.3"),
        ("torch", "4.5.6"),
        ("python", "3.99"),
        ("platform", "here"),
        ("fingerprint of the network", "abc"),
        ("fingerprint of the images", "def"),
    ]


def test_the_answers_table_names_a_section_once() -> None:
    lines = (AnswerLine("fp16", "1e-3", "a*"), AnswerLine("fp16", "none", "b, [c]"), AnswerLine("q2.5", "1e-4", "a"))
    table = answer_table(Answer("?", lines, "!"))
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells == [["fp16", "", "q2.5"], ["1e-3", "none", "1e-4"], ["a*", "b, [c]", "a"]]


def test_the_page_and_the_terminal_say_how_far_an_interval_over_images_reaches_at_most() -> None:
    results = made_up("accuracy")
    farthest = 0.0
    for row in results.rows:
        for end in ("low", "high"):
            farthest = max(farthest, abs(row[f"accuracy_images_{end}"] - row["accuracy"]))
    (row,) = results.rows[3:4]
    row["accuracy_images_low"] = row["accuracy"] - farthest - 0.1  # only one end of one row reaches so far
    console = Console(file=io.StringIO(), width=200)
    print_results(results, console)
    assert isinstance(console.file, io.StringIO)
    said = f"at most {100 * (farthest + 0.1):.1f} points from the mean"
    for text in (render(results, []), console.file.getvalue()):
        assert said in " ".join(text.split())


def test_few_codewords_are_told_by_a_tenth() -> None:
    results = made_up("lifetime")
    for row in results.rows:
        row |= {"corrected_words": 99.94, "detected_words": 100.4, "miscorrected_words": 0.25, "silent_words": 7.0}
    for line in terminal_lines(code_table(results)):
        found = [line[name] for name in ("corrected", "detected", "miscorrected", "not found")]
        assert found == ["99.9", "100", "0.2", "7"]


@pytest.mark.parametrize(("maps", "said"), [(1, "One fault map a point"), (10, "95 % interval over 10 fault maps")])
def test_the_terminal_and_the_page_say_what_was_run(maps: int, said: str) -> None:
    results = made_up("accuracy")
    trials = results.scenario.trials.model_copy(update={"fault_maps": maps})
    results = replace(results, scenario=results.scenario.model_copy(update={"trials": trials}))
    console = Console(file=io.StringIO(), width=200)
    print_results(results, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    network = "lenet5 (61,706 parameters) on 800 images of fashion_mnist; FP32 with nothing stored: 93.8 %"
    assert network in " ".join(shown.split())
    page = render(results, [])
    assert said in shown
    assert said in " ".join(page.split())
    assert ("In brackets" in page) == (maps > 1)
