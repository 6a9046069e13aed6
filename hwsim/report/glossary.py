"""Terms of the report and of the manual, each in a sentence or two, and the pages of the manual that say more."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A term, what it means, and (title, page of the manual) where more is said."""

    name: str
    text: str
    pages: tuple[tuple[str, str], ...]


GLOSSARY: dict[str, tuple[Term, ...]] = {
    "Errors and memories": (
        Term(
            "Bit error rate, BER",
            "The probability that a stored bit is read flipped. Zero is the run without faults.",
            (("Read the results", "howto/results.md"),),
        ),
        Term(
            "Die, fault map",
            "One draw of the weak cells of a memory, as one manufactured chip has them; in a life it is a "
            "device. A figure over fault maps is an average over dies.",
            (
                ("Fault maps", "howto/fault_maps.md"),
                ("Read the results", "howto/results.md"),
            ),
        ),
        Term(
            "Immune bits",
            "Bits of every word that never flip in a sweep of rates, such as the exponent's most significant "
            "bit: the control that shows how much of a loss one bit makes.",
            (("Write a scenario", "howto/scenario.md"),),
        ),
        Term(
            "Vmin",
            "The lowest supply voltage at which a cell, or a whole chip, still works; below it an SRAM cell "
            "gives wrong bits.",
            (("How far to trust each number", "reference/trust.md"),),
        ),
        Term(
            "FIT",
            "Failures in time: the expected number of failures in 1e9 hours of operation.",
            (("Constants of memories", "reference/constants.md"),),
        ),
        Term(
            "Retention",
            "How long a cell keeps what was written to it without being written again: milliseconds to "
            "minutes in DRAM, years in STT-MRAM.",
            (("A memory over its life", "howto/lifetime.md"),),
        ),
        Term(
            "Read disturb",
            "A read that changes what is stored, in the cell that is read or in its neighbours; it adds up over reads.",
            (("A memory over its life", "howto/lifetime.md"),),
        ),
        Term(
            "Refresh",
            "Writing back what a cell that leaks still holds, before it is lost; a DRAM does it to every row in turn.",
            (("A memory over its life", "howto/lifetime.md"),),
        ),
        Term(
            "Scrub",
            "Reading every memory word, correcting it with its code, and writing it back, so that single "
            "errors do not meet a second one. What the decoder does not find, a scrub locks in.",
            (("A memory over its life", "howto/lifetime.md"),),
        ),
    ),
    "Codes": (
        Term(
            "Codeword",
            "The bits that a code protects together: data bits and check bits. Without a code it is a word.",
            (("Error-correcting codes", "reference/codes.md"),),
        ),
        Term(
            "SECDED",
            "Single error correction, double error detection: one wrong bit of a codeword is set right, two "
            "are found out. Here `secded`, and `in_place_secded` inside the numbers themselves.",
            (("Error-correcting codes", "reference/codes.md"),),
        ),
        Term(
            "BCH",
            "A family of codes that correct several errors: `bch_dec` two, and `bch_dec_ted` two with three detected.",
            (("Error-correcting codes", "reference/codes.md"),),
        ),
        Term(
            "Parity",
            "One bit that makes the number of ones even, so that one wrong bit is found and not corrected: "
            "`parity_zero` reads such a number as zero, `in_place_parity` keeps the bit in the lowest "
            "fraction bit.",
            (("Error-correcting codes", "reference/codes.md"),),
        ),
        Term(
            "TMR",
            "Triple modular redundancy: three copies and a majority vote; `tmr_exponent` copies the bits "
            "above the fraction.",
            (("Error-correcting codes", "reference/codes.md"),),
        ),
        Term(
            "Miscorrection",
            "A codeword with more errors than its code corrects, which the decoder takes for one with fewer "
            "and changes into another wrong word.",
            (("Read the results", "howto/results.md"),),
        ),
    ),
    "Words": (
        Term(
            "Word format",
            "How a number is stored as bits: floating point (`fp32`, `fp16`, `bf16`, `fp8_e4m3`, `fp8_e5m2`),"
            " fixed point (`qM.N`: a sign, M integer and N fraction bits), or whole numbers (`int8`). A name "
            "that ends in `_sm`, as in `int8_sm`, is of sign and magnitude instead of two's complement.",
            (("Word formats", "reference/formats.md"),),
        ),
        Term(
            "Field",
            "A part of a word: sign, exponent, integer or fraction bits. Bit 0 is the least significant of the word.",
            (("Word formats", "reference/formats.md"),),
        ),
        Term(
            "Clipped",
            "Of a number beyond the range of a fixed-point format: stored as the nearest one that there is, "
            "the largest or the lowest.",
            (("Read the results", "howto/results.md"),),
        ),
    ),
    "Scaling and dividing": (
        Term(
            "Scaling constant",
            "The c = t / max|W| of a layer (or of an output channel), by which its weights are multiplied "
            "before they are stored, and which is divided out when they are used.",
            (("How it works", "how_it_works.md"),),
        ),
        Term(
            "t, target",
            "The largest magnitude that a layer's weights have once they are scaled.",
            (("Choose t", "howto/target.md"),),
        ),
        Term(
            "Way of dividing",
            "Where the constants are divided out. `none`: nowhere, for unscaled weights. `per_weight`: at "
            "every word read. `per_layer`: at each layer's output. `logits`: once, at the network's result. "
            "`absorbed`: by a multiplier that is there anyway. `planned`: where the planner proves that it "
            "costs least.",
            (("Dividing, guards, counters", "reference/datapath.md"),),
        ),
        Term(
            "Alignment",
            "A division that gives the inputs of a sum or a concatenation one scale.",
            (("Read the division table", "howto/divisions.md"),),
        ),
        Term(
            "Gap",
            "The share of a plan's cost that is not proven to be necessary; 0 where no cheaper plan exists.",
            (("Read the division table", "howto/divisions.md"),),
        ),
        Term(
            "Safe memory",
            "Where no fault reaches: scaling constants and all parameters that are not stored in the memory "
            "under study.",
            (("A network of your own", "howto/own_network.md"),),
        ),
    ),
    "Protections beside scaling": (
        Term(
            "Guard",
            "A check of every word as it is read. `mask_exponent_msb` reads the exponent's most significant "
            "bit as 0, `nonfinite_to_zero` reads NaN and infinities as 0, `out_of_range_to_zero` reads as 0 "
            "what exceeds the largest magnitude stored in its tensor, and `clamp` reads it as that magnitude.",
            (("Dividing, guards, counters", "reference/datapath.md"),),
        ),
    ),
    "Results": (
        Term(
            "Accuracy",
            "The share of images whose largest logit is that of their label.",
            (("Read the results", "howto/results.md"),),
        ),
        Term(
            "Agreement",
            "The share of images that get the same class as from the network in FP32 without faults; it needs"
            " no labels.",
            (("Read the results", "howto/results.md"),),
        ),
        Term(
            "Interval",
            "Where the mean over all dies, or over all images of the kind, lies with 95 % confidence.",
            (("Read the results", "howto/results.md"),),
        ),
    ),
}
