"""The results folder of one scenario.

    scenario.toml      the scenario with everything said
    environment.json   versions, seed, and fingerprints of the network and the images
    trials.jsonl       one finished trial a line, appended as it finishes
    plans.json         where `planned` variants rescale: made once, before the first trial
    results.csv, .json the tables; counts.csv the datapath's counts by layer
    mechanisms.csv     of a lifetime study: what failed how
    constants.csv      constants of the memory, and prices of the datapath, on which the results rest
    figures/, report.html  from the report package

Equal scenarios give equal bytes in every table: nothing in them depends on time, place or what was resumed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwsim.errors import HwsimError
from hwsim.experiment.columns import Column
from hwsim.experiment.loading import as_data, to_toml
from hwsim.experiment.plans import Plans, from_json, to_json
from hwsim.experiment.points import Trial, trial_of
from hwsim.experiment.scenario import Scenario

SCENARIO, ENVIRONMENT, TRIALS, PLANS = "scenario.toml", "environment.json", "trials.jsonl", "plans.json"
RESULTS, RESULTS_JSON, COUNTS = "results.csv", "results.json", "counts.csv"
MECHANISMS, CONSTANTS = "mechanisms.csv", "constants.csv"
REPORT, FIGURES = "report.html", "figures"
_OURS = (SCENARIO, ENVIRONMENT, TRIALS, PLANS, RESULTS, RESULTS_JSON, COUNTS, MECHANISMS, CONSTANTS, REPORT)

Row = Mapping[str, Any]
Record = dict[str, Any]


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """What the file system refuses, as one sentence."""
    try:
        yield
    except OSError as error:
        raise HwsimError(
            f"The results cannot be written to {path}: {error.strerror or error}; choose another folder with --out."
        ) from None


class ResultsFolder:
    """One folder of results: refuses what is not its own, keeps finished trials, writes whole files.

    Making one checks everything and writes nothing; `begin` does, and may be called only when a run is about to
    start.

    Raises:
        HwsimError: if the folder cannot be written, holds something else, or holds another scenario's results.
    """

    def __init__(self, path: Path, scenario: Scenario, *, fresh: bool = False) -> None:
        self.path = path
        self.scenario = scenario
        self.fresh = fresh
        self._check_writable()
        self._check_contents()

    def _check_writable(self) -> None:
        existing = self.path
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        with _said(self.path):
            if not existing.is_dir():
                raise NotADirectoryError(20, f"{existing} is not a folder")
            with tempfile.TemporaryFile(dir=existing):
                pass

    def _check_contents(self) -> None:
        if self.fresh or not self.path.exists() or not any(self.path.iterdir()):
            if self.fresh and self.path.exists() and any(self.path.iterdir()):
                self._check_is_ours()
            return
        self._check_is_ours()
        if self._stored_scenario() != as_data(self.scenario):
            raise HwsimError(
                f"{self.path} holds the results of a different scenario: choose another folder with --out, or "
                "discard them with --fresh."
            )

    def _check_is_ours(self) -> None:
        if not (self.path / SCENARIO).is_file():
            raise HwsimError(f"{self.path} holds other files and no results: choose another folder with --out.")

    def _stored_scenario(self) -> dict[str, Any] | None:
        try:
            return tomllib.loads((self.path / SCENARIO).read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            return None

    def begin(self, environment: Mapping[str, Any]) -> dict[Trial, Record]:
        """Make the folder ready for a run and return the trials that are already finished.

        Raises:
            HwsimError: if the finished trials were made with other versions, another network or other images.
        """
        with _said(self.path):
            if self.fresh:
                self._discard()
            self._check_environment(environment)
            (self.path / FIGURES).mkdir(parents=True, exist_ok=True)
            if not (self.path / SCENARIO).exists():
                self.write_text(SCENARIO, to_toml(self.scenario))
            self.write_text(ENVIRONMENT, _json(environment))
            return self._finished()

    def _discard(self) -> None:
        """Remove what a run writes and nothing else."""
        if not self.path.exists():
            return
        # The scenario goes last: as long as it is there, the folder is known to be ours.
        for name in reversed(_OURS):
            (self.path / name).unlink(missing_ok=True)
        for figure in (*self.path.glob(f"{FIGURES}/*.png"), *self.path.glob(f"{FIGURES}/*.svg")):
            figure.unlink()

    def _check_environment(self, environment: Mapping[str, Any]) -> None:
        path = self.path / ENVIRONMENT
        if not path.exists() or not (self.path / TRIALS).exists():
            return
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            before = {**stored["packages"], **stored["inputs"]}
        except (ValueError, KeyError, TypeError):
            raise HwsimError(f"{path} is damaged: start again with --fresh.") from None
        now = {**environment["packages"], **environment["inputs"]}
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise HwsimError(
                    f"{self.path} was begun with {name} {before.get(name)} and this is {now.get(name)}: choose "
                    "another folder with --out, or start again with --fresh."
                )

    def plans(self, environment: Mapping[str, Any]) -> Plans:
        """The plans of the trials that are finished already: the others must take them too.

        Raises:
            HwsimError: as `begin`, or if the plans are not there.
        """
        if self.fresh or not self.scenario.is_planned or not finished_trials(self.path):
            return {}
        self._check_environment(environment)
        try:
            return from_json(json.loads((self.path / PLANS).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            raise HwsimError(f"{self.path / PLANS} is damaged: start again with --fresh.") from None

    def _finished(self) -> dict[Trial, Record]:
        """The whole lines of the trial log; a line that was being written when a run was killed is cut off."""
        path = self.path / TRIALS
        if not path.exists():
            return {}
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        try:
            records = [json.loads(line) for line in whole.splitlines()]
            return {trial_of(self.scenario, record): record for record in records}
        except (ValueError, KeyError, TypeError):
            raise HwsimError(f"{path} is damaged: start again with --fresh.") from None

    def keep_plans(self, plans: Plans) -> None:
        """Write the plans of a run, if it has any, before its first trial."""
        if plans:
            self.write_json(PLANS, to_json(plans))

    def append(self, trial: Trial, record: Record) -> None:
        """Add one finished trial: a single write, so that a kill loses at most the trial that was running."""
        line = json.dumps({**trial.point._asdict(), "map": trial.map, **record}, allow_nan=False) + "\n"
        with _said(self.path):
            handle = os.open(self.path / TRIALS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)

    def write_table(self, name: str, columns: Sequence[Column], rows: Iterable[Row]) -> None:
        """A CSV file with the columns' names as its header; None becomes an empty cell."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [column.name for column in columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
        self.write_text(name, text.getvalue())

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, _json(value))

    def write_text(self, name: str, text: str) -> None:
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a whole file or leave the one that was there."""
        path = self.path / name
        temporary = path.with_name(path.name + ".part")
        with _said(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)


def finished_trials(folder: Path) -> int:
    """How many finished trials a results folder holds."""
    try:
        return (folder / TRIALS).read_bytes().count(b"\n")
    except OSError:
        return 0


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value
