"""Tables of constants: complete, sourced, overridden by name and unit, and refused in one sentence when wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from scipy import constants as si

from hwsim.constants import TRUST, Constant, Trust
from hwsim.constants.units import parse_unit
from hwsim.errors import HwsimError
from hwsim.memory import physics
from hwsim.memory.technology.constants import (
    Technology,
    device_points,
    physical,
    physical_constants,
    technologies,
    technology,
)

NAMES = technologies()
OWN = {
    "name": "mine",
    "title": "My cells",
    "mechanisms": ["soft_error"],
    "constants": {"soft_error_rate": {"value": 500, "unit": "FIT/Mb", "source": "my beam test", "trust": "published"}},
}


# The tables


def test_every_technology_of_the_manual_has_a_table() -> None:
    assert {"sram", "dram", "stt_mram", "nand_tlc", "nand_3d", "pcm", "reram"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_constant_has_a_unit_a_source_and_a_degree_of_trust(name: str) -> None:
    tech = technology(name)
    assert tech.name == name
    assert tech.title
    assert tech.note
    assert tech.mechanisms
    for constant in tech:
        parse_unit(constant.unit)
        assert len(constant.source) > 3, constant.name
        assert constant.trust in ("published", "derived", "assumed"), constant.name
        assert not constant.overridden
        assert constant.trust != "derived" or constant.note or constant.source, constant.name


@pytest.mark.parametrize("name", NAMES)
def test_every_technology_says_what_an_access_costs_and_how_its_cells_lie(name: str) -> None:
    tech = technology(name)
    for energy in ("read_energy", "write_energy"):
        assert tech[energy].to("pJ") > 0
    for latency in ("read_latency", "write_latency"):
        assert tech[latency].to("ns") > 0
    assert tech["leakage"].to("mW") > 0
    assert tech["access_bits"].to("bit") > 0
    assert {"word_bits", "banks", "block_rows", "block_columns", "interleave"} <= set(tech.geometry)
    assert all(isinstance(constant.value, int) for constant in tech.geometry.values())


# Area mm2, read ns, write ns, read pJ, write pJ, leakage mW: 22 nm, 2 MB, 64-bit words, 350 K.
ARRAYS = {
    "sram": (1.309, 4.68, 4.68, 1.13, 17.0, 56.3),
    "stt_mram": (0.220, 0.59, 2.45, 4.37, 43.5, 22.0),
    "stt_mram/worst": (0.720, 0.89, 200.6, 7.45, 295, 12.1),
    "reram": (0.526, 0.79, 5.53, 6.18, 49.7, 12.0),
    "pcm": (0.417, 0.72, 20.4, 5.5, 6.5, 43.5),
    "pcm/worst": (0.481, 2.25, 30002, 5.8, 1.92e6, 22.4),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_memory_arrays_cost_what_was_published(name: str) -> None:
    tech = technology(name)
    keys = ("area", "read_latency", "write_latency", "read_energy", "write_energy", "leakage")
    units = ("mm2", "ns", "ns", "pJ", "pJ", "mW")
    assert tuple(tech[key].to(unit) for key, unit in zip(keys, units, strict=True)) == pytest.approx(ARRAYS[name])


def test_accesses_of_32_bits_cost_what_horowitz_says() -> None:
    sram = technology("sram")
    assert [sram[f"read_energy_{size}_45nm"].value for size in ("8kb", "32kb", "1mb")] == [5, 10, 50]
    dram = technology("dram")
    assert (dram["read_energy"].value, dram["access_bits"].value) == (650, 32)
    parts = sum(dram[name].to("ns") for name in ("row_precharge", "row_to_column", "column_latency"))
    assert dram["read_latency"].to("ns") == pytest.approx(parts)


def test_constants_of_nature_are_those_of_scipy() -> None:
    assert physical("boltzmann") == pytest.approx(si.k / si.e, rel=1e-9)
    assert physical("gyromagnetic_ratio") == pytest.approx(
        si.physical_constants["electron gyromag. ratio"][0], rel=1e-8
    )
    assert all(constant.trust == "published" for constant in physical_constants().values())


def test_every_device_point_is_of_a_technology() -> None:
    assert {point.technology for point in device_points()} <= set(NAMES)
    intel = device_points("stt_mram")[0]
    assert (intel.retention_s, intel.temperature_c, intel.error_rate, intel.endurance) == (3.15576e8, 200, 5e-7, 1e6)
    assert device_points("sram") == ()


# A variant


def test_a_variant_changes_some_constants_and_keeps_the_others() -> None:
    base, worst = technology("stt_mram"), technology("stt_mram/worst")
    assert worst["write_latency"].value == 200.6
    assert worst["delta"] == base["delta"]
    assert worst["write_latency"].overridden is False
    assert "worst" in worst.title


# Overriding


def test_an_override_is_kept_beside_its_default() -> None:
    mram = technology("stt_mram").override({"delta": 45})
    assert (mram["delta"].value, mram["delta"].trust) == (45, "given")
    assert mram["delta"].overridden
    assert mram["delta"].default == technology("stt_mram")["delta"]
    assert [constant.name for constant in mram.overridden] == ["delta"]
    assert str(mram["delta"]) == "45 (default 60)"


def test_a_second_override_still_knows_the_table() -> None:
    mram = technology("stt_mram").override({"delta": 45}).override({"delta": 50})
    default = mram["delta"].default
    assert default is not None
    assert (mram["delta"].value, default.value) == (50, 60)
    assert mram.override({"delta": 60})["delta"] == technology("stt_mram")["delta"]


def test_an_override_leaves_the_table_alone() -> None:
    technology("stt_mram").override({"delta": 45})
    assert technology("stt_mram")["delta"].value == 60


@pytest.mark.parametrize(
    ("name", "key", "given", "value"),
    [
        ("stt_mram", "write_pulse", "8000 ps", 8),
        ("stt_mram", "delta_reference_temperature", "300 K", 26.85),
        ("sram", "vmin_mean", "397.7 mV", 0.3977),
        ("dram", "retention_slope", "0.05 1/K", 0.05),
        ("sram", "soft_error_rate", "1200 FIT/Mb", 1200),
        ("stt_mram", "banks", 16.0, 16),
        ("stt_mram", "banks", "16", 16),
        ("reram", "levels_1bit", [0.1, 0.9], (0.1, 0.9)),
        ("pcm", "programming_noise", ["300 nS", "2 uS", "-1.1 uS"], (0.3, 2.0, -1.1)),
    ],
)
def test_an_override_may_be_a_quantity(name: str, key: str, given: object, value: Any) -> None:
    changed = technology(name).override({key: given})[key].value
    assert changed == pytest.approx(value)
    assert type(changed) is type(technology(name)[key].value)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("stt_mram", {"dleta": 45}, "Unknown constant of stt_mram 'dleta': did you mean 'delta'?"),
        ("stt_mram", {"write_pulse": "8 mV"}, "write_pulse = '8 mV' is a voltage where a time is meant"),
        ("stt_mram", {"write_pulse": "8 xs"}, "Unknown unit 'xs'"),
        ("stt_mram", {"write_pulse": "long"}, "write_pulse = 'long' is not a quantity"),
        ("stt_mram", {"delta": [45, 50]}, "delta = [45, 50] has the wrong shape: give one number"),
        ("stt_mram", {"delta": True}, "delta = True is not a quantity"),
        ("stt_mram", {"delta": None}, "delta = None is not a quantity"),
        ("stt_mram", {"banks": 2.5}, "banks = 2.5 is not a whole number"),
        (
            "reram",
            {"levels_1bit": 0.5},
            "levels_1bit = 0.5 has the wrong shape: give 2 numbers, as in the table's [0, 1]",
        ),
    ],
)
def test_a_wrong_override_is_refused_in_one_sentence(name: str, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        technology(name).override(changes)
    assert sentence in str(error.value)


def test_an_unknown_technology_names_the_nearest() -> None:
    with pytest.raises(HwsimError, match=r"Unknown technology 'stt_ram': did you mean 'stt_mram'\?"):
        technology("stt_ram")
    with pytest.raises(HwsimError, match=r"did you mean 'stt_mram/worst'\?"):
        technology("stt_mram/wurst")


# Values, units, display


def test_a_constant_is_given_in_any_unit_of_its_kind() -> None:
    mram = technology("stt_mram")
    assert mram["write_pulse"].to("s") == 1e-8
    assert mram["delta_reference_temperature"].to("K") == 298.15
    with pytest.raises(HwsimError, match="a time where a voltage is meant"):
        mram["write_pulse"].to("V")
    with pytest.raises(HwsimError, match="is not one number"):
        technology("reram")["levels_2bit"].to("1")


def test_values_are_keyword_arguments() -> None:
    assert technology("nand_tlc").values("wear", "wear_exponent") == {"wear": 3.90e-10, "wear_exponent": 2.05}


def test_a_technology_prints_itself_as_a_table() -> None:
    lines = str(technology("stt_mram").override({"delta": 45})).splitlines()
    assert lines[0] == "STT-MRAM, perpendicular (stt_mram)"
    assert "mechanisms: retention, write_error, read_disturb" in lines
    row = next(line for line in lines if line.split()[:1] == ["delta"])
    assert re.split(r" {2,}", row.strip()) == ["delta", "45 (default 60)", "given", "set by the user"]
    assert any(re.fullmatch(r"  write_pulse +10 ns +assumed +chosen by us", line) for line in lines)
    assert max(map(len, lines)) < 140


def test_the_degrees_of_trust_are_explained() -> None:
    assert set(TRUST) == set(get_args(Trust))


# A table of one's own


def test_an_own_table_is_a_technology() -> None:
    mine = technology(OWN)
    assert (mine.name, mine.mechanisms) == ("mine", ("soft_error",))
    assert mine["soft_error_rate"] == Constant("soft_error_rate", 500, "FIT/Mb", "my beam test", "published")


def test_an_own_table_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cool_mram.toml"
    path.write_text('based_on = "stt_mram"\n[constants]\ndelta = 70\nwrite_pulse = "12 ns"\n', encoding="utf-8")
    for source in (path, str(path)):
        mine = technology(source)
        assert mine.name == "cool_mram"
        assert {c.name: c.value for c in mine.overridden} == {"delta": 70, "write_pulse": 12}
        assert mine.mechanisms == technology("stt_mram").mechanisms
        assert "cool_mram" in mine["delta"].source


def test_an_own_entry_brings_its_source_and_note() -> None:
    entry = {"value": 0.02, "unit": "us", "source": "our tester", "trust": "published", "note": "at 25 degC"}
    mine = technology({"name": "m", "based_on": "stt_mram", "constants": {"write_pulse": entry}})
    pulse = mine["write_pulse"]
    assert (pulse.value, pulse.unit) == (pytest.approx(20), "ns")
    assert (pulse.source, pulse.trust, pulse.note) == ("our tester", "published", "at 25 degC")
    assert pulse.overridden


def test_an_own_table_may_be_based_on_a_variant() -> None:
    mine = technology({"based_on": "sram/vc707", "geometry": {"banks": 2}})
    assert mine["vmin_mean"].value == 0.4334
    assert mine["banks"].value == 2


def with_entry(**change: object) -> dict[str, Any]:
    entry = {"value": 500, "unit": "FIT/Mb", **change}
    return {**OWN, "constants": {"rate": {key: value for key, value in entry.items() if value is not None}}}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"name": "m"}, "Table 'm' has no [constants]"),
        ({**OWN, "mechanism": []}, "Unknown key of table 'mine' 'mechanism': did you mean 'mechanisms'?"),
        ({**OWN, "mechanisms": "soft_error"}, "mechanisms of table 'mine' must be a list of names"),
        ({**OWN, "constants": {"rate": 5}}, "rate in table 'mine' must be {value, unit, source, trust}, not 5"),
        ({**OWN, "constants": [1]}, "constants of table 'mine' must be a table of constants"),
        (with_entry(unit=None), "rate in table 'mine' has no 'unit'"),
        (with_entry(value=None), "rate in table 'mine' has no 'value'"),
        (with_entry(unit="FITs"), "Unknown unit 'FITs': did you mean 'FIT'?"),
        (with_entry(trust="publishd"), "Unknown trust 'publishd': did you mean 'published'?"),
        (with_entry(sorce="x"), "Unknown key of rate in table 'mine' 'sorce': did you mean 'source'?"),
        (with_entry(value="fast"), "rate in table 'mine' = 'fast' is not a quantity"),
        ({**OWN, "geometry": {"soft_error_rate": {"value": 1, "unit": "1"}}}, "in both constants and geometry"),
        ({"based_on": "stt_mramm"}, "did you mean 'stt_mram'?"),
        ({"name": "m", "based_on": "stt_mram", "constants": {"dleta": 4}}, "did you mean 'delta'?"),
        ({"name": "m", "based_on": "stt_mram", "constant": {}}, "did you mean 'constants'?"),
        (
            {"name": "m", "based_on": "stt_mram", "constants": {"delta": {"value": 4, "unit": "V"}}},
            "delta = '4 V' is a voltage where a plain number is meant",
        ),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HwsimError) as error:
        technology(table)
    assert sentence in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=r"The technology table .* cannot be read: No such file"):
        technology(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ", encoding="utf-8")
    with pytest.raises(HwsimError, match="is not a TOML file"):
        technology(broken)
    with pytest.raises(HwsimError, match="cannot be read"):
        technology(Path(f"{tmp_path}/folder.toml").mkdir() or tmp_path / "folder.toml")


# The whole package


def test_tables_and_equations_need_neither_torch_nor_random_numbers() -> None:
    code = (
        "import sys, hwsim.memory.technology.constants as c, hwsim.validation.check_points as p;"
        "c.technology('stt_mram'); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
    equations = list(Path(physics.__file__).parent.glob("*.py"))
    assert equations
    for path in equations:
        assert "random" not in path.read_text(encoding="utf-8"), path


def test_technologies_cannot_be_changed_in_place() -> None:
    mram: Technology = technology("stt_mram")
    with pytest.raises(TypeError):
        mram.constants["delta"] = mram["tau0"]  # type: ignore[index]
