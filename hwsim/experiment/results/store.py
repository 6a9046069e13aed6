"""The results folder of one scenario.

    .hwsim             empty: says that the folder is hwsim's, and is locked by the run that writes
    environment.json   versions, seed, and fingerprints of the network and the images
    scenario.toml      the scenario with everything said
    plans.json         where `planned` variants rescale: made once, before the first trial
    trials.jsonl       one finished trial a line, appended as it finishes
    results.csv, .json the tables; counts.csv the datapath's counts by layer
    mechanisms.csv     of a lifetime study: what failed how
    constants.csv      constants of the memory, and prices of the datapath, on which the results rest
    figures/, report.html  from the report package

Equal scenarios give equal bytes in every table: nothing in them depends on time, place or what was resumed. A process
may die at any of its file operations: the same command then goes on, since every file but the log of trials is written
under another name first, and a line of the log bears a seal without which it does not count.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

from hwsim.errors import HwsimError
from hwsim.experiment.results.columns import Column
from hwsim.experiment.results.identity import Seals, differences
from hwsim.experiment.results.plans import Plans, from_json, to_json
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.trial_log import TRIALS, finished_trials
from hwsim.experiment.scenario.loading import load_scenario, to_toml
from hwsim.experiment.scenario.points import Trial, all_trials, trial_of
from hwsim.experiment.scenario.scenario import Scenario

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MARK = ".hwsim"
SCENARIO, ENVIRONMENT, PLANS = "scenario.toml", "environment.json", "plans.json"
RESULTS, RESULTS_JSON, COUNTS = "results.csv", "results.json", "counts.csv"
MECHANISMS, CONSTANTS = "mechanisms.csv", "constants.csv"
REPORT, FIGURES = "report.html", "figures"
DRAWN = ("accuracy", "loss", "agreement", "bit_errors")
"""The figures that a report may have, by the stems of their files."""

DERIVED = (
    RESULTS_JSON,  # first: a run without it has not finished
    RESULTS,
    COUNTS,
    MECHANISMS,
    CONSTANTS,
    REPORT,
    *(f"{FIGURES}/{name}.{kind}" for name, kind in product(DRAWN, ("png", "svg", "pdf"))),
)
"""What is made of the finished trials."""

KEPT = (TRIALS, PLANS, ENVIRONMENT, SCENARIO)

Row = Mapping[str, Any]

_log = logging.getLogger("hwsim")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """What the file system refuses, as one sentence."""
    try:
        yield
    except OSError as error:
        raise HwsimError(
            f"The results cannot be written to {path}: {error.strerror or error}; choose another folder with `out`."
        ) from None


class ResultsFolder:
    """One folder of results: refuses what is not its own, keeps finished trials, writes whole files.

    Making one checks everything and writes nothing; `begin` does, and may be called only when a run is about to
    start. From then until the folder is closed no other run can write to it. It is a context that closes it.

    Raises:
        HwsimError: if the folder cannot be written, holds something else or another scenario's results, or if
            another run is writing to it.
    """

    def __init__(self, path: Path, scenario: Scenario, *, fresh: bool = False) -> None:
        self.path = path
        self.scenario = scenario
        self.fresh = fresh
        self._lock: io.FileIO | None = None
        self._seals = Seals(scenario, {})
        with _said(path):
            self._check_writable()
            if (path / MARK).exists():
                self._locked().close()
            self._check_contents()

    def __enter__(self) -> ResultsFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs write to the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- what the folder is

    def _check_writable(self) -> None:
        if "\0" in str(self.path):
            raise OSError(22, "a path cannot have a NUL in it")
        try:
            existing = Path.cwd() / self.path
        except FileNotFoundError:
            raise FileNotFoundError(2, "the folder that this is run in is gone") from None
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir():
            raise NotADirectoryError(20, f"{existing} is not a folder")
        with tempfile.TemporaryFile(dir=existing):
            pass

    def _check_contents(self) -> None:
        if not self.path.exists() or not any(self.path.iterdir()):
            return
        if not (self.path / MARK).exists() and _environment(self.path) is None:
            raise HwsimError(f"{self.path} holds other files and no results: choose another folder with `out`.")
        if not self.fresh and (self.path / SCENARIO).exists():
            self._check_scenario()

    def _check_scenario(self) -> None:
        try:
            stored = load_scenario(self.path / SCENARIO)
        except HwsimError:
            raise HwsimError(
                f"{self.path / SCENARIO} is damaged: choose another folder with `out`, or start again with `fresh`."
            ) from None
        differing = [
            f"{key} is {_shown(before)} and not {_shown(now)}"
            for key, before, now in differences(stored, self.scenario)
        ]
        if differing:
            more = f", and {len(differing) - 3} more keys differ" if len(differing) > 3 else ""
            raise HwsimError(
                f"{self.path} holds the results of a different scenario, where {', '.join(differing[:3])}{more}: "
                "choose another folder with `out`, or discard them with `fresh`."
            )

    def _check_environment(self, environment: Mapping[str, Any]) -> None:
        stored = _environment(self.path)
        if stored is None or not finished_trials(self.path):
            return
        now = _depends(environment)
        for name in sorted({*stored, *now}):
            if stored.get(name) != now.get(name):
                raise HwsimError(
                    f"{self.path} was begun with {name} {stored.get(name)} and this is {now.get(name)}: choose "
                    "another folder with `out`, or start again with `fresh`."
                )

    def _locked(self) -> io.FileIO:
        """The mark, made if need be and locked for this process: the system unlocks it, however the process ends."""
        mark = io.FileIO(self.path / MARK, "a+")
        try:
            _lock(mark.fileno())
        except (BlockingIOError, PermissionError):
            mark.close()
            raise HwsimError(
                f"Another run is writing to {self.path}: let it end, or choose another folder with `out`."
            ) from None
        return mark

    # --- a run

    def plans(self, environment: Mapping[str, Any]) -> Plans:
        """The plans that an earlier run made under the same settings: this one takes them too.

        Raises:
            HwsimError: as `begin`.
        """
        if self.fresh:
            return {}
        self._check_environment(environment)
        return self._stored_plans(Seals(self.scenario, _depends(environment)))

    def begin(self, environment: Mapping[str, Any], plans: Plans | None = None) -> dict[Trial, TrialRecord]:
        """Make the folder ready for a run and return the trials that are already finished.

        Args:
            environment: versions and fingerprints.
            plans: those of the run; one that the folder keeps takes the place of an equal variant's.

        Raises:
            HwsimError: if another run is writing, or the finished trials were made with other versions, another
                network or other images.
        """
        plans = {} if plans is None else plans
        with _said(self.path):
            self.claim()
            if self.fresh:
                self._remove(DERIVED + KEPT)
            self._check_environment(environment)
            self._seals = Seals(self.scenario, _depends(environment), plans)
            plans.update(self._stored_plans(self._seals))
            text = to_toml(self.scenario)
            if _text(self.path / SCENARIO) != text:
                self._remove(DERIVED)
            self.write_text(ENVIRONMENT, _json(environment))
            self.write_text(SCENARIO, text)
            if plans:
                self._keep_plans(plans)
            return self._finished()

    def claim(self) -> None:
        """Take the folder for this process, and check again what it is.

        Raises:
            HwsimError: if another run has it, or it has become something else.
        """
        if self._lock is None:
            with _said(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                self._check_contents()
                self._lock = self._locked()
                self._check_contents()

    def _remove(self, names: Iterable[str]) -> None:
        """Remove what a run writes, and nothing else."""
        for name in names:
            for file in (self.path / name, _partial(self.path / name)):
                file.unlink(missing_ok=True)

    def _stored_plans(self, seals: Seals) -> Plans:
        plans: Plans = {}
        for row in _rows(self.path / PLANS):
            try:
                if row["of"] == seals.of_variant(row["variant"]):
                    plans |= from_json([row])
            except (LookupError, TypeError, ValueError):
                continue  # of a variant that is not there now, or written by hand
        return plans

    def _keep_plans(self, plans: Plans) -> None:
        """Write the plans before the first trial, and those of other variants again."""
        rows = [{"of": self._seals.of_variant(row["variant"]), **row} for row in to_json(plans)]
        others = [row for row in _rows(self.path / PLANS) if _place(row) not in map(_place, rows)]
        self.write_json(PLANS, others + rows)

    def _finished(self) -> dict[Trial, TrialRecord]:
        """The trials of the log that this run would make itself; lines that are not whole are taken out."""
        path = self.path / TRIALS
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        records = {line: record for line in lines if (record := _record(line)) is not None}
        torn = sum(line not in records for line in lines)
        if torn:
            _log.warning(
                "%d of %d lines in %s are not whole, as after a full disk or a kill: their trials run again.",
                torn,
                len(lines),
                path,
            )
            self.write_bytes(TRIALS, b"".join(line for line in lines if line in records))
        found, strange = {}, set()
        for record in records.values():
            seal = record.pop("seal", None)
            try:
                trial = trial_of(self.scenario, record)
                if seal == self._seals.of_trial(trial, record):
                    found[trial] = TrialRecord.from_json(record)
                else:
                    strange.add(trial)
            except (LookupError, TypeError):
                continue  # of what this scenario does not have
        changed = strange.difference(found).intersection(all_trials(self.scenario))
        if changed:
            _log.warning(
                "%d trials in %s were made under other settings or changed since: they run again.", len(changed), path
            )
        return found

    def append(self, trial: Trial, record: TrialRecord) -> None:
        """Add one finished trial: a kill loses at most the trial that was running.

        Raises:
            HwsimError: if it cannot be written; what was there is still whole.
        """
        body = trial.to_json() | record.to_json()
        line = json.dumps({**body, "seal": self._seals.of_trial(trial, body)}, allow_nan=False) + "\n"
        with _said(self.path):
            handle = os.open(self.path / TRIALS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                before = os.fstat(handle).st_size
                try:
                    _write(handle, line.encode())
                except OSError:
                    os.ftruncate(handle, before)
                    raise
            finally:
                os.close(handle)

    # --- files

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
        partial = _partial(path)
        with _said(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(partial, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o666)
            try:
                _write(handle, data)
                os.fsync(handle)  # its name must not outlive its contents when the power goes
            finally:
                os.close(handle)
            partial.replace(path)


def _lock(handle: int) -> None:
    """Lock an open file for this process, or raise an `OSError` at once if another one has it."""
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(handle: int, data: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part and refuses the rest."""
    while data:
        data = data[os.write(handle, data) :]


def _partial(path: Path) -> Path:
    """The name of a file while it is written."""
    return path.with_name(path.name + ".part")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _record(line: bytes) -> dict[str, Any] | None:
    """What a line of the log holds; None for one that is not whole."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _rows(path: Path) -> list[Any]:
    """The plans in a file; none if it is damaged, or not there."""
    try:
        rows = json.loads(_text(path) or "[]")
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, dict) and "of" in row] if isinstance(rows, list) else []


def _place(row: Row) -> tuple[Any, ...]:
    """What a plan is of."""
    return row.get("of"), row.get("format"), row.get("variant")


def _environment(folder: Path) -> dict[str, Any] | None:
    """The versions and fingerprints that a run of hwsim left in a folder; None if there are none."""
    try:
        stored = json.loads(_text(folder / ENVIRONMENT) or "")
        return _depends(stored) if "hwsim" in stored["packages"] else None
    except (ValueError, LookupError, TypeError):
        return None


def _depends(environment: Mapping[str, Any]) -> dict[str, str]:
    """What of the environment trials depend on."""
    return {**environment["packages"], **environment["inputs"]}


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value
