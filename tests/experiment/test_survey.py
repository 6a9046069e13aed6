"""The manual's table of division costs is what the command counts now, on a sample of small networks."""

import csv
from pathlib import Path

import pytest
import torch

from hwsim import Scaling, capture
from hwsim.datapath import DatapathConfig, PlanOptions, division_table
from hwsim.experiment.catalogue.catalogue import load_network
from hwsim.experiment.studies.survey import SURVEY_COLUMNS, survey

TABLE = Path(__file__).parents[2] / "docs" / "assets" / "divisions.csv"
SAMPLE = ["alexnet", "densenet121", "mobilenet_v2", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "vit_b_32"]


@pytest.fixture(scope="module")
def table():
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_every_way_of_every_classifier(table):
    from torchvision.models import list_models

    names = {f"torchvision/{name}" for name in list_models() if "/" not in name}
    listed = {row["network"] for row in table}
    # What torchvision lists beside classifiers (detection, segmentation, video, optical flow) is not in the table; a
    # newer torchvision may have classifiers that are not in it yet.
    assert len(listed) == 80
    assert listed <= names
    assert len(table) == 5 * len(listed)


@pytest.mark.parametrize("name", SAMPLE)
def test_rows_of_the_sample_are_counted_again(table, name):
    found = [row for row in table if row["network"] == f"torchvision/{name}"]
    rows = [dict(zip(SURVEY_COLUMNS, row, strict=True)) for row in survey([f"torchvision/{name}"], Scaling(), "fp32")]
    # Where noise overflows first may depend on the machine's rounding; the counts may not.
    for row in (*found, *rows):
        row.pop("overflow")
    assert found == rows


def test_planned_never_costs_more_than_dividing_layer_by_layer(table):
    cost = {
        (row["network"], row["way"]): sum(
            int(row[name]) for name in ("divisions", "reciprocal_multiplications", "shifts", "alignments")
        )
        for row in table
        if row["divisions"]
    }
    for network in {row["network"] for row in table}:
        assert cost[network, "planned"] <= cost[network, "per_layer"]
        assert cost[network, "planned"] <= cost[network, "absorbed"]


def test_every_option_reaches_every_network():
    config = DatapathConfig(batch=3, divider="reciprocal", activations="bf16")
    settings = "fp16", config, PlanOptions({"shift": 1, "reciprocal": 2, "division": 9})
    found = list(survey(["lenet5"], Scaling(power_of_two=True), *settings, image_size=28))
    graph = capture(load_network("lenet5", "random").module, torch.zeros(2, 1, 28, 28))
    expected = division_table(graph, Scaling(power_of_two=True), *settings)
    at = SURVEY_COLUMNS.index("macs")
    for row, own in zip(found, expected, strict=True):
        assert row[:2] == ["lenet5", own.way]
        assert row[at] == str(own.counts.total.macs)
        assert int(row[at]) % 3 == 0
        assert row[SURVEY_COLUMNS.index("shifts")] == str(own.counts.total.shifts)
