"""The answer line: what it says follows from the rows, and it claims no more than they do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.experiment.results.results import Results
from hwsim.report.answer import answer, reaches
from hwsim.report.estimates import fault_free
from tests.report.made_up import made_up


def with_losses(study: str, losses: dict[float, list[float]], widths: float = 0.0, maps: int = 10) -> Results:
    """Made-up results in which the variant "scaled" in fp16 loses these points, of 90 %, at each value of the axis."""
    results = made_up(study)
    column = "ber" if study == "accuracy" else "read_at_s"
    whole: dict[str, Any] = {"accuracy": 0.9, "accuracy_maps_low": None, "accuracy_maps_high": None}
    for row in results.rows:
        row |= whole
        if row[column] in losses and (row["format"], row["variant"]) == ("fp16", "scaled"):
            (loss,) = losses[row[column]]
            row["accuracy"] = 0.9 - loss / 100
        if not fault_free(row) and maps > 1:
            row["accuracy_maps_low"] = row["accuracy"] - widths / 100
            row["accuracy_maps_high"] = row["accuracy"] + 0.001
    trials = results.scenario.trials.model_copy(update={"fault_maps": maps})
    scenario = results.scenario.model_copy(update={"trials": trials})
    return Results(scenario, results.folder, results.facts, results.rows, results.counts, results.environment)


def line_of(results: Results, variant: str) -> tuple[str, bool]:
    """How far a variant in fp16 goes, and whether it is starred."""
    found = answer(results)
    assert found is not None
    for line in found.lines:
        names = line.variants.split("; ")
        if line.section == "fp16" and variant in [name.rstrip("*") for name in names]:
            return line.reach, f"{variant}*" in names
    raise AssertionError(f"no line names {variant}")


@pytest.mark.parametrize(
    ("at_1e_4", "at_2e_2", "reach"),
    [
        (0.0, 0.5, "2e-2 (every rate tried)"),
        (0.99, 1.0, "1e-4"),  # exactly a point is not less than one
        (0.99, 0.99, "2e-2 (every rate tried)"),
        (1.5, 50.0, "none (mildest: 1e-4)"),
        (1.5, 0.2, "none (mildest: 1e-4)"),  # harsher and better: nothing is claimed beyond the first failure
        (-3.0, -2.0, "2e-2 (every rate tried)"),
    ],
)
def test_a_variant_goes_as_far_as_every_milder_rate_keeps_all_but_a_point(
    at_1e_4: float, at_2e_2: float, reach: str
) -> None:
    results = with_losses("accuracy", {1e-4: [at_1e_4], 2e-2: [at_2e_2]})
    found = answer(results)
    assert found is not None
    assert found.question == "Less than 1 point of accuracy lost to faults, up to a bit error rate of"
    assert line_of(results, "scaled") == (reach, False)
    assert line_of(results, "unscaled") == ("2e-2 (every rate tried)", False)


def test_a_lifetime_says_for_how_long() -> None:
    results = with_losses("lifetime", {0.0: [0.1], 31_557_600.0: [0.4], 315_576_000.0: [3.0]})
    found = answer(results)
    assert found is not None
    assert found.question.endswith("up to an age of")
    assert line_of(results, "scaled")[0] == "1 year"
    assert line_of(results, "unscaled")[0] == "10 years (every age tried)"
    assert found.basis.startswith("Mean over 10 devices and 800 images")
    worse = with_losses("lifetime", {0.0: [2.0], 31_557_600.0: [0.4], 315_576_000.0: [3.0]})
    assert line_of(worse, "scaled")[0] == "none (mildest: 0 s)"


def test_a_swept_voltage_is_answered_downwards(voltages: Results) -> None:
    found = answer(voltages)
    assert found is not None
    assert found.question.endswith("down to a supply voltage of")
    assert {line.reach for line in found.lines} <= {
        "0.58 V",
        "0.5 V",
        "0.46 V (every voltage tried)",
        "none (mildest: 0.58 V)",
    }


def test_what_the_interval_does_not_say_is_starred_and_the_star_explained() -> None:
    for width, starred in ((0.4, False), (0.6, True)):
        results = with_losses("accuracy", {1e-4: [0.5], 2e-2: [5.0]}, widths=width)
        found = answer(results)
        assert found is not None
        assert line_of(results, "scaled") == ("1e-4", starred)
        assert line_of(results, "unscaled") == ("2e-2 (every rate tried)", False)
        assert ("* The 95 % interval of the loss over fault maps reaches 1 point or more." in found.basis) == starred


def test_one_map_is_said_to_be_one_and_stars_nothing() -> None:
    results = with_losses("accuracy", {1e-4: [0.5], 2e-2: [5.0]}, maps=1)
    found = answer(results)
    assert found is not None
    assert "*" not in str(found)
    assert found.basis == (
        "One fault map only, and another may lose more; on 800 images, against the same stored words without faults."
    )
    assert all(not reach.sure for _, each in reaches(results) for reach in each if reach.last is not None)


@pytest.mark.parametrize(
    ("images", "said"), [(40, " One image is 2.5 points."), (100, " One image is 1 point."), (101, "")]
)
def test_few_images_are_said_to_be_few(images: int, said: str) -> None:
    results = with_losses("accuracy", {})
    results.facts["images"] = images
    found = answer(results)
    assert found is not None
    assert found.basis == (
        f"Mean over 10 fault maps and {images} images, against the same stored words without faults.{said}"
    )


def test_a_run_without_faults_has_no_answer() -> None:
    results = made_up("accuracy")
    memory = results.scenario.memory.model_copy(update={"ber": (0.0,)})
    scenario = results.scenario.model_copy(update={"memory": memory})
    rows = [row for row in results.rows if row["ber"] == 0]
    assert answer(Results(scenario, results.folder, results.facts, rows, [], {})) is None


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.9, 1.1, 40.0]), min_size=3, max_size=3))
def test_lines_go_from_the_furthest_to_the_least_and_name_every_variant_once(losses: list[float]) -> None:
    times = (0.0, 31_557_600.0, 315_576_000.0)
    results = with_losses("lifetime", {at: [loss] for at, loss in zip(times, losses, strict=True)})
    found = answer(results)
    assert found is not None
    order = ["10 years (every age tried)", "1 year", "0 s", "none (mildest: 0 s)"]
    for section in ("fp16", "q2.5"):
        lines = [line for line in found.lines if line.section == section]
        places = [order.index(line.reach) for line in lines]
        assert places == sorted(set(places))
        names = [name for line in lines for name in line.variants.split("; ")]
        assert sorted(names) == sorted(variant.name for variant in results.scenario.variants)
    held = next((at for at, loss in enumerate(losses) if loss >= 1), 3)
    assert line_of(results, "scaled")[0] == order[3 - held]


@pytest.mark.parametrize(("whole", "left"), [(0.57, 0.56), (0.92, 0.91), (0.875, 0.865)])
def test_a_whole_point_is_not_less_than_one_however_it_rounds_in_binary(whole: float, left: float) -> None:
    results = with_losses("accuracy", {})
    results.row(format="fp16", variant="scaled", ber=0.0)["accuracy"] = whole
    for ber in (1e-4, 2e-2):
        results.row(format="fp16", variant="scaled", ber=ber)["accuracy"] = left
    assert line_of(results, "scaled")[0] == "none (mildest: 1e-4)"


@pytest.mark.parametrize(("milder", "starred"), [(0.5, True), (0.1, False)])
def test_a_doubt_at_a_milder_point_is_not_dispelled_by_a_harsher_one(milder: float, starred: bool) -> None:
    """The interval reaches 0.6 points further than the loss."""
    results = with_losses("accuracy", {1e-4: [milder], 2e-2: [0.1]}, widths=0.6)
    assert line_of(results, "scaled") == ("2e-2 (every rate tried)", starred)


def test_names_with_commas_are_told_apart() -> None:
    results = with_losses("accuracy", {})
    for row in results.rows:
        if row["variant"] == "scaled":
            row["variant"] = "scaled, unscaled"
    found = answer(results)
    assert found is not None
    assert [line.variants for line in found.lines if line.section == "fp16"] == [
        "unscaled; scaled, unscaled; kept & <b>"
    ]
