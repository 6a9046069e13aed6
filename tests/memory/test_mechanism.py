"""The interface of mechanisms: upsets, intervals, keyed numbers; and a mechanism of one's own."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwsim.errors import HwsimError
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Exposure
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.mechanism import (
    FORCE_0,
    FORCE_1,
    KEEP,
    TOGGLE,
    Mechanism,
    Rates,
    Situation,
    Traits,
    Upsets,
    interval_block,
    situation_for,
    uniform,
)
from hwsim.memory.random import Key
from tests.memory.test_device import Undervolted
from tests.memory.test_scrub import memory_of

GEOMETRY = Geometry.for_words(1000, word_bits=64)


def test_a_mechanism_of_ones_own_has_less_than_40_lines_and_acts_in_a_device() -> None:
    assert len(inspect.getsource(Undervolted).splitlines()) < 40
    device = Device(mechanisms=[Undervolted()], seed=1)
    device.write(memory_of(8000))
    assert device.read().wrong_bits == 0
    assert "undervolted" in repr(Undervolted())


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from([KEEP, TOGGLE, FORCE_0, FORCE_1]))))
def test_upsets_are_sorted_and_the_first_of_a_cell_counts(pairs: list[tuple[int, int]]) -> None:
    cells, values = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    upsets = Upsets.of(cells, values)
    first = dict(reversed(pairs))
    assert upsets.cell.tolist() == sorted(first)
    assert upsets.becomes.tolist() == [first[cell] for cell in sorted(first)]
    half = len(pairs) // 2
    joined = Upsets.of(cells[:half], values[:half]) | Upsets.of(cells[half:], values[half:])
    assert joined.cell.tolist() == upsets.cell.tolist()
    assert joined.becomes.tolist() == upsets.becomes.tolist()


def test_rates_make_maps_from_the_bit_that_is_held() -> None:
    cell, threshold = np.arange(4), np.array([0.05, 0.15, 0.25, 0.35])
    upsets = Upsets.by_rates(cell, threshold, Rates(0.3, 0.1))
    assert upsets.cell.tolist() == [0, 1, 2]
    assert upsets.becomes.tolist() == [TOGGLE, FORCE_1, FORCE_1]
    assert Upsets.by_rates(cell, threshold, Rates(0.0, 0.2)).becomes.tolist() == [FORCE_0, FORCE_0]
    assert Upsets.by_value([5, 2], [0, 1]).becomes.tolist() == [FORCE_1, FORCE_0]
    assert len(Upsets.none().cell) == 0


def test_blocks_of_intervals_follow_each_other_without_gaps() -> None:
    at = 0
    while at < 30_000:
        block = interval_block(at)
        assert block.first == at
        assert {interval_block(one) for one in range(at, at + block.length)} == {block}
        assert block.length <= 4096  # what a device that lives for long draws at once
        at += block.length


def test_keyed_numbers_are_uniform_and_differ_from_key_to_key() -> None:
    # 1e5 numbers: the Kolmogorov-Smirnov test shows a distribution function that is off by 0.7 %; a correlation of
    # neighbours, or of two keys, of 1.5 %.
    one, other = uniform(Key(1, "a"), np.arange(100_000)), uniform(Key(1, "b"), np.arange(100_000))
    assert stats.kstest(one, "uniform").pvalue > 1e-5
    for x, y in ((one[1:], one[:-1]), (one, other), (one[::2], one[1::2])):
        assert abs(np.corrcoef(x, y)[0, 1]) < 4.5 / np.sqrt(len(x))
    assert (uniform(Key(1, "a"), [7, 3]) == one[[7, 3]]).all()
    assert ((one > 0) & (one < 1)).all()


def test_a_situation_draws_more_of_the_same_cells_at_a_higher_rate() -> None:
    situation = Situation(GEOMETRY, 100_000, Key(1))
    few, many = situation.weak(0.001).cell, situation.weak(0.01).cell
    assert set(few.tolist()) < set(many.tolist())
    cells, thresholds = situation.thresholds(0.01)
    assert cells.tolist() == many.tolist()
    assert cells[thresholds <= 0.001].tolist() == few.tolist()
    assert not np.array_equal(situation.weak(0.001, "another purpose").cell, few)
    assert (situation.uniform([1, 2]) == uniform(Key(1), [1, 2])).all()
    with pytest.raises(HwsimError, match="has no stored words"):
        situation.stored(few)


def test_a_device_shows_mechanisms_the_bits_that_were_written() -> None:
    memory = memory_of(64)
    seen = {}

    class Looks(Mechanism):
        name = "looks"
        traits = Traits("both", "permanent", "cell", "none", "nothing")

        def upsets(self, situation: Situation) -> Upsets:
            seen["bits"] = situation.stored(np.arange(situation.cells))
            return Upsets.none()

    device = Device(mechanisms=[Looks()])
    device.write(memory)
    device.read()
    assert seen["bits"].tolist() == np.unpackbits(memory.flat, bitorder="little").tolist()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": "odd", "stage": "stuk"}, "Unknown stage of mechanism 'odd' 'stuk': did you mean 'stuck'"),
        ({"stage": "stuck"}, "The mechanism Odd has no 'name'"),
    ],
)
def test_an_incomplete_mechanism_is_refused(attributes: dict[str, str], message: str) -> None:
    class Odd(Mechanism):
        traits = Traits("both", "permanent", "cell", "none", "nothing")

        def upsets(self, situation: Situation) -> Upsets:
            return Upsets.none()

    for name, value in attributes.items():
        setattr(Odd, name, value)
    with pytest.raises(HwsimError, match=message):
        Device(mechanisms=[Odd()])


def test_a_table_without_mechanisms_has_none() -> None:
    from hwsim.memory.technology.constants import Technology

    assert mechanisms_of(Technology("own", "Own", (), {})) == ()


@pytest.mark.parametrize("ages", [True, False])
@pytest.mark.parametrize("afresh", [True, False])
def test_a_mechanism_is_not_given_what_it_does_not_say_that_it_looks_at(ages: bool, afresh: bool) -> None:
    class Curious(Mechanism):
        name = "curious"
        traits = Traits("both", "permanent", "cell", "device life" if ages else "none", "nothing")

        def upsets(self, situation: Situation) -> Upsets:
            return Upsets.none()

    Curious.afresh = afresh
    of_situation = {"interval": 7, "cycles": 9, "life": Exposure({Condition(85): 3.0})}
    situation = situation_for(Curious(), geometry=GEOMETRY, cells=64, key=Key(1), reads=2.0, **of_situation)
    assert (situation.cells, situation.reads, situation.key) == (64, 2.0, Key(1))
    for name, shown, wanted in (("interval", afresh, "afresh"), ("life", ages, "ages"), ("cycles", ages, "ages")):
        if shown:
            assert getattr(situation, name) == of_situation[name]
        else:
            assert name not in vars(situation)
            with pytest.raises(HwsimError, match=rf"looks at Situation\.{name}, .* set {wanted} = True"):
                getattr(situation, name)
    assert not hasattr(situation, "other")
