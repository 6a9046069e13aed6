"""The [mission] and the device of a scenario: what they may say, and the sentence for whatever they may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwsim.errors import HwsimError
from hwsim.experiment.scenario.loading import as_data, load_scenario, to_toml
from hwsim.experiment.scenario.memory_settings import New, Uncorrectable
from hwsim.experiment.scenario.mission_settings import Sweep
from hwsim.experiment.scenario.points import LifePoint, all_trials
from hwsim.experiment.studies.life import check_constants
from hwsim.experiment.studies.run import run_scenario
from hwsim.memory.ecc import POLICIES
from hwsim.memory.life.mission import Condition, Mission, Phase

from .conftest import small
from .test_lifetime_study import life

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    # time and the events in it
    (life(mission={"profile": [{"for": "-1 h"}]}), ["mission", "-3600", "goes back in time"]),
    (life(mission={"read_at": ["1 year", "1 month"]}), ["mission", "read_at", "in order"]),
    (life(mission={"write_at": "1 day", "read_at": "1 h"}), ["mission", "before the write"]),
    (life(mission={"read_at": "3 years"}), ["mission", "after the end", "longer"]),
    (life(mission={"read_at": ["1 year", "12 months"]}), ["mission", "twice"]),
    (life(mission={"scrub_every": "0 s"}), ["mission", "scrub_every", "more than 0"]),
    (life(mission={"scrub_every": "1 us"}), ["mission", "scrub_every", "10,000,000", "longer interval"]),
    (life(mission={"profile": []}), ["mission.profile"]),
    # conditions
    (life(mission={"at": "-300 degC"}), ["mission", "-300", "absolute zero"]),
    (life(mission={"at": ["25 degC", "25 C"]}), ["mission", "twice"]),
    (life(mission={"voltage": "-1 V"}), ["mission", "-1", "at least 0 V"]),
    (life(mission={"voltage": "1 V"}), ["mission.voltage", "no effect", "no technology"]),
    (life({"technology": "stt_mram"}, {"voltage": "1 V"}), ["mission.voltage", "no effect", "stt_mram"]),
    (
        life({"technology": "sram"}, {"profile": [{"for": "3 years", "refresh_every": "1 s"}]}),
        ["mission.profile[0].refresh_every", "no effect", "sram"],
    ),
    (life(mission={"profile": [{"for": "1 day", "at": "25 degC"}], "at": "85 degC"}), ["`at`", "no effect"]),
    (life(mission={"profile": [{"for": "3 years", "duty": 2}]}), ["mission.profile[0].duty", "0 to 1"]),
    # quantities
    (life(mission={"read_at": 5}), ["mission.read_at", "5 has no unit", "'12 h'"]),
    (life(mission={"read_at": "soon"}), ["mission.read_at", "'soon'", "unit"]),
    (life(mission={"at": "5 V"}), ["mission.at", "'5 V'", "a temperature"]),
    (life(mission={"repeat_for": "10 yeers"}), ["mission.repeat_for", "yeers"]),
    (life({"capacity": "16 MHz"}), ["memory.capacity", "MHz"]),
    # keys
    (life(mission={"reed_at": "0 s"}), ["mission.reed_at", "did you mean 'mission.read_at'"]),
    (life(mission={"profile": [{"fro": "1 h"}]}), ["mission.profile[0].fro", "did you mean 'mission.profile[0].for'"]),
    (life(mission={"profile": [{"at": "25 degC"}]}), ["mission.profile[0].for", "missing", "'12 h'"]),
    (life({"ecc": "secdet"}), ["memory.ecc", "did you mean 'secded'"]),
    (life(variants=[{"name": "a", "ecc": "hamming"}]), ["variants[0].ecc", "hamming"]),
    (life({"uncorrectable": "ignore"}), ["memory.uncorrectable", "'zero'"]),
    (life({"clusters": [{"scope": "raw", "rate": 0.1}]}), ["memory.clusters[0].scope", "'row'"]),
    # technologies
    (life({"technology": "stt_mran"}), ["memory", "did you mean 'stt_mram'"]),
    (life({"technology": "stt_mram", "constants": {"detla": 45}}), ["memory", "did you mean 'delta'"]),
    (life({"technology": "stt_mram", "constants": {"write_pulse": "8 V"}}), ["write_pulse", "'8 V'", "time"]),
    (life({"technology": "stt_mram", "constants": {"delta": float("nan")}}), ["memory", "delta", "not finite"]),
    (life({"technology": "stt_mram", "constants": {"delta": [1, 2]}}), ["memory", "delta", "one number"]),
    (life({"technology": "stt_mram", "constants": {"delta": {"value": 1}}}), ["memory", "delta"]),
    (life({"technology": "lost.toml"}), ["lost.toml"]),
    (life({"constants": {"delta": 45}}), ["constants", "technology"]),
    (life({"flips": None, "stuck_at": None}), ["nothing fails", "memory.technology"]),
    (life({"fault_map": {"file": "chip.csv"}, "capacity": "1 MiB"}), ["`capacity`", "fault map", "leave it out"]),
    # what other studies would ignore
    (life({"ber": 1e-3}), ["memory.ber", "no effect"]),
    (life({"immune": ["sign"]}), ["memory.immune", "no effect"]),
    (small(memory={"technology": "stt_mram"}), ["memory.technology", "no effect", "accuracy"]),
    (small(memory={"cycles": 3}), ["memory.cycles", "no effect"]),
    (small(study="bit_errors", data=None, trials=None, memory={"ber": None, "ecc": "secded"}), ["ecc", "no effect"]),
    (life(study="accuracy"), ["mission", "no effect"]),
    (small(study="lifetime", memory={"ber": None, "flips": {}}), ["`mission` is missing"]),
]


@pytest.mark.parametrize(("data", "parts"), WRONG, ids=[f"{i}-{parts[0]}" for i, (_, parts) in enumerate(WRONG)])
def test_wrong_input_is_one_sentence_with_its_place_and_what_would_be_right(
    data: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(HwsimError) as caught:
        load_scenario(data)
    message = str(caught.value)
    assert "\n" not in message
    assert message[-1] in ".?"
    for part in parts:
        assert part in message


def test_the_keys_of_the_issue_mean_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "mram.toml"
    path.write_text(
        """
        network = { name = "lenet5" }
        [memory]
        format = "q2.5"
        technology = "stt_mram"
        capacity = "16 MiB"
        word_bits = 64
        banks = 8
        ecc = "secded"
        [mission]
        write_at = "0 s"
        profile = [ {for = "12 h", at = "25 degC"}, {for = "12 h", at = "85 degC"} ]
        repeat_for = "10 years"
        read_at = ["0 s", "1 month", "1 year", "10 years"]
        scrub_every = "1 day"
        """
    )
    scenario = load_scenario(path)
    assert scenario.study == "lifetime"
    assert scenario.mission is not None
    assert list(scenario.mission.sweeps) == [Sweep(None, None, None)]
    year_s, half_a_day_s = 365.25 * 86_400, 43_200.0
    assert scenario.mission.mission(Sweep(None, None, None)) == Mission(
        (Phase(half_a_day_s, Condition(25.0)), Phase(half_a_day_s, Condition(85.0))),
        repeat_for_s=10 * year_s,
        read_at_s=(0.0, year_s / 12, year_s, 10 * year_s),
        scrub_every_s=86_400.0,
    )


def test_all_combinations_of_what_is_swept_are_run_in_order() -> None:
    swept = {"at": ["25 degC", "85 degC"], "voltage": ["0.7 V", "600 mV"]}
    scenario = load_scenario(life({"technology": "sram"}, swept))
    points = [trial.point for trial in all_trials(scenario) if trial.point.variant == "scaled" and trial.map == 0]
    assert points[0] == LifePoint("q2.5", "scaled")
    assert [point[2:4] for point in points[1::3]] == [(25, 0.7), (25, 0.6), (85, 0.7), (85, 0.6)]
    assert [point[-1] for point in points[1:4]] == list(scenario.mission.read_at_s)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "scenario",
    [
        life(),
        life({"technology": "sram"}, {"profile": [{"for": "3 years", "at": "25 degC", "voltage": "1 V"}]}),
        life({"technology": "dram"}, {"profile": [{"for": "3 years", "at": "25 degC", "refresh_every": "64 ms"}]}),
        life(
            {"technology": {"based_on": "stt_mram", "constants": {"delta": 45}}, "constants": {"write_pulse": "8 ns"}}
        ),
        life({"clusters": {"scope": "row", "rate": 1e-3}, "technology": "sram"}, {"voltage": "0.7 V"}),
    ],
)
def test_a_resolved_scenario_says_everything_and_loads_as_itself(scenario: dict[str, Any], tmp_path: Path) -> None:
    resolved = load_scenario(scenario)
    path = tmp_path / "again.toml"
    path.write_text(to_toml(resolved))
    again = load_scenario(path)
    assert as_data(again) == as_data(resolved)
    assert to_toml(again) == to_toml(resolved)


def test_constants_of_a_scenario_are_told_from_those_of_the_table() -> None:
    cells = load_scenario(life({"technology": "stt_mram", "constants": {"delta": 45}})).memory.cells()
    assert cells is not None
    assert [(c.name, c.value, c.trust, c.default and c.default.value) for c in cells.overridden] == [
        ("delta", 45.0, "given", 60.0)
    ]


def test_the_words_of_the_schema_are_those_of_the_parts_that_they_set() -> None:
    assert set(Uncorrectable.__args__) == set(POLICIES)
    assert set(New.__args__) == {"zeros", "ones", "random"}


@pytest.mark.parametrize(
    ("memory", "mission", "why"),
    [
        ({"technology": "pcm", "constants": {"levels_2bit": [0, 0.3, 0.6, 1]}}, {}, "neither what fails"),
        ({"technology": "sram", "constants": {"read_energy": 2}}, {}, "neither what fails"),
        ({"technology": {"based_on": "sram", "constants": {}, "access": {"read_energy": 2}}}, {}, "neither what fails"),
        ({"technology": "sram", "banks": 2, "constants": {"banks": 4}}, {}, "`memory.banks` is given too"),
        ({"technology": "sram", "constants": {"nominal_voltage": 0.7}}, {"voltage": "0.8 V"}, "its own `voltage`"),
        (
            {"technology": "dram", "constants": {"refresh_interval": 1}},
            {"profile": [{"for": "1 day", "at": "25 degC", "refresh_every": "1 s"}]},
            "its own `refresh_every`",
        ),
    ],
)
def test_a_constant_that_a_run_would_ignore_is_refused_before_it_begins(
    memory: dict[str, Any], mission: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(HwsimError, match=f"is not used by this run: .*{why}.*; leave (it|one) out"):
        run_scenario(life(memory, mission), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_constants_that_some_phase_leaves_to_the_technology_are_used() -> None:
    own = {"technology": "sram", "constants": {"nominal_voltage": 0.7, "banks": 4, "vmin_mean": 0.4}}
    check_constants(load_scenario(life(own, {"profile": [{"for": "1 h", "voltage": "1 V"}, {"for": "1 h"}]})))
