"""The division costs of many networks, as rows of one table."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator

import torch

from hwsim.datapath import DatapathConfig, PlanOptions, division_table
from hwsim.datapath.divisions import DivisionCost
from hwsim.experiment.catalogue.catalogue import load_network
from hwsim.hardening import Scaling
from hwsim.network import capture

COUNTED = ("divisions", "reciprocal_multiplications", "shifts", "alignments", "words_read", "macs")
SURVEY_COLUMNS = ("network", "way", *COUNTED, "constant_bits", "overflow", "impossible")
"""See `hwsim.datapath.counts.COUNTERS`; `overflow` is the first layer that leaves the range of its format on noise, and
`impossible` why a way cannot be exact."""


def survey(
    names: Iterable[str],
    scaling: Scaling,
    format: str = "fp32",
    config: DatapathConfig | None = None,
    options: PlanOptions | None = None,
    image_size: int | None = None,
) -> Iterator[list[str]]:
    """The rows of the table, network by network, for one batch each and random weights.

    Args:
        names: of networks of the catalogue.
        scaling, format, config, options: as in `division_table`.
        image_size: side of the square images in pixels; each network's own if None.

    Raises:
        HwsimError: if a setting is unknown, or a network cannot take such images.
    """
    for name in names:
        loaded = load_network(name, "random")
        shape = loaded.input_shape if image_size is None else (loaded.input_shape[0], image_size, image_size)
        graph = capture(loaded.module, torch.zeros(2, *shape))
        del loaded
        for row in division_table(graph, scaling, format, config, options):
            yield [name, row.way, *_counts(row), str(row.constant_bits), row.overflow, row.impossible]
        del graph
        gc.collect()  # torch.export leaves cycles, which keep the weights


def _counts(row: DivisionCost) -> list[str]:
    if row.counts is None:
        return [""] * len(COUNTED)
    total = row.counts.total.as_dict()
    return [str(total[name]) for name in COUNTED]
