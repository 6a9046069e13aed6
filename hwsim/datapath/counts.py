"""Counters: exact integers, one row a layer, incremented by the run that produced the logits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from hwsim.tabular import Shown, Tabular

if TYPE_CHECKING:
    from torch import Tensor

COUNTERS = {
    "words_read": "words that the datapath reads from the faulty memory",
    "bits_read": "cells that are read for these words: all of the codewords that hold them, check cells included",
    "guarded_words": "words read that a guard changed",
    "comparisons": "comparisons that guards make with the words read",
    "macs": "multiply-accumulates of convolutions and matrix products, those of two tensors (as in attention) included",
    "additions": "additions outside the MAC array: biases, BatchNorm offsets, sums of tensors",
    "multiplications": "multiplications outside the MAC array: BatchNorm factors, products of tensors",
    "divisions": "true divisions by a scaling constant",
    "reciprocal_multiplications": "multiplications by the reciprocal of a scaling constant",
    "shifts": "divisions by a power of two: shifts or exponent subtractions",
    "alignments": "elements divided, or shifted, so that the inputs of a sum or concatenation have one scale",
    "nonfinite": "NaN or infinite values that the layer put out; in fixed point, values that saturated",
    "underflows": "values that the layer put out, not zero, that are zero in a format of tensors narrower than FP32",
}
"""Every counter and its meaning; the unit is operations (or words, or values)."""


@dataclass
class LayerCounts:
    """What one layer did. See `COUNTERS` for the meaning of each."""

    words_read: int = 0
    bits_read: int = 0
    guarded_words: int = 0
    comparisons: int = 0
    macs: int = 0
    additions: int = 0
    multiplications: int = 0
    divisions: int = 0
    reciprocal_multiplications: int = 0
    shifts: int = 0
    alignments: int = 0
    nonfinite: int = 0
    underflows: int = 0

    def __add__(self, other: LayerCounts) -> LayerCounts:
        return LayerCounts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def as_dict(self) -> dict[str, int]:
        """Counter name -> count."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Tally:
    """What a run does, by operation. What follows from the data stays where the tensors are until it is read.

    An operation here is its name; the images have one too, and `RESULT` stands for the reader of the logits.
    """

    def __init__(self) -> None:
        self._done: dict[str, LayerCounts] = {}
        self._seen: dict[tuple[str, str], Tensor | int] = {}

    def of(self, operation: str) -> LayerCounts:
        """The counters of an operation, made at first use, to be incremented."""
        return self._done.setdefault(operation, LayerCounts())

    def see(self, operation: str, counter: str, number: Tensor | int) -> None:
        """Count what follows from the data."""
        key = operation, counter
        self._seen[key] = self._seen[key] + number if key in self._seen else number

    def add(self, other: Tally, times: int) -> None:
        """Count what was done once as done several times."""
        for operation, counts in other._done.items():
            mine = self.of(operation)
            for key, number in counts.as_dict().items():
                setattr(mine, key, getattr(mine, key) + times * number)
        for (operation, counter), seen in other._seen.items():
            self.see(operation, counter, seen * times)

    def counts(self, labels: Mapping[str, str]) -> Counts:
        """The counts by layer: those of all operations with one label, in the order of the labels.

        Args:
            labels: operation -> its layer, in order of execution; another operation is its own, behind them.
        """
        for (operation, counter), number in self._seen.items():
            if int(number):
                counts = self.of(operation)
                setattr(counts, counter, getattr(counts, counter) + int(number))
        self._seen = {}
        layers = {label: LayerCounts() for label in labels.values()}
        first = []
        for operation in (*labels, *(name for name in self._done if name not in labels)):
            done, label = self._done.get(operation, LayerCounts()), labels.get(operation, operation)
            layers[label] = layers.get(label, LayerCounts()) + done
            if done.nonfinite:
                first.append(label)
        kept = {label: counts for label, counts in layers.items() if counts != LayerCounts()}
        return Counts(kept, tuple(dict.fromkeys(first)))


class Counts(Mapping[str, LayerCounts], Shown):
    """The counts of one run: layer name -> `LayerCounts`, in order of execution, and their `total`.

    Args:
        layers: the counts.
        overflowed: the layers in which values left the range, in the order of the operations that did it first.
    """

    def __init__(self, layers: Mapping[str, LayerCounts], overflowed: tuple[str, ...] = ()) -> None:
        self._layers, self._overflowed = dict(layers), overflowed

    @property
    def nonfinite(self) -> dict[str, int]:
        """Layer -> values that left the range in it, in the order of execution of the operations that did it first."""
        return {name: self[name].nonfinite for name in self._overflowed}

    def __getitem__(self, name: str) -> LayerCounts:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def total(self) -> LayerCounts:
        """The sum over all layers."""
        return sum(self._layers.values(), LayerCounts())

    def _table(self) -> Tabular:
        """The layers, and the counters that are not zero in all of them."""
        shown = [name for name in COUNTERS if getattr(self.total, name)]
        if not shown:
            return Tabular("nothing counted", (), ())

        def line(name: str, counted: LayerCounts) -> list[str]:
            return [name, *(f"{getattr(counted, counter):,}" for counter in shown)]

        rows = [line(name, counted) for name, counted in self.items()]
        return Tabular("", ("", *(">" + counter for counter in shown)), rows, foot=line("total", self.total))
