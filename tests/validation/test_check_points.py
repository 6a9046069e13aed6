"""Every published figure beside the model's: it holds within its tolerance, or is named as a misfit."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hwsim.memory.physics.sram import low_voltage_failure
from hwsim.memory.technology.constants import technologies, technology
from hwsim.validation.check_points import CheckPoint, bram_counts, check_points

POINTS = check_points()
MEASURED = Path(__file__).parents[1] / "data" / "bram_undervolting.csv"


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.what)
def test_a_point_holds_or_says_why_not(point: CheckPoint) -> None:
    assert point.holds == (not point.misfit), f"published {point.published}, model {point.model}"


def test_arithmetic_admits_no_misfit() -> None:
    assert not [point.what for point in POINTS if point.kind == "arithmetic" and point.misfit]
    assert max(point.tolerance for point in POINTS if point.kind == "arithmetic") < 0.13


def test_what_holds_by_construction_holds_closely_and_is_no_measurement() -> None:
    constructed = {point.what: point for point in POINTS if point.kind == "construction"}
    assert not [what for what, point in constructed.items() if point.misfit or point.tolerance > 0.02]
    # The constants of the published magnets, and of the blocks at 0.53 V, were made from the figures that they give.
    assert {point.technology for point in constructed.values()} > {"stt_mram/intel_2018", "stt_mram/cache_2019"}
    blocks = [point for point in POINTS if point.what.endswith("blocks and columns")]
    assert [point.kind for point in blocks] == ["construction", "measured", "measured"]


def test_the_share_of_faults_that_persist_is_that_of_cells_drawn() -> None:
    # 131,072 words at 0.56 V: a share of 3e-6 of 8.4 million cells and more at lower voltages, so there are cells.
    (persists,) = [point for point in POINTS if "persist" in point.what]
    assert persists.model == 1
    tech = technology("sram")
    assert low_voltage_failure(0.56, tech["vmin_mean"].to("V"), tech["vmin_sigma"].to("V")) * 64 * 2**17 > 10


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
