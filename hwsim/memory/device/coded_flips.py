"""Bit flips of words that lie in codewords: their data cells are the cells of the bare words, and check cells are more.

So a code and no code meet the same weak cells, and what the code does is all that tells them apart. Check cells flip
with the same rates; two codes with as many check cells in a codeword share those too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.cells.memory import Memory
from hwsim.memory.cells.weak_cells import distinct, weak_cells
from hwsim.memory.device.device_config import DeviceConfig
from hwsim.memory.device.effects import Deviations
from hwsim.memory.device.image import Blank, Codewords, Masks, Written
from hwsim.memory.device.readout import Readout
from hwsim.memory.faults.bit_flips import BitFlips
from hwsim.memory.random import Key, Seed

Bits = NDArray[np.uint64]


def read_coded(flips: BitFlips, memory: Memory, kind: DeviceConfig, seed: Seed) -> Readout:
    """What the decoder makes of flips that strike words and their check bits.

    The immune bits are bits of number words: check cells have none. Without check cells, the words that flip are those
    of `BitFlips.draw` under the same seed.

    Args:
        flips: how often cells flip.
        memory: the words, which the code can store as they are: see `hwsim.memory.ecc.round_words`.
        kind: the code, by its `ecc`, `word_bits` and `uncorrectable`; nothing else of it plays a part.
        seed: as for `BitFlips.draw`.

    Raises:
        HwsimError: as `BitFlips.draw`, and for words that the code does not hold.
    """
    flips.check_immune(memory.format)
    placement = kind.placement(memory.format, memory.words)
    key, code = Key(seed, "bit flips"), placement.code
    image = Written(memory.flat, memory.format, placement, Blank("zeros", placement, key))
    immune = sum(flips.immune << shift for shift in range(0, code.data_bits, memory.format.width))
    found = [_flipped(flips, key, image.codewords, code.data_bits, lambda some: image.cells(some)[:, 0], immune)]
    if code.check_bits:
        check = key.child("check cells")
        found.append(_flipped(flips, check, image.codewords, code.check_bits, lambda some: image.cells(some)[:, 1]))
    codeword = distinct(*(words for words, _ in found))
    masks: Masks = np.zeros((len(codeword), placement.halves), np.uint64)
    for half, (words, bits) in enumerate(found):
        masks[codeword.searchsorted(words), half] = bits
    wrong = Deviations.of(codeword, masks)
    return Readout.of(image, wrong, memory.layout, memory.checksum, {"bit flips": wrong.count}, 0.0)


def _flipped(
    flips: BitFlips, key: Key, codewords: int, width: int, stored: Callable[[Codewords], Bits], immune: int = 0
) -> tuple[Codewords, Bits]:
    """The codewords of which some cells flip, and these, where codeword w has the cells from w * width on.

    Args:
        flips: how often.
        key: of these cells.
        codewords: how many there are.
        width: cells of each, at most 64.
        stored: what the cells of codewords hold.
        immune: cells that never flip.
    """
    low, high = sorted((flips.zero_to_one, flips.one_to_zero))
    codeword, mask = _by_codeword(weak_cells(key, codewords * width, high), width)
    if low < high:
        # As in `BitFlips.masks`: cells that are weak at the lower rate too flip whatever they hold.
        held = stored(codeword)
        flipping = held if flips.one_to_zero == high else ~held
        weaker, bits = _by_codeword(weak_cells(key, codewords * width, low), width)
        flipping[codeword.searchsorted(weaker)] |= bits
        mask &= flipping
    return codeword, mask & ~np.uint64(immune)


def _by_codeword(cells: NDArray[np.int64], width: int) -> tuple[Codewords, Bits]:
    """Sorted cells gathered by codeword: numbers of codewords, and masks of their cells."""
    codeword, bit = np.divmod(cells, width)
    first = np.flatnonzero(np.diff(codeword, prepend=-1))
    bits = np.uint64(1) << bit.astype(np.uint64)
    return codeword[first], np.bitwise_or.reduceat(bits, first) if len(first) else bits
