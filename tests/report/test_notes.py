"""Remarks beside the tables follow from the run's own numbers, and none is made where there is nothing to say."""

from __future__ import annotations

import pytest

from hwsim.experiment.results.results import Results, Row
from hwsim.report.notes import notes
from tests.report.made_up import made_up


def quiet(study: str) -> Results:
    """Results about which there is nothing to say."""
    results = made_up(study)
    for row in results.rows:
        row |= {"accuracy": 0.9375, "invalid": 0.0, "overflows": 0}
    for row in results.facts["constants"]:
        row["default"] = None
    assert notes(results) == []
    return results


def year(results: Results, variant: str, fmt: str = "fp16") -> Row:
    return results.row(format=fmt, variant=variant, read_at_s=31_557_600.0)


def test_a_code_that_does_harm_is_explained_by_what_it_did_where_it_did_most() -> None:
    results = quiet("lifetime")
    year(results, "unscaled").update(accuracy=0.88, flips=3000.0, faulty_words=2900.0, exponent_bits_set=0.0)
    year(results, "coded & <b>").update(
        accuracy=0.10,
        flips=12_000.0,
        faulty_words=1600.0,
        detected_words=400.25,
        miscorrected_words=14.75,
        exponent_bits_set=166.5,
    )
    results.row(format="fp16", variant="coded & <b>", read_at_s=315_576_000.0)["accuracy"] = 0.8
    assert notes(results) == [
        "coded & <b> in fp16 does worse than unscaled, the same without the code: 10.0 % against 88.0 % (25 °C, at "
        "1 year). There it found 400 codewords that it could not correct (read as 0, good bits and bad) and "
        "miscorrected 15; after decoding 12,000 bits of 1,600 words are wrong, without the code 3,000 of 2,900. "
        "Exponent bits that were stored as 0 and read as 1, which multiply a weight by a power of two: 166.5 with the "
        "code, 0 without."
    ]


@pytest.mark.parametrize(("coded", "plain"), [(0.90, 0.905), (0.9, 0.2)])
def test_a_code_that_does_no_harm_is_not_remarked_on(coded: float, plain: float) -> None:
    results = quiet("lifetime")
    year(results, "unscaled")["accuracy"] = plain
    year(results, "coded & <b>")["accuracy"] = coded
    year(results, "scaled")["accuracy"] = 0.93  # better than the code, and more than the code is different
    assert notes(results) == []


def test_exponent_bits_are_not_blamed_where_the_code_set_no_more_of_them() -> None:
    results = quiet("lifetime")
    for fmt, with_code, without in (("fp16", 5.0, 5.0), ("q2.5", None, None)):
        year(results, "unscaled", fmt).update(exponent_bits_set=without)
        year(results, "coded & <b>", fmt).update(accuracy=0.10, exponent_bits_set=with_code)
    found = notes(results)
    assert len(found) == 2
    assert all("does worse" in note and "xponent" not in note for note in found)


def test_words_that_are_left_as_they_were_read_are_not_said_to_be_cleared() -> None:
    results = quiet("lifetime")
    memory = results.scenario.memory.model_copy(update={"uncorrectable": "as_read"})
    scenario = results.scenario.model_copy(update={"memory": memory})
    year(results, "coded & <b>")["accuracy"] = 0.1
    (note,) = notes(Results(scenario, results.folder, results.facts, results.rows, [], {}))
    assert "(read as they were)" in note


def test_rounding_that_costs_a_point_or_more_is_said_by_format() -> None:
    results = quiet("accuracy")
    for variant, accuracy in (("unscaled", 0.8001), ("scaled", 0.93), ("kept & <b>", 0.9249)):
        results.row(format="q2.5", variant=variant, ber=0.0)["accuracy"] = accuracy
    assert notes(results) == [
        "Storing the weights in q2.5 costs accuracy before any fault, in points: 13.7 (unscaled), 1.3 (kept & <b>)."
    ]


def test_the_worst_share_of_images_without_a_result_is_said() -> None:
    results = quiet("accuracy")
    results.row(format="fp16", variant="scaled", ber=1e-4)["invalid"] = 0.25
    results.row(format="q2.5", variant="unscaled", ber=2e-2)["invalid"] = 0.5
    assert notes(results) == [
        "Images with NaN among their logits count as wrong: up to 50.0 % of them (q2.5, unscaled, BER 2e-2)."
    ]


def test_a_single_image_without_a_result_is_said() -> None:
    results = quiet("accuracy")
    results.row(format="fp16", variant="scaled", ber=1e-4)["invalid"] = 1 / 2000
    assert notes(results) == [
        "Images with NaN among their logits count as wrong: up to 0.1 % of them (fp16, scaled, BER 1e-4)."
    ]


def test_overflows_without_a_fault_are_said_and_those_by_faults_are_not() -> None:
    results = quiet("lifetime")
    results.row(format="fp16", variant="scaled", read_at_s=None).update(overflows=1234, overflow_layers="conv2+fc1")
    year(results, "scaled").update(overflows=99)
    assert notes(results) == ["scaled in fp16 overflows without any fault, first in conv2 (1,234 values)."]


def test_constants_that_are_not_the_tables_are_named() -> None:
    results = quiet("lifetime")
    results.facts["constants"][1]["default"] = "60"
    assert notes(results) == ["Constants that the scenario sets to another value than the table's: constant_1."]


@pytest.mark.parametrize("condition", ["temperature_c", "voltage_v", "refresh_every_s"])
def test_a_code_is_compared_with_no_code_under_the_same_conditions(condition: str) -> None:
    results = quiet("lifetime")
    for row in results.rows:
        if row["read_at_s"] in (31_557_600.0, 315_576_000.0):  # two conditions at one age
            mild = row["read_at_s"] == 315_576_000.0
            row |= {condition: 2.0 if mild else 1.0, "read_at_s": 31_557_600.0, "accuracy": 0.9 if mild else 0.1}
    assert notes(results) == []


def test_what_was_found_without_faults_is_said_to_be() -> None:
    results = quiet("lifetime")
    results.row(format="fp16", variant="scaled", read_at_s=None)["invalid"] = 0.5
    assert notes(results) == [
        "Images with NaN among their logits count as wrong: up to 50.0 % of them (fp16, scaled, no faults)."
    ]
