"""From finished trials to the rows of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from statistics import fmean
from typing import Any

from hwsim.experiment.results.record import CodedStorage, DecoderCounts, Storage, TrialRecord
from hwsim.experiment.results.statistics import interval_over_images, interval_over_maps
from hwsim.experiment.scenario.points import AnyPoint, Trial, all_trials, prepared
from hwsim.experiment.scenario.scenario import Scenario, Variant

Row = dict[str, Any]
OUTCOMES = ("corrected", "detected", "miscorrected", "silent")
FIELDS = ("sign", "exponent", "integer", "fraction")


def point_rows(scenario: Scenario, images: int, records: Mapping[Trial, TrialRecord]) -> list[Row]:
    """One row for each point, in the order of the scenario; keys as in `columns.of_points`."""
    by_point: dict[AnyPoint, list[TrialRecord]] = {}
    for trial in all_trials(scenario):
        by_point.setdefault(trial.point, []).append(records[trial])
    rows = []
    for point, found in by_point.items():
        storage = by_point[point.without_faults()][0].storage
        assert storage is not None
        variant = scenario.variant(point.variant)
        row = _point_row(point, variant, images, scenario.data.crops, found)
        if scenario.counts_codewords:
            reads = [record.decoded or _uncoded(record, storage) for record in found]
            row |= _decoder_row(reads, scenario.code_of(variant))
            if scenario.mission is not None:
                raised = [read.exponent_bits_set for read in reads if read.exponent_bits_set is not None]
                row["exponent_bits_set"] = fmean(raised) if len(raised) == len(reads) else None
            row |= _NO_CODE
        rows.append(row | vars(storage))
    return rows


def _point_row(point: AnyPoint, variant: Variant, images: int, crops: int, records: Sequence[TrialRecord]) -> Row:
    scaling = variant.scaling
    errors = [record.logit_error for record in records if record.logit_error is not None]
    counts = [record.counts for record in records]
    row: Row = {
        "format": point.format,
        "variant": point.variant,
        "target": variant.target,
        "granularity": scaling.granularity if scaling else None,
        "power_of_two": scaling.power_of_two if scaling else None,
        "divide": variant.divide,
        "guards": "+".join(variant.guards),
        **{name: value for name, value in point._asdict().items() if name not in ("format", "variant")},
        "fault_maps": len(records),
        "images": images,
        **_share("accuracy", [record.correct for record in records], images, crops),
        **_share("agreement", [record.agree for record in records], images, crops),
        "invalid": fmean(record.invalid for record in records) / images,
        "logit_error": float(f"{fmean(errors):.6g}") if errors else None,
        "flips": fmean(sum(record.flips.values()) for record in records),
        "faulty_words": fmean(record.faulty_words for record in records),
    }
    for field in FIELDS:
        known = [record.flips[field] for record in records if field in record.flips]
        row[f"flips_{field}"] = fmean(known) if known else None
    row["overflows"] = fmean(sum(record.overflows.values()) for record in records)
    row["underflows"] = fmean(count.underflows for count in counts)
    row["overflow_layers"] = "+".join(dict.fromkeys(name for record in records for name in record.overflows))
    row["guarded_words"] = fmean(count.guarded_words for count in counts)
    # These do not depend on faults: any trial of the point has them.
    for name in ("words_read", "divisions", "reciprocal_multiplications", "shifts"):
        row[name] = getattr(counts[0], name)
    return row


_NO_CODE: Row = {one.name: one.default for one in fields(CodedStorage) if one not in fields(Storage)}
"""What words take and cost that lie in no codewords, beside themselves."""


def _uncoded(record: TrialRecord, storage: Storage) -> DecoderCounts:
    """What a trial is without a decoder: all flips come through, and no word is anything but read."""
    return DecoderCounts(storage.stored_bits, sum(record.flips.values()), silent=record.faulty_words)


def _decoder_row(reads: Sequence[DecoderCounts], ecc: str) -> Row:
    """What the decoder met and did at one point, but for the flips that are left in the weights."""
    row: Row = {"ecc": ecc, "wrong_cells": fmean(read.wrong_cells for read in reads)}
    row["raw_ber"] = row["wrong_cells"] / reads[0].cells
    for name in OUTCOMES:
        row[f"{name}_words"] = fmean(getattr(read, name) for read in reads)
    return row


def mechanism_rows(scenario: Scenario, records: Mapping[Trial, TrialRecord]) -> list[Row]:
    """One row for each mechanism at each point of a lifetime study; keys as in `columns.MECHANISMS`."""
    by_point: dict[AnyPoint, list[Mapping[str, int]]] = {}
    for trial in all_trials(scenario):
        decoded = records[trial].decoded
        if decoded is not None and not trial.point.fault_free:
            by_point.setdefault(trial.point, []).append(decoded.changed)
    return [
        {**point._asdict(), "mechanism": name, "changed_cells": fmean(changed[name] for changed in found)}
        for point, found in by_point.items()
        for name in found[0]
    ]


def _share(name: str, hits: Sequence[int], images: int, crops: int) -> Row:
    """A share of images with its intervals over maps and over images.

    Crops of one photograph resemble each other: over images they count as one, which is conservative.
    """
    shares = [hit / images for hit in hits]
    mean = fmean(shares)
    maps = interval_over_maps(shares)
    over_images = interval_over_images(mean, images // crops)
    return {
        name: mean,
        f"{name}_maps_low": maps.low if maps else None,
        f"{name}_maps_high": maps.high if maps else None,
        f"{name}_images_low": over_images.low,
        f"{name}_images_high": over_images.high,
    }


def count_rows(scenario: Scenario, images: int, records: Mapping[Trial, TrialRecord]) -> list[Row]:
    """The counts of one fault-free pass: one row for each layer of each format and variant, and their total.

    The keys are those of `columns.count_columns`.
    """
    rows = []
    for fmt, variant in prepared(scenario):
        record = next(
            record
            for trial, record in records.items()
            if (trial.point.format, trial.point.variant) == (fmt, variant.name) and record.layers
        )
        for layer, counts in (*record.layers.items(), ("total", record.counts)):
            rows.append({"format": fmt, "variant": variant.name, "layer": layer, "images": images, **vars(counts)})
    return rows
