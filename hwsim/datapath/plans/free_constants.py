"""Constants that a plan may choose: robustness given up for fewer or cheaper rescalings.

A constant below `t / max|W|` keeps all weights within t, so it is allowed; how far below is a matter of the robustness
that one is ready to lose. It pays where scales then meet: layers that add to one residual stream get one constant, a
projection gets the product of its main path, and where a product becomes a power of two, a shift does for a division.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from hwsim import planner
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.plan import Plan
from hwsim.datapath.plans.least_cost import PlanOptions, least_cost_plan
from hwsim.datapath.plans.ranges import Peaks, true_peaks
from hwsim.errors import HwsimError
from hwsim.hardening import Constants, Hardened
from hwsim.network import Linear, Network
from hwsim.network.scale import SIGNIFICAND_BITS, Scale
from hwsim.tabular import Shown, Tabular


@dataclass(frozen=True)
class Lowered:
    """A layer that gave up robustness.

    Attributes:
        weight: name of its weight.
        preferred: its t without freedom: the largest magnitude that it would store.
        target: its t as chosen: the largest magnitude that it stores, before rounding to the format.
    """

    weight: str
    preferred: float
    target: float

    @property
    def bits(self) -> float:
        """What was given up, in bits: log2 of `preferred / target`."""
        return math.log2(self.preferred / self.target)


@dataclass(frozen=True, repr=False)
class FreePlan(Shown):
    """Constants chosen by the planner, the words that they give, and the plan for exactly these words.

    Attributes:
        hardened: the words to store, with the constants that were chosen.
        plan: the plan for them.
        preferred: the words without freedom.
        fixed: the plan of least cost for those.
        bound: a proven lower bound on the cost of any plan with any constants that were allowed.
        lowered: the layers whose constants were changed, in order of execution.
        mismatch: the largest relative difference between a constant that was chosen, in 24 bits, and the one by which
            the plan multiplies scales; 0 if all are powers of two.
    """

    hardened: Hardened
    plan: Plan
    preferred: Hardened
    fixed: Plan
    bound: float
    lowered: tuple[Lowered, ...] = ()
    mismatch: float = 0.0

    @property
    def saved(self) -> float:
        """Cost saved for one image: rescaled elements, unless prices say otherwise."""
        return _solved(self.fixed).cost - _solved(self.plan).cost

    @property
    def gap(self) -> float:
        """How much of the cost is not proven to be necessary, as a fraction; 0 if no constants allow a cheaper plan."""
        return replace(_solved(self.plan), bound=self.bound).gap

    @property
    def mean_bits(self) -> float:
        """Bits of t given up, mean over all layers."""
        return sum(layer.bits for layer in self.lowered) / len(_scaled_weights(self.preferred))

    @property
    def largest_bits(self) -> float:
        """Bits of t given up by the layer that gave up most."""
        return max((layer.bits for layer in self.lowered), default=0.0)

    def _table(self) -> Tabular:
        """Each layer that gave up some of its t."""
        before, after = _solved(self.fixed), _solved(self.plan)
        heading = (
            f"cost {after.cost:,.6g} ({_by_kind(after)}) instead of {before.cost:,.6g} ({_by_kind(before)}), "
            f"proven to within {self.gap:.2g}"
        )
        note = (
            f"{len(self.lowered)} of {len(_scaled_weights(self.preferred))} layers gave up t: {self.largest_bits:.3f} "
            f"bits at most, {self.mean_bits:.3f} in the mean of all"
        )
        rows = [
            [layer.weight, f"{layer.preferred:.6g}", f"{layer.target:.6g}", f"{layer.bits:.3f}"]
            for layer in self.lowered
        ]
        return Tabular(heading, ("weight", ">t asked for", ">t given", ">bits given up"), rows, note)


def plan_with_free_constants(
    hardened: Hardened,
    lowest_target: float,
    config: DatapathConfig | None = None,
    peaks: Peaks | None = None,
    options: PlanOptions | None = None,
) -> FreePlan:
    """The constants and rescalings of least cost, where layers may store smaller weights than they could.

    The constant of a layer may be anything from `lowest_target / max|W|` to what it is; a power of two if the scaling
    asks for those. It stays what it is where rounding to a power of two has gone below the lowest target already, where
    several layers read one weight or something else than a layer does, and wherever changing it would save nothing.

    Run the words and the plan together: `Accelerator(free.hardened, free.plan)`.

    Args:
        hardened: a network's stored words, with the constants that they have without freedom, one for each layer.
        lowest_target: the least t that a layer may be given.
        config: the datapath that the plan is for.
        peaks: how large each tensor gets: `true_peaks` or `interval_peaks`; those of noise if None.
        options: prices, and how careful the plan is. Its time limit holds for each of two plans, with and without
            freedom.

    Raises:
        HwsimError: if the weights are not scaled, the lowest target is not a number above 0 and up to t, or there is no
            plan (see `make_plan`).
    """
    network = hardened.network
    peaks = true_peaks(network) if peaks is None else peaks
    free = _freedoms(network, hardened, lowest_target)
    fixed = least_cost_plan(hardened, peaks, config, options)
    plan = least_cost_plan(hardened, peaks, config, options, free) if free else fixed
    solution = _solved(plan)
    if solution.cost >= _solved(fixed).cost:
        return FreePlan(hardened, fixed, hardened, fixed, solution.bound)
    weights = {layer.name: layer.weight for layer in network.layers}
    exact = {weights[layer]: potential for layer, potential in solution.constants.items()}
    chosen = {weight: _stored(potential, hardened.constants[weight]) for weight, potential in exact.items()}
    changed = {weight: c for weight, c in chosen.items() if c is not hardened.constants[weight]}
    lowered = []
    for weight, constants in changed.items():
        peak = _largest(network, weight)
        lowered.append(Lowered(weight, *(float(c.values[0]) * peak for c in (hardened.constants[weight], constants))))
    mismatch = max(_mismatch(chosen[weight], potential) for weight, potential in exact.items())
    return FreePlan(hardened.with_constants(changed), plan, hardened, fixed, solution.bound, tuple(lowered), mismatch)


def _solved(plan: Plan) -> planner.Solution:
    assert plan.solution is not None  # the planner made it
    return plan.solution


def _freedoms(network: Network, hardened: Hardened, lowest_target: float) -> dict[str, planner.FreeConstant]:
    """What the constant of each weight may be, where that is more than one number."""
    if hardened.scaling is None:
        raise HwsimError("The weights are not scaled: there are no constants to choose.")
    target = hardened.scaling.target_in(hardened.format)
    if not 0 < lowest_target <= target:
        raise HwsimError(f"The lowest target is {lowest_target:g}: it must be above 0 and not above t = {target:g}.")
    free = {}
    for weight in _scaled_weights(hardened):
        peak, preferred = _largest(network, weight), float(hardened.constants[weight].values[0])
        layers = [layer for layer in network.readings[weight] if isinstance(layer, Linear)]
        if len(layers) == len(network.readings[weight]) == 1 and lowest_target < preferred * peak:
            low = min(_up(lowest_target / peak), preferred)
            free[weight] = planner.FreeConstant(low, preferred, Fraction(preferred), hardened.scaling.power_of_two)
    return free


def _scaled_weights(hardened: Hardened) -> list[str]:
    return [name for name in hardened.network.weights if name in hardened.words]


def _largest(network: Network, weight: str) -> float:
    """The largest magnitude of a weight."""
    return float(network.parameters[weight].detach().abs().max())


def _up(number: float) -> float:
    """The next number of 24 bits: what is above it stays so when it is rounded to 24 bits."""
    fraction, exponent = math.frexp(number)
    return math.ldexp(math.ceil(math.ldexp(fraction, SIGNIFICAND_BITS)), exponent - SIGNIFICAND_BITS)


def _stored(potential: planner.Potential, preferred: Constants) -> Constants:
    """A chosen constant as safe memory keeps it: rounded to 24 bits, and never above the preferred one.

    The planner holds intervals to a millionth of an octave only, and a weight above t may cost an exponent bit.
    """
    chosen = Constants.of(Scale(*potential.significand_exponent))
    return chosen if chosen.values[0] < preferred.values[0] else preferred


def _mismatch(constants: Constants, potential: planner.Potential) -> float:
    significand, exponent = potential.significand_exponent
    return abs(math.ldexp(float(constants.values[0]), -exponent) / significand - 1.0)


def _by_kind(solution: planner.Solution) -> str:
    """How many elements are rescaled in which way."""
    elements = {kind: sum(c.elements for c in solution.copies if c.kind == kind) for kind in planner.RESCALING_KINDS}
    return ", ".join(f"{number:,} by {kind}" for kind, number in elements.items() if number) or "nothing rescaled"
