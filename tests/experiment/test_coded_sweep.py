"""Codes in a sweep of bit error rates: the same weak cells as without them, and what the decoder did with these."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment.results.columns import ACCURACY, CODED_ACCURACY
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario, to_toml
from hwsim.experiment.studies.run import run_scenario
from hwsim.memory.ecc import code_names
from hwsim.report import write_report
from tests.experiment.conftest import small

BERS = [1e-4, 2e-3]
MEMORY = {"formats": "q2.5", "ber": BERS}
SECDED = {"name": "coded", "ecc": "secded"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_scenario(small(memory=MEMORY, variants=[SECDED]), out=tmp_path_factory.mktemp("coded") / "r")


def lines(folder: Path) -> list[str]:
    return (folder / "trials.jsonl").read_text().splitlines()


def test_what_has_no_code_is_as_it_is_where_nothing_has_one(tmp_path: Path, finished: Results) -> None:
    plain = run_scenario(small(memory=MEMORY, variants=[]), out=tmp_path / "r")
    assert set(lines(plain.folder)) < set(lines(finished.folder))
    for row in plain.rows:
        coded = finished.row(variant=row["variant"], ber=row["ber"])
        assert {name: coded[name] for name in row} == row
        assert (coded["ecc"], coded["wrong_cells"], coded["silent_words"]) == (
            "none",
            row["flips"],
            row["faulty_words"],
        )
        assert (coded["check_bits"], coded["cells_per_bit"], coded["decode_energy_pj"]) == (0, 1, 0)


def test_a_code_added_to_finished_results_runs_its_own_trials_only(tmp_path: Path, finished: Results) -> None:
    run_scenario(small(memory=MEMORY, variants=[]), out=tmp_path / "r")
    before = lines(tmp_path / "r")
    more = run_scenario(small(memory=MEMORY, variants=[SECDED]), out=tmp_path / "r")
    assert lines(more.folder)[: len(before)] == before
    assert more.rows == finished.rows


def test_a_code_of_all_is_the_code_of_each(tmp_path: Path, finished: Results) -> None:
    common = run_scenario(small(memory=MEMORY | {"ecc": "secded"}, variants=[]), out=tmp_path / "r")
    for ber in (0, *BERS):
        one, other = common.row(variant="unscaled", ber=ber), finished.row(variant="coded", ber=ber)
        assert {**one, "variant": ""} == {**other, "variant": ""}


def test_outcomes_are_as_often_as_their_chances(finished: Results) -> None:
    """Codewords of 72 cells that fail independently: one wrong cell is corrected, two are detected."""
    maps = finished.scenario.trials.fault_maps
    words = -(-finished.rows[0]["stored_bits"] // 64)
    for ber in BERS:
        row = finished.row(variant="coded", ber=ber)
        single, double = 72 * ber * (1 - ber) ** 71, 72 * 71 / 2 * ber**2 * (1 - ber) ** 70
        for name, chance in (("corrected_words", single), ("detected_words", double)):
            expected = words * maps * chance
            assert abs(row[name] * maps - expected) < 5 * expected**0.5 + 1, name
        assert row["raw_ber"] == row["wrong_cells"] / (words * 72) == pytest.approx(ber, rel=0.2)
        assert row["check_bits"] == 8 * words


def test_one_wrong_cell_a_codeword_costs_nothing(finished: Results) -> None:
    sound, coded = (finished.row(variant="coded", ber=ber) for ber in (0, BERS[0]))
    bare = finished.row(variant="unscaled", ber=BERS[0])
    assert bare["faulty_words"] > 10
    assert coded["detected_words"] + coded["silent_words"] + coded["miscorrected_words"] <= 1
    assert coded["corrected_words"] > 10
    assert sound["corrected_words"] == sound["wrong_cells"] == 0


@pytest.mark.parametrize("ecc", code_names())
def test_every_code_runs_the_network_that_it_stores(tmp_path: Path, ecc: str) -> None:
    fmt = "fp16" if ecc == "in_place_parity" else "q2.5"
    variants = [{"name": "scaled", "scaling": {}, "ecc": ecc}]
    results = run_scenario(small(memory={"formats": fmt, "ber": 1e-12}, variants=variants), out=tmp_path / "r")
    sound, read = (results.row(variant="scaled", ber=ber) for ber in (0, 1e-12))
    assert read["flips"] == 0
    assert (read["accuracy"], read["logit_error"]) == (sound["accuracy"], sound["logit_error"])
    assert (sound.get("rounded_words", 0) > 0) is ecc.startswith("in_place")


def test_immune_bits_and_unequal_rates_reach_coded_words(tmp_path: Path) -> None:
    memory = {"formats": "q2.5", "ber": 0.3, "immune": [["sign", "integer", "fraction"]], "zero_to_one": 0.0}
    row = run_scenario(small(memory=memory, variants=[SECDED]), out=tmp_path / "r").row(variant="coded", ber=0.3)
    checks = row["check_bits"]
    assert 0 < row["wrong_cells"] < 0.3 * checks  # the ones among the check cells, and no others


def test_the_table_has_a_column_for_each_count_only_where_there_is_a_code(tmp_path: Path, finished: Results) -> None:
    plain = run_scenario(small(memory={"ber": 1e-3}), out=tmp_path / "r")
    for results, columns in ((finished, CODED_ACCURACY), (plain, ACCURACY)):
        with (results.folder / "results.csv").open(newline="") as table:
            assert next(csv.reader(table)) == [column.name for column in columns]
        assert all(set(row) == {column.name for column in columns} for row in results.rows)
    assert Results.load(finished.folder) == finished


def test_a_report_shows_what_the_code_did(finished: Results) -> None:
    page = write_report(finished).read_text("utf-8")
    assert "Cells and codes" in page
    assert "over fault maps). The share of cells wrong is what the decoder meets. The" in page


def test_a_resolved_scenario_with_codes_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    memory = {"ber": 1e-3, "word_bits": 32, "uncorrectable": "as_read"}
    scenario = load_scenario(small(memory=memory, variants=[SECDED]))
    (tmp_path / "x.toml").write_text(to_toml(scenario))
    assert load_scenario(tmp_path / "x.toml") == scenario
    assert "ecc" not in to_toml(load_scenario(small()))


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ({"word_bits": 32}, "`memory.word_bits` has no effect without a code"),
        ({"uncorrectable": "as_read"}, "`memory.uncorrectable` has no effect without a code"),
        ({"interleave": 2, "ecc": "secded"}, r"`memory.interleave` .* add a \[mission\]"),
    ],
)
def test_what_codes_do_not_heed_is_said(memory: dict[str, Any], said: str) -> None:
    with pytest.raises(HwsimError, match=said):
        load_scenario(small(memory=memory))


def test_a_code_that_does_not_exist_for_a_format_is_said_before_the_first_trial(tmp_path: Path) -> None:
    data = small(memory={"formats": "fp32", "ber": 1e-3}, variants=[{"name": "a", "ecc": "in_place_secded"}])
    with pytest.raises(HwsimError, match="Variant 'a' cannot be run in fp32: in_place_secded"):
        run_scenario(data, out=tmp_path / "r")
    assert not (tmp_path / "r" / "trials.jsonl").exists()
