"""Faults: where they are, what they changed, and taking them back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import BitFlips, Memory
from hwsim.words import get_format
from tests.memory.conftest import SHAPES

FORMATS = ["fp32", "bf16", "q3.7", "int8"]
Layers = Callable[..., Memory]


@pytest.mark.parametrize("name", FORMATS)
def test_applied_faults_turn_the_words_before_into_the_words_after(layers: Layers, name: str) -> None:
    memory = layers(name)
    expected = memory.flat.copy()
    faults = BitFlips(0.05).draw(memory, seed=1)
    assert (faults.before == expected[faults.address]).all()
    expected[faults.address] = faults.after
    faults.apply(memory)
    assert (memory.flat == expected).all()
    assert (faults.before != faults.after).all()


@pytest.mark.parametrize("name", FORMATS)
def test_undoing_restores_every_bit(layers: Layers, name: str) -> None:
    memory, untouched = layers(name), layers(name)
    maps = [BitFlips(0.05).draw(memory, seed) for seed in range(3)]
    for faults in maps:
        faults.apply(memory)
    for faults in maps:  # in any order
        faults.undo(memory)
    assert (memory.flat == untouched.flat).all()


def test_rows_are_words_in_order_of_address_each_once(layers: Layers) -> None:
    faults = BitFlips(0.2).draw(layers(), seed=1)
    assert (np.diff(faults.address) > 0).all()
    assert len(faults) == len(faults.address) < faults.flips


@pytest.mark.parametrize("name", FORMATS)
def test_a_faulty_word_is_a_word(layers: Layers, name: str) -> None:
    faults = BitFlips(1.0).draw(layers(name), seed=1)
    assert int(faults.after.max()) < 1 << faults.format.width
    assert (faults.after == faults.before ^ faults.format.dtype.type((1 << faults.format.width) - 1)).all()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.1, 1.0])
def test_faults_by_region_are_all_faults_by_tensor_and_index(layers: Layers, name: str, rate: float) -> None:
    memory, sound = layers(name), layers(name)
    faults = BitFlips(rate).draw(memory, seed=2)
    faults.apply(memory)
    rows = 0
    for region, index, before, after in faults.by_region():
        shape = SHAPES[region.name]
        where = np.unravel_index(index, shape) if shape else ()
        assert (sound.tensor(region.name)[where] == before).all()
        assert (memory.tensor(region.name)[where] == after).all()
        rows += len(index)
    assert rows == len(faults)


@pytest.mark.parametrize("name", FORMATS)
def test_faults_by_field_count_every_flipped_bit(layers: Layers, name: str) -> None:
    faults = BitFlips(0.1).draw(layers(name), seed=3)
    expected = dict.fromkeys((field.name for field in faults.format.fields), 0)
    for before, after in zip(faults.before.tolist(), faults.after.tolist(), strict=True):
        for bit in range(faults.format.width):
            expected[faults.format.field_of(bit).name] += (before ^ after) >> bit & 1
    assert faults.by_field() == expected
    assert faults.flips == sum(expected.values())


def test_faults_are_refused_by_a_memory_of_another_layout(layers: Layers) -> None:
    faults = BitFlips(0.1).draw(layers("fp16"), seed=1)
    with pytest.raises(HwsimError, match=r"were drawn for fp16 words, not bf16 words\.$"):
        faults.apply(layers("bf16"))
    fp16 = get_format("fp16")
    two = Memory({"a": np.zeros((2, 3), np.uint16), "b": np.zeros(4, np.uint16)}, fp16)
    reshaped = Memory({"a": np.zeros((3, 2), np.uint16), "b": np.zeros(4, np.uint16)}, fp16)
    with pytest.raises(HwsimError, match=r"were drawn for a \[2, 3\], not a \[3, 2\]\.$"):
        BitFlips(0.1).draw(two, seed=1).apply(reshaped)
    with pytest.raises(HwsimError, match=r"were drawn for 2 tensors, not 1\.$"):
        BitFlips(0.1).draw(two, seed=1).apply(Memory({"a": np.zeros((2, 3), np.uint16)}, fp16))


def test_faults_print_what_they_hit(layers: Layers) -> None:
    faults = BitFlips(1.0).draw(layers("fp16"), seed=1)
    assert repr(faults) == (
        "<Faults: 10,960 flipped bits (685 sign, 3,425 exponent, 6,850 fraction) in 685 of 685 words of fp16>"
    )
    assert "0 flipped bits" in repr(BitFlips(0.0).draw(layers("q2.5"), seed=1))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mask", [0b1, 0b1010110, 0])
def test_bits_that_were_set_are_those_stored_as_0_and_read_as_1(layers: Layers, name: str, mask: int) -> None:
    faults = BitFlips(0.3).draw(layers(name), seed=1)
    raised = lowered = 0
    for before, after in zip(faults.before.tolist(), faults.after.tolist(), strict=True):
        for bit in (bit for bit in range(faults.format.width) if mask >> bit & 1):
            raised += not before >> bit & 1 and after >> bit & 1
            lowered += before >> bit & 1 and not after >> bit & 1
    assert faults.bits_set(mask) == raised
    assert mask == 0 or raised != lowered
