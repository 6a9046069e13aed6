"""Scenarios of earlier versions give the same results as they did: tables kept from then, compared text by text.

Columns may be added."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hwsim.experiment.studies.run import run_scenario

GOLDEN = Path(__file__).parent / "golden"
FLOATING = {"logit_error"}
"""The only column that depends on the order in which a processor sums."""


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_an_accuracy_study_gives_what_it_gave_before_there_were_devices(tmp_path: Path) -> None:
    run_scenario(GOLDEN / "scenario.toml", out=tmp_path)
    assert (tmp_path / "scenario.toml").read_bytes() == (GOLDEN / "scenario.toml").read_bytes()
    for name in ("counts.csv", "results.csv"):
        before, now = table(GOLDEN / name), table(tmp_path / name)
        assert [column for column in now[0] if column in before[0]] == list(before[0])
        for one, other in zip(before, now, strict=True):
            for column, value in one.items():
                if column in FLOATING and value:
                    assert float(other[column]) == pytest.approx(float(value), rel=1e-4)
                else:
                    assert other[column] == value, column
