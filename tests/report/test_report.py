"""The HTML report and the terminal's tables: whole, self-contained, and legible."""

from __future__ import annotations

import functools
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from hwsim.datapath.plans.sites import COUNTER_OF
from hwsim.errors import HwsimError
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import to_toml
from hwsim.experiment.studies.run import run_scenario
from hwsim.memory.technology.constants import technology
from hwsim.report.answer import answer
from hwsim.report.axes import rate
from hwsim.report.choices import CHOICES
from hwsim.report.console import new_table, plain
from hwsim.report.glossary import GLOSSARY
from hwsim.report.tables import COST_HEADINGS, costs, forced, number, shares
from hwsim.report.terminal import print_results
from hwsim.report.write import prose, write_report

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects what a page links to and its text, and checks that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.ids: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "data"):
                self.links.append(value or "")
            if name == "id" and "svg" not in self.open:
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@functools.cache
def report_of(folder: Path) -> Path:
    """The report, written once."""
    return write_report(Results.load(folder))


def page_of(results: Results) -> Page:
    page = Page()
    page.feed(report_of(results.folder).read_text(encoding="utf-8"))
    page.close()
    return page


def printed(results: Results, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_results(results, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_report_needs_no_other_file(results: Results) -> None:
    page = page_of(results)
    assert page.open == []
    assert page.links
    for link in page.links:
        assert link.startswith("#")
    assert {link[1:] for link in page.links if link[1:] in page.ids} >= {"figures", "results", "settings", "choices"}
    source = (results.folder / "report.html").read_text(encoding="utf-8")
    assert "url(http" not in source
    assert "@import" not in source
    assert "<script" not in source


def test_every_link_of_the_navigation_leads_somewhere(results: Results) -> None:
    source = report_of(results.folder).read_text(encoding="utf-8")
    for target in (part.split('"')[0] for part in source.split('<a href="#')[1:]):
        assert f'id="{target}"' in source


def test_figures_lie_in_the_page_panel_by_panel_and_beside_it_as_png_svg_and_pdf(results: Results) -> None:
    page = page_of(results)
    study = results.scenario.study
    names = ["accuracy", "loss", "agreement"] if study != "bit_errors" else ["bit_errors"]
    panels = {"accuracy": 4, "lifetime": 2, "bit_errors": 1}[study]
    assert page.counts["svg"] == len(names) * panels
    found = sorted(path.name for path in (results.folder / "figures").iterdir())
    assert found == sorted(f"{name}.{kind}" for name in names for kind in ("png", "svg", "pdf"))


def test_the_page_says_how_its_numbers_came_about(results: Results) -> None:
    text = page_of(results).text
    for part in ("seed 1", "lenet5", results.environment["packages"]["torch"], "61,706 parameters"):
        assert part in text
    assert results.environment["inputs"]["the network"] in text
    for subject, choice in CHOICES:
        assert subject in text
        assert choice.split("`")[0][:40] in text


def test_the_page_explains_its_terms(results: Results) -> None:
    text = page_of(results).text
    for terms in GLOSSARY.values():
        for term in terms:
            assert term.name in text
            assert term.text.replace("`", "") in text


@pytest.mark.parametrize("study", ["accuracy", "lifetime"])
def test_what_forces_divisions_adds_up_to_what_the_run_counted(study: str, request: pytest.FixtureRequest) -> None:
    results: Results = request.getfixturevalue(study)
    lines = forced(results)
    for line in costs(results):
        groups = next((one.groups for one in lines if (one.variant, one.formats) == (line.variant, line.formats)), [])
        for kind, counter in COUNTER_OF.items():
            assert sum(group["elements"] for group in groups if group["kind"] == kind) == line.counts[counter]
    page = page_of(results)
    assert lines
    for one in lines:
        for group in one.groups:
            assert group["cause"] in page.text


def test_results_of_earlier_versions_do_not_say_what_forces_divisions(accuracy: Results) -> None:
    facts = {name: value for name, value in accuracy.facts.items() if name != "causes"}
    assert forced(replace(accuracy, facts=facts)) == []


def test_names_with_special_characters_are_shown_as_they_are(accuracy: Results) -> None:
    assert "read <= 2 & masked" in page_of(accuracy).text
    assert "read <= 2 & masked" in printed(accuracy)


def test_equal_results_give_an_equal_report_from_the_folder_as_from_the_run(results: Results) -> None:
    read_from_folder = report_of(results.folder).read_bytes()
    assert write_report(results).read_bytes() == read_from_folder


def test_a_report_that_cannot_be_written_is_one_sentence(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(HwsimError, match="No space left on device"):
        write_report(results)


def test_the_terminal_tables_fit_80_columns(results: Results) -> None:
    for line in printed(results).splitlines():
        assert len(line) <= 80


def test_the_table_of_shares_has_the_values_of_the_rows(accuracy: Results) -> None:
    data = shares(accuracy)
    assert list(data.axis.names.items()) == [(0.0, "0"), (1e-4, "1e-4"), (2e-2, "2e-2")]
    assert len(data.sections) == 4
    for section in data.sections:
        fmt = section.title.split(",")[0]
        immune = "sign" if "immune" in section.title else ""
        for name, cells in section.lines:
            for ber, cell in zip(data.axis.names, cells, strict=True):
                row = accuracy.row(format=fmt, variant=name, immune=immune, ber=ber)
                assert cell.estimate == (row["accuracy"], row["accuracy_maps_low"], row["accuracy_maps_high"])
                assert cell.estimate.known == (ber != 0)


def test_costs_are_those_of_one_image(accuracy: Results) -> None:
    lines = {line.variant: line for line in costs(accuracy)}
    assert lines["per weight"].counts["divisions"] == 61_470
    assert lines["per weight"].formats == "fp16, q2.5"
    assert lines["read <= 2 & masked"].formats == "fp16"
    assert lines["unscaled"].constant_bits == 0
    assert list(lines["unscaled"].counts) == [
        name for name in COST_HEADINGS if name != "bits_read"
    ]  # no code, no check bits


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1e-5, "1e-5"), (2.5e-4, "2.5e-4"), (0.01, "1e-2"), (1.0, "1e0"), (1e-12, "1e-12")]
)
def test_rates_are_written_in_one_way(value: float, text: str) -> None:
    assert rate(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (1234567, "1,234,567"), (12.5, "12.5")])
def test_counts_are_written_with_their_thousands(value: float, text: str) -> None:
    assert number(value) == text


def test_square_brackets_in_text_are_no_markup() -> None:
    console = Console(file=io.StringIO(), width=80)
    table = new_table("a", ">b")
    table.add_row(plain("hwsim[imagenet]"), "1")
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert "hwsim[imagenet]" in console.file.getvalue()


@pytest.mark.parametrize("study", ["accuracy", "lifetime"])
def test_the_answer_comes_first_and_what_storing_costs_before_the_figures(
    study: str, request: pytest.FixtureRequest
) -> None:
    results: Results = request.getfixturevalue(study)
    found = answer(results)
    assert found is not None
    source = " ".join(page_of(results).text.split())
    order = [
        found.question,
        " ".join(found.basis.split()),
        "What storing alone makes of the network",
        "Top-1 accuracy over",
    ]
    places = [source.index(part) for part in order]
    assert places == sorted(places)
    shown = " ".join(printed(results).split())
    order = [
        found.question,
        *(line.reach for line in found.lines[:1]),
        found.basis,
        "Top-1 accuracy, %",
        "For each image",
    ]
    places = [shown.index(part) for part in order]
    assert places == sorted(places)


def test_the_rate_after_scrubbing_is_not_called_a_raw_one(lifetime: Results) -> None:
    for text in (page_of(lifetime).text, printed(lifetime)):
        assert "raw bit" not in " ".join(text.lower().split())
    assert "errors that scrubs set right before are not in it" in " ".join(page_of(lifetime).text.split())


def test_no_interval_is_printed_as_a_half_width(results: Results) -> None:
    assert "±" not in page_of(results).text
    assert "±" not in printed(results)


def test_no_backtick_is_left_on_the_page(results: Results) -> None:
    assert "`" not in page_of(results).text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("say `a < b` & `c`.", "say <code>a &lt; b</code> &amp; <code>c</code>."),
        ("a lone ` stays <so>", "a lone ` stays &lt;so&gt;"),
        ("plain", "plain"),
    ],
)
def test_what_stands_in_backticks_is_code(text: str, html: str) -> None:
    assert str(prose(text)) == html


def test_every_wide_thing_scrolls_in_a_box_of_its_own(results: Results) -> None:
    source = report_of(results.folder).read_text(encoding="utf-8")
    assert source.count("<table") == source.count('<div class="scroll"><table')
    assert source.count("<svg") == source.count('<div class="panel"')


def test_what_a_scenario_assumes_is_printed_with_its_results(lifetime: Results, accuracy: Results) -> None:
    for text in (page_of(lifetime).text, printed(lifetime)):
        assert "Assumptions" in text
        assert "Bits <flip> & stick [for good]." in text
    for text in (page_of(accuracy).text, printed(accuracy), to_toml(accuracy.scenario)):
        assert "assumptions" not in text.lower()


def test_constants_are_shown_with_their_sources_and_what_the_scenario_changed(tmp_path: Path) -> None:
    results = run_scenario(
        {
            "name": "mram",
            "network": {"name": "lenet5"},
            "data": {"name": "fashion_mnist", "images": 2},
            "memory": {"format": "q2.5", "technology": "stt_mram", "constants": {"delta": 57}},
            "mission": {"profile": {"for": "1 year"}, "read_at": "1 year"},
            "trials": {"fault_maps": 1},
        },
        out=tmp_path,
    )
    rows = {row["constant"]: row for row in results.facts["constants"]}
    table = technology("stt_mram")
    assert set(rows) == {constant.name for constant in table}
    assert (rows["delta"]["value"], rows["delta"]["default"], rows["delta"]["trust"]) == ("57", "60", "given")
    for constant in table:
        if constant.name != "delta":
            found = rows[constant.name]
            assert (found["default"], found["source"], found["trust"]) == (None, constant.source, constant.trust)
    text = page_of(results).text
    assert table["tau0"].source in text
    assert "Constants that the scenario sets to another value than the table's: delta." in text
    assert "scenario sets" in " ".join(printed(results).split())
