"""Scenarios of earlier versions give the same results as they did: tables kept from then, compared byte by byte."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hwsim.experiment.run import run_scenario

GOLDEN = Path(__file__).parent / "golden"
FLOATING = {"logit_error"}
"""The only column that depends on the order in which a processor sums."""


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_an_accuracy_study_gives_the_bytes_that_it_gave_before_there_were_devices(tmp_path: Path) -> None:
    run_scenario(GOLDEN / "scenario.toml", out=tmp_path)
    for name in ("scenario.toml", "counts.csv"):
        assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()
    before, now = table(GOLDEN / "results.csv"), table(tmp_path / "results.csv")
    assert list(now[0]) == list(before[0])
    for one, other in zip(before, now, strict=True):
        for name, value in one.items():
            if name in FLOATING and value:
                assert float(other[name]) == pytest.approx(float(value), rel=1e-4)
            else:
                assert other[name] == value, name
