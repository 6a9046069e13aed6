"""The division costs of many networks, as rows of one table."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator

import torch

from hwsim.datapath import division_table
from hwsim.datapath.divisions import DivisionCost
from hwsim.experiment.catalogue import load_network
from hwsim.hardening import Scaling
from hwsim.network import capture

COUNTED = ("divisions", "reciprocal_multiplications", "shifts", "alignments", "words_read", "macs")
COLUMNS = ("network", "way", *COUNTED, "constant_bits", "overflow", "impossible")
"""See `hwsim.datapath.counts.COUNTERS`; `overflow` is the first layer that leaves the range of its format on noise, and
`impossible` why a way cannot be exact."""


def survey(names: Iterable[str], scaling: Scaling, format: str, divider: str, activations: str) -> Iterator[list[str]]:
    """The rows of the table, network by network, for one image each and random weights."""
    for name in names:
        loaded = load_network(name, "random")
        graph = capture(loaded.module, torch.zeros(2, *loaded.input_shape))
        del loaded
        for row in division_table(graph, scaling, format, 1, divider, activations):
            yield [name, row.way, *_counts(row), str(row.constant_bits), row.overflow, row.impossible]
        del graph
        gc.collect()  # torch.export leaves cycles, which keep the weights


def _counts(row: DivisionCost) -> list[str]:
    if row.counts is None:
        return [""] * len(COUNTED)
    total = row.counts.total.as_dict()
    return [str(total[name]) for name in COUNTED]
