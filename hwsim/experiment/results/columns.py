"""What every column of a results table means: the one list behind CSV, JSON, report and manual."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hwsim.experiment.scenario.scenario import Scenario


class Column(NamedTuple):
    name: str
    unit: str
    meaning: str


_POINT = (
    Column("format", "", "word format that the weights are stored in"),
    Column("variant", "", "the protection, as named in the scenario"),
)

_PROTECTION = (
    Column("target", "", "t: the largest stored magnitude of a layer after scaling; empty when unscaled"),
    Column("granularity", "", "one scaling constant per `layer` or per output `channel`; empty when unscaled"),
    Column("power_of_two", "", "whether the constants are powers of two; empty when unscaled"),
    Column("divide", "", "where the constants are divided out"),
    Column("guards", "", "what the reader does to each word, joined by +"),
)


def _with_intervals(name: str, meaning: str) -> tuple[Column, ...]:
    return (
        Column(name, "share", meaning),
        Column(
            f"{name}_maps_low",
            "share",
            f"95 % interval of {name} over fault maps (Student t), lower end; empty for a single map",
        ),
        Column(f"{name}_maps_high", "share", "the same, upper end"),
        Column(
            f"{name}_images_low",
            "share",
            f"95 % interval of {name} over images (Wilson, conservative for a mean over maps; crops of one "
            "photograph count as one), lower end",
        ),
        Column(f"{name}_images_high", "share", "the same, upper end"),
    )


_AT_A_RATE = (
    Column("immune", "", "bits of every word that never flip, joined by +"),
    Column("ber", "", "bit error rate: the probability that a stored bit flips; 0 is the fault-free run"),
)

_AT_A_TIME = (
    Column("temperature_c", "degC", "temperature, where phases leave it to `mission.at`"),
    Column("voltage_v", "V", "supply voltage, where phases leave it to `mission.voltage`; empty for the nominal one"),
    Column("refresh_every_s", "s", "time between refreshes, the same with `mission.refresh_every`"),
    Column("read_at_s", "s", "age at which the weights are read; empty for the run without faults"),
)

_OUTCOME = (
    Column("fault_maps", "maps", "independent draws of the weak cells, or devices, that this line averages over"),
    Column("images", "images", "images classified under each fault map"),
    *_with_intervals("accuracy", "images whose largest logit is their label's, mean over fault maps"),
    *_with_intervals(
        "agreement",
        "images whose largest logit is the same as the unstored FP32 network's, mean over fault maps",
    ),
    Column("invalid", "share", "images with a NaN among their logits; they count as wrong and as disagreeing"),
    Column(
        "logit_error",
        "",
        "mean absolute difference to the FP32 network's logits, over the images whose "
        "logits are all finite; empty if there are none",
    ),
    Column("flips", "bits", "flipped bits, mean over fault maps"),
    Column("faulty_words", "words", "stored words with at least one flipped bit, mean over fault maps"),
    Column("flips_sign", "bits", "flips in sign bits; empty for a format without this field"),
    Column("flips_exponent", "bits", "flips in exponent bits"),
    Column("flips_integer", "bits", "flips in integer bits"),
    Column("flips_fraction", "bits", "flips in fraction bits"),
    Column(
        "overflows",
        "values",
        "activations that left the finite range, in one pass over the images, mean over fault maps",
    ),
    Column(
        "underflows",
        "values",
        "values that became zero in a format of tensors narrower than FP32, in that pass, mean over fault maps",
    ),
    Column("overflow_layers", "", "layers where that happened under any fault map, joined by +"),
    Column("guarded_words", "words", "words read that a guard changed, in one pass, mean over fault maps"),
    Column("words_read", "words", "words that the datapath reads in one pass over the images"),
    Column("divisions", "operations", "true divisions by a scaling constant in that pass"),
    Column(
        "reciprocal_multiplications",
        "operations",
        "multiplications by the reciprocal of a constant in that pass",
    ),
    Column(
        "shifts",
        "operations",
        "divisions by a power of two (a shift or an exponent subtraction) in that pass",
    ),
)

_STORAGE = (
    Column("stored_bits", "bits", "bits of faulty memory that the stored parameters take"),
    Column("constant_bits", "bits", "bits of safe memory that the scaling constants take"),
    Column("clipped", "words", "weights that saturated when they were stored"),
)

_DECODED = (
    Column("ecc", "", "code that protects the words"),
    Column("wrong_cells", "bits", "cells read wrong before decoding, check cells included, mean over fault maps"),
    Column(
        "raw_ber",
        "",
        "the same over all cells in use: the bit error rate that the decoder meets at this read; errors that scrubs "
        "set right before are not in it, errors that they locked in are",
    ),
    Column("corrected_words", "codewords", "corrected, and right, mean over fault maps"),
    Column("detected_words", "codewords", "found wrong and not correctable: read as `memory.uncorrectable` says"),
    Column("miscorrected_words", "codewords", "corrected, and wrong all the same"),
    Column("silent_words", "codewords", "wrong, and not found out; without a code a codeword is a word"),
)

_CODED = (
    Column("check_bits", "bits", "further bits of faulty memory that the code takes"),
    Column("cells_per_bit", "", "cells for each stored bit: 1 without check bits"),
    Column("rounded_words", "words", "words that the code stores as others, in-place codes only"),
    Column("decode_energy_pj", "pJ", "energy of the decoder for each memory word read"),
    Column("decode_area_um2", "um2", "area of the decoder"),
    Column("decode_latency_ns", "ns", "time that the decoder adds to a read"),
)

ACCURACY = (*_POINT, *_PROTECTION, *_AT_A_RATE, *_OUTCOME, *_STORAGE)
CODED_ACCURACY = (*_POINT, *_PROTECTION, *_AT_A_RATE, *_OUTCOME, *_DECODED, *_STORAGE, *_CODED)
"""The same where a variant has a code."""

LIFETIME = (
    *_POINT,
    *_PROTECTION,
    *_AT_A_TIME,
    *_OUTCOME,
    *_DECODED,
    Column(
        "exponent_bits_set",
        "bits",
        "exponent bits that were stored as 0 and are read as 1, after decoding, mean over devices: each makes a weight "
        "larger by a power of two; empty for a format without an exponent",
    ),
    *_STORAGE,
    *_CODED,
)

MECHANISMS = (
    *_POINT,
    *_AT_A_TIME,
    Column("mechanism", "", "the fault mechanism"),
    Column(
        "changed_cells",
        "bits",
        "cells that it changed since the last write or scrub, one mechanism after the other, mean over devices; one "
        "may undo what another did, and what a scrub locked in is no change any more",
    ),
)

CONSTANTS = (
    Column("constant", "", "its name in the table of the technology, or of operation costs"),
    Column("group", "", "what it is for: `constants` of mechanisms, `geometry`, `access`, or `cost` of a rescaling"),
    Column("value", "", "its value in this run; three are the lowest, the typical (which counts) and the highest"),
    Column("unit", "", "unit of the value"),
    Column("trust", "", "`published`, `derived`, `assumed`, or `given` by the scenario"),
    Column("source", "", "where the value comes from"),
    Column("default", "", "the table's own value, where the scenario has another"),
    Column("note", "", "conditions, validity, how it was derived"),
)


PLACES = {
    "accuracy": ("immune", "ber"),
    "bit_errors": ("bit", "field"),
    "lifetime": ("temperature_c", "voltage_v", "refresh_every_s", "read_at_s"),
}
"""The columns that tell the points of a study apart, beside format and variant."""


def of_points(scenario: Scenario) -> tuple[Column, ...]:
    """The columns of results.csv."""
    if scenario.study == "accuracy":
        return CODED_ACCURACY if scenario.counts_codewords else ACCURACY
    return LIFETIME if scenario.study == "lifetime" else BIT_ERRORS


def count_columns() -> tuple[Column, ...]:
    """The columns of counts.csv: exact integers for one fault-free pass over the images."""
    from hwsim.datapath.counts import COUNTERS

    return (
        *_POINT,
        Column("layer", "", "the layer, or `total`"),
        Column("images", "images", "images in the pass that was counted"),
        *(Column(name, "", meaning) for name, meaning in COUNTERS.items()),
    )


BIT_ERRORS = (
    *_POINT,
    Column("target", "", "t: the largest stored magnitude of a layer after scaling; empty when unscaled"),
    Column("bit", "", "bit position, 0 is the least significant (the paper counts from the other end)"),
    Column("field", "", "the field of the word that the bit belongs to"),
    Column("words", "words", "stored words, each with this one bit flipped in turn"),
    Column("nonfinite", "words", "words that turn into an infinity or NaN; left out of the three errors"),
    Column("mean_error", "", "mean absolute error of the weight as used, after dividing by the constant"),
    Column("rms_error", "", "root of the mean square of that error"),
    Column("max_error", "", "largest absolute error"),
)
