"""Rows of the results from trials that are known: shares, their intervals and means, by closed forms."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import Any

import pytest

from hwsim.datapath.counts import COUNTERS, LayerCounts
from hwsim.experiment.results.record import Storage, TrialRecord
from hwsim.experiment.results.summary import point_rows
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import all_trials

from .conftest import small

IMAGES = 80
CORRECT, AGREE = (60, 52, 47), (70, 66, 41)
T_TWO_DEGREES, Z = 4.302652729911275, 1.959963984540054  # quantiles of 97.5 %: Student's with two degrees, normal


def rows(crops: int) -> list[dict[str, Any]]:
    scenario = load_scenario(small(data={"crops": crops}, memory={"ber": [1e-3]}))
    records = {}
    for trial in all_trials(scenario):
        sound = trial.point.fault_free
        varying = {"guarded_words": 1 + trial.map, "underflows": 3 * trial.map}
        records[trial] = TrialRecord(
            correct=72 if sound else CORRECT[trial.map],
            agree=78 if sound else AGREE[trial.map],
            invalid=0 if sound else 2 * trial.map,
            logit_error=None if trial.map == 1 else 0.5 + trial.map,
            flips={"sign": trial.map, "integer": 10, "fraction": 3 * trial.map},
            faulty_words=7 + trial.map,
            overflows={"conv1": 2} if trial.map == 2 else {},
            counts=LayerCounts(**dict.fromkeys(COUNTERS, 5) | varying),
            storage=Storage(stored_bits=1, constant_bits=2, clipped=3),
        )
    return [row for row in point_rows(scenario, IMAGES, records) if row["variant"] == "scaled"]


def wilson(share: float, n: int) -> tuple[float, float]:
    """The two shares p whose normal test statistic for `share` of n is just at the quantile: roots of a quadratic."""
    a, b, c = 1 + Z**2 / n, -(2 * share + Z**2 / n), share**2
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


@pytest.mark.parametrize("crops", [1, 2, 8])
@pytest.mark.parametrize(("measure", "hits", "sound_hits"), [("accuracy", CORRECT, 72), ("agreement", AGREE, 78)])
def test_a_share_is_of_its_own_hits_and_crops_of_one_photograph_count_as_one(
    crops: int, measure: str, hits: tuple[int, ...], sound_hits: int
) -> None:
    sound, faulty = rows(crops)
    shares = [hit / IMAGES for hit in hits]
    half = T_TWO_DEGREES * stdev(shares) / math.sqrt(3)
    assert faulty[measure] == pytest.approx(fmean(shares))
    assert faulty[f"{measure}_maps_low"] == pytest.approx(max(0.0, fmean(shares) - half))
    assert faulty[f"{measure}_maps_high"] == pytest.approx(min(1.0, fmean(shares) + half))
    assert sound[measure] == sound_hits / IMAGES
    assert sound[f"{measure}_maps_low"] is sound[f"{measure}_maps_high"] is None
    for row in (sound, faulty):
        ends = (row[f"{measure}_images_low"], row[f"{measure}_images_high"])
        assert ends == pytest.approx(wilson(row[measure], IMAGES // crops))
        assert row["images"] == IMAGES  # all of them were run


@pytest.mark.parametrize("crops", [1, 8])
def test_what_varies_is_a_mean_over_maps_and_what_faults_do_not_change_is_not(crops: int) -> None:
    _, row = rows(crops)
    assert row["fault_maps"] == 3
    assert row["invalid"] == pytest.approx((0 + 2 + 4) / 3 / IMAGES)
    assert row["logit_error"] == pytest.approx((0.5 + 2.5) / 2)  # of the maps that have one
    assert row["flips"] == pytest.approx((10 + 14 + 18) / 3)
    assert [row[f"flips_{name}"] for name in ("sign", "exponent", "integer", "fraction")] == [1, None, 10, 3]
    assert (row["faulty_words"], row["guarded_words"], row["underflows"]) == (8, 2, 3)
    assert row["overflows"] == pytest.approx(2 / 3)
    assert row["overflow_layers"] == "conv1"
    assert (row["words_read"], row["stored_bits"], row["constant_bits"], row["clipped"]) == (5, 1, 2, 3)
