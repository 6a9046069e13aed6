"""What a memory holds, and where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import Memory
from hwsim.words import get_format
from tests.memory.conftest import SHAPES

FP16 = get_format("fp16")


def test_tensors_follow_each_other_without_gaps(layers: Callable[..., Memory]) -> None:
    memory = layers("fp16")
    assert [(region.name, region.shape) for region in memory.regions] == list(SHAPES.items())
    end = 0
    for region in memory.regions:
        assert region.first_word == end
        assert region.words == np.prod(region.shape, dtype=int)
        end = region.end
    assert memory.words == memory.words_written == memory.flat.size == end
    assert memory.cells == 16 * end


def test_words_are_stored_in_row_major_order() -> None:
    words = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    assert Memory({"t": words}, FP16).flat.tolist() == list(range(24))
    assert Memory({"t": words.transpose(2, 0, 1)}, FP16).flat.tolist() == words.transpose(2, 0, 1).ravel().tolist()


def test_a_write_copies_so_that_faults_do_not_reach_the_given_arrays() -> None:
    words = np.zeros(4, np.uint16)
    memory = Memory({"t": words}, FP16)
    memory.flat[:] = 7
    assert words.tolist() == [0, 0, 0, 0]


def test_a_tensor_is_a_view_in_its_shape(layers: Callable[..., Memory]) -> None:
    memory = layers()
    memory.tensor("conv")[1, 2, 0, 3] = 42
    assert (
        memory.flat[memory.layout.region("conv").first_word + np.ravel_multi_index((1, 2, 0, 3), SHAPES["conv"])] == 42
    )
    assert memory.tensor("scale").shape == ()


def test_a_memory_prints_what_it_holds(layers: Callable[..., Memory]) -> None:
    assert repr(layers("q2.5")) == "<Memory: 685 words of q2.5 in 7 tensors, 5,480 cells>"
    assert repr(Memory({}, FP16)) == "<Memory: 0 words of fp16 in 0 tensors, 0 cells>"


def test_values_instead_of_words_are_refused() -> None:
    with pytest.raises(HwsimError, match=r"'t' has elements of type float32, but words of fp16 are uint16: encode"):
        Memory({"t": np.zeros(3, np.float32)}, FP16)


def test_bits_beyond_the_width_are_refused() -> None:
    with pytest.raises(HwsimError, match=r"bits beyond the 11 bits of q3\.7"):
        Memory({"t": np.array([0, 1 << 11], np.uint16)}, get_format("q3.7"))


def test_an_unknown_tensor_is_named_with_the_nearest_one(layers: Callable[..., Memory]) -> None:
    with pytest.raises(HwsimError, match=r"Unknown stored tensor 'linaer': did you mean 'linear'\?"):
        layers().tensor("linaer")


def test_a_format_may_be_given_by_its_name() -> None:
    words = np.arange(3, dtype=np.uint16)
    assert Memory({"t": words}, "fp16").layout == Memory({"t": words}, FP16).layout
    with pytest.raises(HwsimError, match="Unknown number format 'fp15': did you mean 'fp16'"):
        Memory({"t": words}, "fp15")


def test_what_is_no_array_of_words_is_refused() -> None:
    with pytest.raises(HwsimError, match=r"^What a memory holds must be names and their arrays of words, not array"):
        Memory(np.zeros(3, np.uint16), FP16)  # type: ignore[arg-type]
    with pytest.raises(HwsimError, match=r"^Tensor 't' must be an array of words, not list: encode it first\.$"):
        Memory({"t": [1, 2]}, FP16)  # type: ignore[dict-item]
