"""Random numbers by key."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory.random import Key, rng

PARTS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4).map(tuple)


def test_a_key_gives_the_same_numbers_in_any_order_of_use() -> None:
    first, second = rng(1, "a").random(5), rng(1, "b").random(5)
    assert (rng(1, "b").random(5) == second).all()
    assert (rng(1, "a").random(5) == first).all()


def test_numbers_of_a_key_never_change() -> None:
    assert Key(7, "bit flips").entropy == 0x78685EBA037924486C213F04967F530D
    assert rng(7, "bit flips").integers(0, 1000, 4).tolist() == [970, 475, 999, 474]


@given(PARTS, PARTS)
def test_different_keys_have_different_entropy(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    assert (Key(one).entropy == Key(other).entropy) == (one == other)


def test_keys_that_join_to_the_same_text_differ() -> None:
    keys = [Key(1, 2), Key(12), Key("1", 2), Key("1, 2"), Key(1, "2"), Key("(1, 2)"), Key(1 + (2 << 32)), Key()]
    assert len({key.entropy for key in keys}) == len(keys)


def test_seeds_nest_flat_and_take_numpy_integers() -> None:
    assert Key((1, ("a", np.int64(3))), "b") == Key(1, "a", 3, "b") == Key(Key(1), "a").child(3, "b")
    assert hash(Key((1, "a"))) == hash(Key(1, "a"))
    assert Key(1, "a").parts == (1, "a")
    assert repr(Key(1, "a")) == "Key(1, 'a')"


def test_streams_of_a_key_are_uncorrelated() -> None:
    # 15 pairs of 20,000 uniforms: correlations have the standard error 0.0071; a correlation of 0.04 shows surely.
    streams = [Key(3).generator(index).random(20_000) for index in range(3)] + [
        Key(seed, "x").generator(0).random(20_000) for seed in range(3)
    ]
    for one, other in itertools.combinations(streams, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 * 0.0071


@pytest.mark.parametrize("part", [1.5, None, b"x", [1]])
def test_other_seeds_are_refused(part: object) -> None:
    with pytest.raises(HwsimError, match="cannot be part of a seed: give an integer, a word, or a tuple"):
        Key(part)  # type: ignore[arg-type]
