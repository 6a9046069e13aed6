"""Numbers that tell a clustered fault map from a random one, each beside the value that chance would give.

Chance is as many faults, thrown at random on the cells, no cell twice. Its values are exact (hypergeometric):

    mean faults of a block of b cells    n b / N                                 n faults in N cells
    variance                             n (b/N) (1 - b/N) (N - n) / (N - 1)
    P(a block without a fault)           C(N - b, n) / C(N, n)
    pairs in one column of a block       C(n, 2) x pairs of cells in one column / C(N, 2)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.mechanisms.mechanism import FORCE_0, FORCE_1

_MOST_BLOCKS = 1 << 28
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class FaultMapSummary:
    """How the faults of a map lie.

    Attributes:
        geometry: of the memory.
        faults: number of faulty cells.
        to_zero, to_one: of these, cells that fail to 0 and to 1; the others flip.
        per_block: faults of each block.
        same_column_pairs: pairs of faults in one column of a block.
        same_row_pairs: pairs of faults in one row of a block.
    """

    geometry: Geometry
    faults: int
    to_zero: int
    to_one: int
    per_block: NDArray[np.int64]
    same_column_pairs: int
    same_row_pairs: int

    @property
    def rate(self) -> float:
        """Share of the cells that are faulty."""
        return self.faults / self.geometry.cells

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.per_block)

    @property
    def mean_per_block(self) -> float:
        """Mean number of faults in a block."""
        return self.faults / self.blocks

    @property
    def variance_over_mean(self) -> float:
        """Variance of the number of faults in a block over its mean; NaN without faults. 1 and below: no clusters."""
        return float(self.per_block.var()) / self.mean_per_block if self.faults else math.nan

    @property
    def variance_over_mean_by_chance(self) -> float:
        """The same for as many faults thrown at random."""
        if not self.faults:
            return math.nan
        cells, n = self.geometry.cells, self.faults
        second = 0.0  # mean over blocks of E[k^2]
        for size, count in _block_sizes(self.geometry).items():
            share = size / cells
            variance = n * share * (1 - share) * (cells - n) / (cells - 1) if cells > 1 else 0.0
            second += count * (variance + (n * share) ** 2)
        return (second / self.blocks - self.mean_per_block**2) / self.mean_per_block

    @property
    def fault_free(self) -> float:
        """Share of blocks without a fault."""
        return float((self.per_block == 0).mean())

    @property
    def fault_free_by_chance(self) -> float:
        """The same for as many faults thrown at random."""
        return sum(
            count * _none_of(size, self.faults, self.geometry.cells)
            for size, count in _block_sizes(self.geometry).items()
        ) / max(1, self.blocks)

    @property
    def same_column_by_chance(self) -> float:
        """Pairs in one column of a block, expected of as many faults thrown at random."""
        heights = _parts(self.geometry.rows, self.geometry.block_rows)
        pairs = sum(count * _pairs(height) for height, count in heights.items())
        return self._expected(pairs * self.geometry.columns * self.geometry.banks)

    @property
    def same_row_by_chance(self) -> float:
        """Pairs in one row of a block, expected of as many faults thrown at random."""
        widths = _parts(self.geometry.columns, self.geometry.block_columns)
        pairs = sum(count * _pairs(width) for width, count in widths.items())
        return self._expected(pairs * self.geometry.rows * self.geometry.banks)

    @property
    def column_clustering(self) -> float:
        """Pairs in one column over those by chance; NaN where chance gives none."""
        return _over(self.same_column_pairs, self.same_column_by_chance)

    @property
    def row_clustering(self) -> float:
        """Pairs in one row over those by chance; NaN where chance gives none."""
        return _over(self.same_row_pairs, self.same_row_by_chance)

    def _expected(self, pairs_of_cells: int) -> float:
        return _pairs(self.faults) * pairs_of_cells / max(1, _pairs(self.geometry.cells))

    def __str__(self) -> str:
        flips = self.faults - self.to_zero - self.to_one
        block = f"{self.geometry.block_rows:,} x {self.geometry.block_columns:,}"
        rows = [
            ("mean faults of a block", self.mean_per_block, self.mean_per_block),
            ("variance / mean", self.variance_over_mean, self.variance_over_mean_by_chance),
            ("blocks without a fault", self.fault_free, self.fault_free_by_chance),
            ("pairs in one column", self.same_column_pairs, self.same_column_by_chance),
            ("pairs in one row", self.same_row_pairs, self.same_row_by_chance),
        ]
        lines = [
            f"{self.faults:,} of {self.geometry.cells:,} cells fail, {self.rate:.3g} of all: {self.to_zero:,} to 0, "
            f"{self.to_one:,} to 1, {flips:,} flip",
            f"{self.blocks:,} blocks of {block} cells, the fullest with {int(self.per_block.max(initial=0)):,} faults",
            f"{'':<24}{'found':>12}{'by chance':>12}",
        ]
        return "\n".join(lines + [f"{name:<24}{found:>12.4g}{chance:>12.4g}" for name, found, chance in rows])


def summarise(found: FaultMap) -> FaultMapSummary:
    """How the faults of a map lie.

    Raises:
        HwsimError: for a geometry of more blocks than can be counted (2^28).
    """
    geometry = found.geometry
    if geometry.blocks > _MOST_BLOCKS:
        raise HwsimError(
            f"{geometry.blocks:,} blocks of {geometry.block_rows} x {geometry.block_columns} cells are too many to "
            f"count: give larger blocks."
        )
    bank, block, row, column = geometry.position(found.cell)
    in_block_row = column // geometry.block_columns + geometry.blocks_across * (row * geometry.banks + bank)
    return FaultMapSummary(
        geometry=geometry,
        faults=len(found),
        to_zero=int((found.fails == FORCE_0).sum()),
        to_one=int((found.fails == FORCE_1).sum()),
        per_block=np.bincount(block, minlength=geometry.blocks),
        same_column_pairs=_same(geometry.unit("column", found.cell)),
        same_row_pairs=_same(in_block_row),
    )


def _same(unit: NDArray[np.int64]) -> int:
    """Pairs with the same number."""
    counts = np.unique(unit, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _parts(length: int, part: int) -> dict[int, int]:
    """{size: how many} of the parts that a length is cut into; the last may be shorter."""
    whole, rest = divmod(length, part)
    return {size: count for size, count in ((part, whole), (rest, 1)) if size and count}


def _block_sizes(geometry: Geometry) -> dict[int, int]:
    """{cells: number of blocks with so many}."""
    sizes: dict[int, int] = {}
    heights = _parts(geometry.rows, geometry.block_rows)
    widths = _parts(geometry.columns, geometry.block_columns)
    for (height, down), (width, across) in product(heights.items(), widths.items()):
        sizes[height * width] = sizes.get(height * width, 0) + down * across * geometry.banks
    return sizes


def _none_of(size: int, faults: int, cells: int) -> float:
    """Chance that no faulty cell is one of `size` cells: C(cells - size, faults) / C(cells, faults)."""
    if size + faults > cells:
        return 0.0
    few, many = sorted((size, faults))
    logarithm = 0.0  # of the product over i < few of 1 - many / (cells - i): the two may change places
    for start in range(0, few, _CHUNK):
        logarithm += float(np.log1p(-many / (cells - np.arange(start, min(few, start + _CHUNK)))).sum())
    return math.exp(logarithm)


def _pairs(number: int) -> int:
    return number * (number - 1) // 2


def _over(found: int, chance: float) -> float:
    return found / chance if chance else math.nan
