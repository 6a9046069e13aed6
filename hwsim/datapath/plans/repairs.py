"""Repairs: what to change where a way of dividing drives a tensor out of the range of its number format.

A repair is a complete setting under which the network runs exactly and every tensor stays in range, with the same
margins as a plan's (`PlanOptions`). There are three kinds:

- `planned`  the way `planned` under the same formats: no exact plan in range rescales for less with these constants;
- `target`   the same way with the largest t that keeps all tensors in range: weights are stored smaller, which costs
             robustness, in bits of t;
- `format`   the same way with the narrowest wider format of activations or accumulators that holds all tensors, which
             costs width.

They are compared by what rescaling then costs for one image. What a smaller t or a wider format costs has no price
there, and is said beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.plan import Plan, place_divisions
from hwsim.datapath.plans.least_cost import PlanOptions, least_cost_plan, made_within
from hwsim.datapath.plans.sites import division_sites, price
from hwsim.datapath.tensor_format import TensorFormat, TensorFormats
from hwsim.errors import HwsimError
from hwsim.hardening import Constants, Hardened
from hwsim.network import Network, Scale
from hwsim.words import format_names

_MOST_BITS_OF_T = 64.0
"""By how much t is lowered at most in search of one that keeps a way in range."""


@dataclass(frozen=True)
class Repair:
    """A setting that keeps a way in range.

    Attributes:
        change: "planned", "target" or "format".
        way: the way of dividing.
        target: t of the scaling.
        activations: number format of the tensors between operations.
        accumulators: number format of the MAC array's sums.
        cost: what rescaling costs for one image, in the prices of the plan's options.
        text: what is changed, in words.
    """

    change: str
    way: str
    target: float
    activations: str
    accumulators: str
    cost: float
    text: str


def repairs(
    hardened: Hardened,
    way: str,
    peaks: Mapping[str, float],
    config: DatapathConfig | None = None,
    options: PlanOptions | None = None,
) -> list[Repair]:
    """What keeps a way of dividing in range, the cheapest first.

    Args:
        hardened: a network's stored words, which are scaled.
        way: the way of dividing that leaves the range: one of `hwsim.datapath.WAYS`, not "planned".
        peaks: the largest true magnitude of every value.
        config: the datapath whose number formats are left.
        options: prices and margins.

    Raises:
        HwsimError: if the way is impossible on this network whatever the range.
    """
    search = _Search(hardened, way, peaks, config or DatapathConfig(), options or PlanOptions())
    # Of equal cost, a plan changes nothing that is stored and no width.
    return sorted(search.all(), key=lambda repair: repair.cost)


def in_range(
    network: Network, plan: Plan, peaks: Mapping[str, float], options: PlanOptions, formats: TensorFormats
) -> bool:
    """Whether every value and every copy of it keeps to the range of its format, margins included."""
    return all(ends[0] <= log2 <= ends[1] for log2, ends in _potentials(network, plan, peaks, options, formats))


def _potentials(
    network: Network, plan: Plan, peaks: Mapping[str, float], options: PlanOptions, formats: TensorFormats
) -> Iterator[tuple[float, tuple[float, float]]]:
    """The scale, as a logarithm, of every value and copy, and where it must lie."""
    for reader in network.operations:
        for name, within in made_within(network, reader, peaks).items():
            yield _log2(plan.seen(name, reader.name)), options.range_within(within)
    operations = {network.input.name: None, **{op.name: op for op in network.operations}}
    for name, op in operations.items():
        peak = peaks.get(name, 0.0)
        if not (peak > 0 and math.isfinite(peak)):
            continue
        fmt = formats.of_value(network, op, rescaled=bool(plan.rescalings_of(name)))
        yield _log2(plan.produced(name)), options.range_of(fmt, peak)
        copied = options.range_of(formats.of_value(network, op, rescaled=False), peak)
        for rescaling in plan.rescalings_of(name):
            yield _log2(plan.seen(name, rescaling.readers[0])), copied


def _log2(scale: Scale | Constants) -> float:
    """Of constants per channel the largest, which the largest element may have."""
    return scale.log2 if isinstance(scale, Scale) else math.log2(float(scale.values.max()))


@dataclass(frozen=True)
class _Search:
    hardened: Hardened
    way: str
    peaks: Mapping[str, float]
    config: DatapathConfig
    options: PlanOptions

    @property
    def network(self) -> Network:
        return self.hardened.network

    def all(self) -> Iterator[Repair]:
        yield from self._planned()
        yield from self._smaller_target()
        yield from self._wider_formats()

    @property
    def _target(self) -> float:
        scaling = self.hardened.scaling
        return scaling.target_in(self.hardened.format) if scaling is not None else 1.0

    def _repair(self, change: str, plan: Plan, text: str, target: float, config: DatapathConfig) -> Repair:
        cost = price(division_sites(self.hardened, plan, config), self.options.prices, config.batch)
        return Repair(change, plan.way, target, config.activations, config.accumulators, cost, text)

    def _planned(self) -> Iterator[Repair]:
        try:
            plan = least_cost_plan(self.hardened, self.peaks, self.config, self.options)
        except HwsimError:
            return  # constants per channel, or a tensor that no rescaling keeps in range: the planner's row says it
        inside = sum(rescaling.reason == "range" for rescaling in plan.rescalings)
        inside += sum(reason == "range" for reason, _ in plan.multipliers.values())
        several = "s" if inside > 1 else ""
        text = f"planned, with {inside} rescaling{several} for the range" if inside else "planned"
        yield self._repair("planned", plan, text, self._target, self.config)

    def _smaller_target(self) -> Iterator[Repair]:
        scaling = self.hardened.scaling
        if scaling is None:
            return
        # Every scale is a product of constants, and every constant rises with t: so does what leaves the range.
        low, high = -_MOST_BITS_OF_T, 0.0
        if not self._below_the_top(self._rounded(low)):
            return
        while high - low > 1e-3:
            middle = (low + high) / 2
            low, high = (middle, high) if self._below_the_top(self._rounded(middle)) else (low, middle)
        target = self._rounded(low)
        plan = self._plan_at(target)
        if in_range(self.network, plan, self.peaks, self.options, self.config.formats):
            text = f"t = {target:.3g} instead of {self._target:.3g}, {math.log2(self._target / target):.1f} bits less"
            yield self._repair("target", plan, text, target, self.config)

    def _rounded(self, log2: float) -> float:
        """The target by so many bits away, rounded down to three digits."""
        target = self._target * 2.0**log2
        step = 10.0 ** (math.floor(math.log10(target)) - 2)
        return math.floor(target / step * (1 + 1e-12)) * step

    def _below_the_top(self, target: float) -> bool:
        plan = self._plan_at(target)
        found = _potentials(self.network, plan, self.peaks, self.options, self.config.formats)
        return all(log2 <= high for log2, (_, high) in found)

    def _plan_at(self, target: float) -> Plan:
        """The way's plan for another t: constants follow from the largest weights, no word has to be encoded."""
        assert self.hardened.scaling is not None
        scaling = replace(self.hardened.scaling, target=target)
        constants = {name: scaling.constants(peaks, self.hardened.format) for name, peaks in self._largest.items()}
        changed = replace(self.hardened, scaling=scaling, constants={**self.hardened.constants, **constants})
        return self._placed(changed)

    def _placed(self, hardened: Hardened) -> Plan:
        """The way's plan for some words."""
        return place_divisions(hardened, self.way, self.config)

    @cached_property
    def _largest(self) -> dict[str, np.ndarray]:
        """Of every stored tensor, the largest magnitude of each output channel."""
        found = {}
        for name in self.hardened.words:
            values = self.network.parameters[name].detach().abs().float()
            found[name] = values.reshape(len(values), -1).amax(dim=1, keepdim=True).numpy()
        return found

    def _wider_formats(self) -> Iterator[Repair]:
        plan = self._placed(self.hardened)
        now = (self.config.formats.activations, self.config.formats.accumulators)
        best: tuple[tuple[int, int], TensorFormats] | None = None
        for activations in _wider(now[0]):
            for accumulators in _wider(now[1]):
                formats = TensorFormats(activations, accumulators)
                width = activations.words.width + accumulators.words.width
                order = width, -activations.fraction_bits - accumulators.fraction_bits
                if (best is None or order < best[0]) and in_range(
                    self.network, plan, self.peaks, self.options, formats
                ):
                    best = order, formats
        if best is not None and best[1] != self.config.formats:
            chosen = best[1]
            texts = [
                f"{what} in {after.words.name} instead of {before.words.name}"
                for what, before, after in zip(
                    ("activations", "accumulators"), now, (chosen.activations, chosen.accumulators), strict=True
                )
                if before != after
            ]
            names = chosen.activations.words.name, chosen.accumulators.words.name
            config = replace(self.config, activations=names[0], accumulators=names[1])
            yield self._repair("format", plan, ", ".join(texts), self._target, config)


def _wider(fmt: TensorFormat) -> list[TensorFormat]:
    """A format, and all that hwsim has with a larger range that are not narrower; in fixed point with the same step."""
    words = fmt.words
    found = [fmt]
    for other in map(TensorFormat.of, format_names()):
        if other.words.is_floating and other.words.width >= words.width and other.largest_log2 > fmt.largest_log2:
            found.append(other)
    if words.name.startswith("q") and not words.name.endswith("_sm"):
        integer, fraction = map(int, words.name[1:].split("."))
        found += [TensorFormat.of(f"q{more}.{fraction}") for more in range(integer + 1, 32 - fraction)]
    return found
