"""The lifetime study: one device serves all reads of a trial, and what it reads is what the images are run on."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim.errors import HwsimError
from hwsim.experiment.results.columns import CONSTANTS, LIFETIME, MECHANISMS
from hwsim.experiment.results.results import Results
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import all_trials
from hwsim.experiment.studies.lifetime import readouts
from hwsim.experiment.studies.run import run_scenario
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.device.device import Device
from hwsim.memory.ecc import code_names, get_code
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms.generic import Flips, StuckAt
from hwsim.memory.mechanisms.mechanism import FORCE_1
from hwsim.report.tables import costs

from .conftest import small, without_none

TABLES = (
    "scenario.toml",
    "environment.json",
    "trials.jsonl",
    "results.csv",
    "results.json",
    "counts.csv",
    "mechanisms.csv",
    "constants.csv",
)
HALF_A_DAY, MONTH, YEAR = 43_200.0, 365.25 * 86_400 / 12, 365.25 * 86_400


def life(memory: dict[str, Any] | None = None, mission: dict[str, Any] | None = None, **tables: Any) -> dict[str, Any]:
    """A small scenario of devices without a technology; None takes a key away."""
    return small(
        memory={
            "ber": None,
            "flips": {"zero_to_one": 1e-10, "one_to_zero": 1e-9, "per": "second"},
            "stuck_at": {"one": 1e-4},
            **(memory or {}),
        },
        mission=without_none(
            {
                "profile": [{"for": "12 h", "at": "25 degC"}, {"for": "12 h"}],
                "repeat_for": "2 years",
                "read_at": ["0 s", "1 month", "1 year"],
                **(mission or {}),
            }
        ),
        **{"trials": {"fault_maps": 2}, **tables},
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


class InterruptAt:
    """A progress that acts as a person who types Ctrl-C before the n-th trial."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, text: str, done: int, total: int) -> None:
        if total and done == self.n:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two formats, two temperatures, a code, a code of a variant's own, a guard in one format."""
    scenario = life(
        {"formats": ["q2.5", "fp16"], "capacity": "1 MiB", "banks": 4, "ecc": "secded"},
        {"at": ["60 degC", "85 degC"], "scrub_every": "1 week"},
        variants=[
            {"name": "scaled", "scaling": {}},
            {"name": "no code", "ecc": "none"},
            {"name": "clamped", "guards": ["clamp"], "formats": ["fp16"]},
        ],
    )
    return run_scenario(scenario, out=tmp_path_factory.mktemp("results") / "r")


def test_a_mission_makes_a_lifetime_study() -> None:
    assert load_scenario(life()).study == "lifetime"


def test_equal_scenarios_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run_scenario(life(), out=tmp_path / name)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.parametrize("stops", [[0], [1], [3], [6, 9]])
def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path, stops: list[int]) -> None:
    """The stops are before the sound run, in the middle of a device's life, and between devices."""
    run_scenario(life(), out=tmp_path / "whole")
    kept = 0
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            run_scenario(life(), out=tmp_path / "cut", progress=InterruptAt(stop - kept))
        kept = stop
    seen: list[int] = []
    run_scenario(life(), out=tmp_path / "cut", progress=lambda text, done, n: seen.append(n))
    assert max(seen) == len(all_trials(load_scenario(life()))) - kept
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "whole")


def test_a_row_is_what_the_python_interface_gives(finished: Results) -> None:
    """The same devices by hand: harden, write, live, read, run."""
    model = hwsim.load_network("lenet5", seed=3)
    data = hwsim.load_data("fashion_mnist", 40, network=model, seed=3)
    network = hwsim.capture(model, data.images[:2])
    stored = hwsim.harden(network, "q2.5", hwsim.Scaling())
    accelerator = hwsim.Accelerator(stored, "per_layer")
    phases = (Phase(HALF_A_DAY, Condition(25)), Phase(HALF_A_DAY, Condition(85)))
    mission = Mission(phases, 2 * YEAR, read_at_s=(0.0, MONTH, YEAR), scrub_every_s=7 * 86_400)
    right: list[list[int]] = []
    wrong: list[list[int]] = []
    corrected: list[list[int]] = []
    for number in range(2):
        mechanisms = [Flips((1e-10, 1e-9), "second"), StuckAt(one=1e-4)]
        device = Device(None, mechanisms, capacity="1 MiB", banks=4, ecc="secded", seed=(3, "device", number))
        readouts = list(device.follow(mission, hwsim.Memory(stored.words, stored.format)))
        runs = [accelerator.run(data.images, readout.faults) for readout in readouts]
        right.append([int((run.predictions == data.labels).sum()) for run in runs])
        wrong.append([readout.wrong_bits for readout in readouts])
        corrected.append([readout.outcome.corrected for readout in readouts])
    for at, read_at_s in enumerate((0.0, MONTH, YEAR)):
        row = finished.row(format="q2.5", variant="scaled", temperature_c=85.0, read_at_s=read_at_s)
        assert row["accuracy"] == pytest.approx(sum(r[at] for r in right) / 80)
        assert row["wrong_cells"] == sum(w[at] for w in wrong) / 2
        assert row["corrected_words"] == sum(c[at] for c in corrected) / 2
        assert row["raw_ber"] == pytest.approx(row["wrong_cells"] / (-(-row["stored_bits"] // 64) * 72))


def test_every_format_and_variant_has_one_run_without_faults(finished: Results) -> None:
    sound = [row for row in finished.rows if row["read_at_s"] is None]
    assert len(sound) == 3 + 4
    for row in sound:
        assert row["fault_maps"] == 1
        assert row["flips"] == row["wrong_cells"] == row["silent_words"] == 0
        assert row["accuracy_maps_low"] is None


def test_a_code_lets_fewer_faults_through_and_costs_cells(finished: Results) -> None:
    for fmt in ("q2.5", "fp16"):
        point = {"format": fmt, "temperature_c": 85.0, "read_at_s": MONTH}
        bare, coded = finished.row(variant="no code", **point), finished.row(variant="unscaled", **point)
        assert coded["faulty_words"] < 0.2 * bare["faulty_words"]
        assert (bare["ecc"], coded["ecc"]) == ("none", "secded")
        assert (bare["cells_per_bit"], coded["cells_per_bit"]) == (1, 72 / 64)
        assert (bare["check_bits"], bare["decode_energy_pj"]) == (0, 0)
        assert coded["check_bits"] == 8 * -(-coded["stored_bits"] // 64)
        assert coded["decode_energy_pj"] > 0
        assert bare["corrected_words"] == bare["detected_words"] == 0
        assert coded["corrected_words"] > 0


def test_later_reads_of_a_device_find_all_that_earlier_ones_found(tmp_path: Path) -> None:
    results = run_scenario(life(), out=tmp_path)
    for variant in ("unscaled", "scaled"):
        found = [results.row(variant=variant, read_at_s=at)["wrong_cells"] for at in (0.0, MONTH, YEAR)]
        assert found == sorted(found)
        assert found[0] < found[-1]


def test_a_time_to_read_alone_gives_what_it_gives_among_others(tmp_path: Path) -> None:
    many = run_scenario(life(), out=tmp_path / "many")
    one = run_scenario(life(mission={"read_at": "1 year"}), out=tmp_path / "one")
    for variant in ("unscaled", "scaled"):
        assert one.row(variant=variant, read_at_s=YEAR) == many.row(variant=variant, read_at_s=YEAR)


def test_what_is_swept_or_said_by_the_phases_is_the_same_life(tmp_path: Path) -> None:
    swept = run_scenario(life(mission={"at": ["25 degC", "85 degC"]}), out=tmp_path / "swept")
    said = life(mission={"profile": [{"for": "12 h", "at": "25 degC"}, {"for": "12 h", "at": "85 degC"}]})
    rows = run_scenario(said, out=tmp_path / "said").rows
    for row in rows:
        if row["read_at_s"] is not None:
            other = swept.row(variant=row["variant"], temperature_c=85.0, read_at_s=row["read_at_s"])
            assert {**other, "temperature_c": None} == row


@pytest.mark.parametrize("ecc", code_names())
def test_every_code_runs_the_network_that_it_stores(tmp_path: Path, ecc: str) -> None:
    """In place codes change words: what the accelerator runs without faults is what the memory gives back."""
    fmt = "fp16" if ecc == "in_place_parity" else "q2.5"
    memory = {"formats": fmt, "ecc": ecc, "flips": None, "stuck_at": {"one": 0.0, "zero": 1e-12}}
    results = run_scenario(life(memory, {"read_at": "0 s"}, trials={"fault_maps": 1}), out=tmp_path)
    code = get_code(ecc, 64, fmt)
    for variant in ("unscaled", "scaled"):
        sound = results.row(variant=variant, read_at_s=None)
        read = results.row(variant=variant, read_at_s=0.0)
        assert (read["wrong_cells"], read["silent_words"], read["faulty_words"]) == (0, 0, 0)
        assert (read["accuracy"], read["logit_error"]) == (sound["accuracy"], sound["logit_error"])
        assert sound["rounded_words"] == 0 or not code.is_exact
    assert (sound["rounded_words"] > 0) is not code.is_exact  # scaled, every bit of a word is used
    log = (results.folder / "trials.jsonl").read_text().splitlines()
    words = -(-sound["stored_bits"] // 64)
    assert {json.loads(line)["read"]["cells"] for line in log} == {words * code.codewords * code.cells}
    assert sound["check_bits"] == words * code.codewords * code.check_bits


def test_rows_have_the_columns_that_are_explained(finished: Results) -> None:
    for name, columns, rows in (
        ("results.csv", LIFETIME, finished.rows),
        ("mechanisms.csv", MECHANISMS, finished.facts["mechanisms"]),
        ("constants.csv", CONSTANTS, finished.facts["constants"]),
    ):
        names = [column.name for column in columns]
        assert all(set(row) == set(names) for row in rows)
        with (finished.folder / name).open(newline="") as table:
            assert next(csv.reader(table)) == names


def test_a_code_with_check_bits_makes_the_memory_give_more_bits_for_the_same_words(finished: Results) -> None:
    totals = {(row["format"], row["variant"]): row for row in finished.counts if row["layer"] == "total"}
    words = 61_470 * finished.facts["images"]
    assert {row["words_read"] for row in totals.values()} == {words}
    for fmt, width in (("q2.5", 8), ("fp16", 16)):
        assert totals[fmt, "no code"]["bits_read"] == words * width
        # (72, 64): all tensors but the last fill their codewords, which are 9/8 of the bits; the last holds ten biases.
        assert words * width * 9 / 8 <= totals[fmt, "scaled"]["bits_read"] < words * width * 9 / 8 * 1.001
    shown = {(line.formats, line.variant): line.counts["bits_read"] for line in costs(finished)}
    assert shown == {key: row["bits_read"] / row["images"] for key, row in totals.items()}


def test_mechanisms_are_told_apart(finished: Results) -> None:
    def found(read_at_s: float) -> dict[str, float]:
        where = ("q2.5", "unscaled", 85.0, read_at_s)
        return {
            row["mechanism"]: row["changed_cells"]
            for row in finished.facts["mechanisms"]
            if (row["format"], row["variant"], row["temperature_c"], row["read_at_s"]) == where
        }

    new = finished.row(format="q2.5", variant="unscaled", temperature_c=85.0, read_at_s=0.0)
    assert found(0.0) == {"flips": 0, "stuck-at": new["wrong_cells"]}
    assert all(changed > 0 for changed in found(MONTH).values())


def test_results_are_read_back_as_they_were(finished: Results) -> None:
    again = Results.load(finished.folder)
    assert again == finished
    assert "no code" in str(again)


def test_a_fault_map_of_a_chip_is_what_the_weights_are_read_through(tmp_path: Path) -> None:
    words = 61_470
    device = Device(None, [StuckAt(one=1e-3)], seed=9)
    fmt = hwsim.get_format("q2.5")
    device.write(hwsim.Memory({"w": fmt.encode([0.0] * words)}, fmt))
    readout = device.read()
    FaultMap.of_readout(readout).to_csv(tmp_path / "chip.csv")
    memory = {"flips": None, "stuck_at": None, "fault_map": {"file": str(tmp_path / "chip.csv")}}
    results = run_scenario(life(memory, {"read_at": "0 s"}), out=tmp_path / "r")
    row = results.row(variant="unscaled", read_at_s=0.0)
    assert row["flips"] == readout.wrong_bits > 0
    assert row["accuracy_maps_low"] == row["accuracy_maps_high"]  # every device is this chip


def test_a_device_of_a_run_is_saved_and_replayed_bit_for_bit(finished: Results, tmp_path: Path) -> None:
    devices = range(finished.scenario.trials.fault_maps)
    read = [list(readouts(finished.scenario, "q2.5", "no code", device, sweep=1)) for device in devices]
    for at, read_at_s in enumerate((0.0, MONTH, YEAR)):
        row = finished.row(format="q2.5", variant="no code", temperature_c=85.0, read_at_s=read_at_s)
        assert row["wrong_cells"] == np.mean([device[at].wrong_bits for device in read])
    saved = FaultMap.of_readout(read[1][-1])
    saved.to_csv(tmp_path / "worst.csv")
    memory = {"flips": None, "stuck_at": None, "fault_map": {"file": str(tmp_path / "worst.csv")}}
    (again,) = readouts(life(memory, {"read_at": "0 s"}), "q2.5", "unscaled")
    assert FaultMap.of_readout(again) == saved
    assert again.faults.after.tolist() == read[1][-1].faults.after.tolist()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((life(), "q2.5", "scled"), ["format and variant", "did you mean 'q2.5, scaled'"]),
        ((life(), "q2.5", "scaled", 9), ["device = 9", "from 0 to"]),
        ((life(), "q2.5", "scaled", 0, 5), ["sweep = 5", "from 0 to"]),
        ((small(), "q2.5", "scaled"), ["no [mission]"]),
    ],
)
def test_a_device_that_is_not_in_a_run_is_refused(arguments: tuple[Any, ...], parts: list[str]) -> None:
    with pytest.raises(HwsimError) as caught:
        readouts(*arguments)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("interleave", [1, 2])
def test_a_device_has_the_geometry_of_its_fault_map_whatever_the_technology_says(
    interleave: int, tmp_path: Path
) -> None:
    chip = Geometry(banks=4, rows=600, columns=256, word_cells=64, block_rows=128, block_columns=64)
    FaultMap.of(chip, np.arange(0, chip.cells, 97), FORCE_1).to_csv(tmp_path / "chip.csv")
    memory = {"flips": None, "stuck_at": None, "fault_map": {"file": str(tmp_path / "chip.csv")}}
    memory |= {"technology": "sram", "interleave": interleave}
    (readout,) = readouts(life(memory, {"read_at": "0 s"}), "q2.5", "scaled")
    model = hwsim.load_network("lenet5")
    network = hwsim.capture(model, hwsim.load_data("fashion_mnist", images=2).images)
    stored = hwsim.harden(network, "q2.5", hwsim.Scaling())
    as_the_map_says = FaultMap.from_csv(tmp_path / "chip.csv", replace(chip, interleave=interleave)).faults(
        hwsim.Memory(stored.words, stored.format)
    )
    assert readout.placement.geometry.size == chip.size
    assert readout.faults.address.tolist() == as_the_map_says.address.tolist()
    assert readout.faults.after.tolist() == as_the_map_says.after.tolist()


def test_a_run_does_not_go_on_with_another_table_of_constants(tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    scenario = life({"flips": None, "stuck_at": None, "technology": str(table)}, {"read_at": "0 s"})
    table.write_text('based_on = "stt_mram"\n[constants]\ndelta = 50\n')
    run_scenario(scenario, out=tmp_path / "r")
    table.write_text('based_on = "stt_mram"\n[constants]\ndelta = 51\n')
    with pytest.raises(HwsimError, match="the constants of the memory"):
        run_scenario(scenario, out=tmp_path / "r")
    run_scenario(scenario, out=tmp_path / "r", fresh=True)


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (life({"capacity": "16 KiB"}), ["unscaled", "q2.5", "16,384", "capacity of at least"]),
    (life({"word_bits": 12}), ["unscaled", "12", "multiple of 8"]),
    (life({"word_bits": 128, "ecc": "secded"}), ["secded", "128", "64"]),
    (life({"formats": "fp32", "ecc": "in_place_secded"}), ["in_place_secded", "fp32", "8-bit"]),
    (life({"fault_map": {"file": "lost.csv"}}), ["lost.csv"]),
    (life({"technology": "stt_mram", "constants": {"write_overdrive": 1.2}}), ["overdrive = 1.2", "from 1.5"]),
    (life({"capacity": "100 bit"}), ["capacity", "whole number of memory words"]),
]


def test_a_network_larger_than_the_chip_of_a_fault_map_is_refused(tmp_path: Path) -> None:
    chip = Geometry(banks=1, rows=16, columns=64, word_cells=64)
    FaultMap.of(chip, [0, 5]).to_csv(tmp_path / "chip.csv")
    scenario = life({"flips": None, "stuck_at": None, "fault_map": {"file": str(tmp_path / "chip.csv")}})
    with pytest.raises(HwsimError, match=r"the device has 128: give it a geometry of at least 60\.03 KiB"):
        run_scenario(scenario, out=tmp_path / "r")


@pytest.mark.parametrize(("scenario", "parts"), REFUSED, ids=[parts[-1] for _, parts in REFUSED])
def test_what_does_not_fit_a_device_is_said_before_anything_is_written(
    tmp_path: Path, scenario: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(HwsimError) as caught:
        run_scenario(scenario, out=tmp_path / "r")
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "r").exists()
