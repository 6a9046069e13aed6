"""Every published figure beside the model's: it holds within its tolerance, or is named as a misfit."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hwsim.memory.constants import technologies
from hwsim.memory.physics.check_points import CheckPoint, bram_counts, check_points

POINTS = check_points()
MEASURED = Path(__file__).parents[2] / "data" / "bram_undervolting.csv"


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.what)
def test_a_point_holds_or_says_why_not(point: CheckPoint) -> None:
    assert point.holds == (not point.misfit), f"published {point.published}, model {point.model}"


def test_arithmetic_admits_no_misfit() -> None:
    assert not [point.what for point in POINTS if point.kind == "arithmetic" and point.misfit]
    assert max(point.tolerance for point in POINTS if point.kind == "arithmetic") < 0.13


def test_points_are_told_apart_by_their_words() -> None:
    assert len({point.what for point in POINTS}) == len(POINTS)


def test_every_technology_is_checked() -> None:
    checked = {point.technology.partition("/")[0] for point in POINTS}
    assert checked == {name.partition("/")[0] for name in technologies()} | {"all"}


def test_the_measured_counts_are_those_of_the_study() -> None:
    with MEASURED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for board in ("VC707", "KC705-B"):
        voltage, faults, cells = bram_counts(board)
        mine = [row for row in rows if row["board"] == board]
        assert [float(row["voltage_v"]) for row in mine] == voltage.tolist()
        assert [float(row["faults"]) for row in mine] == faults.tolist()
        np.testing.assert_allclose(faults / cells, [float(row["ber"]) for row in mine], rtol=1e-3)
