"""A run that is killed at any of its file operations goes on to the same bytes, in a new folder and in an old one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {"new": 90, "fresh": 130, "extended": 90, "life": 90, "fresh life": 130, "bits": 60}
"""Each with a number of operations that it has at least: a kill that never came would prove nothing."""

QUICK = {"new", "fresh"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def test_killed_at_each_of_its_file_operations_a_run_goes_on_to_the_same_bytes(tmp_path: Path, case: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiment.killed_runs", tmp_path, case],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= CASES[case]
