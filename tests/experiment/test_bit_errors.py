"""The error of one flip: against the standard library's own words and against closed forms."""

from __future__ import annotations

import csv
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.experiment.results.columns import BIT_ERRORS
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies.environment import load_captured
from hwsim.experiment.studies.run import run_scenario
from hwsim.hardening import flip_errors
from hwsim.words import get_format

SCENARIO = {
    "name": "bits",
    "study": "bit_errors",
    "network": {"name": "lenet5"},
    "memory": {"formats": ["fp32", "fp16", "q2.5"]},
    "variants": [{"name": "scaled", "scaling": {}}, {"name": "channels", "scaling": {"granularity": "channel"}}],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_scenario(SCENARIO, out=tmp_path_factory.mktemp("bits"))


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """The weights by name, in double precision."""
    _, network = load_captured(load_scenario(SCENARIO))
    return {name: tensor.double().numpy() for name, tensor in network.weights.items()}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 31))
def test_one_flip_of_an_fp32_word_is_what_struct_says(value: float, bit: int) -> None:
    (word,) = struct.unpack("<I", struct.pack("<f", value))
    (after,) = struct.unpack("<f", struct.pack("<I", word ^ (1 << bit)))
    (found,) = flip_errors(np.array([word], np.uint32), bit, get_format("fp32"))
    expected = abs(after - value)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_there_is_one_row_for_every_bit_format_and_variant(results: Results) -> None:
    assert len(results.rows) == 3 * (32 + 16 + 8)
    assert {tuple(row) for row in results.rows} == {tuple(column.name for column in BIT_ERRORS)}
    with (results.folder / "results.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == len(results.rows)


@pytest.mark.parametrize("variant", ["unscaled", "scaled", "channels"])
@pytest.mark.parametrize("fmt", ["fp32", "fp16"])
def test_a_sign_flip_errs_by_twice_the_weight_however_it_is_scaled(
    results: Results, weights: dict[str, np.ndarray], fmt: str, variant: str
) -> None:
    every = np.concatenate([weight.ravel() for weight in weights.values()])
    row = results.row(format=fmt, variant=variant, field="sign")
    assert row["mean_error"] == pytest.approx(2 * np.abs(every).mean(), rel=1e-3)
    assert row["rms_error"] == pytest.approx(2 * np.sqrt(np.square(every).mean()), rel=1e-3)
    assert row["max_error"] == pytest.approx(2 * np.abs(every).max(), rel=1e-3)
    assert row["nonfinite"] == 0
    assert row["words"] == every.size


def test_a_fixed_point_flip_errs_by_its_place_value_over_the_constant(
    results: Results, weights: dict[str, np.ndarray]
) -> None:
    sizes = np.array([weight.size for weight in weights.values()])
    constants = np.array([3.96875 / np.abs(weight).max() for weight in weights.values()])
    for bit in range(8):
        place = 2.0 ** (bit - 5)
        unscaled = results.row(format="q2.5", variant="unscaled", bit=bit)
        assert unscaled["mean_error"] == unscaled["rms_error"] == unscaled["max_error"] == place
        scaled = results.row(format="q2.5", variant="scaled", bit=bit)
        assert scaled["mean_error"] == pytest.approx((sizes * place / constants).sum() / sizes.sum(), rel=1e-6)
        assert scaled["max_error"] == pytest.approx(place / constants.min(), rel=1e-6)


def test_mantissa_errors_stay_where_they_were_and_scaling_tames_the_exponent(results: Results) -> None:
    """What paper.md derives: below the exponent scaling changes little, and non-MSB exponent flips shrink."""
    for bit in range(23):
        pair = [results.row(format="fp32", variant=v, bit=bit)["rms_error"] for v in ("unscaled", "scaled")]
        assert 0.5 < pair[0] / pair[1] < 2
    worst = [
        max(results.row(format="fp32", variant=v, bit=bit)["rms_error"] for bit in range(23, 30))
        for v in ("unscaled", "scaled")
    ]
    assert worst[0] > 3 * worst[1]


def test_flips_that_leave_no_number_are_counted_and_left_out(results: Results) -> None:
    """Scaled weights in [1, 2) have the exponent 127: its most significant bit makes it 255, Inf or NaN."""
    scaled = results.row(format="fp32", variant="scaled", bit=30)
    assert 0 < scaled["nonfinite"] < scaled["words"]
    assert math.isfinite(scaled["max_error"])
    for row in results.rows:
        if row["format"] == "q2.5":
            assert row["nonfinite"] == 0


def test_equal_scenarios_give_equal_bytes(results: Results, tmp_path: Path) -> None:
    run_scenario(SCENARIO, out=tmp_path)
    for name in ("results.csv", "results.json", "scenario.toml"):
        assert (tmp_path / name).read_bytes() == (results.folder / name).read_bytes()


def test_a_setting_that_the_study_would_pass_over_is_refused() -> None:
    with pytest.raises(HwsimError, match=r"variants\[0\].divide.*no effect"):
        load_scenario({**SCENARIO, "variants": [{"name": "a", "scaling": {}, "divide": "logits"}]})
