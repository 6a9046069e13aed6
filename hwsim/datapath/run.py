"""What a run gave: logits, predictions, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from hwsim.datapath.counts import Counts
from hwsim.tabular import Notebook, Tabular
from hwsim.tensors import labels_of


@dataclass(frozen=True)
class Run(Notebook):
    """What a run gave.

    Attributes:
        logits: (N, classes), divided back to scale one.
        counts: what the datapath did, layer by layer, for all N images.
    """

    logits: Tensor
    counts: Counts

    @cached_property
    def invalid(self) -> Tensor:
        """(N,) whether a logit is NaN, so that there is no prediction."""
        return self.logits.isnan().any(dim=1)

    @cached_property
    def predictions(self) -> Tensor:
        """(N,) the class of the largest logit; -1 for invalid images, which therefore never count as right."""
        return self.logits.argmax(dim=1).masked_fill(self.invalid, -1)

    @property
    def nonfinite(self) -> dict[str, int]:
        """Layer -> NaN and infinite values that it put out, the first to do so first: overflows, by layer."""
        return self.counts.nonfinite

    def accuracy(self, labels: Any) -> float:
        """Share of images whose prediction is their label: whole numbers (N,), of torch or numpy.

        Raises:
            HwsimError: if they are not one for each image.
        """
        return float((self.predictions == labels_of(labels, len(self.logits))).double().mean())

    def _table(self) -> Tabular:
        """What it counted in each layer."""
        return self.counts._table()._replace(heading=str(self))

    def __str__(self) -> str:
        total = self.counts.total
        lines = [
            f"{len(self.logits):,} images: {total.words_read:,} words read, {total.macs:,} MACs, {total.divisions:,} "
            f"divisions, {total.reciprocal_multiplications:,} reciprocal multiplications, {total.shifts:,} shifts"
        ]
        if self.nonfinite:
            name, count = next(iter(self.nonfinite.items()))
            lost = int(self.invalid.sum())
            lines.append(f"overflow: first in {name} ({count:,} values); {lost:,} images without a result")
        return "\n".join(lines)

    __repr__ = __str__
