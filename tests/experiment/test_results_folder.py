"""The results folder: what is kept, what is refused, and that nothing is half written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment.columns import ACCURACY, BIT_ERRORS, Column, count_columns
from hwsim.experiment.loading import load_scenario
from hwsim.experiment.points import Point, Trial
from hwsim.experiment.results import Results
from hwsim.experiment.store import ENVIRONMENT, SCENARIO, TRIALS, ResultsFolder, finished_trials

from .conftest import small

HERE = {"packages": {"torch": "1"}, "inputs": {"the network": "abc"}}
TRIAL = Trial(Point("q2.5", "unscaled", "", 1e-3), 0)
SCENE = load_scenario(small())


def begun(path: Path) -> ResultsFolder:
    folder = ResultsFolder(path, SCENE)
    folder.begin(HERE)
    return folder


def refused(path: Path, *, fresh: bool = False, scenario: Any = SCENE) -> str:
    before = sorted(path.rglob("*")) if path.is_dir() else None
    with pytest.raises(HwsimError) as caught:
        ResultsFolder(path, scenario, fresh=fresh)
    assert (sorted(path.rglob("*")) if path.is_dir() else None) == before
    return str(caught.value)


def test_making_a_folder_object_writes_nothing(tmp_path: Path) -> None:
    ResultsFolder(tmp_path / "new", SCENE)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_trial_is_read_back_as_it_was(tmp_path: Path) -> None:
    folder = begun(tmp_path / "r")
    record = {"correct": 3, "logit_error": 0.1 + 0.2, "flips": {"sign": 1}}
    folder.append(TRIAL, record)
    assert finished_trials(tmp_path / "r") == 1
    again = ResultsFolder(tmp_path / "r", SCENE).begin(HERE)
    assert list(again) == [TRIAL]
    assert {key: again[TRIAL][key] for key in record} == record


def test_a_line_that_was_being_written_is_cut_off_and_the_next_one_is_whole(tmp_path: Path) -> None:
    folder = begun(tmp_path / "r")
    folder.append(TRIAL, {"correct": 3})
    with (tmp_path / "r" / TRIALS).open("a") as log:
        log.write('{"format": "q2.5", "vari')
    again = ResultsFolder(tmp_path / "r", SCENE)
    assert len(again.begin(HERE)) == 1
    again.append(TRIAL._replace(map=1), {"correct": 4})
    assert [json.loads(line)["map"] for line in (tmp_path / "r" / TRIALS).read_text().splitlines()] == [0, 1]


def test_another_scenario_in_the_folder_is_refused(tmp_path: Path) -> None:
    begun(tmp_path / "r")
    message = refused(tmp_path / "r", scenario=load_scenario(small(seed=4)))
    assert "--out" in message
    assert "--fresh" in message


def test_fresh_discards_the_results_and_nothing_else(tmp_path: Path) -> None:
    folder = begun(tmp_path / "r")
    folder.append(TRIAL, {"correct": 3})
    folder.write_bytes("figures/accuracy.png", b"x")
    (tmp_path / "r" / "notes.txt").write_text("mine")
    other = load_scenario(small(seed=4))
    assert ResultsFolder(tmp_path / "r", other, fresh=True).begin(HERE) == {}
    left = {path.relative_to(tmp_path / "r").as_posix() for path in (tmp_path / "r").rglob("*")}
    assert left == {SCENARIO, ENVIRONMENT, "figures", "notes.txt"}
    assert "seed = 4" in (tmp_path / "r" / SCENARIO).read_text()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_of_other_files_is_refused(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "other files" in refused(tmp_path, fresh=fresh)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/hwsim"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    message = refused(tmp_path / place)
    assert "cannot be written" in message
    assert "--out" in message


def test_a_disk_that_refuses_in_the_middle_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun(tmp_path / "r")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hwsim.experiment.store.os.write", full)
    with pytest.raises(HwsimError, match="No space left on device"):
        folder.append(TRIAL, {"correct": 3})


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({**HERE, "packages": {"torch": "2"}}, "begun with torch 1 and this is 2"),
        ({**HERE, "inputs": {"the network": "xyz"}}, "begun with the network abc and this is xyz"),
    ],
)
def test_trials_of_other_versions_or_another_network_are_not_mixed(
    tmp_path: Path, environment: dict[str, Any], part: str
) -> None:
    begun(tmp_path / "r").append(TRIAL, {"correct": 3})
    with pytest.raises(HwsimError, match=part):
        ResultsFolder(tmp_path / "r", SCENE).begin(environment)
    assert ResultsFolder(tmp_path / "r", SCENE, fresh=True).begin(environment) == {}


@pytest.mark.parametrize("name", [ENVIRONMENT, TRIALS])
@pytest.mark.parametrize("text", ["[1]\n", "nonsense\n", '{"packages": 3}\n'])
def test_damaged_files_are_named(tmp_path: Path, name: str, text: str) -> None:
    begun(tmp_path / "r").append(TRIAL, {"correct": 3})
    (tmp_path / "r" / name).write_text(text)
    with pytest.raises(HwsimError, match=rf"{name} is damaged.*--fresh"):
        ResultsFolder(tmp_path / "r", SCENE).begin(HERE)


def test_a_whole_file_is_replaced_or_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun(tmp_path / "r")
    folder.write_text("results.csv", "old\n")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.write_text("results.csv", "new\n")
    assert (tmp_path / "r" / "results.csv").read_text() == "old\n"


def test_a_table_has_the_columns_as_its_header_and_empty_cells_for_what_is_not_there(tmp_path: Path) -> None:
    folder = begun(tmp_path / "r")
    columns = (Column("a", "", "a number"), Column("b", "", "a flag"), Column("c", "", "nothing"))
    folder.write_table("t.csv", columns, [{"a": 0.1, "b": True, "c": None}])
    with (tmp_path / "r" / "t.csv").open(newline="") as table:
        assert list(csv.reader(table)) == [["a", "b", "c"], ["0.1", "true", ""]]


@pytest.mark.parametrize("columns", [ACCURACY, BIT_ERRORS, count_columns()], ids=["accuracy", "bits", "counts"])
def test_every_column_is_named_once_and_explained(columns: tuple[Column, ...]) -> None:
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert len(column.meaning) > 9


def test_a_folder_without_results_is_no_results(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match="holds no results"):
        Results.load(tmp_path)


def test_results_that_are_not_finished_are_not_loaded(tmp_path: Path) -> None:
    begun(tmp_path / "r")
    with pytest.raises(HwsimError, match="has not finished"):
        Results.load(tmp_path / "r")


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_damaged_results_are_one_sentence(tmp_path: Path, text: str) -> None:
    begun(tmp_path / "r").write_text("results.json", text)
    with pytest.raises(HwsimError, match="are damaged"):
        Results.load(tmp_path / "r")
