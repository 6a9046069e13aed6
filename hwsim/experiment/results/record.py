"""What one trial gave, as it is kept in the log of trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hwsim.datapath.counts import LayerCounts


@dataclass(frozen=True)
class Storage:
    """What the words of one format and variant take: bits of faulty and of safe memory, and words that saturated."""

    stored_bits: int
    constant_bits: int
    clipped: int


@dataclass(frozen=True)
class CodedStorage(Storage):
    """The same with what their code takes and costs, beside them; units as in `columns.CODED_ACCURACY`."""

    check_bits: int = 0
    cells_per_bit: float = 1.0
    rounded_words: int = 0
    decode_energy_pj: float = 0.0
    decode_area_um2: float = 0.0
    decode_latency_ns: float = 0.0


@dataclass(frozen=True)
class DecoderCounts:
    """What a decoder met and did in one read of all words.

    Attributes:
        cells: that the codewords have.
        wrong_cells: of them, before decoding.
        exponent_bits_set: exponent bits stored as 0 and read as 1; None for a format without an exponent.
        corrected, detected, miscorrected, silent: codewords, as in `hwsim.memory.ecc.Outcome`.
        changed: for each mechanism, cells that it changed; empty for a memory without faults.
    """

    cells: int
    wrong_cells: int
    exponent_bits_set: int | None = None
    corrected: int = 0
    detected: int = 0
    miscorrected: int = 0
    silent: int = 0
    changed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord:
    """What the images gave under one fault map, or in one read of one device.

    Attributes:
        correct: images that were classified as their labels say.
        agree: images that were classified as by the network as it is.
        invalid: images with a NaN among their logits.
        logit_error: mean absolute difference to the network as it is, over images whose logits are all finite.
        flips: field of a word -> bits that were read wrong in such fields.
        faulty_words: words that were read wrong.
        overflows: layer -> values that left the range in it.
        counts: of the whole pass.
        layers: the same for each layer, where there are no faults.
        storage: what is stored, where there are no faults.
        decoded: of words that lie in codewords.
    """

    correct: int
    agree: int
    invalid: int
    logit_error: float | None
    flips: Mapping[str, int]
    faulty_words: int
    overflows: Mapping[str, int]
    counts: LayerCounts
    layers: Mapping[str, LayerCounts] = field(default_factory=dict)
    storage: Storage | None = None
    decoded: DecoderCounts | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as plain data, from which `from_json` makes an equal one."""
        row = asdict(self)
        read = row.pop("decoded")
        if self.storage is None:
            del row["layers"], row["storage"]
        if read is not None:
            row["read"] = read if read["changed"] else {name: read[name] for name in read if name != "changed"}
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> TrialRecord:
        """The record that `to_json` wrote, whatever else the row says.

        Anything else is a `KeyError` or a `TypeError`.
        """
        storage = row.get("storage")
        return cls(
            **{name: row[name] for name in _PLAIN},
            counts=LayerCounts(**row["counts"]),
            layers={name: LayerCounts(**counts) for name, counts in row.get("layers", {}).items()},
            storage=storage and (CodedStorage if "check_bits" in storage else Storage)(**storage),
            decoded=DecoderCounts(**row["read"]) if "read" in row else None,
        )


_PLAIN = ("correct", "agree", "invalid", "logit_error", "flips", "faulty_words", "overflows")
