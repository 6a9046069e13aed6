"""Codes computed in another way than hwsim does: error patterns by brute force, decoding by nearest codeword, and
BCH codes by arithmetic in GF(2**m).
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.ecc import Code

Bits = NDArray[np.uint64]


@functools.cache
def patterns(cells: int, weight: int) -> NDArray[np.int64]:
    """All sets of `weight` of `cells` cells, one a row."""
    count = math.comb(cells, weight)
    flat = itertools.chain.from_iterable(itertools.combinations(range(cells), weight))
    return np.fromiter(flat, np.int64, count * weight).reshape(count, weight)


def flips(code: Code, where: NDArray[np.int64]) -> tuple[Bits, Bits]:
    """The flipped data cells and check cells, for rows of cells; a codeword's data cells come first."""
    data = np.zeros(len(where), np.uint64)
    check = np.zeros(len(where), np.uint64)
    for cell in where.T:
        in_data = cell < code.data_bits
        data[in_data] ^= np.uint64(1) << cell[in_data].astype(np.uint64)
        check[~in_data] ^= np.uint64(1) << (cell[~in_data] - code.data_bits).astype(np.uint64)
    return data, check


def errors(code: Code, weight: int) -> tuple[Bits, Bits]:
    """All errors of `weight` cells of a codeword."""
    return flips(code, patterns(code.cells, weight))


def any_data(code: Code, count: int, seed: int = 0) -> Bits:
    """Data from a seed, as the code stores them."""
    top = (1 << code.data_bits) - 1
    return code.rounded(np.random.default_rng(seed).integers(0, top, count, np.uint64, endpoint=True))


def nearest(code: Code, data: Bits, check: Bits) -> tuple[NDArray[Any], Bits, NDArray[Any]]:
    """Exhaustive search of the nearest codeword: its distance, its data, and whether it is the only one so near."""
    every = np.arange(1 << code.data_bits, dtype=np.uint64)
    stored = code.encode(every)
    distances = np.bitwise_count(data[:, None] ^ stored.data) + np.bitwise_count(check[:, None] ^ stored.check)
    best = distances.min(axis=1)
    return best, every[distances.argmin(axis=1)], (distances == best[:, None]).sum(axis=1) == 1


PRIMITIVE = {4: 0b10011, 5: 0b100101, 6: 0b1000011, 7: 0b10001001}


class Field:
    """GF(2**m) by powers of a root of a primitive polynomial."""

    def __init__(self, m: int) -> None:
        self.order = 2**m - 1
        self.power = [1]
        for _ in range(self.order - 1):
            element = self.power[-1] << 1
            self.power.append(element ^ PRIMITIVE[m] if element >> m else element)
        assert len(set(self.power)) == self.order
        self.log = {element: exponent for exponent, element in enumerate(self.power)}

    def evaluate(self, polynomial: int, exponent: int) -> int:
        """A binary polynomial (bit i is the coefficient of x**i) at the root's power `exponent`."""
        result = 0
        for degree in range(polynomial.bit_length()):
            if polynomial >> degree & 1:
                result ^= self.power[degree * exponent % self.order]
        return result

    def decode_two_errors(self, polynomial: int, length: int) -> int | None:
        """Peterson's decoder: the error, or None if none of up to two of `length` cells fits."""
        s1, s3 = self.evaluate(polynomial, 1), self.evaluate(polynomial, 3)
        if not s1:
            return None if s3 else 0
        cube = self.power[3 * self.log[s1] % self.order]
        if s3 == cube:
            return 1 << self.log[s1] if self.log[s1] < length else None
        # Two locators x and x + s1 with x**2 + s1 x = (s3 + s1**3) / s1.
        wanted = self.power[(self.log[s3 ^ cube] - self.log[s1]) % self.order]
        for first in range(length):
            x = self.power[first]
            second = self.log.get(x ^ s1)
            square = self.power[2 * first % self.order]
            product = self.power[(first + self.log[s1]) % self.order]
            if second is not None and second < length and square ^ product == wanted:
                return 1 << first | 1 << second
        return None
