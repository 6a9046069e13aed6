"""Equations: what no number holds and what does not fit each other is refused in one sentence, with its values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import Condition, Device, Memory
from hwsim.memory.device.error_rate import error_rate
from hwsim.memory.physics import common, dram, levels, nand, pcm, sram, stt_mram, wear
from hwsim.memory.technology.constants import technology
from hwsim.words import get_format

MOST = 1e308
POWERS = {"retention_cycle_exponent": 900.0, "retention_time_exponent": 1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: common.acceleration(25, -272, 10.0), "activation_energy_ev = 10:"),
        (lambda: common.equivalent_time(1e300, 85, 25, 10.0), "time_s = 1e+300"),
        (lambda: common.failed(MOST, MOST), "rate_s = 1e+308"),
        (lambda: sram.bti_prefactor(0.05, 3e8, 900.0), "end_of_life_s = 3e+08, time_exponent = 900"),
        (lambda: sram.bti_stress(10.0, 1.0, 1e-3), "prefactor_v = 10"),
        (lambda: sram.bti_of_stress([1.0, 1e200], 2.0), "stress = 1 to 1e+200"),
        (lambda: nand.retention_error(1e3, 3600.0, retention=1.0, **POWERS), "cycles = 1000"),
        (lambda: stt_mram.write_error(MOST, 60, 10), "overdrive = 1e+308"),
        (lambda: stt_mram.relaxation_time(MOST, MOST), "damping = 1e+308"),
        (lambda: wear.worn_out(1e9, endurance=1.0, failure=0.1, shape=100.0), "shape = 100"),
        (lambda: dram.leakage_acceleration(85, 45, 100.0), "slope_per_c = 100"),
    ],
)
def test_what_is_beyond_all_numbers_is_refused_with_the_values(call: Callable[[], object], message: str) -> None:
    with pytest.raises(HwsimError) as caught:  # and not a warning, which the tests take for an error
        call()
    assert message in str(caught.value)
    assert "beyond all numbers" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_vanishes_is_zero_and_no_error() -> None:
    assert common.acceleration(-272, 25, 10.0) == 0
    assert stt_mram.flip_rate(5000, 1e-9) == 0
    assert stt_mram.write_error(3, 60, 1e6) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: levels.likeliest_thresholds([0, 1, 2, 3], [0.1, 0.1, 0.1]),
        lambda: levels.read_errors([0, 1, 2, 3], [0.1, 0.1], [0.5, 1.5, 2.5]),
        lambda: pcm.read_errors(
            [0, 0.5, 1], [0.2, 0.7], 1.0, sigma=[0.1] * 3, exponent_mean=[0.1] * 2, exponent_sigma=0.1, reference_s=1.0
        ),
        lambda: common.mean_kinetic_temperature([1, 2, 3], [25, 85], 0.6),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused_with_their_sizes(call: Callable[[], object]) -> None:
    with pytest.raises(HwsimError, match=r"There are .* of .*, .* of .*: give as many of each, or one for all\."):
        call()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sram", {"bti_time_exponent": 900.0}),
        ("sram", {"bti_activation_energy": "1e6 eV"}),
        ("stt_mram", {"write_overdrive": 1e308}),
        ("dram", {"retention_slope": 100.0}),
        ("reram", {"sigmas_2bit": [1.0, 2.0], "bits_per_cell": 2}),
        ("nand_tlc", {"retention_cycle_exponent": 900.0}),
    ],
)
def test_a_table_with_such_constants_is_refused_by_rates_and_by_devices(name: str, change: dict[str, object]) -> None:
    changed = technology(name).override(change)
    hot = Condition(120)

    def live() -> None:
        device = Device(changed, cycles=3000, seed=1)
        device.now = hot
        device.write(Memory({"w": np.arange(64, dtype=np.uint8)}, get_format("q2.5")))
        device.advance(1e8)
        device.read()

    for ask in (lambda: error_rate(changed, hot, 1e8, 3000), live):
        with pytest.raises(HwsimError, match=r"beyond all numbers|There are \d of"):
            ask()


def test_refused_numbers_are_shown_once_each() -> None:
    with pytest.raises(HwsimError) as caught:
        sram.bti_of_stress(np.array([1e200, 1.0, 3.0]), 3.0)
    assert str(caught.value) == (
        "The bti of stress is beyond all numbers that can be computed with for stress = 1 to 1e+200, "
        "time_exponent = 3: give less extreme values."
    )
