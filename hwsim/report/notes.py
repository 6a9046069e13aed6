"""What a reader must know to read the tables right, said by the run's own numbers."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.constants.units import duration
from hwsim.experiment.results.columns import PLACES
from hwsim.experiment.results.results import Results, Row
from hwsim.experiment.scenario.scenario import Variant
from hwsim.report.axes import NO_FAULTS, rate, text_of
from hwsim.report.estimates import fault_free, sound_rows
from hwsim.report.tables import number

WORTH_SAYING = 1.0
"""Points of accuracy; smaller differences are not remarked on."""


def notes(results: Results) -> list[str]:
    """Images without a result, what rounding costs, overflows without a fault, and codes that did harm."""
    found = [*_invalid(results), *_rounding(results), *_overflows(results), *_harmful_codes(results)]
    overridden = [row["constant"] for row in results.facts.get("constants", []) if row["default"] is not None]
    if overridden:
        found.append(f"Constants that the scenario sets to another value than the table's: {', '.join(overridden)}.")
    return list(dict.fromkeys(found))


def _invalid(results: Results) -> Iterator[str]:
    worst = max(results.rows, key=lambda row: row["invalid"])
    if worst["invalid"] > 0:
        yield (
            f"Images with NaN among their logits count as wrong: up to {100 * worst['invalid']:.1f} % of them "
            f"({worst['format']}, {worst['variant']}, {_point(worst)})."
        )


def _rounding(results: Results) -> Iterator[str]:
    by_format: dict[str, list[str]] = {}
    for (fmt, variant), row in sound_rows(results).items():
        loss = 100 * (results.facts["accuracy"] - row["accuracy"])
        if loss >= WORTH_SAYING:
            by_format.setdefault(fmt, []).append(f"{loss:.1f} ({variant})")
    for fmt, losses in by_format.items():
        yield f"Storing the weights in {fmt} costs accuracy before any fault, in points: {', '.join(losses)}."


def _overflows(results: Results) -> Iterator[str]:
    for row in results.rows:
        if fault_free(row) and row["overflows"]:
            first = row["overflow_layers"].split("+")[0]
            yield (
                f"{row['variant']} in {row['format']} overflows without any fault, first in {first} "
                f"({number(row['overflows'])} values)."
            )


def _harmful_codes(results: Results) -> Iterator[str]:
    """Where a code is worse than no code on the same cells, the point where it is so most, and what it did there."""
    if not results.scenario.counts_codewords:
        return
    settings = {variant.name: _but_for_the_code(variant) for variant in results.scenario.variants}
    rows = [row for row in results.rows if not fault_free(row)]
    bare = {(_place(row), settings[row["variant"]]): row for row in rows if row["ecc"] == "none"}
    worst: dict[tuple[str, str], tuple[Row, Row]] = {}
    for row in rows:
        plain = bare.get((_place(row), settings[row["variant"]]))
        if row["ecc"] == "none" or plain is None:
            continue
        key = row["format"], row["variant"]
        if key not in worst or _harm(row, plain) > _harm(*worst[key]):
            worst[key] = row, plain
    for coded, plain in worst.values():
        if _harm(coded, plain) >= WORTH_SAYING:
            yield _what_the_code_did(coded, plain, results.scenario.memory.uncorrectable)


def _harm(coded: Row, plain: Row) -> float:
    return float(100 * (plain["accuracy"] - coded["accuracy"]))


def _what_the_code_did(coded: Row, plain: Row, uncorrectable: str) -> str:
    read_as = "read as 0, good bits and bad" if uncorrectable == "zero" else "read as they were"
    text = (
        f"{coded['variant']} in {coded['format']} does worse than {plain['variant']}, the same without the code: "
        f"{100 * coded['accuracy']:.1f} % against {100 * plain['accuracy']:.1f} % ({_point(coded)}). There it found "
        f"{number(round(coded['detected_words']))} codewords that it could not correct ({read_as}) and miscorrected "
        f"{number(round(coded['miscorrected_words']))}; after decoding {number(round(coded['flips']))} bits of "
        f"{number(round(coded['faulty_words']))} words are wrong, without the code "
        f"{number(round(plain['flips']))} of {number(round(plain['faulty_words']))}."
    )
    with_code, without = coded.get("exponent_bits_set"), plain.get("exponent_bits_set")
    if with_code is not None and without is not None and with_code > without:
        text += (
            f" Exponent bits that were stored as 0 and read as 1, which multiply a weight by a power of two: "
            f"{number(with_code)} with the code, {number(without)} without."
        )
    return text


def _but_for_the_code(variant: Variant) -> str:
    return repr(variant.model_copy(update={"name": "", "ecc": None, "formats": None}))


def _place(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for study in ("accuracy", "lifetime") for name in ("format", *PLACES[study]) if name in row)


def _point(row: Row) -> str:
    if "ber" in row:
        return f"BER {rate(row['ber'])}"
    if row["read_at_s"] is None:
        return NO_FAULTS
    swept = [name for name in ("temperature_c", "voltage_v", "refresh_every_s") if row[name] is not None]
    return ", ".join([*(text_of(name, row[name]) for name in swept), f"at {duration(row['read_at_s'])}"])
