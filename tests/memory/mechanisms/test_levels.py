"""Cells of one and of two bits: what misread levels do to the bits that they hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import Memory
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Mission, Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.levels import StuckLevels, WornLevels, addresses, bits_of, level_errors
from hwsim.memory.mechanisms.mechanism import Mechanism, Situation
from hwsim.memory.physics.levels import bit_errors, gray_code
from hwsim.memory.physics.wear import worn_out
from hwsim.memory.technology.constants import technology
from hwsim.words import get_format
from tests.memory.mechanisms.on_device import DAY, agrees, cells_of, counts, image, mechanism

# Rows are stored levels: most misread a neighbour, some a level further off.
FOUR = np.array(
    [
        [0.990, 0.007, 0.002, 0.001],
        [0.010, 0.960, 0.025, 0.005],
        [0.001, 0.020, 0.970, 0.009],
        [0.000, 0.000, 0.004, 0.996],
    ]
)
TWO = np.array([[0.99, 0.01], [0.03, 0.97]])


def device(one: Mechanism, words: int = 200_000, **more: object) -> Device:
    made = Device(mechanisms=[one], seed=1, **more)  # type: ignore[arg-type]
    made.write(image(words, None))
    return made


def levels_of(words: np.ndarray) -> np.ndarray:
    """The levels of the cells of two bits that bytes are stored in."""
    bits = np.unpackbits(words[:, None], axis=1, bitorder="little").reshape(-1, 2)
    return np.argsort(gray_code(4))[bits[:, 0] + 2 * bits[:, 1]]


def read(made: Device) -> np.ndarray:
    words = image(made._image.flat.size, None).flat.copy()
    faults = made.read().faults
    words[faults.address] = faults.after
    return words


def test_cells_of_two_bits_misread_every_level_as_every_other_at_its_rate() -> None:
    # 800,000 cells, 200,000 a level: chi-square would show 10 % of a rate of 0.01.
    made = device(level_errors("levels", 2, lambda _: FOUR))
    stored, found = levels_of(image(200_000, None).flat), levels_of(read(made))
    for before in range(4):
        cells = int((stored == before).sum())
        for after in range(4):
            count = int(((stored == before) & (found == after)).sum())
            assert agrees(count, cells, FOUR[before, after])


def test_their_bits_have_the_error_rates_of_the_closed_form() -> None:
    made = device(level_errors("levels", 2, lambda _: FOUR))
    log = made.read().faults.log()
    expected = bit_errors(FOUR)
    held = log["before"] >> log["bit"] & 1
    for place in (0, 1):
        for value, rates in ((0, expected.zero_to_one), (1, expected.one_to_zero)):
            count = int(((log["bit"] % 2 == place) & (held == value)).sum())
            assert agrees(count, 400_000, rates[place])


def test_cells_of_one_bit_err_as_their_two_levels_do() -> None:
    made = device(level_errors("levels", 1, lambda _: TWO))
    (up, zeros), (down, ones) = counts(made, made.read())
    assert agrees(up, zeros, 0.01)
    assert agrees(down, ones, 0.03)


@pytest.mark.parametrize("interleave", [1, 8])
def test_the_two_bits_are_of_one_word_or_of_two(interleave: int) -> None:
    shift = np.roll(np.eye(4), 2, axis=1)  # two levels up: both bits change
    made = device(level_errors("levels", 2, lambda _: 0.99 * np.eye(4) + 0.01 * shift), interleave=interleave)
    wrong = made.read().cells
    assert (wrong[0::2] + 1 == wrong[1::2]).all()
    assert (wrong[0::2] % 2 == 0).all()
    words = made.geometry.locate(wrong)[0].reshape(-1, 2)
    assert (words[:, 0] == words[:, 1]).all() == (interleave == 1)


@pytest.mark.parametrize("bits", [1, 2])
def test_misread_cells_are_others_after_a_rewrite_and_grow_with_their_rates(bits: int) -> None:
    errors = {1: TWO, 2: FOUR}[bits]

    def aged(situation: Situation) -> np.ndarray:
        share = situation.since_write.duration_s / DAY
        return np.eye(len(errors)) * (1 - share) + errors * share

    made = device(level_errors("levels", bits, aged))
    found = [cells_of(made)]
    for _ in range(3):
        made.advance(0.3 * DAY)
        found.append(cells_of(made))
    assert found[0] == set()
    # Of a cell of two bits that goes on to a further level one bit may be right again, but not both.
    cells = [{cell // bits for cell in found_cells} for found_cells in found]
    assert all(few <= many for few, many in itertools.pairwise(cells))
    made.rewrite()
    assert not cells_of(made)
    made.advance(0.9 * DAY)
    assert len(cells_of(made) & found[-1]) < len(found[-1]) / 4


def test_rewrites_at_once_give_what_rewrites_one_by_one_give() -> None:
    one = level_errors("levels", 2, lambda situation: np.eye(4) if not situation.since_write else FOUR)
    at_once, by_hand = (device(one, words=2000, ecc="secded") for _ in range(2))
    at_once.advance(Mission((Phase(10 * DAY),), scrub_every_s=DAY))
    for day in range(10):
        by_hand.advance(DAY)
        if day < 9:
            by_hand.scrub()
    assert cells_of(at_once) == cells_of(by_hand) != set()


# Stuck cells


@pytest.mark.parametrize("bits", [1, 2])
def test_stuck_cells_have_their_shares_and_levels_whatever_is_written(bits: int) -> None:
    one = StuckLevels(bits, low=0.01, high=0.003)
    made = {pattern: Device(mechanisms=[one], seed=1) for pattern in (0, 255, 0b10101010)}
    for pattern, single in made.items():
        single.write(Memory({"w": np.full(100_000, pattern, np.uint8)}, get_format("q2.5")))
    at_high = cells_of(made[0])
    assert agrees(len(at_high), 800_000 // bits, 0.003)
    top_even = {cell for cell in at_high if cell % 2 == 0}
    assert bool(top_even) == (bits == 1)  # the highest level of four is the code 10
    if bits == 2:  # 1010... is the highest level everywhere: the low ones show, by their upper bit
        low = cells_of(made[0b10101010])
        assert agrees(len(low), 400_000, 0.01)
        assert all(cell % 2 for cell in low)
    before = cells_of(made[255])
    made[255].rewrite()
    assert cells_of(made[255]) == before


def test_cells_wear_out_as_writes_go_on_and_no_write_repairs_them() -> None:
    one = WornLevels(1, low_share=0.5, endurance=1e4, failure=0.1, shape=2)
    found = []
    for cycles in (0, 999, 9999, 99_999):
        made = Device(mechanisms=[one], seed=1, cycles=cycles)
        made.write(image(100_000, None))
        (up, zeros), (down, ones) = counts(made, made.read())
        share = float(worn_out(cycles + 1, endurance=1e4, failure=0.1, shape=2)) / 2
        assert agrees(up, zeros, share)
        assert agrees(down, ones, share)
        found.append(cells_of(made))
    assert found[0] == set()
    assert found[1] < found[2] < found[3]


def test_a_larger_memory_has_the_stuck_cells_of_a_smaller_one() -> None:
    one = StuckLevels(2, low=0.01, high=0.01)
    small, large = (device(one, words=words, capacity="64 KiB") for words in (4096, 40_000))
    inside = large.read().cells
    assert small.read().cells.tolist() == inside[inside < 4096 * 8].tolist()


def test_two_bits_are_the_gray_code_of_a_level() -> None:
    assert bits_of(np.arange(4), 2).tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert addresses(np.array([0, 5]), 2).tolist() == [[0, 1], [10, 11]]


# Refusals


@pytest.mark.parametrize("name", ["pcm", "reram"])
def test_a_number_of_bits_without_levels_is_refused(name: str) -> None:
    with pytest.raises(HwsimError, match=f"bits_per_cell = 3 has no levels in the table of {name}: give 1 or 2"):
        mechanisms_of(technology(name).override({"bits_per_cell": 3}))


def test_more_stuck_cells_than_there_are_is_refused() -> None:
    with pytest.raises(HwsimError, match=r"stuck_low and stuck_high are 1.1 together: give at most 1"):
        mechanism("reram", "stuck", {"stuck_low": 0.9, "stuck_high": 0.2})
