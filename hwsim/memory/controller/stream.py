"""What is asked of a memory: streams of reads or writes, burst by burst; and how often a write is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError, unknown
from hwsim.memory.random import Seed, rng

Access = Literal["read", "write"]


@dataclass(frozen=True, eq=False)
class Stream:
    """Words that are read or written one after the other.

    Attributes:
        operation: "read" or "write".
        first_word: address of the first word.
        words: how many.
        word_bits: bits of a word; the memory's own words if None. Words lie side by side without gaps.
        at_s: when the first burst arrives, s.
        every_s: time from one burst's arrival to the next one's, s; None: each comes when the queue has a place.
        tries: for writes that check themselves, how often each burst is written, each time read back: one number for
            all, or one a burst (see `write_tries`). None: written once, not checked.
    """

    operation: Access
    first_word: int
    words: int
    word_bits: int | None = None
    at_s: float = 0.0
    every_s: float | None = None
    tries: int | NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.operation not in get_args(Access):
            raise unknown("operation", self.operation, get_args(Access))
        for name in ("first_word", "words"):
            if getattr(self, name) < 0:
                raise HwsimError(f"{name} = {getattr(self, name)} of a stream must not be negative.")
        for name in ("at_s", "every_s"):
            time = getattr(self, name)
            if time is not None and not 0 <= time < float("inf"):
                raise HwsimError(f"{name} = {time!r} of a stream must be a time of 0 s or more.")
        if self.word_bits is not None and self.word_bits < 1:
            raise HwsimError(f"word_bits = {self.word_bits} of a stream must be at least 1.")
        if self.tries is not None and self.operation != "write":
            raise HwsimError("Only writes have tries: leave them out for a read.")
        if self.tries is not None and np.min(self.tries, initial=1) < 1:
            raise HwsimError("A write is tried at least once: tries must be 1 or more.")

    def bits(self, word_bits: int) -> int:
        """Bits that it asks for, in a memory of words of `word_bits`."""
        return self.words * (self.word_bits or word_bits)

    def bursts(self, word_bits: int, burst_bits: int) -> range:
        """Numbers of the bursts that cover it; a burst that it covers in part counts in full."""
        width = self.word_bits or word_bits
        first, stop = self.first_word * width, (self.first_word + self.words) * width
        return range(first // burst_bits, -(-stop // burst_bits) if stop > first else first // burst_bits)


@dataclass(frozen=True)
class Scrub:
    """Traffic that reads a whole memory again and again, and writes it back, in evenly spaced bursts.

    Attributes:
        every_s: time in which all words are scrubbed once, s.
        words: words of the memory.
        write_back: whether what was read is written again.
    """

    every_s: float
    words: int
    write_back: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.every_s < float("inf"):
            raise HwsimError(f"every_s = {self.every_s!r} of a scrub must be a time above 0 s.")
        if self.words < 1:
            raise HwsimError(f"words = {self.words} of a scrub must be at least 1.")


def write_tries(seed: Seed, bursts: int, bits: int, error_rate: float, most: int) -> NDArray[np.int64]:
    """How often each burst must be written until all its bits are right, or until it has been tried `most` times.

    A try fails for each bit with `error_rate`, independently, and only wrong bits matter to the next one:
    P(more than k tries) = 1 - (1 - error_rate^k)^bits for k < most.

    Args:
        seed: of the draw; a longer write has the tries of a shorter one, and a higher rate never fewer tries.
        bursts: number of bursts.
        bits: bits of a burst that a write changes.
        error_rate: chance that one try leaves one bit wrong.
        most: tries after which a burst is left as it is.

    Raises:
        HwsimError: for a rate that is none, and for less than one try.
    """
    if not 0 <= error_rate <= 1:
        raise HwsimError(f"error_rate = {error_rate!r} must be a probability between 0 and 1.")
    if most < 1:
        raise HwsimError(f"A write is tried at least once: most = {most} must be 1 or more.")
    beyond = _more_than(np.arange(1, most), bits, error_rate)  # falls with the number of tries
    uniform = rng(seed, "write tries").random(bursts)
    return 1 + np.searchsorted(-beyond, -uniform, side="left").astype(np.int64)


def expected_tries(bits: int, error_rate: float, most: int) -> float:
    """Mean of `write_tries`, in closed form: the sum of P(more than k tries) over k from 0 to most - 1."""
    return 1.0 + float(_more_than(np.arange(1, most), bits, error_rate).sum())


def _more_than(tries: NDArray[np.int64], bits: int, error_rate: float) -> NDArray[np.float64]:
    """P(more than so many tries)."""
    with np.errstate(divide="ignore"):
        return -np.expm1(bits * np.log1p(-(np.float64(error_rate) ** tries)))
