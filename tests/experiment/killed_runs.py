"""Runs that die at each operation that changes a file, one after the other, in children of one process that is warm.

    python -m tests.experiment.killed_runs FOLDER CASE

A child runs a scenario with its report and ends without a word, as from SIGKILL, right before its n-th operation, or
when half of a write is done. A second child runs the same command. What the two left is compared with what one run
leaves that is let alone, file by file. Prints the number of operations.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies import bench, bit_errors, study
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.run import run_scenario
from hwsim.report import write

from .conftest import small
from .test_lifetime_study import life

PLANNED = {"name": "planned", "scaling": {}, "divide": "planned"}
FEW: dict[str, Any] = {"data": {"images": 2}, "trials": {"fault_maps": 1}}
ACCURACY = small(**FEW, memory={"ber": 1e-2}, variants=[PLANNED])
OTHER = small(**FEW, memory={"ber": 1e-2}, variants=[PLANNED], seed=4)
FEWER = small(**FEW, memory={"ber": 1e-2}, variants=[])
LIFE = life(mission={"read_at": ["0 s", "1 year"]}, **FEW, variants=[])
BITS = {**small(data=None, trials=None, memory={"ber": None}), "study": "bit_errors", "variants": []}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any] | None, bool]] = {
    # what is run, what was run in the folder before, and whether that is discarded
    "new": (ACCURACY, None, False),
    "fresh": (ACCURACY, OTHER, True),
    "extended": (ACCURACY, FEWER, False),
    "life": (LIFE, None, False),
    "fresh life": (LIFE, ACCURACY, True),
    "bits": (BITS, None, False),
}
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
KILLED = 9
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def kill(name: str, top: Path) -> int:
    """Kills the run of a case at each of its operations in turn; returns how many they are."""
    scenario, before, fresh = CASES[name]
    warm(scenario, before)
    whole, template, cut = top / "whole", top / "template", top / "cut"
    assert in_child(once, scenario, whole, False) == 0
    assert before is None or in_child(once, before, template, False) == 0
    expected = contents(whole)
    gc.freeze()  # what the children share is not copied for the sake of looking for garbage
    at = 0
    while True:
        shutil.rmtree(cut, ignore_errors=True)
        if before is not None:
            shutil.copytree(template, cut)
        code = in_child(once, scenario, cut, fresh, at)
        if code == 0:
            return at
        assert code == KILLED, f"the run that dies at {at} ended with {code}"
        left = sorted(contents(cut))
        assert in_child(once, scenario, cut, fresh) == 0, f"died at {at} and left {left}"
        found = contents(cut)
        assert found == expected, f"died at {at} and left {left}: {differing(found, expected)}"
        at += 1


def differing(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    return [name for name in {**found, **expected} if found.get(name) != expected.get(name)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def once(data: dict[str, Any], folder: Path, fresh: bool, killed_at: int | None = None) -> None:
    """What `hwsim run` does."""
    os.fsync = lambda handle: None  # a killed process, unlike the power, takes nothing away that was written
    if killed_at is not None:
        die_at(killed_at, folder)
    write.write_report(run_scenario(data, out=folder, fresh=fresh))


def in_child(work: Callable[..., None], *arguments: Any) -> int:
    """Does some work in a child; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        work(*arguments)
        code = 0
    except BaseException as error:  # a child never goes on with what its parent does
        print(repr(error), file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def die_at(last: int, folder: Path) -> None:
    """From now on this process ends at the operation of that number on what is in a folder."""
    done = 0

    def count() -> None:
        nonlocal done
        if done == last:
            os._exit(KILLED)
        done += 1

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not arguments[2] & WRITES):
            return
        if isinstance(arguments[0], int) or os.fspath(arguments[0]).startswith(str(folder)):
            count()

    write = os.write

    def halves(handle: int, data: bytes) -> int:
        count()
        done = write(handle, data[: len(data) // 2])
        count()
        return done + write(handle, data[len(data) // 2 :])

    sys.addaudithook(watch)
    os.write = halves  # type: ignore[assignment]


def warm(*scenarios: dict[str, Any] | None) -> None:
    """Does once, for all children, what touches no file of a results folder: loading, capturing and drawing."""
    opened = {}
    for data in scenarios:
        if data is not None and data["study" if "study" in data else "name"] != "bit_errors":
            scenario = load_scenario(data)
            opened[scenario.seed, scenario.study] = bench.open_bench(scenario, silent)

    def open_bench(scenario: Any, *_: Any) -> bench.Opened:
        bare, facts, environment = opened[scenario.seed, scenario.study]
        inputs = dict(environment["inputs"])
        return bench.Opened(replace(bare, scenario=scenario, plans={}), dict(facts), {**environment, "inputs": inputs})

    study.open_bench = open_bench  # type: ignore[attr-defined]
    captured = bit_errors.load_captured(load_scenario(BITS))
    bit_errors.load_captured = lambda _: captured  # type: ignore[attr-defined]

    def draw(results: Any) -> Iterator[write.Drawn]:
        for name in ("bit_errors",) if results.scenario.study == "bit_errors" else ("accuracy", "agreement"):
            yield write.Drawn(name, name, "", {"png": b"\x89PNG", "svg": b"<svg/>"}, [])

    write.draw = draw


if __name__ == "__main__":
    print(kill(sys.argv[2], Path(sys.argv[1])))
