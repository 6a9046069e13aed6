"""Choices that are ours: what the paper (arXiv 2411.18993) leaves open, and how hwsim decides it."""

from __future__ import annotations

CHOICES: tuple[tuple[str, str], ...] = (
    (
        "What is stored",
        "Weights of convolutions and matrix products, recurrent layers and embeddings included, lie in the faulty "
        "memory, each once; the report says which parameters do not. Biases do too if `memory.store` says "
        "so, each with a constant of its own. BatchNorm parameters and scaling constants lie in a safe memory; with "
        "`network.fold_batchnorm` BatchNorm goes into the weights before they are stored.",
    ),
    (
        "Targets",
        "The default t is the largest value below 2 in floating point and the largest code in fixed point. A "
        "constant keeps 24 bits of significand, rounded down so that no weight passes t, and an exponent of its own.",
    ),
    (
        "Fault maps",
        "Map i of a scenario is drawn from the seed and i alone: all variants meet the same weak cells, and a "
        "higher bit error rate fails a superset of the cells of a lower one. A map stays for all images.",
    ),
    (
        "Devices",
        "Device i of a lifetime study is drawn from the seed and i alone: all variants meet the same cells (check bits "
        "make rows longer, so that a code shifts them), and a later, hotter or lower point fails what an earlier one "
        "did and more, unless a scrub or a write repairs it. One device is read at all times; a read repairs nothing.",
    ),
    (
        "Invalid results",
        "An image with a NaN among its logits has no prediction: it counts as wrong, and as not agreeing with the "
        "FP32 network. The logit error is taken over the images whose logits are all finite.",
    ),
    (
        "Arithmetic",
        "Activations and accumulators are FP32 unless `datapath.activations` or `datapath.accumulators` say otherwise, "
        "accumulated in the order that torch chooses. The format of the tables is that of the stored words. "
        "`per_layer` divides the accumulated output before the bias is added.",
    ),
    (
        "Multipliers inside units",
        "Constants inside units (1/N of a mean, GELU's 1/sqrt 2 and 1/2, log2 e of exponentials) take up scales only "
        "where `datapath.inner_multipliers` says so. It is off by default: units are mostly built with these constants "
        "fixed, as a shift, a table or a piecewise function of the true value, and a plan that counts on changing them "
        "would claim savings that such an accelerator does not have.",
    ),
    (
        "Guards",
        "Out of range means above the largest magnitude stored in the same tensor. Masking the exponent's most "
        "significant bit is refused where a stored value needs it.",
    ),
    (
        "Intervals",
        "Over fault maps: Student's t of the maps' means, clipped to 0 and 100 %. Over images: Wilson's score "
        "interval with the number of photographs (crops of one count as one), which is conservative for a mean over "
        "maps. Neither holds the other.",
    ),
)
"""(subject, what we do), as the report and the manual print it."""
