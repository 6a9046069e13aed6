"""Independent bit flips: which bits, in which direction, the same ones for all variants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from hwsim.errors import HwsimError
from hwsim.memory import BitFlips, Key, Memory
from hwsim.memory.cells.weak_cells import weak_thresholds
from hwsim.words import get_format

FORMATS = ["fp32", "fp16", "fp8_e4m3", "q2.5", "q3.7", "int8"]
RATES = st.sampled_from([0.0, 1e-4, 3e-3, 0.02, 0.3, 1.0])


def words(format_name: str, count: int, seed: int = 0) -> Memory:
    """A memory of `count` words of random bits."""
    fmt = get_format(format_name)
    bits = np.random.default_rng(seed).integers(0, 1 << fmt.width, count, np.uint64)
    return Memory({"t": bits.astype(fmt.dtype)}, fmt)


def flags(memory: Memory, mechanism: BitFlips, seed: int) -> np.ndarray:
    """One flag for each cell: does it flip?"""
    faults = mechanism.draw(memory, seed)
    flipped = np.zeros(memory.words, np.uint64)
    flipped[faults.address] = faults.before ^ faults.after
    return (flipped[:, None] >> np.arange(memory.format.width, dtype=np.uint64) & 1).astype(bool).ravel()


def ones(memory: Memory) -> np.ndarray:
    """One flag for each cell: does it hold a 1?"""
    bits = memory.flat.astype(np.uint64)[:, None] >> np.arange(memory.format.width, dtype=np.uint64) & 1
    return bits.astype(bool).ravel()


@given(st.sampled_from(FORMATS), RATES, RATES, st.integers(0, 255), st.integers(0, 1000))
def test_a_cell_flips_if_it_is_weak_at_the_rate_of_the_value_it_holds(
    name: str, zero_to_one: float, one_to_zero: float, immune: int, seed: int
) -> None:
    memory = words(name, 400, seed)
    _, threshold = weak_thresholds(Key(seed, "bit flips"), memory.cells, 1.0)
    position = np.arange(memory.cells) % memory.format.width
    expected = threshold <= np.where(ones(memory), one_to_zero, zero_to_one)
    expected &= ~np.where(position < 8, immune >> np.minimum(position, 8) & 1, 0).astype(bool)
    assert (flags(memory, BitFlips((zero_to_one, one_to_zero), immune), seed) == expected).all()


def test_one_rate_is_two_equal_rates() -> None:
    memory = words("fp16", 5000)
    assert (flags(memory, BitFlips(0.01), 1) == flags(memory, BitFlips((0.01, 0.01)), 1)).all()


@pytest.mark.parametrize(("zero_to_one", "one_to_zero"), [(2e-3, 2e-3), (3e-3, 1e-3), (0.0, 4e-3)])
def test_flips_have_the_rates_of_their_directions(zero_to_one: float, one_to_zero: float) -> None:
    # 3.2 million cells: shows a rate that is off by 8 %.
    memory = words("fp32", 100_000)
    flipped, held = flags(memory, BitFlips((zero_to_one, one_to_zero)), 3), ones(memory)
    for rate, cells in ((zero_to_one, ~held), (one_to_zero, held)):
        expected = rate * cells.sum()
        assert abs(flipped[cells].sum() - expected) <= 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("name", FORMATS)
def test_every_bit_position_is_hit_alike(name: str) -> None:
    # About 60,000 flips: chi-square over the positions shows one that is off by 12 %.
    memory = words(name, 3_000_000 // get_format(name).width)
    position = flags(memory, BitFlips(0.02), 4).reshape(memory.words, -1).sum(axis=0)
    assert stats.chisquare(position).pvalue > 1e-5


def test_flips_in_one_word_are_independent() -> None:
    # The number of flips in a word is binomial: chi-square on 200,000 words.
    memory = words("fp32", 200_000)
    per_word = np.bincount(flags(memory, BitFlips(0.03), 5).reshape(-1, 32).sum(axis=1), minlength=7)
    expected = stats.binom.pmf(np.arange(7), 32, 0.03)
    expected[-1] = stats.binom.sf(5, 32, 0.03)
    observed = np.append(per_word[:6], per_word[6:].sum())
    assert stats.chisquare(observed, expected * memory.words).pvalue > 1e-5


@given(st.sampled_from(FORMATS), RATES, RATES)
def test_a_lower_rate_flips_a_subset(name: str, one: float, other: float) -> None:
    memory = words(name, 3000)
    low, high = (flags(memory, BitFlips(rate), 6) for rate in sorted((one, other)))
    assert not (low & ~high).any()


@pytest.mark.parametrize("names", [("fp16", "bf16", "q7.8"), ("fp8_e4m3", "fp8_e5m2", "q2.5", "int8_sm")])
def test_formats_of_one_width_and_different_data_meet_the_same_weak_cells(names: tuple[str, ...]) -> None:
    maps = [flags(words(name, 5000, seed), BitFlips(0.01), 7) for seed, name in enumerate(names)]
    for other in maps[1:]:
        assert (other == maps[0]).all()


def test_immunity_and_direction_remove_flips_and_move_none() -> None:
    memory = words("fp32", 20_000)
    every = flags(memory, BitFlips(0.01), 8)
    immune = flags(memory, BitFlips(0.01, immune=memory.format.bit_mask("exponent_msb")), 8)
    position = np.arange(memory.cells) % 32
    assert (immune == every & (position != 30)).all()
    assert (flags(memory, BitFlips((0.0, 0.01)), 8) == every & ones(memory)).all()
    assert not flags(memory, BitFlips(1.0, immune=memory.format.bit_mask("all")), 8).any()


def test_a_draw_depends_on_nothing_but_its_seed() -> None:
    memory = words("fp16", 5000)
    alone = flags(memory, BitFlips(0.01), 9)
    for seed in (3, 1, 9, 2):
        drawn = flags(memory, BitFlips(0.01), seed)
        assert (drawn == alone).all() == (seed == 9)
    assert (flags(memory, BitFlips(0.01), (9,)) == alone).all()  # type: ignore[arg-type]


def test_a_draw_changes_nothing_until_applied() -> None:
    memory = words("fp16", 5000)
    before = memory.flat.copy()
    BitFlips(0.01).draw(memory, seed=1)
    assert (memory.flat == before).all()


@given(st.sampled_from(FORMATS), RATES, RATES, st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_masks_are_the_flips_of_the_drawn_faults(name: str, one: float, other: float, immune: int) -> None:
    memory, mechanism = words(name, 700), BitFlips((one, other), immune)
    address, mask = mechanism.masks(memory, (1, "map"))
    faults = mechanism.draw(memory, (1, "map"))
    assert (address == faults.address).all()
    assert (mask == faults.before ^ faults.after).all()
    assert mask.dtype == faults.before.dtype == faults.after.dtype == memory.format.dtype


def test_rates_by_direction_have_names() -> None:
    assert (BitFlips(0.1).zero_to_one, BitFlips(0.1).one_to_zero) == (0.1, 0.1)
    assert (BitFlips((0.1, 0.2)).zero_to_one, BitFlips((0.1, 0.2)).one_to_zero) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ber": 1.5}, r"^ber = 1\.5 is not a probability: give a number from 0 to 1\.$"),
        ({"ber": float("nan")}, "^ber = nan is not a probability"),
        ({"ber": (0.1, -1)}, "^one_to_zero = -1 is not a probability"),
        ({"ber": (2, 0.1)}, "^zero_to_one = 2 is not a probability"),
        ({"ber": (0.1, 0.1, 0.1)}, r"is neither a rate nor a pair of rates \(0 to 1, 1 to 0\)\.$"),
        ({"ber": 0.1, "immune": -1}, r"^immune = -1 is not a bit mask: give a number of at least 0\.$"),
    ],
)
def test_rates_and_masks_that_are_none_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        BitFlips(**settings)  # type: ignore[arg-type]


def test_immune_bits_that_a_word_does_not_have_are_refused(layers: Callable[..., Memory]) -> None:
    with pytest.raises(HwsimError, match=r"immune = 0x40000000 names bits that a word of fp16 \(16 bits\)"):
        BitFlips(0.1, immune=1 << 30).draw(layers("fp16"), seed=1)
