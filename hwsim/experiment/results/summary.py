"""From finished trials to the rows of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from hwsim.experiment.results.statistics import interval_over_images, interval_over_maps
from hwsim.experiment.scenario.points import AnyPoint, Trial, all_trials, prepared
from hwsim.experiment.scenario.scenario import Scenario, Variant

Row = dict[str, Any]
Record = Mapping[str, Any]
OUTCOMES = ("corrected", "detected", "miscorrected", "silent")
FIELDS = ("sign", "exponent", "integer", "fraction")


def point_rows(scenario: Scenario, images: int, records: Mapping[Trial, Record]) -> list[Row]:
    """One row for each point, in the order of the scenario; keys as in `columns.of_points`."""
    by_point: dict[AnyPoint, list[Record]] = {}
    for trial in all_trials(scenario):
        by_point.setdefault(trial.point, []).append(records[trial])
    variants = {variant.name: variant for variant in scenario.variants}
    rows = []
    for point, found in by_point.items():
        fault_free = by_point[point.without_faults()][0]
        variant = variants[point.variant]
        row = _point_row(point, variant, images, scenario.data.crops, found)
        storage = fault_free["storage"]
        if scenario.counts_codewords:
            row |= _decoder_row([_read(record, storage) for record in found], scenario.code_of(variant))
            storage = _NO_CODE | storage
        if scenario.mission is not None:
            raised = [record["read"].get("exponent_bits_set") for record in found]  # earlier versions do not say it
            row["exponent_bits_set"] = None if None in raised else fmean(raised)
        rows.append(row | storage)
    return rows


def _point_row(point: AnyPoint, variant: Variant, images: int, crops: int, records: Sequence[Record]) -> Row:
    scaling = variant.scaling
    errors = [record["logit_error"] for record in records if record["logit_error"] is not None]
    counts = [record["counts"] for record in records]
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
        **_share("accuracy", [record["correct"] for record in records], images, crops),
        **_share("agreement", [record["agree"] for record in records], images, crops),
        "invalid": fmean(record["invalid"] for record in records) / images,
        "logit_error": float(f"{fmean(errors):.6g}") if errors else None,
        "flips": fmean(sum(record["flips"].values()) for record in records),
        "faulty_words": fmean(record["faulty_words"] for record in records),
    }
    for field in FIELDS:
        known = [record["flips"][field] for record in records if field in record["flips"]]
        row[f"flips_{field}"] = fmean(known) if known else None
    row["overflows"] = fmean(sum(record["overflows"].values()) for record in records)
    row["underflows"] = fmean(count["underflows"] for count in counts)
    row["overflow_layers"] = "+".join(dict.fromkeys(name for record in records for name in record["overflows"]))
    row["guarded_words"] = fmean(count["guarded_words"] for count in counts)
    # These do not depend on faults: any trial of the point has them.
    for name in ("words_read", "divisions", "reciprocal_multiplications", "shifts"):
        row[name] = counts[0][name]
    return row


_NO_CODE = {
    "check_bits": 0,
    "cells_per_bit": 1.0,
    "rounded_words": 0,
    "decode_energy_pj": 0.0,
    "decode_area_um2": 0.0,
    "decode_latency_ns": 0.0,
}
"""What words take and cost that lie in no codewords, beside themselves."""


def _read(record: Record, storage: Row) -> Row:
    """What a decoder met and did in a trial: without one, all flips come through, and no word is anything but read."""
    if "read" in record:
        return record["read"]
    wrong = {"cells": storage["stored_bits"], "wrong_cells": sum(record["flips"].values())}
    return wrong | dict.fromkeys(OUTCOMES, 0) | {"silent": record["faulty_words"]}


def _decoder_row(reads: Sequence[Row], ecc: str) -> Row:
    """What the decoder met and did at one point, but for the flips that are left in the weights."""
    cells = reads[0]["cells"]
    row: Row = {"ecc": ecc, "wrong_cells": fmean(read["wrong_cells"] for read in reads)}
    row["raw_ber"] = row["wrong_cells"] / cells
    for name in OUTCOMES:
        row[f"{name}_words"] = fmean(read[name] for read in reads)
    return row


def mechanism_rows(scenario: Scenario, records: Mapping[Trial, Record]) -> list[Row]:
    """One row for each mechanism at each point of a lifetime study; keys as in `columns.MECHANISMS`."""
    by_point: dict[AnyPoint, list[Mapping[str, int]]] = {}
    for trial in all_trials(scenario):
        if not trial.point.fault_free:
            by_point.setdefault(trial.point, []).append(records[trial]["read"]["changed"])
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


def count_rows(scenario: Scenario, images: int, records: Mapping[Trial, Record]) -> list[Row]:
    """The counts of one fault-free pass: one row for each layer of each format and variant, and their total.

    The keys are those of `columns.count_columns`.
    """
    rows = []
    for fmt, variant in prepared(scenario):
        record = next(
            record
            for trial, record in records.items()
            if (trial.point.format, trial.point.variant) == (fmt, variant.name) and "layers" in record
        )
        for layer, counts in (*record["layers"].items(), ("total", record["counts"])):
            rows.append({"format": fmt, "variant": variant.name, "layer": layer, "images": images, **counts})
    return rows
