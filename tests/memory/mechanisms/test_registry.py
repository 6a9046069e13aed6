"""Tables name mechanisms, and every one of them can be built and acts on a device."""

from __future__ import annotations

import pytest

from hwsim.errors import HwsimError
from hwsim.memory.device.device import Device
from hwsim.memory.device.device_config import DeviceConfig
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.mechanism import check_mechanism
from hwsim.memory.technology.constants import technologies, technology
from hwsim.memory.technology.technology import Technology
from tests.memory.mechanisms.on_device import DAY, HOUR, YEAR, cells_of, image


@pytest.mark.parametrize("name", technologies())
def test_every_technology_lives_written_scrubbed_and_read(name: str) -> None:
    device = Device(name, ecc="secded", seed=1)
    assert device.mechanisms
    assert len({one.name for one in device.mechanisms}) == len(device.mechanisms)
    for one in device.mechanisms:
        check_mechanism(one)
    device.write(image(5000, None))
    device.advance(Mission((Phase(12 * HOUR), Phase(12 * HOUR, Condition(85))), 30 * DAY, scrub_every_s=DAY))
    readout = device.read()
    assert readout.outcome.codewords == 625
    assert readout.changed.keys() == {one.name for one in device.mechanisms}


@pytest.mark.parametrize("name", [name for name in technologies() if not name.startswith("nand")])
@pytest.mark.parametrize("ecc", ["none", "secded"])
def test_a_life_with_scrubs_at_once_is_the_life_scrub_by_scrub(name: str, ecc: str) -> None:
    def live(step_by_step: bool) -> set[int]:
        device = Device(name, ecc=ecc, seed=2)
        device.write(image(3000, None))
        hot = Condition(125, reads_per_s=10)
        if not step_by_step:
            device.advance(Mission.constant(hot, YEAR, scrub_every_s=YEAR / 12))
        for month in range(12 * step_by_step):
            device.advance(Phase(YEAR / 12, hot))
            if month < 11:
                device.scrub()
        return cells_of(device)

    assert live(False) == live(True)


def test_a_table_of_ones_own_keeps_the_mechanisms_that_it_is_based_on() -> None:
    own = technology({"name": "mine", "based_on": "reram", "mechanisms": ["stuck"], "constants": {"stuck_low": 0.5}})
    stuck, worn = mechanisms_of(own)
    assert (stuck.low, worn.name) == (0.5, "worn")  # type: ignore[attr-defined]


def test_a_mechanism_that_the_technology_does_not_have_is_refused_with_the_nearest() -> None:
    with pytest.raises(HwsimError, match="Unknown mechanism of mine 'stuk': did you mean 'stuck'"):
        Device({"name": "mine", "based_on": "reram", "mechanisms": ["stuk"]})
    with pytest.raises(HwsimError, match="Unknown mechanism of mine 'read_disturb'"):
        Device({"name": "mine", "based_on": "nand_3d", "mechanisms": ["read_disturb"]})


def test_constants_of_no_known_technology_are_refused() -> None:
    with pytest.raises(HwsimError, match="No mechanisms are known for the constants of 'mine': base the table on one"):
        Device({"name": "mine", "title": "mine", "mechanisms": ["stuck"],
                "constants": {"a": {"value": 1, "unit": "1", "source": "me", "trust": "assumed"}}})  # fmt: skip


@pytest.mark.parametrize("name", [name for name in technologies() if "/" not in name])
def test_a_constant_that_is_not_used_changes_nothing_and_those_of_an_access_are_not_used(name: str) -> None:
    known = technology(name)
    used = DeviceConfig(technology=known).constants_used
    assert used.isdisjoint(known.access)
    assert {"sram": "vmin_mean", "stt_mram": "delta", "dram": "retention_slope"}.get(name, "word_bits") in used

    def lived(part: Technology) -> set[int]:
        device = Device(part, seed=3)
        device.write(image(3000, None))
        device.advance(Mission.constant(Condition(125, reads_per_s=10), YEAR))
        return cells_of(device)

    for constant in known:
        if constant.name not in used and constant.name not in known.access:
            value = constant.value
            other = [one * 1.25 for one in value] if isinstance(value, tuple) else value * 2
            assert lived(known.override({constant.name: other})) == lived(known)


def test_only_the_constants_of_mechanisms_that_are_listed_and_of_settings_that_are_left_open_are_used() -> None:
    heat = technology({"name": "mine", "based_on": "stt_mram", "mechanisms": ["retention"]})
    barriers = {"delta", "delta_reference_temperature", "delta_sigma", "delta_asymmetry"}
    shape = {"word_bits", "banks", "interleave", "block_rows", "block_columns"} & {*heat.geometry}
    assert DeviceConfig(technology=heat).constants_used == barriers | {"tau0"} | shape
    assert DeviceConfig(technology=heat, banks=2).constants_used == barriers | {"tau0"} | shape - {"banks"}
    levels = {"levels_1bit", "levels_2bit"}
    assert DeviceConfig(technology=technology("pcm")).constants_used & levels == {"levels_1bit"}
    two = technology("pcm").override({"bits_per_cell": 2})
    assert DeviceConfig(technology=two).constants_used & levels == {"levels_2bit"}
    assert not DeviceConfig().constants_used
