"""A few hundred cases of `make fuzz`."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment.scenario.scenario import Scenario, settings_table
from tests.fuzz import KINDS, Maker, accepted, run
from tests.fuzz_runs import made_scenario, run_to_its_end


@pytest.mark.parametrize("part", range(4))
def test_inputs_that_are_nearly_right_end_in_a_result_or_in_one_short_sentence(part: int, tmp_path: Path) -> None:
    wrong = [f"{n}: {found}" for n in range(part * 100, part * 100 + 100) if (found := run(1, n, tmp_path, KINDS))]
    assert not wrong


@pytest.mark.parametrize("part", range(3))
def test_accepted_scenarios_run_to_a_result_or_to_one_short_sentence(part: int, tmp_path: Path) -> None:
    wrong = [f"{n}: {found}" for n in range(part * 15, part * 15 + 15) if (found := run(2, n, tmp_path, (accepted,)))]
    assert not wrong


def test_most_accepted_scenarios_end_in_a_result(tmp_path: Path) -> None:
    ended = 0
    for n in range(12):
        with contextlib.suppress(HwsimError):
            run_to_its_end(made_scenario(random.Random(n)), tmp_path / "r")
            ended += 1
    assert ended > 6


@pytest.mark.parametrize("target", [1e308, 2.0**520, 5e-324, 1e-300])
@pytest.mark.parametrize("study", ["accuracy", "bit_errors"])
def test_a_target_that_no_stored_constant_reaches_is_refused(target: float, study: str, tmp_path: Path) -> None:
    scenario = {
        "name": "x", "study": study, "network": {"name": "tiny"}, "memory": {"formats": "q2.5"},
        "variants": [{"name": "v", "scaling": {"target": target}}],
    }  # fmt: skip
    if study == "accuracy":
        scenario |= {"memory": {"formats": "q2.5", "ber": 0.1}, "data": {"images": 2}}
    with pytest.raises(HwsimError, match=r"Scaling target t = .* too far .* exponent from -512 to 511"):
        run_to_its_end(scenario, tmp_path / "r")


def test_every_setting_is_tried(tmp_path: Path) -> None:
    made = {".".join(place) for place in Maker(random.Random(0), tmp_path).places(Scenario)}
    assert {row.key for row in settings_table()} <= made
    assert len(set(KINDS)) == 8
