"""One colour and one marker for each variant of a scenario: the same in every panel of every figure of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hwsim.experiment.scenario.scenario import Variant
from hwsim.report.style import BASELINE, MARKERS, PALETTE, ramp


class Look(NamedTuple):
    """How a variant is drawn."""

    colour: str
    marker: str


def looks(variants: Sequence[Variant]) -> dict[str, Look]:
    """Each variant's look, by name; pass all variants of the scenario, whichever are drawn.

    Variants that sweep more than two targets t are coloured by t, from light to dark, and those that share a t differ
    by their markers. Of all others no two look alike while there are no more than colours times markers.
    """
    targets = sorted({v.target for v in variants if isinstance(v.target, float)})
    by_target = dict(zip(targets, ramp(len(targets)), strict=True)) if len(targets) > 2 else {}
    found: dict[str, Look] = {}
    seen: dict[float, int] = {}
    plain = 0
    for variant in variants:
        if variant.is_baseline:
            found[variant.name] = Look(BASELINE, MARKERS[0])
        elif isinstance(variant.target, float) and variant.target in by_target:
            at = seen[variant.target] = seen.get(variant.target, -1) + 1
            found[variant.name] = Look(by_target[variant.target], MARKERS[at % len(MARKERS)])
        else:
            turn, at = divmod(plain, len(PALETTE))
            found[variant.name] = Look(PALETTE[at], MARKERS[(at + turn + 1) % len(MARKERS)])
            plain += 1
    return found
