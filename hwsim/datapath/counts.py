"""Counters: exact integers, one row a layer, incremented by the run that produced the logits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from hwsim.tabular import Shown, Tabular

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


class Counts(Mapping[str, LayerCounts], Shown):
    """The counts of one run: layer name -> `LayerCounts`, in order of execution, and their `total`."""

    def __init__(self, layers: Iterable[str] = ()) -> None:
        self._layers = {name: LayerCounts() for name in layers}
        self._overflowed: dict[str, int] = {}

    def layer(self, name: str) -> LayerCounts:
        """The counters of a layer, made at first use, to be incremented."""
        return self._layers.setdefault(name, LayerCounts())

    def add(self, others: Counts, times: int) -> None:
        """Count what was done once as done several times."""
        for name, counted in others._layers.items():
            layer = self.layer(name)
            for key, number in counted.as_dict().items():
                setattr(layer, key, getattr(layer, key) + times * number)
        for name, place in others._overflowed.items():
            self._overflowed[name] = min(place, self._overflowed.get(name, place))

    def overflow(self, name: str, values: int, place: int) -> None:
        """Count values that left the range in a layer, at an operation's place in the order of execution.

        A layer is several operations if its module is called several times.
        """
        if values:
            self.layer(name).nonfinite += values
            self._overflowed[name] = min(place, self._overflowed.get(name, place))

    @property
    def nonfinite(self) -> dict[str, int]:
        """Layer -> values that left the range in it, in the order of execution of the operations that did it first."""
        return {name: self[name].nonfinite for name in sorted(self._overflowed, key=self._overflowed.__getitem__)}

    def __getitem__(self, name: str) -> LayerCounts:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def counted(self) -> Counts:
        """Without the layers of which nothing was counted."""
        kept = Counts()
        kept._overflowed = dict(self._overflowed)
        kept._layers = {name: layer for name, layer in self._layers.items() if layer != LayerCounts()}
        return kept

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
