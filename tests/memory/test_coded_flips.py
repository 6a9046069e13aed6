"""Flips of words in codewords: the cells of the bare words, check cells besides, and what decoding makes of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory import BitFlips, DeviceConfig, Key, Memory
from hwsim.memory.cells.weak_cells import weak_thresholds
from hwsim.memory.device.coded_flips import read_coded
from hwsim.memory.ecc import Outcome, code_names, get_code, round_words
from hwsim.words import get_format

RATES = [0.004, (0.01, 0.002), (0.0, 0.01), 0.3, 1.0]


def memory_of(name: str, count: int, ecc: str) -> Memory:
    """Random words that the code can store."""
    fmt = get_format(name)
    bits = np.random.default_rng(3).integers(0, 1 << fmt.width, count, np.uint64).astype(fmt.dtype)
    return Memory({"t": round_words(bits, fmt, get_code(ecc, 64, fmt))[0]}, fmt)


def bits_of(numbers: NDArray[np.uint64], width: int) -> NDArray[np.bool_]:
    """(numbers, width): every bit, the least significant first."""
    return (numbers[:, None] >> np.arange(width, dtype=np.uint64) & np.uint64(1)).astype(bool)


def numbers_of(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    return (bits.astype(np.uint64) << np.arange(bits.shape[1], dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ecc", code_names())
@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
def test_a_read_is_what_decoding_every_codeword_gives(ecc: str, rate: Any, uncorrectable: str) -> None:
    """All cells with their thresholds, all codewords decoded, against the few that are looked at."""
    name = "fp16" if ecc == "in_place_parity" else "q2.5"
    memory, fmt, immune = memory_of(name, 603, ecc), get_format(name), 0b100
    code = get_code(ecc, 64, fmt, uncorrectable)
    readout = read_coded(BitFlips(rate, immune), memory, DeviceConfig(ecc=ecc, uncorrectable=uncorrectable), 5)

    per_word = 64 // fmt.width
    padded = np.zeros(-(-memory.words // per_word) * per_word, np.uint64)
    padded[: memory.words] = memory.flat
    data = numbers_of(bits_of(padded, fmt.width).reshape(-1, code.data_bits))
    stored = code.encode(data)
    up, down = rate if isinstance(rate, tuple) else (rate, rate)
    cells, wrong = [], 0
    for key, half, width in (
        (Key(5, "bit flips"), stored.data, code.data_bits),
        (Key(5, "bit flips", "check cells"), stored.check, code.check_bits),
    ):
        held = bits_of(half, width)
        _, threshold = weak_thresholds(key, held.size, 1.0)
        flip = threshold.reshape(held.shape) <= np.where(held, down, up)
        if half is stored.data:
            flip &= ~np.resize(bits_of(np.array([immune], np.uint64), fmt.width)[0], width)
        wrong += int(flip.sum())
        cells.append(numbers_of(held ^ flip))
    decoded = code.decode(*cells)
    right = decoded.data == data
    quiet, changed = ~decoded.corrected & ~decoded.detected, decoded.corrected & ~decoded.detected
    assert readout.wrong_bits == wrong > 0
    assert readout.outcome == Outcome(
        *(int(x.sum()) for x in (quiet & right, changed & right, decoded.detected, changed & ~right, quiet & ~right))
    )
    copy = Memory({"t": memory.flat}, fmt)
    readout.faults.apply(copy)
    read = numbers_of(bits_of(decoded.data, code.data_bits).reshape(-1, fmt.width))
    assert (copy.flat == read[: memory.words]).all()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["fp32", "fp16", "q2.5", "q0.3"])
def test_without_a_code_it_is_the_draw_of_bare_words(name: str, rate: Any) -> None:
    memory, flips = memory_of(name, 500, "none"), BitFlips(rate, immune=0b1001)
    bare, read = flips.draw(memory, (1, "a")), read_coded(flips, memory, DeviceConfig(), (1, "a"))
    assert (bare.address == read.faults.address).all()
    assert (bare.before == read.faults.before).all()
    assert (bare.after == read.faults.after).all()
    fillers = -memory.words % (64 // get_format(name).width)
    assert 0 <= read.outcome.silent - len(bare) <= fillers


@pytest.mark.parametrize("ecc", ["secded", "bch_dec_ted", "in_place_secded", "tmr_exponent"])
def test_the_cells_of_a_lower_rate_are_among_those_of_a_higher_one(ecc: str) -> None:
    memory, kind = memory_of("q2.5", 4000, ecc), DeviceConfig(ecc=ecc)
    found = [read_coded(BitFlips(rate), memory, kind, 1).cells for rate in (1e-4, 1e-3, 5e-3, 0.2)]
    for fewer, more in pairwise(found):
        assert np.isin(fewer, more).all()
        assert len(fewer) < len(more)


def test_an_empty_memory_and_one_that_no_flip_strikes_are_read_as_they_were_written() -> None:
    for memory, rate in ((memory_of("fp16", 0, "none"), 0.5), (memory_of("fp16", 100, "none"), 0.0)):
        readout = read_coded(BitFlips(rate), memory, DeviceConfig(ecc="secded"), 1)
        assert (len(readout.faults), readout.wrong_bits) == (0, 0)
        assert readout.outcome == Outcome(clean=-(-memory.words // 4))


def test_immune_bits_that_words_do_not_have_are_refused() -> None:
    with pytest.raises(HwsimError, match="does not have"):
        read_coded(BitFlips(0.1, immune=1 << 16), memory_of("fp16", 4, "none"), DeviceConfig(ecc="secded"), 1)
