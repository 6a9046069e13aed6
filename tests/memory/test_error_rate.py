"""Closed-form error rates against devices that live through the same condition."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import Memory
from hwsim.memory.device.device import Device
from hwsim.memory.device.error_rate import ErrorRate, error_rate
from hwsim.memory.life.mission import Condition, Mission
from hwsim.memory.mechanisms.mechanism import Mechanism, Situation, Traits, Upsets
from hwsim.memory.technology.constants import technologies, technology
from hwsim.words import get_format

HOUR, DAY, YEAR = 3600.0, 86_400.0, 365.25 * 86_400
WORDS = 400_000

# Conditions under which every mechanism but the rare ones shows itself; failures of whole chips would be all or none.
LIVES = [
    ("stt_mram", {"delta": 50}, Condition(85), 30 * DAY, 0),
    ("stt_mram", {"delta": 45, "read_current_ratio": 0.5}, Condition(25, reads_per_s=1e4), HOUR, 0),
    ("sram", {"vmin_block_share": 0.0, "vmin_column_share": 0.0}, Condition(85, voltage_v=0.5), 10 * YEAR, 0),
    ("nand_tlc", {}, Condition(25, reads_per_s=1e-3), 30 * DAY, 1000),
    ("nand_3d", {}, Condition(55), YEAR, 5000),
    ("pcm", {"bits_per_cell": 2, "tracking_exponent": 0.06}, Condition(25), DAY, 0),
    ("reram", {}, Condition(25), HOUR, 0),
    ("reram", {"bits_per_cell": 2, "stuck_low": 9e-4, "stuck_high": 1e-4}, Condition(25), YEAR, 9000),
]


def random_memory(seed: int) -> Memory:
    words = np.random.default_rng(seed).integers(0, 256, WORDS).astype(np.uint8)
    return Memory({"w": words}, get_format("q2.5"))


@pytest.mark.parametrize(
    ("name", "changes", "condition", "age_s", "cycles"), LIVES, ids=[str(life[:2]) for life in LIVES]
)
def test_a_device_has_as_many_wrong_cells_as_expected(
    name: str, changes: dict[str, object], condition: Condition, age_s: float, cycles: int
) -> None:
    """Random data over other random data, 3.2 million cells; within 5 standard errors of pairs that fail together."""
    found = technology(name).override(changes)
    device = Device(found, new="random", cycles=cycles, seed=5)
    (readout,) = device.follow(Mission.constant(condition, age_s, read_at_s=(age_s,)), random_memory(1))
    expected = error_rate(found, condition, age_s, cycles).total
    cells = 8 * WORDS
    assert expected * cells > 100
    assert abs(readout.wrong_bits - expected * cells) < 5 * np.sqrt(2 * expected * (1 - expected) * cells)


def test_retention_of_dram_alone_agrees_with_a_device() -> None:
    found = technology({"name": "leaky", "based_on": "dram", "mechanisms": ["retention"]})
    condition = Condition(115, refresh_every_s=4.0)
    device = Device(found, seed=5)
    (readout,) = device.follow(Mission.constant(condition, DAY, read_at_s=(DAY,)), random_memory(2))
    expected = error_rate(found, condition, DAY).total * 8 * WORDS
    assert expected > 1000
    assert abs(readout.wrong_bits - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("name", technologies())
def test_every_technology_has_a_closed_form_for_each_of_its_mechanisms(name: str) -> None:
    for age_s in (0.0, YEAR):
        rate = error_rate(technology(name), Condition(85), age_s)
        for part in rate.parts.values():
            assert part is not None
            assert 0 <= part <= 0.5
        assert max(rate.parts.values()) <= rate.total * (1 + 1e-12)  # type: ignore[type-var, operator]


def test_parts_add_up_as_flips_that_may_undo_each_other() -> None:
    assert ErrorRate({"a": 0.1, "b": 0.2, "c": None}).total == pytest.approx(0.1 * 0.8 + 0.9 * 0.2)
    assert ErrorRate({"a": 0.5, "b": 0.2}).total == pytest.approx(0.5)


def test_what_no_memory_lives_through_is_refused() -> None:
    with pytest.raises(HwsimError, match="goes back in time"):
        error_rate(technology("sram"), Condition(25), -1.0)


def test_a_mechanism_without_a_closed_form_is_not_guessed() -> None:
    from hwsim.memory.device.error_rate import wrong_share

    class Own(Mechanism):
        name = "own"
        traits = Traits("preferred value", "permanent", "cell", "none", "nothing")

        def upsets(self, situation: Situation) -> Upsets:
            raise AssertionError("not asked")

    assert wrong_share(Own(), None) is None  # type: ignore[arg-type]
