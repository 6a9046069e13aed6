"""Every option of every command does something, and what it does is what the Python call does.

A case runs a command with and without the option. An option without a case fails the first test.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import typer

import hwsim
from hwsim import cli
from hwsim.datapath import DatapathConfig, PlanOptions, division_table
from hwsim.datapath.costs import prices
from hwsim.experiment.catalogue.catalogue import NetworkFacts, list_networks, load_network
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies.survey import survey
from hwsim.hardening import Scaling
from hwsim.memory.device.error_rate import error_rate
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.fault_maps.fault_map_summary import summarise
from hwsim.memory.life.mission import Condition
from hwsim.memory.technology.constants import technology
from hwsim.network import Network, capture
from hwsim.report.plan_drawing import draw_plan
from hwsim.words import describe
from tests.test_cli import Command, command, scenario

__all__ = ["command", "scenario"]  # fixtures

DAY, YEAR = 86_400.0, 365.25 * 86_400

Case = Callable[[Command], None]
CASES: dict[tuple[str, str], Case] = {}


def case(name: str, option: str) -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES[name, option] = function
        return function

    return register


def options() -> Iterator[tuple[str, str]]:
    """Every option of every command, but for help, version and completion: (the words of the command, the option)."""

    def walk(found: Any, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for parameter in found.params:
            if (
                parameter.param_type_name == "option"
                and not getattr(parameter, "hidden", False)
                and not parameter.is_eager
                and not parameter.name.endswith("_completion")
            ):
                yield " ".join(words), parameter.opts[0]
        for name, below in getattr(found, "commands", {}).items():
            yield from walk(below, (*words, name))

    return walk(typer.main.get_command(cli.app), ())


def test_every_option_of_every_command_has_a_case() -> None:
    assert set(CASES) == set(options())


@pytest.mark.parametrize("of", CASES, ids=lambda of: " ".join(of))
def test_an_option_changes_what_the_python_call_says_it_changes(
    of: tuple[str, str], command: Command, scenario: str
) -> None:
    CASES[of](command)


def said(command: Command, *arguments: str) -> Any:
    """What a command prints as JSON."""
    found = command(*arguments, "--json")
    assert (found.code, found.err) == (0, "")
    return json.loads(found.out)


# --- run


def small(**more: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "seed": 3,
        "network": {"name": "lenet5"},
        "data": {"images": 40},
        "memory": {"formats": ["q2.5"], "ber": [1e-2]},
        "trials": {"fault_maps": 2},
        "variants": [{"name": "scaled", "scaling": {"target": "default"}}],
        **more,
    }


@case("run", "--set")
def _(command: Command) -> None:
    plain = said(command, "run", "mine.toml")
    changed = said(command, "run", "mine.toml", "--set", "seed=4", "--set", "data.images=30", "--out", "changed")
    expected = hwsim.run_scenario(small(seed=4, data={"images": 30}), out="python")
    assert changed["rows"] == expected.rows != plain["rows"]


@case("run", "--out")
def _(command: Command) -> None:
    plain, elsewhere = said(command, "run", "mine.toml"), said(command, "run", "mine.toml", "--out", "else/where")
    assert (plain["folder"], elsewhere["folder"]) == ("results/mine", "else/where")
    for found in (plain, elsewhere):
        assert hwsim.experiment.Results.load(found["folder"]).rows == found["rows"]
        assert Path(found["report"]).is_file()


@case("run", "--fresh")
def _(command: Command) -> None:
    log, fewer = Path("results/mine/trials.jsonl"), ("run", "mine.toml", "--set", "trials.fault_maps=1")
    said(command, "run", "mine.toml")
    every = log.read_text().splitlines()
    kept = said(command, *fewer)
    assert log.read_text().splitlines() == every  # trials that are there are kept, and not run again
    assert said(command, *fewer, "--fresh")["rows"] == kept["rows"]
    assert len(log.read_text().splitlines()) < len(every)


@case("run", "--json")
def _(command: Command) -> None:
    found = said(command, "run", "mine.toml")
    expected = hwsim.run_scenario(small(), out="python")
    assert found["rows"] == expected.rows
    assert found["counts"] == expected.counts
    assert found["facts"]["accuracy"] == expected.facts["accuracy"]


# --- words, formats, networks, scenarios


def of_word(command: Command, *arguments: str) -> tuple[str, float, list[tuple[list[int], float]]]:
    found = said(command, "word", "0.3", *arguments)
    return found["word"], found["value"], [(flip["bits"], flip["value"]) for flip in found["flips"]]


def by_describe(*arguments: Any) -> tuple[str, float, list[tuple[list[int], float]]]:
    view = describe("0.3", *arguments)
    return view.hex(), view.value, [(list(flip.bits), flip.value) for flip in view.flips]


@case("word", "--format")
def _(command: Command) -> None:
    assert of_word(command) == by_describe("fp32")
    assert of_word(command, "--format", "bf16") == by_describe("bf16") != by_describe("fp32")


@case("word", "--flip")
def _(command: Command) -> None:
    found = of_word(command, "--flip", "3", "--flip", "30")
    assert found == by_describe("fp32", (3, 30))
    assert [bits for bits, _ in found[2]] == [[3], [30], [3, 30]]


@case("word", "--json")
def _(command: Command) -> None:
    found = said(command, "word", "0.1")
    assert (found["given"], found["word"], found["rounding_error"]) == (0.1, "0x3dcccccd", 0.10000000149011612 - 0.1)
    assert [(one["field"], one["bits"], int(one["content"], 2)) for one in found["fields"]] == [
        ("sign", [31, 31], 0),
        ("exponent", [30, 23], 123),
        ("fraction", [22, 0], 0x4CCCCD),
    ]
    assert said(command, "word", "-inf", "--format", "fp16")["value"] == "-inf"  # JSON has no infinity


@case("formats", "--json")
def _(command: Command) -> None:
    found = {one["format"]: one for one in said(command, "formats")}
    assert set(found) == set(hwsim.words.format_names())
    assert found["q2.5"] == {
        "format": "q2.5",
        "bits": 8,
        "fields": {"sign": 1, "integer": 2, "fraction": 5},
        "lowest": -4.0,
        "largest": 3.96875,
        "smallest": 0.03125,
        "default_target": 3.96875,
    }


def facts(found: list[dict[str, Any]]) -> list[NetworkFacts]:
    return [NetworkFacts(**one) for one in found]


@case("networks", "--all")
def _(command: Command) -> None:
    assert facts(said(command, "networks", "--all")) == list_networks() != list_networks(torchvision=False)


@case("networks", "--json")
def _(command: Command) -> None:
    assert facts(said(command, "networks")) == list_networks(torchvision=False)


@case("scenarios", "--json")
def _(command: Command) -> None:
    found = {one["scenario"]: one["what"] for one in said(command, "scenarios")}
    assert found["quickstart"].startswith("The first one to run")
    for name in found:
        assert load_scenario(name).name == name


# --- memory


@case("memory list", "--json")
def _(command: Command) -> None:
    for one in said(command, "memory", "list"):
        found = technology(one["technology"])
        assert (one["title"], tuple(one["mechanisms"])) == (found.title, found.mechanisms)


@case("memory show", "--set")
def _(command: Command) -> None:
    plain = said(command, "memory", "show", "stt_mram")["share_of_wrong_cells"]["temperature"]["10 years"]
    changed = said(command, "memory", "show", "stt_mram", "--set", "delta=45")
    delta = next(one for one in changed["constants"] if one["constant"] == "delta")
    assert (delta["value"], delta["default"], delta["trust"]) == (45, 60, "given")
    shares = changed["share_of_wrong_cells"]["temperature"]["10 years"]
    expected = error_rate(technology("stt_mram").override({"delta": 45}), Condition(85), 10 * YEAR).total
    assert shares["85 degC"] == expected != plain["85 degC"]


@case("memory show", "--json")
def _(command: Command) -> None:
    found = said(command, "memory", "show", "sram")
    names = [one["constant"] for group in ("constants", "geometry", "access") for one in found[group]]
    assert names == [constant.name for constant in technology("sram")]
    expected = error_rate(technology("sram"), Condition(voltage_v=0.55), YEAR).total
    assert found["share_of_wrong_cells"]["voltage"]["1 year"]["0.55 V"] == expected


RATES: dict[str, tuple[str, list[str], list[str], Condition, float, int]] = {
    "--age": ("pcm", [], ["--age", "3 days"], Condition(), 3 * DAY, 0),
    "--temperature": ("stt_mram", ["--age", "1y"], ["--temperature", "85C"], Condition(85), YEAR, 0),
    "--voltage": ("sram", [], ["--voltage", "600 mV"], Condition(voltage_v=0.6), 0, 0),
    "--refresh": ("dram", ["--age", "1 day"], ["--refresh", "2 s"], Condition(refresh_every_s=2.0), DAY, 0),
    "--cycles": ("nand_tlc", ["--age", "1y"], ["--cycles", "5000"], Condition(), YEAR, 5000),
    "--reads": ("nand_tlc", ["--age", "1y"], ["--reads", "0.01"], Condition(reads_per_s=0.01), YEAR, 0),
}


def rate_case(option: str) -> Case:
    name, always, given, condition, age_s, cycles = RATES[option]

    def run(command: Command) -> None:
        plain = said(command, "memory", "rate", name, *always)
        found = said(command, "memory", "rate", name, *always, *given)
        expected = error_rate(technology(name), condition, age_s, cycles)
        assert found["share"] == expected.total != plain["share"]
        assert found["parts"] == expected.parts
        assert found["without_effect"] == []

    return run


for option in RATES:
    case("memory rate", option)(rate_case(option))


@case("memory rate", "--set")
def _(command: Command) -> None:
    found = said(command, "memory", "rate", "stt_mram", "--age", "1y", "--set", "delta=45", "--set", "delta_sigma=2")
    changed = technology("stt_mram").override({"delta": 45, "delta_sigma": 2})
    assert found["share"] == error_rate(changed, Condition(), YEAR).total
    assert {one["constant"]: one["value"] for one in found["changed"]} == {"delta": 45, "delta_sigma": 2}


@case("memory rate", "--json")
def _(command: Command) -> None:
    found = said(command, "memory", "rate", "sram", "--voltage", "0.6V", "--age", "2 h", "--cycles", "7")
    assert (found["technology"], found["age_s"], found["cycles"]) == ("sram", 7200.0, 7)
    assert found["condition"]["voltage_v"] == 0.6


MAP = """# hwsim fault map, version 1
# geometry banks=8 rows=512 columns=256 word_cells=64 block_rows=512 block_columns=16
# threshold V, fails below
bank,row,column,fails,threshold
0,17,3,0,0.547
0,17,19,0,0.521
2,409,61,1,0.5512
5,0,200,flip,0.55
"""


def of_map(command: Command, *arguments: str) -> tuple[int, int, int]:
    Path("chip.csv").write_text(MAP)
    found = said(command, "memory", "map", "chip.csv", *arguments)
    return found["faults"], found["to_zero"], found["to_one"]


@case("memory map", "--at")
def _(command: Command) -> None:
    assert of_map(command) == (4, 2, 1)
    assert of_map(command, "--at", "0.5505V") == (1, 0, 1)  # only this cell needs more
    assert of_map(command, "--at", "540 mV") == (3, 1, 1)


@case("memory map", "--draw")
def _(command: Command) -> None:
    from hwsim.report.map_figure import fault_map_figure
    from hwsim.report.style import save, styled

    of_map(command, "--draw", "banks.svg")
    with styled():
        expected = save(fault_map_figure(FaultMap.from_csv("chip.csv")))["svg"]
    assert Path("banks.svg").read_bytes() == expected


@case("memory map", "--json")
def _(command: Command) -> None:
    of_map(command)
    found = said(command, "memory", "map", "chip.csv")
    expected = summarise(FaultMap.from_csv("chip.csv"))
    for name, value in found.items():
        assert name == "geometry" or value == getattr(expected, name), name
    assert found["geometry"]["banks"] == 8
    assert found["rate"] == 4 / (8 * 512 * 256)


# --- divisions


@cache
def lenet5() -> Network:
    import torch

    return capture(load_network("lenet5", "random"), torch.zeros(2, 1, 28, 28))


def costs(network: Network, scaling: Scaling | None = None, **more: Any) -> list[tuple[Any, ...]]:
    rows = division_table(network, scaling or Scaling(), **more)
    return [
        (
            row.way,
            row.counts and row.counts.total.as_dict(),
            row.divisor_words,
            row.divisor_bits,
            row.cost,
            row.overflow,
        )
        for row in rows
    ]


def of_divisions(command: Command, *arguments: str) -> list[tuple[Any, ...]]:
    ways = said(command, "divisions", "lenet5", *arguments)["ways"]
    names = ("way", "counts", "constants", "constant_bits", "cost", "overflow")
    return [tuple(way[name] for name in names) for way in ways]


DIVISIONS: dict[str, tuple[list[str], list[str], dict[str, Any]]] = {
    "--batch": ([], ["3"], {"config": DatapathConfig(batch=3)}),
    "--divider": ([], ["reciprocal"], {"config": DatapathConfig(divider="reciprocal")}),
    "--power-of-two": ([], [], {"scaling": Scaling(power_of_two=True)}),
    "--activations": ([], ["fp16"], {"config": DatapathConfig(activations="fp16")}),
    "--accumulators": ([], ["fp16"], {"config": DatapathConfig(accumulators="fp16")}),
    "--format": (["--activations", "fp16"], ["q2.5"], {"config": DatapathConfig(activations="fp16"), "format": "q2.5"}),
    "--headroom-bits": (
        ["--activations", "fp16"],
        ["12"],
        {"config": DatapathConfig(activations="fp16"), "options": PlanOptions(headroom_bits=12.0)},
    ),
    "--cost": ([], ["energy"], {"options": PlanOptions(prices("energy", "fp32").values)}),
}


def division_case(option: str) -> Case:
    always, value, expected = DIVISIONS[option]

    def run(command: Command) -> None:
        plain, found = of_divisions(command, *always), of_divisions(command, *always, option, *value)
        assert found == costs(lenet5(), **expected) != plain

    return run


for option in DIVISIONS:
    case("divisions", option)(division_case(option))


@case("divisions", "--image-size")
def _(command: Command) -> None:
    import torch

    found = said(command, "divisions", "squeezenet1_1", "--image-size", "64")
    network = capture(load_network("squeezenet1_1", "random"), torch.zeros(2, 3, 64, 64))
    assert found["image_shape"] == [3, 64, 64]
    assert [way["counts"] for way in found["ways"]] == [row[1] for row in costs(network)]
    assert said(command, "divisions", "lenet5")["image_shape"] == [1, 28, 28]


@case("divisions", "--inner-multipliers")
def _(command: Command) -> None:
    import torch

    options = "squeezenet1_1", "--image-size", "64", "--list"
    (plain,) = said(command, "divisions", *options)["ways"]
    (found,) = said(command, "divisions", *options, "--inner-multipliers")["ways"]
    network = capture(load_network("squeezenet1_1", "random"), torch.zeros(2, 3, 64, 64))
    rows = division_table(network, config=DatapathConfig(inner_multipliers=True))
    row = next(row for row in rows if row.way == "planned")
    listed = [(site["tensor"], site["kind"], site["elements"]) for site in found["sites"]]
    assert listed == [(site.tensor, site.kind, site.elements) for site in row.sites]
    # The last mean takes up what the logits are divided by otherwise.
    assert "absorbed" in {kind for _, kind, _ in listed} - {site["kind"] for site in plain["sites"]}


@case("divisions", "--json")
def _(command: Command) -> None:
    assert of_divisions(command) == costs(lenet5())


def listed(command: Command, *arguments: str) -> list[tuple[str, int]]:
    (way,) = said(command, "divisions", "lenet5", "--list", *arguments)["ways"]
    return [(site["tensor"], site["elements"]) for site in way["sites"]]


def division_sites(way: str) -> list[tuple[str, int]]:
    row = next(row for row in division_table(lenet5(), Scaling()) if row.way == way)
    return [(site.tensor, site.elements) for site in row.sites]


@case("divisions", "--list")
def _(command: Command) -> None:
    assert listed(command) == division_sites("planned")


@case("divisions", "--way")
def _(command: Command) -> None:
    assert listed(command, "--way", "per_layer") == division_sites("per_layer") != division_sites("planned")


def drawing(way: str, fold: int = 0) -> str:
    row = next(row for row in division_table(lenet5(), Scaling()) if row.way == way)
    assert row.plan is not None
    return draw_plan(lenet5(), row.plan, row.sites, fold)


@case("divisions", "--draw")
def _(command: Command) -> None:
    said(command, "divisions", "lenet5", "--draw", "plan.svg", "--way", "per_layer")
    assert Path("plan.svg").read_text() == drawing("per_layer")


@case("divisions", "--fold")
def _(command: Command) -> None:
    said(command, "divisions", "lenet5", "--draw", "plan.svg", "--fold", "1")
    assert Path("plan.svg").read_text() == drawing("planned", 1) != drawing("planned")


@case("divisions", "--all")
def _(command: Command) -> None:
    """Only that it goes through torchvision's classifiers, of which a few stand for all: `test_survey` has numbers."""
    few = [fact for fact in list_networks() if fact.name in ("torchvision/squeezenet1_1", "fashion_resnet")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwsim.experiment.catalogue.catalogue.list_networks", lambda torchvision: few)
        found = command("divisions", "--all")
    head, *rows = csv.reader(found.out.splitlines())
    assert head[:2] == ["network", "way"]
    assert {row[0] for row in rows} == {"torchvision/squeezenet1_1"}


SURVEYED: dict[str, tuple[list[str], str, Any]] = {
    "--image-size": (["64"], "image_size", 64),
    "--batch": (["3"], "config", DatapathConfig(batch=3)),
    "--format": (["q2.5"], "format", "q2.5"),
    "--divider": (["reciprocal"], "config", DatapathConfig(divider="reciprocal")),
    "--power-of-two": ([], "scaling", Scaling(power_of_two=True)),
    "--activations": (["fp16"], "config", DatapathConfig(activations="fp16")),
    "--accumulators": (["bf16"], "config", DatapathConfig(accumulators="bf16")),
    "--inner-multipliers": ([], "config", DatapathConfig(inner_multipliers=True)),
    "--headroom-bits": (["3"], "options", PlanOptions(headroom_bits=3.0)),
    "--cost": (["energy"], "options", PlanOptions(prices("energy", "fp32").values)),
}


@pytest.mark.parametrize("option", SURVEYED)
def test_every_option_of_all_reaches_the_survey(option: str, command: Command) -> None:
    """The survey is stood in for: what it makes of its arguments is tested with it."""
    value, name, expected = SURVEYED[option]
    asked: list[dict[str, Any]] = []

    def stand_in(*given: Any, **named: Any) -> list[list[str]]:
        found = signature(survey).bind(*given, **named)
        found.apply_defaults()
        asked.append(found.arguments)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hwsim.experiment.studies.survey.survey", stand_in)
        assert command("divisions", "--all").code == command("divisions", "--all", option, *value).code == 0
    plain, found = asked
    assert {key for key in found if found[key] != plain[key]} == {name}
    assert found[name] == expected
