"""Scenario files: what they may say, and the sentence for whatever they may not."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.datapath import WAYS
from hwsim.datapath.config import DIVIDERS
from hwsim.errors import HwsimError
from hwsim.experiment.scenario.loading import (
    as_data,
    assign,
    find_scenario,
    load_scenario,
    to_toml,
)
from hwsim.experiment.scenario.memory_settings import Store
from hwsim.experiment.scenario.scenario import Divide, Divider, Guard, Scenario, settings_table
from hwsim.hardening import GUARDS
from hwsim.hardening.harden import STORES
from hwsim.library import describe, scenario_library

from .conftest import small


def sentence(data: Any, *settings: str) -> str:
    """What loading says, which must be one sentence."""
    with pytest.raises(HwsimError) as caught:
        load_scenario(data, settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message[-1] in ".?"
    assert "pydantic" not in message
    return message


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    # unknown keys, with the nearest valid one and the place
    (small(memory={"bre": 1e-3}), ["memory.bre", "did you mean 'memory.ber'"]),
    (small(memry={}), ["'memry'", "did you mean 'memory'"]),
    (small(variants=[{"name": "a", "scaling": {"tarhet": 1.0}}]), ["variants[0].scaling.tarhet", "target"]),
    (small(data={"image": 5}), ["data.image", "data.images"]),
    # values that are out of range, of the wrong type, or with a unit that does not belong
    (small(memory={"ber": [1e-3, 1.5]}), ["memory.ber[1]", "1.5", "0 to 1"]),
    (small(memory={"ber": -0.1}), ["memory.ber", "-0.1", "0 to 1"]),
    (small(memory={"ber": float("nan")}), ["memory.ber", "nan"]),
    (small(memory={"ber": "10 years"}), ["`memory.ber`", "'10 years'", "without a unit"]),
    (small(memory={"ber": True}), ["memory.ber", "True"]),
    (small(memory={"ber": []}), ["memory.ber", "0 to 1"]),
    (small(memory={"formats": ["fp33"]}), ["memory.formats[0]", "fp33", "'fp32'?"]),
    (small(memory={"formats": ["q40.2"]}), ["memory.formats", "q40.2"]),
    (small(memory={"format": "fp32"}), ["`memory`", "format", "not both"]),
    (small(memory={"immune": ["exponent_mbs"]}), ["memory", "exponent_mbs"]),
    (small(memory={"immune": ["exponent_msb"]}), ["memory", "q2.5", "exponent"]),
    (small(memory={"store": ["weigths"]}), ["memory.store", "weigths", "'weights'"]),
    (small(memory={"zero_to_one": 2}), ["memory.zero_to_one", "2", "0 to 1"]),
    (small(memory=None), ["`memory` is missing"]),
    (small(data={"images": 0}), ["data.images", "0", "1 or more"]),
    (small(data={"images": 2.5}), ["data.images", "2.5", "whole number"]),
    (small(data={"images": "many"}), ["data.images", "'many'", "whole number"]),
    (small(data={"folder": "photos"}), ["data", "name", "folder", "not both"]),
    (small(datapath={"divider": "shift"}), ["datapath.divider", "'shift'", "reciprocal"]),
    (small(datapath={"batch": 0}), ["datapath.batch", "1 or more"]),
    (small(trials={"fault_maps": 0}), ["trials.fault_maps", "1 or more"]),
    (small(seed=-1), ["`seed`", "-1", "whole number"]),
    (small(seed="one"), ["`seed`", "'one'", "whole number"]),
    (small(name="a/b"), ["`name`", "'a/b'", "letters"]),
    (small(study="acuracy"), ["`study`", "acuracy", "'accuracy'"]),
    (small(network="lenet5"), ["`network`", "table"]),
    (small(network={"input_shape": [1, 28]}), ["network.input_shape", "channels"]),
    # variants that cannot be meant
    (small(variants=[{"name": "a", "divide": "per_layer"}]), ["'a'", "no scaling"]),
    (small(variants=[{"name": "a", "scaling": {}, "divide": "none"}]), ["'a'", "never divides"]),
    (small(variants=[{"name": "a", "scaling": {}, "divide": "per_leyer"}]), ["variants[0].divide", "per_leyer"]),
    (small(variants=[{"name": "a", "scaling": {"target": 0}}]), ["variants[0].scaling.target", "above 0"]),
    (small(variants=[{"name": "a", "scaling": {"target": "big"}}]), ["variants[0].scaling.target", "'big'"]),
    (small(variants=[{"name": "a", "scaling": {"granularity": "row"}}]), ["scaling.granularity", "'channel'"]),
    (small(variants=[{"name": "a", "guards": ["clip"]}]), ["variants[0].guards", "'clip'", "clamp"]),
    (small(variants=[{"name": "a", "formats": ["fp32"]}]), ["'a'", "fp32", "q2.5"]),
    (small(variants=[{"name": "a", "scaling": {}}, {"name": "a", "guards": ["clamp"]}]), ["named 'a'"]),
    (small(variants=[{"name": "unscaled", "scaling": {}}]), ["named 'unscaled'", "baseline"]),
    (small(variants=[{"scaling": {}}]), ["variants[0].name", "missing"]),
    # settings that a study would pass over
    (small(study="bit_errors"), ["has no effect", "bit_errors"]),
    (small(study="bit_errors", data=None, trials=None), ["memory.ber", "has no effect"]),
]


@pytest.mark.parametrize(("data", "parts"), WRONG, ids=[f"{i}-{parts[0]}" for i, (_, parts) in enumerate(WRONG)])
def test_wrong_input_is_one_sentence_with_its_place_and_what_would_be_right(
    data: dict[str, Any], parts: list[str]
) -> None:
    message = sentence(data)
    for part in parts:
        assert part in message


def test_a_missing_error_rate_is_asked_for() -> None:
    assert "memory.ber" in sentence(small(memory={"ber": None}))


def test_a_file_that_is_not_toml_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text('seed = 1\n[network\nname = "lenet5"\n')
    message = sentence(path)
    assert str(path) in message
    assert "line 2" in message


def test_a_file_of_other_bytes_is_no_scenario(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert str(path) in sentence(path)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("quickstrat", "did you mean 'quickstart'"),
        ("nowhere/else.toml", "no scenario file nowhere/else.toml"),
        ("elsewhere/quickstart.toml", "hwsim run quickstart"),
    ],
)
def test_a_scenario_that_is_not_there_gets_a_hint(name: str, part: str) -> None:
    assert part in sentence(name)


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    assert "is a folder" in sentence(tmp_path)


def test_a_file_goes_before_a_shipped_scenario_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_scenario("quickstart") == scenario_library()["quickstart"]
    Path("quickstart").write_text("")
    assert find_scenario("quickstart") == Path("quickstart")


def test_the_file_names_the_scenario_unless_it_names_itself(tmp_path: Path) -> None:
    data = small()
    del data["name"]
    path = tmp_path / "mine.toml"
    path.write_text('[network]\nname = "lenet5"\n[memory]\nformat = "q2.5"\nber = 1e-3\n')
    assert load_scenario(path).name == "mine"
    assert load_scenario(path, ["name=other"]).name == "other"


# --- what is added to what was said


def test_the_fault_free_rate_and_the_baseline_are_always_run() -> None:
    scenario = load_scenario(small(memory={"ber": 1e-3}))
    assert scenario.memory.ber == (0.0, 1e-3)
    assert [variant.name for variant in scenario.variants] == ["unscaled", "scaled"]
    assert scenario.variants[0].is_baseline


def test_a_baseline_that_is_there_is_not_added_again() -> None:
    scenario = load_scenario(small(variants=[{"name": "plain"}, {"name": "scaled", "scaling": {}}]))
    assert [variant.name for variant in scenario.variants] == ["plain", "scaled"]


def test_a_baseline_of_one_format_is_completed_for_the_others() -> None:
    scenario = load_scenario(
        small(memory={"formats": ["q2.5", "fp32"]}, variants=[{"name": "plain", "formats": ["fp32"]}])
    )
    assert [(v.name, v.formats) for v in scenario.variants] == [("unscaled", ("q2.5",)), ("plain", ("fp32",))]


def test_a_list_of_targets_becomes_one_variant_each() -> None:
    scenario = load_scenario(small(variants=[{"name": "s", "scaling": {"target": [0.5, 1, "default"]}}]))
    assert [v.name for v in scenario.variants] == ["unscaled", "s t=0.5", "s t=1", "s t=default"]
    assert [v.target for v in scenario.variants] == [None, 0.5, 1.0, "default"]


def test_a_way_of_dividing_that_is_not_said_is_per_layer_with_scaling_and_none_without() -> None:
    scenario = load_scenario(small(variants=[{"name": "s", "scaling": {}}, {"name": "g", "guards": ["clamp"]}]))
    assert [v.divide for v in scenario.variants] == ["none", "per_layer", "none"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ((),)),
        (["sign"], (("sign",),)),
        ("sign", (("sign",),)),
        (["sign", "fraction"], (("sign", "fraction"),)),
        ([[], ["sign"]], ((), ("sign",))),
    ],
)
def test_immune_bits_are_one_set_or_a_list_of_sets(given: Any, meant: Any) -> None:
    assert load_scenario(small(memory={"immune": given})).memory.immune == meant


def test_one_value_stands_for_a_list_of_one() -> None:
    one = load_scenario(small(memory={"formats": None, "format": "fp32", "ber": 1e-3, "store": "biases"}))
    many = load_scenario(small(memory={"formats": ["fp32"], "ber": [1e-3], "store": ["biases"]}))
    assert one == many


def test_a_scenario_is_described_by_the_first_paragraph_of_its_header(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("# What it runs,\n# in two lines.\n#\n# Details.\nseed = 1\n# Not this.\n", encoding="utf-8")
    assert describe(file) == "What it runs, in two lines."


@pytest.mark.parametrize("name", scenario_library())
def test_every_shipped_scenario_loads_and_describes_itself(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert 40 < len(describe(scenario_library()[name])) < 300


@pytest.mark.parametrize("name", scenario_library())
def test_a_resolved_scenario_says_everything_and_loads_as_itself(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    path = tmp_path / "again.toml"
    path.write_text(to_toml(scenario))
    again = load_scenario(path)
    assert as_data(again) == as_data(scenario)
    assert to_toml(again) == to_toml(scenario)


# --- settings on the command line


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("memory.ber=1e-3", ("memory", "ber"), 1e-3),
        ("memory.ber=[0, 1e-3]", ("memory", "ber"), [0, 1e-3]),
        ("memory.formats=fp32", ("memory", "formats"), "fp32"),
        ('memory.formats=["fp32", "q2.5"]', ("memory", "formats"), ["fp32", "q2.5"]),
        ("network.fold_batchnorm=true", ("network", "fold_batchnorm"), True),
        ("data.images = 7", ("data", "images"), 7),
        ("datapath.batch=8", ("datapath", "batch"), 8),
        ("network.weights=a=b.pt", ("network", "weights"), "a=b.pt"),
        ("variants.0.divide=logits", ("variants", 0, "divide"), "logits"),
        ("variants.scaled.divide=logits", ("variants", 0, "divide"), "logits"),
    ],
)
def test_a_setting_is_put_where_its_key_says(text: str, place: tuple[Any, ...], value: Any) -> None:
    data: Any = assign(small(), text)
    for part in place:
        data = data[part]
    assert data == value


def test_a_setting_leaves_the_rest_and_its_source_as_they_were() -> None:
    before = small()
    after = assign(before, "memory.ber=0.5")
    assert before == small()
    assert {**after, "memory": None} == {**before, "memory": None}


def test_the_format_of_a_file_can_be_set_under_either_name() -> None:
    for written in ("format", "formats"):
        data = small(memory={"formats": None} | {written: "q2.5"})
        for key in ("memory.format", "memory.formats"):
            assert load_scenario(data, [f"{key}=fp16"]).memory.formats == ("fp16",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("memory.ber", "key=value"),
        ("=3", "key=value"),
        ("memory..ber=3", "key=value"),
        ("seed.more=3", "has no key 'more'"),
        ("variants.9.divide=logits", "no item '9'"),
        ("memory.bre=3", "did you mean 'memory.ber'"),
        ("memory.ber=85 degC", "'85 degC'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(text: str, part: str) -> None:
    assert part in sentence(small(), text)


@given(st.floats(0, 1), st.integers(0, 2**40), st.sampled_from(["exact", "reciprocal"]))
def test_settings_arrive_to_the_last_bit(ber: float, seed: int, divider: str) -> None:
    scenario = load_scenario(small(), [f"memory.ber={ber!r}", f"seed={seed}", f"datapath.divider={divider}"])
    assert (max(scenario.memory.ber), scenario.seed, scenario.datapath.divider) == (ber, seed, divider)
    assert load_scenario(tomllib.loads(to_toml(scenario))) == scenario


# --- the list of settings


def test_the_words_of_the_schema_are_those_of_the_parts_that_they_set() -> None:
    assert set(Divide.__args__) == set(WAYS)
    assert set(Divider.__args__) == set(DIVIDERS)
    assert set(Guard.__args__) == set(GUARDS)
    assert set(Store.__args__) == set(STORES)


def test_every_setting_has_a_meaning_and_a_right_value() -> None:
    rows = list(settings_table())
    assert len({row.key for row in rows}) == len(rows)
    assert {row.key for row in rows} >= {"seed", "network.name", "memory.ber", "variants.scaling.target"}
    for row in rows:
        assert len(row.meaning) > 5, row.key
        assert row.must != "different", row.key


def test_a_scenario_cannot_be_changed_once_it_is_made() -> None:
    scenario = load_scenario(small())
    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 4  # type: ignore[misc]
    with pytest.raises(HwsimError, match="finished Scenario"):
        load_scenario(scenario, ["seed=4"])
    assert isinstance(load_scenario(scenario), Scenario)


@pytest.mark.parametrize("key", ["memory.capacity='1 MiB'", "memory.fault_map={file='x.csv'}", "memory.interleave=2"])
def test_a_setting_of_a_device_says_what_a_sweep_of_rates_lacks(key: str) -> None:
    data = {"name": "x", "network": {"name": "lenet5"}, "memory": {"format": "fp16", "ber": 0.1}}
    with pytest.raises(HwsimError, match=r"no effect in an 'accuracy' study: .*add a \[mission\] such as"):
        load_scenario(data, [key])


def test_what_is_advised_for_a_code_in_a_sweep_of_rates_is_a_scenario() -> None:
    data = {"name": "x", "network": {"name": "lenet5"}, "memory": {"format": "fp16", "ecc": "secded"}}
    advised = ["mission.profile=[{ for = '1 s' }]", "memory.flips={ zero_to_one = 1e-4, one_to_zero = 1e-4 }"]
    assert load_scenario(data, advised).study == "lifetime"
    with pytest.raises(HwsimError, match=r"`memory.ber` has no effect in a 'lifetime' study: give rates of flips"):
        load_scenario(data, [*advised, "memory.ber=1e-4"])
