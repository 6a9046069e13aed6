"""From a network to the planner's problem, and from its solution to a plan that the datapath executes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from hwsim import planner
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.costs import check_prices
from hwsim.datapath.plan import RESULT, Plan, Rescaling
from hwsim.datapath.tensor_format import TensorFormat, TensorFormats
from hwsim.errors import HwsimError
from hwsim.hardening import Constants, Hardened
from hwsim.network import Affine, Call, Fetch, Linear, Network, Operation, Scale, rule_of


@dataclass(frozen=True)
class PlanOptions:
    """What a plan may cost and how careful it is.

    Attributes:
        prices: price of a rescaling for one element, by kind: "shift", "reciprocal", "division"; `costs.prices` makes
            them from the table of operation costs.
        headroom_bits: the largest value seen in calibration may grow by this many bits, by faults or other images.
        precision_bits: values that are smaller than the largest one by up to this many bits must not underflow; None
            takes the format's significand in floating point, and 6 bits in fixed point.
        time_limit_s: when to stop proving that no plan is cheaper.
    """

    prices: Mapping[str, float] = field(default_factory=lambda: planner.COUNT)
    headroom_bits: float = 2.0
    precision_bits: float | None = None
    time_limit_s: float = 10.0

    def __post_init__(self) -> None:
        check_prices(self.prices)

    def precision_of(self, fmt: TensorFormat) -> float:
        """`precision_bits` for one format."""
        if self.precision_bits is not None:
            return self.precision_bits
        return fmt.fraction_bits + 1.0 if fmt.words.is_floating else 6.0

    def range_of(self, fmt: TensorFormat, peak: float) -> tuple[float, float]:
        """The potentials, in log2, at which a tensor with this largest magnitude fits a format; none if low > high.

        Scale one is always among them if the tensor as it is fits: margins are for what scaling adds.
        """
        return self._range(fmt, Within(peak))

    def range_within(self, within: Within) -> tuple[float, float]:
        """The same for what an operation makes of a tensor on its way, which it does in FP32."""
        low, high = self._range(TensorFormat.of("fp32"), within)
        return (low if within.degree > 1 else -math.inf), high  # a constant that is added to less is not lost

    def _range(self, fmt: TensorFormat, within: Within) -> tuple[float, float]:
        height, degree = within.height, within.degree
        low = (fmt.smallest_log2 + self.precision_of(fmt) - height) / degree
        high = (fmt.largest_log2 - height) / degree - self.headroom_bits
        return (min(low, 0.0), max(high, 0.0)) if height <= fmt.largest_log2 else (low, high)


@dataclass(frozen=True)
class Within:
    """What an operation makes of an input on its way, in FP32: sums of a power of it, or of it and a constant.

    Attributes:
        peak: the largest magnitude of the input, and of the constant that is added to it.
        degree: the power.
        terms: how many are added.
    """

    peak: float
    degree: float = 1.0
    terms: int = 1

    @property
    def height(self) -> float:
        """The largest magnitude, in log2."""
        return self.degree * math.log2(self.peak) + math.log2(self.terms)


def least_cost_plan(
    hardened: Hardened,
    peaks: Mapping[str, float],
    config: DatapathConfig | None = None,
    options: PlanOptions | None = None,
    free: Mapping[str, planner.FreeConstant] | None = None,
) -> Plan:
    """The exact set of rescalings of least cost, with every tensor inside the range of its format.

    Args:
        hardened: a network's stored words, with one scaling constant for each layer.
        peaks: the largest true magnitude of every value, which decides what stays in range.
        config: the datapath that the plan is for, with its multipliers and formats.
        options: prices, and how careful the plan is.
        free: weight -> what its constant may be, where that is not as stored: the plan is then one for the words that
            these constants give.

    Raises:
        HwsimError: if constants are per channel, a price is missing, or no plan keeps all tensors in range.
    """
    channelled = [name for name, constants in hardened.constants.items() if constants.per_channel]
    if channelled:
        raise HwsimError(
            f"The planner needs one constant for each layer, but {channelled[0]} has one for each channel: use "
            "granularity = 'layer' or another way of dividing."
        )
    network, config, options = hardened.network, config or DatapathConfig(), options or PlanOptions()
    formats = config.formats
    held = {name: _Held(network, name, peak, formats) for name, peak in peaks.items() if 0 < peak < math.inf}
    ranges = {name: options.range_of(value.format, value.peak) for name, value in held.items()}
    for op in network.operations:
        for name, within in made_within(network, op, peaks).items():
            low, high = ranges.get(name, (-math.inf, math.inf))
            least, most = options.range_within(within)
            ranges[name] = max(low, least), min(high, most)
    for name, (low, high) in ranges.items():
        if low > high:
            fmt = held[name].format
            raise HwsimError(
                f"No scale fits {held[name]} with {options.headroom_bits:g} bits of headroom and "
                f"{options.precision_of(fmt):g} of precision: ask for less of them, or for a wider format."
            )
    nodes = tuple(_nodes(hardened, ranges, config, free or {}))
    real: Literal["division", "reciprocal"] = "division" if config.divider == "exact" else "reciprocal"
    try:
        solution = _solve(nodes, tuple(sorted(options.prices.items())), real, options.time_limit_s)
    except planner.NoPlanError as error:
        if not error.ranges:
            raise
        tensors = _listed(str(held.get(name, repr(name))) for name in error.ranges)
        raise HwsimError(
            f"No plan fits {tensors}, whatever is rescaled, with {options.headroom_bits:g} bits of headroom: ask for "
            "less headroom or precision, or for a wider format."
        ) from None
    return _executable(solution, network.named)


@dataclass(frozen=True)
class _Held:
    """A value of the network, its largest magnitude and the format that holds it, as a person is told of them."""

    network: Network
    name: str
    peak: float
    formats: TensorFormats

    @property
    def format(self) -> TensorFormat:
        return self.formats.of_value(self.network, self._operation, rescaled=False)

    @property
    def _operation(self) -> Operation | None:
        return self.network.named.get(self.name)

    def __str__(self) -> str:
        op = self._operation
        what = "the images" if op is None else repr(op.label)
        return f"{what} (up to {self.peak:.4g}) into {self.format.words.name}"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


@lru_cache(maxsize=64)
def _solve(
    nodes: tuple[planner.Node, ...],
    prices: tuple[tuple[str, float], ...],
    real: Literal["division", "reciprocal"],
    time_limit_s: float,
) -> planner.Solution:
    """The planner's solution. Equal problems, such as those of variants with other guards, are solved once."""
    return planner.plan(planner.Problem(nodes, dict(prices), real), time_limit_s)


def first_out_of_range(network: Network, plan: Plan, peaks: Mapping[str, float], formats: TensorFormats) -> str | None:
    """The first operation at which a plan drives a value out of the range of its format, from the true magnitudes.

    Returns:
        Its name (or `RESULT`, for the last rescaling), or None if all stay in range.
    """
    sources = network.named
    top = TensorFormat.of("fp32").largest_log2

    def leaves_within(op: Operation) -> bool:
        """What an operation makes on its way, it makes in FP32."""
        seen = {name: (plan.seen(name, op.name), within) for name, within in made_within(network, op, peaks).items()}
        return any(isinstance(s, Scale) and s.log2 * w.degree + w.height > top for s, w in seen.values())

    def leaves(name: str, scale: Scale | Constants, rescaled: bool) -> bool:
        peak = peaks.get(name, 0.0)
        fmt = formats.of_value(network, sources.get(name), rescaled)
        return peak > 0 and isinstance(scale, Scale) and scale.log2 + math.log2(peak) > fmt.largest_log2

    def copies_leave(reader: str, values: Iterable[str]) -> bool:
        copies = (name for name in values if plan.rescaling(name, reader) is not None)
        return any(leaves(name, plan.seen(name, reader), rescaled=False) for name in copies)

    for op in network.operations:
        rescalings = plan.rescalings_of(op.name)
        own = [one.readers[0] for one in rescalings if one.reason == "layer"]
        if (
            copies_leave(op.name, op.inputs)
            or leaves_within(op)
            or leaves(op.name, plan.produced(op.name), rescaled=bool(rescalings))
            or any(copies_leave(reader, [op.name]) for reader in own)
        ):
            return op.name
    return RESULT if copies_leave(RESULT, [network.output]) else None


def made_within(network: Network, op: Operation, peaks: Mapping[str, float]) -> dict[str, Within]:
    """What an operation makes of its inputs on its way, where that may leave the range before its result does."""
    rule = rule_of(op) if isinstance(op, Call) else None
    if not isinstance(op, Call) or rule is None:
        return {}
    degree = rule.degree(op)
    found = {}
    for name in op.values:
        peak, terms = peaks.get(name, 0.0) + rule.offset, max(1, network.elements[name])
        if (rule.offset or degree > 1) and 0 < peak < math.inf:
            found[name] = Within(peak, degree, terms if degree > 1 else 1)
    return found


def _nodes(
    hardened: Hardened,
    ranges: Mapping[str, tuple[float, float]],
    config: DatapathConfig,
    free: Mapping[str, planner.FreeConstant],
) -> Iterator[planner.Node]:
    """The network in the planner's vocabulary; sizes and masks have no scale and are left out."""
    network = hardened.network

    def tensor(name: str, several: bool = False) -> planner.Tensor:
        low, high = ranges.get(name, (-math.inf, math.inf))
        # Several tensors in one value cannot be rescaled together: made a little dearer than each by itself.
        return planner.Tensor(name, max(1, network.elements[name]) + several, low, high)

    yield planner.Node(network.input.name, "source", (), tensor(network.input.name))
    for op in network.operations:
        if isinstance(op, Linear):
            constants = hardened.constants.get(op.weight)
            c = Fraction(float(constants.values[0])) if constants else Fraction(1)
            yield planner.Node(op.name, "linear", op.inputs, tensor(op.name), free.get(op.weight, c))
        elif isinstance(op, Fetch):
            # Words have their constant as scale: that of a layer whose input is one, always.
            constants, one = hardened.constants.get(op.weight), f"{op.name} of one"
            c = Fraction(float(constants.values[0])) if constants else Fraction(1)
            yield planner.Node(one, "source", (), planner.Tensor(one, network.elements[op.name] + 1, 0.0, 0.0))
            yield planner.Node(op.name, "linear", (one,), tensor(op.name), c)
        elif isinstance(op, Affine):
            if op.addend in hardened.words:
                yield planner.Node(op.name, "pin", op.inputs, tensor(op.name))
            elif op.multiplier is None and not config.bias_multiplier:
                yield planner.Node(op.name, "carry", op.inputs, tensor(op.name))
            else:
                idle = 0 if op.multiplier else network.elements[op.name]
                yield planner.Node(op.name, "absorb", op.inputs, tensor(op.name), idle=idle)
        elif isinstance(op, Call):
            rule, inputs = rule_of(op, config.inner_multipliers), op.values
            if rule is not None and rule.effect == "size":
                continue
            result = tensor(op.name, several=_is_several(network.shapes[op.name]))
            if not inputs and rule is not None and rule.effect == "absorb":
                # A constant for each image, such as a class token: of the images only their number matters.
                yield planner.Node(op.name, "absorb", (network.input.name,), result)
            elif not inputs:
                yield planner.Node(op.name, "source", (), result)
            elif rule is None or rule.effect == "size":
                yield planner.Node(op.name, "pin", tuple(dict.fromkeys(inputs)), result)
            elif rule.effect == "carry":
                for other in rule.bound_to_one(op):
                    yield planner.Node(f"{op.name} ({other})", "output", (other,))
                yield planner.Node(op.name, "carry", (rule.carried_by(op),), result)
            elif rule.effect == "drop":
                yield planner.Node(op.name, "source", (), result)
            elif rule.effect == "power":
                yield planner.Node(op.name, "power", inputs, result, exponent=rule.exponent(op))
            else:
                unique = inputs if rule.effect in ("product", "quotient") else tuple(dict.fromkeys(inputs))
                yield planner.Node(op.name, rule.effect, unique, result)
    yield planner.Node(RESULT, "output", (network.output,))


def _is_several(shape: Any) -> bool:
    """Whether a value is more than one tensor."""
    return shape is not None and not all(isinstance(size, int) for size in shape)


_REASONS = {effect: effect for effect in ("join", "product", "quotient", "power", "range")}


def _executable(solution: planner.Solution, operations: Mapping[str, Operation]) -> Plan:
    scales = {tensor: _scale(potential) for tensor, potential in solution.potentials.items()}
    rescalings = []
    multipliers = {}
    made: dict[tuple[str, planner.Potential], str] = {}  # (tensor, potential of a copy) -> a reader of that copy
    for copy in solution.copies:
        reason = _REASONS.get(copy.reason.effect, "unscaled")
        forced_by = copy.reason.name if reason == "range" else _reader(copy.reason.name, operations)
        if copy.multiplier:  # done by the multiply-add itself, as the change from its input's scale to its result's
            multipliers[copy.multiplier] = reason, forced_by
            continue
        readers = tuple(dict.fromkeys(_reader(name, operations) for name in copy.readers))
        source = made.get((copy.tensor, copy.made_from), "")
        if copy.made_from == solution.potentials[copy.tensor]:
            source = ""
        rescalings.append(Rescaling(copy.tensor, readers, _scale(-copy.factor), reason, source, forced_by))
        made[copy.tensor, copy.potential] = readers[0] if readers else ""
    return Plan("planned", scales, tuple(rescalings), multipliers=multipliers, solution=solution)


def _reader(name: str, operations: Mapping[str, Operation]) -> str:
    """The operation that a node of the problem stands for."""
    return name if name in operations or name == RESULT else name.split(" (")[0]


def _scale(potential: planner.Potential) -> Scale:
    significand, exponent = potential.significand_exponent
    return Scale(significand, exponent)
