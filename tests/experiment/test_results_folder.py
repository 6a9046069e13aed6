"""The results folder: what is kept, what is refused, what is never half written, and one run at a time."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwsim.datapath.counts import LayerCounts
from hwsim.errors import HwsimError
from hwsim.experiment.results.columns import ACCURACY, BIT_ERRORS, Column, count_columns
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Results
from hwsim.experiment.results.store import ENVIRONMENT, MARK, SCENARIO, TRIALS, ResultsFolder
from hwsim.experiment.results.trial_log import finished_trials
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import Point, Trial

from .conftest import small

HERE = {"packages": {"hwsim": "0", "torch": "1"}, "inputs": {"the network": "abc"}}
TRIAL = Trial(Point("q2.5", "unscaled", "", 1e-3), 0)
SCENE = load_scenario(small())


OTHERS = [TRIAL._replace(map=number) for number in (1, 2)]


def recorded(correct: int) -> TrialRecord:
    return TrialRecord(correct, 0, 0, None, {}, 0, {}, LayerCounts())


@contextmanager
def begun(path: Path, scenario: Any = SCENE) -> Iterator[ResultsFolder]:
    with ResultsFolder(path, scenario) as folder:
        folder.begin(HERE)
        yield folder


def finished(path: Path, scenario: Any = SCENE) -> dict[Trial, Any]:
    """What a run finds that goes on in this folder."""
    with ResultsFolder(path, scenario) as folder:
        return folder.begin(HERE)


def fill(path: Path, *trials: Trial) -> list[bytes]:
    """A folder with finished trials; returns the lines of its log."""
    with begun(path) as folder:
        for number, trial in enumerate(trials):
            folder.append(trial, recorded(number))
    return (path / TRIALS).read_bytes().splitlines(keepends=True) if trials else []


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
    record = replace(recorded(3), logit_error=0.1 + 0.2, flips={"sign": 1})
    with begun(tmp_path / "r") as folder:
        folder.append(TRIAL, record)
    assert finished_trials(tmp_path / "r") == 1
    again = finished(tmp_path / "r")
    assert again == {TRIAL: record}


@pytest.mark.parametrize("garbage", [b'{"format": "q2.5", "vari', b"\0\0\0\0", b"[1]\n", b"nonsense\n", b"{}x\n\xff\n"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_not_whole_in_the_log_is_taken_out_and_said_and_the_rest_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, garbage: bytes, place: int
) -> None:
    lines = fill(tmp_path / "r", TRIAL, OTHERS[0])
    if place < 2 and not garbage.endswith(b"\n"):
        garbage += b"\n"
    (tmp_path / "r" / TRIALS).write_bytes(b"".join([*lines[:place], garbage, *lines[place:]]))
    assert list(finished(tmp_path / "r")) == [TRIAL, OTHERS[0]]
    assert f"{garbage.count(10) or 1} of {2 + (garbage.count(10) or 1)} lines" in caplog.text
    assert TRIALS in caplog.text
    assert (tmp_path / "r" / TRIALS).read_bytes() == b"".join(lines)
    caplog.clear()
    assert len(finished(tmp_path / "r")) == 2
    assert not caplog.records


def test_a_trial_that_was_changed_by_hand_does_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = fill(tmp_path / "r", TRIAL, OTHERS[0])
    (tmp_path / "r" / TRIALS).write_bytes(b"".join(lines).replace(b'"correct": 0', b'"correct": 9'))
    assert list(finished(tmp_path / "r")) == [OTHERS[0]]
    assert "1 trials" in caplog.text


@pytest.mark.parametrize("lost", [None, "nonsense", "[1]", '{"packages": 3}'])
def test_without_its_versions_a_folder_takes_the_trials_that_were_made_under_these(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: str | None
) -> None:
    fill(tmp_path / "r", TRIAL)
    path = tmp_path / "r" / ENVIRONMENT
    before = path.read_text()
    path.unlink() if lost is None else path.write_text(lost)
    with ResultsFolder(tmp_path / "r", SCENE) as folder:
        assert folder.begin({**HERE, "inputs": {"the network": "xyz"}}) == {}
    assert "1 trials" in caplog.text
    path.unlink()
    assert list(finished(tmp_path / "r")) == [TRIAL]
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"seed": 4}, ["seed is 3 and not 4:"]),
        ({"data": {"images": 41}}, ["data.images is 40 and not 41:"]),
        ({"name": "other"}, ['name is "small" and not "other":']),
        ({"memory": {"store": ["weights", "biases"]}}, ['memory.store is ["weights"] and not ["weights", "biases"]:']),
        ({"memory": {"zero_to_one": 0.0}}, ["memory.zero_to_one is 1.0 and not 0.0:"]),
        ({"datapath": {"batch": 2}, "seed": 4}, ["seed is 3 and not 4", "datapath.batch is 1 and not 2:"]),
        (
            {"variants": [{"name": "scaled", "scaling": {"target": 1.0}, "divide": "per_layer"}]},
            ['variants.scaled.scaling.target is "default" and not 1.0:'],
        ),
        (
            {"variants": [{"name": "scaled", "guards": ["clamp"]}], "seed": 9, "datapath": {"divider": "reciprocal"}},
            ["seed is 3 and not 9", "and 4 more keys differ:"],
        ),
    ],
)
def test_another_scenario_in_the_folder_is_refused_by_the_keys_that_differ(
    tmp_path: Path, change: dict[str, Any], parts: list[str]
) -> None:
    fill(tmp_path / "r", TRIAL)
    message = refused(tmp_path / "r", scenario=load_scenario(small(**change)))
    for part in [*parts, "with `out`", "with `fresh`"]:
        assert part in message


def test_a_scenario_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    fill(tmp_path / "r", TRIAL)
    (tmp_path / "r" / SCENARIO).write_text("seed =")
    assert "scenario.toml is damaged" in refused(tmp_path / "r")
    assert ResultsFolder(tmp_path / "r", SCENE, fresh=True).begin(HERE) == {}


def test_fresh_discards_the_results_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path / "r", TRIAL)
    mine = {"notes.txt", "figures/mine.png", "figures/accuracy.png.bak", "old/results.csv", "results.csv.gz"}
    with begun(tmp_path / "r") as folder:
        for name in ("figures/accuracy.png", "figures/accuracy.png.part", "results.csv", "report.html", *mine):
            folder.write_bytes(name, b"x")
    other = load_scenario(small(seed=4))
    assert ResultsFolder(tmp_path / "r", other, fresh=True).begin(HERE) == {}
    left = {path.relative_to(tmp_path / "r").as_posix() for path in (tmp_path / "r").rglob("*") if path.is_file()}
    assert left == {MARK, SCENARIO, ENVIRONMENT, *mine}
    assert "seed = 4" in (tmp_path / "r" / SCENARIO).read_text()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_users_files_are_not_taken_for_results_whatever_their_names(tmp_path: Path, fresh: bool) -> None:
    for name in ("scenario.toml", "results.csv", "report.html", "environment.json", "figures/mine.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]")
    assert "other files" in refused(tmp_path, fresh=fresh)


def test_a_copy_without_hidden_files_is_still_a_results_folder(tmp_path: Path) -> None:
    fill(tmp_path / "r", TRIAL)
    (tmp_path / "r" / MARK).unlink()
    assert list(finished(tmp_path / "r")) == [TRIAL]


# --- one run at a time


def in_another_process(code: str, *arguments: object) -> str:
    """What a script says that has the names of this module."""
    script = f"import sys\nfrom tests.experiment.test_results_folder import *\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_second_run_says_so_at_once_and_changes_nothing(tmp_path: Path, fresh: bool, seed: int) -> None:
    with begun(tmp_path / "r") as folder:
        folder.append(TRIAL, recorded(0))
        before = {path: path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file()}
        assert "Another run is writing to" in refused(
            tmp_path / "r", fresh=fresh, scenario=load_scenario(small(seed=seed))
        )
        said = in_another_process(
            "print(refused(Path(sys.argv[1]), fresh=sys.argv[2] == 'True'))", tmp_path / "r", fresh
        )
        assert "Another run is writing to" in said
        assert {path: path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file()} == before
        folder.append(OTHERS[0], recorded(0))
    assert list(finished(tmp_path / "r")) == [TRIAL, OTHERS[0]]


@pytest.mark.parametrize(("seed", "part"), [(3, "Another run is writing"), (4, "seed is 3 and not 4")])
def test_what_another_run_did_since_the_folder_was_looked_at_is_seen(tmp_path: Path, seed: int, part: str) -> None:
    """Both look at a folder that is not there yet, and both would make it."""
    late = ResultsFolder(tmp_path / "r", load_scenario(small(seed=seed)))
    with begun(tmp_path / "r") as first:
        first.append(TRIAL, recorded(0))
        with pytest.raises(HwsimError, match=part):
            late.begin(HERE)
    if seed == 3:
        assert list(late.begin(HERE)) == [TRIAL]
    else:
        with pytest.raises(HwsimError, match=part):
            late.begin(HERE)


def test_a_folder_is_free_once_the_process_that_wrote_is_dead(tmp_path: Path) -> None:
    code = "with begun(Path(sys.argv[1])) as folder:\n    folder.append(TRIAL, recorded(0))\n    os._exit(0)"
    in_another_process(code, tmp_path / "r")
    assert list(finished(tmp_path / "r")) == [TRIAL]


# --- files of others, and disks that refuse


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_of_other_files_is_refused(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "other files" in refused(tmp_path, fresh=fresh)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/hwsim"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    message = refused(tmp_path / place)
    assert "cannot be written" in message
    assert "with `out`" in message


def disk_of(size: int) -> Callable[[int, bytes], int]:
    """An `os.write` that takes `size` bytes, three at a time, and then refuses."""
    write = os.write
    left = size

    def limited(handle: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(handle, data[: min(3, left)])
        left -= done
        return done

    return limited


@pytest.mark.parametrize("size", [0, 1, 30, 100])
def test_a_full_disk_is_one_sentence_and_costs_no_finished_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    lines = fill(tmp_path / "r", TRIAL)
    with begun(tmp_path / "r") as folder:
        with monkeypatch.context() as full:
            full.setattr("hwsim.experiment.results.store.os.write", disk_of(size))
            with pytest.raises(HwsimError, match="No space left on device"):
                folder.append(OTHERS[0], recorded(3))
        folder.append(OTHERS[1], recorded(4))  # there is room again
    log = (tmp_path / "r" / TRIALS).read_bytes().splitlines(keepends=True)
    assert log[:1] == lines
    assert [json.loads(line)["map"] for line in log] == [0, 2]
    assert list(finished(tmp_path / "r")) == [TRIAL, OTHERS[1]]
    assert not caplog.records


def test_a_system_that_writes_a_few_bytes_at_a_time_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = fill(tmp_path / "whole", TRIAL)
    monkeypatch.setattr("hwsim.experiment.results.store.os.write", disk_of(10**6))
    assert fill(tmp_path / "parts", TRIAL) == lines
    for name in (SCENARIO, ENVIRONMENT):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "os.chdir(sys.argv[1]); os.rmdir(sys.argv[1])\n"
        "for name in ('r', 'results/r', '.'):\n"
        "    try: ResultsFolder(Path(name), SCENE)\n"
        "    except HwsimError as error: print(error)"
    )
    (tmp_path / "gone").mkdir()
    said = in_another_process(code, tmp_path / "gone").splitlines()
    assert len(said) == 3
    assert all("the folder that this is run in is gone" in line for line in said)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "~nosuchuser/r"])
def test_a_name_that_cannot_be_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    if name.startswith("~"):
        ResultsFolder(Path(name), SCENE)  # a name like any other: only a shell takes it for somebody's home
    else:
        with pytest.raises(HwsimError, match="cannot be written"):
            ResultsFolder(Path(name), SCENE)


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({**HERE, "packages": {"hwsim": "0", "torch": "2"}}, "begun with torch 1 and this is 2"),
        ({**HERE, "inputs": {"the network": "xyz"}}, "begun with the network abc and this is xyz"),
    ],
)
def test_trials_of_other_versions_or_another_network_are_not_mixed(
    tmp_path: Path, environment: dict[str, Any], part: str
) -> None:
    fill(tmp_path / "r", TRIAL)
    with pytest.raises(HwsimError, match=part):
        ResultsFolder(tmp_path / "r", SCENE).begin(environment)
    assert ResultsFolder(tmp_path / "r", SCENE, fresh=True).begin(environment) == {}


def test_a_whole_file_is_replaced_or_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with begun(tmp_path / "r") as folder:
        folder.write_text("results.csv", "old\n")
        monkeypatch.setattr("hwsim.experiment.results.store.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.write_text("results.csv", "new\n")
    assert (tmp_path / "r" / "results.csv").read_text() == "old\n"


def test_a_table_has_the_columns_as_its_header_and_empty_cells_for_what_is_not_there(tmp_path: Path) -> None:
    columns = (Column("a", "", "a number"), Column("b", "", "a flag"), Column("c", "", "nothing"))
    with begun(tmp_path / "r") as folder:
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
    fill(tmp_path / "r")
    with pytest.raises(HwsimError, match="has not finished"):
        Results.load(tmp_path / "r")


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_damaged_results_are_one_sentence(tmp_path: Path, text: str) -> None:
    with begun(tmp_path / "r") as folder:
        folder.write_text("results.json", text)
    with pytest.raises(HwsimError, match="are damaged"):
        Results.load(tmp_path / "r")
