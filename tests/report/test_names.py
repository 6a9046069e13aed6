"""Names are text everywhere: brackets and dollar signs in them are never markup."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hwsim.cli.output import SPELLED
from hwsim.errors import HwsimError
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies.run import run_scenario
from hwsim.report.console import progress_bar, stdout
from hwsim.report.terminal import print_results
from hwsim.report.write import write_report

NAMES = [r"$\frac$", "[/x]", "[red]abc", 'a & <b> "c"', "_hidden", "50 % of $5", ":smile:", "tab,comma"]


@pytest.mark.parametrize("study", ["accuracy", "bit_errors"])
def test_a_name_is_the_same_text_in_every_table_figure_and_page(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    flips = {"ber": [1e-3]} if study == "accuracy" else {}
    rest = {"data": {"images": 4}, "trials": {"fault_maps": 1}} if study == "accuracy" else {}
    scenario = {
        "name": "x",
        "study": study,
        "network": {"name": "lenet5"},
        "memory": {"format": "fp16", **flips},
        **rest,
    }
    targets = (1.0, 0.5, 0.25, 2.0, 1.5, 0.75, 0.125, 1.25)
    scenario["variants"] = [
        {"name": name, "scaling": {"target": target}} for name, target in zip(NAMES, targets, strict=True)
    ]
    folder = tmp_path / "br[/x]"
    results = run_scenario(scenario, out=folder)
    report = write_report(results)
    print_results(results, stdout())
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)

    page = _Texts()
    page.feed(report.read_text("utf-8"))
    assert all(name in page.texts for name in NAMES)
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        assert {row["variant"] for row in csv.DictReader(file)} == {"unscaled", *NAMES}
    for figure in (folder / "figures").glob("*.svg"):
        ElementTree.parse(figure)


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()

    def handle_data(self, data: str) -> None:
        self.texts.add(data.strip())


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "a\0b", "\ud800", "a\u2028b", "x" * 101, ""])
def test_a_name_that_cannot_be_printed_is_refused(name: str) -> None:
    scenario = {"name": "x", "network": {"name": "lenet5"}, "memory": {"format": "fp16", "ber": 0.1}}
    with pytest.raises(HwsimError, match=r"variants\[0\].name") as said:
        load_scenario({**scenario, "variants": [{"name": name}]})
    assert str(said.value).isprintable()


def test_progress_shows_brackets_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar() as progress:
        progress("fp16, [/x], BER 0.1", 1, 2)


def test_what_an_output_cannot_show_is_spelled_in_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors=SPELLED)
    out.write("60.7 ±0.1 → µs é")
    out.flush()
    assert raw.getvalue() == b"60.7 +-0.1 -> us e"


@pytest.mark.parametrize("command", [["formats"], ["memory", "list"], ["scenarios"]])
def test_output_in_ascii_and_output_that_cannot_be_written_end_without_a_traceback(command: list[str]) -> None:
    run = [sys.executable, "-m", "hwsim", *command]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    shown = subprocess.run(run, env=environment, capture_output=True, check=False)
    assert shown.returncode == 0
    assert shown.stdout.isascii()
    with Path("/dev/full").open("w") as full:
        lost = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert lost.returncode == 2
    assert lost.stderr == "hwsim: The output cannot be written: No space left on device.\n"
