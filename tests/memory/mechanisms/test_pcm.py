"""Phase-change memory: drift, crystallisation and stuck cells, of one and of two bits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms.mechanism import Mechanism
from hwsim.memory.physics import pcm
from hwsim.memory.physics.levels import bit_errors
from hwsim.memory.technology.constants import physical, technology
from tests.memory.mechanisms.on_device import DAY, YEAR, agrees, cells_of, counts, made, mechanism, situation

MLC = {"bits_per_cell": 2}


def matrix(device: Device) -> np.ndarray:
    """Level errors of the only mechanism now."""
    (one,) = device.mechanisms
    return one.errors(situation(device, one))  # type: ignore[attr-defined]


def drifted(time_s: float, *, words: int = 200_000, temperature_c: float = 25.0, **changes: object) -> Device:
    device = made("pcm", "drift", {**MLC, **changes}, words=words)
    device.advance(Phase(time_s, Condition(temperature_c)))
    return device


def law(bits: int) -> dict[str, object]:
    """Arguments of the closed form, from the published coefficients."""
    table = technology("pcm")
    levels = np.array(table[f"levels_{bits}bit"].value)
    with_floor = np.log(levels)
    return {
        "levels": levels,
        "thresholds": table[f"thresholds_{bits}bit"].value,
        "sigma": (0.26348 + 1.965 * levels - 1.1731 * levels**2) / 25,
        "exponent_mean": np.clip(-0.0155 * with_floor + 0.0244, 0.049, 0.1),
        "exponent_sigma": np.clip(-0.0125 * with_floor - 0.0059, 0.008, 0.045),
        "reference_s": 20.0,
    }


# Drift


@pytest.mark.parametrize("bits", [1, 2])
@pytest.mark.parametrize("time_s", [1.0, DAY, 10 * YEAR])
def test_misread_levels_are_those_of_the_closed_form(bits: int, time_s: float) -> None:
    errors = pcm.read_errors(time_s=time_s, **law(bits))  # type: ignore[arg-type]
    np.testing.assert_allclose(matrix(drifted(time_s, words=8, bits_per_cell=bits)), errors, rtol=1e-9)


@pytest.mark.parametrize("time_s", [1.0, DAY])
def test_drawn_errors_have_the_rates_of_their_bits(time_s: float) -> None:
    # 1.6 million bits; after a second and after a day 30 and 400,000 of them are wrong.
    device = drifted(time_s, words=200_000)
    expected = bit_errors(matrix(device))
    (up, zeros), (down, ones) = counts(device, device.read())
    assert agrees(up, zeros, float(np.mean(expected.zero_to_one)), 5)
    assert agrees(down, ones, float(np.mean(expected.one_to_zero)), 5)


def test_drift_spares_cells_of_one_bit_and_ruins_the_middle_levels_of_two() -> None:
    assert matrix(drifted(10 * YEAR, words=8, bits_per_cell=1))[1, 0] < 1e-12
    two = matrix(drifted(10 * YEAR, words=8))
    assert two[1, 0] > 0.1 > 1e-3 > two[0, 1:].sum()
    assert two[2, 1] > 0.5
    assert np.tril(two, -1).sum() > 100 * np.triu(two, 1).sum()  # resistances go up


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"time_s": DAY}, {"time_s": YEAR}),
        ({"drift_mean_low": 0.03, "drift_mean_high": 0.03}, {"drift_mean_low": 0.06, "drift_mean_high": 0.1}),
        ({"drift_reference_time": "200 s"}, {"drift_reference_time": "20 s"}),
        ({"tracking_exponent": 0.04}, {"tracking_exponent": 0.0}),
        (
            {"time_s": 1, "programming_noise": [0.2, 1.5, -0.9]},
            {"time_s": 1, "programming_noise": [0.26348, 1.965, -1.1731]},
        ),
        ({"time_s": 1, "gmax": "40 uS"}, {"time_s": 1, "gmax": "25 uS"}),
    ],
)
def test_longer_drift_and_worse_cells_misread_more(mild: dict[str, object], harsh: dict[str, object]) -> None:
    few, many = (drifted(**{"time_s": DAY, "words": 50_000, **one}).read().wrong_bits for one in (mild, harsh))  # type: ignore[arg-type]
    assert few < many


def test_heat_does_not_change_drift() -> None:
    np.testing.assert_array_equal(matrix(drifted(DAY, words=8)), matrix(drifted(DAY, words=8, temperature_c=125)))


def test_a_rewrite_starts_drift_anew_in_other_cells() -> None:
    device = drifted(400.0)
    first = cells_of(device)
    device.rewrite()
    assert len(cells_of(device)) < len(first) / 20
    device.advance(400.0)
    again = cells_of(device)
    assert abs(len(again) - len(first)) < 0.1 * len(first)
    assert len(again & first) < len(first) / 4


# Crystallisation


def test_reset_cells_crystallise_as_much_as_the_qualified_part_loses() -> None:
    # 32 million zeros at 150 degC for ten years with a share of 1e-4: 3,200, 8 %.
    device = made("pcm", "crystallisation", {"crystallisation_reference_failure": 1e-4}, words=8_000_000)
    device.advance(Phase(10 * YEAR, Condition(150)))
    (up, zeros), (down, _) = counts(device, device.read())
    assert down == 0
    assert agrees(up, zeros, 1e-4)


def test_heat_counts_by_its_activation_energy_and_conditions_add_up() -> None:
    device = made("pcm", "crystallisation", {"crystallisation_reference_failure": 1e-3}, words=8)
    device.advance(Mission((Phase(DAY, Condition(150)), Phase(DAY, Condition(170))), 1460 * DAY))
    (one,) = device.mechanisms
    faster = math.exp(2.5 / physical("boltzmann") * (1 / 423.15 - 1 / 443.15))
    expected = 1 - 0.999 ** (730 * DAY / (10 * YEAR) * (1 + faster))
    assert one.rates(situation(device, one)) == pytest.approx((expected, 0), rel=1e-6)  # type: ignore[attr-defined]


def test_hotter_and_longer_crystallises_a_superset_until_a_rewrite() -> None:
    device = made("pcm", "crystallisation", {"crystallisation_reference_failure": 1e-3})
    found = [cells_of(device)]
    for heat in (150, 160, 85, 170):
        device.advance(Phase(10 * YEAR, Condition(heat)))
        found.append(cells_of(device))
    assert all(few <= many for few, many in itertools.pairwise(found))
    assert len(found[0]) < len(found[1]) < len(found[2]) < len(found[4])
    device.rewrite()
    assert not cells_of(device)


def test_cells_of_two_bits_crystallise_to_the_highest_level() -> None:
    changes = {**MLC, "crystallisation_reference_failure": 0.01}
    reset, set_ = (made("pcm", "crystallisation", changes, pattern=one, interleave=1) for one in (0, 0b10101010))
    for device in (reset, set_):
        device.advance(Phase(10 * YEAR, Condition(150)))
    wrong = reset.read().cells
    assert agrees(len(wrong), 400_000, 0.01)
    assert (wrong % 2 == 1).all()  # 00 becomes the code 10
    assert set_.read().wrong_bits == 0


# Contract


def test_traits_are_those_of_the_contract() -> None:
    def traits(**changes: object) -> list[tuple[str, ...]]:
        found: list[Mechanism] = [mechanism("pcm", name, changes) for name in ("drift", "crystallisation", "stuck")]
        return [one.traits for one in found]

    until_rewritten = ("until rewritten", "cell", "since write", "write or scrub")
    stuck = ("preferred value", "permanent", "cell", "none", "nothing")
    assert traits() == [("both", *until_rewritten), ("0 to 1", *until_rewritten), stuck]
    assert traits(**MLC) == [("both", *until_rewritten), ("both", *until_rewritten), stuck]


def test_stuck_cells_of_the_table_are_there_from_the_start() -> None:
    # 64 million cells, 128 of them stuck, half of those show.
    device = made("pcm", "stuck", words=8_000_000)
    assert agrees(device.read().wrong_bits, 64_000_000, 1e-6)
