"""Before a run: how many trials there are and how long they take, and that what cannot end is not begun."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import all_trials
from hwsim.experiment.studies import effort
from hwsim.experiment.studies.effort import announce, count_trials, duration
from hwsim.experiment.studies.progress import silent
from hwsim.experiment.studies.run import run_scenario
from hwsim.library import scenario_library

from .conftest import small
from .test_lifetime_study import life


def test_trials_are_counted_without_listing_them() -> None:
    for name in scenario_library():
        scenario = load_scenario(name)
        if scenario.study != "bit_errors":
            assert count_trials(scenario) == len(all_trials(scenario))
    assert count_trials(load_scenario(small(trials={"fault_maps": 10**18}))) == 2 * (1 + 2 * 10**18)


@pytest.mark.parametrize("maps", [10**12, 10**18])
@pytest.mark.parametrize("scenario", [small, life])
def test_what_would_take_years_is_refused_before_anything_is_loaded_or_written(
    tmp_path: Path, scenario: object, maps: int
) -> None:
    data = scenario(trials={"fault_maps": maps}, network={"name": "lenet5", "weights": "nowhere.pt"})  # type: ignore[operator]
    with pytest.raises(HwsimError, match=r"trials of 0\.001 s would take .* years: lower `trials\.fault_maps`"):
        run_scenario(data, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_records_that_memory_cannot_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "_memory_bytes", lambda: 2**20)
    run_scenario(small(trials={"fault_maps": 1}, data={"images": 2}), out=tmp_path / "few")
    with pytest.raises(HwsimError, match=r"The records of 40,002 trials would take 0 GiB of memory"):
        run_scenario(small(trials={"fault_maps": 10_000}), out=tmp_path / "many")


@pytest.mark.parametrize(("seconds", "said"), [(1.0, None), (10.0, "14 trials, about 2 min"), (3e7, "years")])
def test_a_long_run_says_how_long_from_what_one_pass_took(
    caplog: pytest.LogCaptureFixture, seconds: float, said: str | None
) -> None:
    caplog.set_level(logging.INFO, "hwsim")
    if said == "years":
        with pytest.raises(HwsimError, match=r"14 trials of 3e\+07 s would take 13\.3 years"):
            announce(load_scenario(small()), seconds, silent)
    else:
        announce(load_scenario(small()), seconds, silent)
        assert (said in caplog.text) if said else not caplog.records


def test_a_time_is_said_in_its_unit() -> None:
    assert [duration(s) for s in (0.4, 59, 119, 120, 7_199, 7_200, 172_799, 172_800)] == [
        "0 s", "59 s", "119 s", "2 min", "120 min", "2 h", "48 h", "2 days",
    ]  # fmt: skip


def test_more_images_at_a_time_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    rows = run_scenario(small(data={"batch": 10**18}, trials={"fault_maps": 1}), out=tmp_path / "a").rows
    assert rows == run_scenario(small(data={"batch": 40}, trials={"fault_maps": 1}), out=tmp_path / "b").rows
