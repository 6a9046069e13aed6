"""Random numbers by key: every draw has a name, so that no draw depends on another one's order.

A key is a seed and what the draw is for, `Key(7, "bit flips")`. Two generators made from one key give
the same numbers on every machine, in any order of use; generators of different keys are independent.
"""

from __future__ import annotations

import hashlib
import operator
from functools import cached_property
from typing import TypeAlias

import numpy as np

from hwsim.errors import HwsimError

Seed: TypeAlias = "int | str | tuple[int | str, ...] | Key"


class Key:
    """The name of a random draw: integers and words, in order. `Key((1, "a"), "b")` is `Key(1, "a", "b")`.

    Raises:
        HwsimError: for a part that is neither an integer nor a word.
    """

    def __init__(self, *parts: Seed) -> None:
        self.parts: tuple[int | str, ...] = tuple(flat for part in parts for flat in _flatten(part))

    @cached_property
    def entropy(self) -> int:
        """128 bits that stand for this key."""
        return int.from_bytes(hashlib.blake2b(repr(self.parts).encode(), digest_size=16).digest(), "little")

    def child(self, *purpose: int | str) -> Key:
        """This key with `purpose` added to it."""
        return Key(self, *purpose)

    def generator(self, *index: int) -> np.random.Generator:
        """A new generator at the start of the key's stream number `index` (non-negative integers)."""
        sequence = np.random.SeedSequence(self.entropy, spawn_key=index)
        return np.random.Generator(np.random.SFC64(sequence))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        return f"Key({', '.join(map(repr, self.parts))})"


def rng(seed: Seed, *purpose: int | str) -> np.random.Generator:
    """A generator for one purpose: `rng(7, "training images", epoch)`."""
    return Key(seed, *purpose).generator()


def _flatten(part: object) -> tuple[int | str, ...]:
    if isinstance(part, Key):
        return part.parts
    if isinstance(part, tuple):
        return tuple(flat for inner in part for flat in _flatten(inner))
    if isinstance(part, str):
        return (str(part),)
    try:
        return (operator.index(part),)  # type: ignore[arg-type]
    except TypeError:
        raise HwsimError(f"{part!r} cannot be part of a seed: give an integer, a word, or a tuple of them.") from None
