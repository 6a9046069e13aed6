"""Writes out what a scenario leaves unsaid: the unprotected network, one variant for each target, how to divide.

A resolved scenario says everything that will be run, and resolving it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.errors import HwsimError
from hwsim.experiment.scenario.scenario import Scenario, Variant


def resolve(scenario: Scenario) -> Scenario:
    """The same scenario with everything said: one target a variant, the baseline, how to divide.

    Raises:
        HwsimError: if two variants end up with one name.
    """
    variants = [single for variant in scenario.variants for single in _expand(variant)]
    baselines = {
        fmt for variant in variants if variant.is_baseline for fmt in variant.formats or scenario.memory.formats
    }
    missing = tuple(fmt for fmt in scenario.memory.formats if fmt not in baselines)
    if missing:
        formats = None if missing == scenario.memory.formats else missing
        variants.insert(0, Variant(name="unscaled", divide="none", formats=formats))
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise HwsimError(
                f"Two variants are named {name!r}: give each its own name "
                "('unscaled' is the baseline that is added when a scenario has none)."
            )
    return scenario.model_copy(update={"variants": tuple(variants)})


def _expand(variant: Variant) -> Iterator[Variant]:
    """One variant for each target, each saying how it divides."""
    scaling = variant.scaling
    divide = variant.divide or ("per_layer" if scaling else "none")
    if scaling is None:
        yield variant.model_copy(update={"divide": divide})
        return
    several = len(scaling.target) > 1
    for target in scaling.target:
        label = target if isinstance(target, str) else f"{target:.10g}"
        yield variant.model_copy(
            update={
                "name": f"{variant.name} t={label}" if several else variant.name,
                "scaling": scaling.model_copy(update={"target": (target,)}),
                "divide": divide,
            }
        )
