"""Where the divisions go.

Every value of the network is produced with a scale, and may be rescaled on its way to a reader. A plan lists the
scales and the rescalings; what changes inside an operation (a bias multiplied beforehand, a bound of ReLU6, a factor
of BatchNorm) follows from the scales of its inputs and its result, by the algebra of `hwsim.network.operators.rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hwsim.datapath.config import DatapathConfig
from hwsim.errors import HwsimError, unknown
from hwsim.hardening import Constants, Hardened
from hwsim.network import Affine, Call, Fetch, Linear, Network, rule_of
from hwsim.network.scale import ONE, Scale
from hwsim.planner import Solution
from hwsim.tabular import Shown, Tabular

WAYS = {
    "none": "no division: for unscaled weights",
    "per_weight": "every weight word is divided as it is read",
    "per_layer": "the accumulated output of each layer is divided, before its bias; other products read divided words",
    "logits": "nothing inside; biases are multiplied by the scale beforehand, each logit is divided once",
    "absorbed": "the constant goes into BatchNorm's factor, or into a multiplier at the bias addition; a layer with "
    "neither is divided as in per_layer",
    "planned": "the rescalings of least cost that keep every operation exact and every tensor in range, proven by the "
    "planner",
}
"""Every way of dividing the scaling constants out, and what it does."""

RESULT = "logits"
"""Stands for the reader of the network's result, where the scale must be one."""


@dataclass(frozen=True)
class Rescaling:
    """A value divided by `divisor` on its way to some of its readers.

    Attributes:
        value: the value's name.
        readers: names of the operations that read the rescaled value, or `RESULT`.
        divisor: what it is divided by: a scale, or the constants of a layer, one for each channel.
        reason: "layer" (its own constant is divided out), "join" (its scale is made that of the other inputs of a
            sum or concatenation), "unscaled" (a reader needs scale one), "product", "quotient", "power" or "range".
        made_from: a reader of the copy that is divided, if it is not the value itself.
        forced_by: name of the operation that forces it, or `RESULT`; with "range" that of the value which would leave
            it, with "layer" empty.
    """

    value: str
    readers: tuple[str, ...]
    divisor: Scale | Constants
    reason: str
    made_from: str = ""
    forced_by: str = ""


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """What the datapath does about scales.

    Attributes:
        way: the way of dividing.
        scales: value name -> the scale with which it is produced; what is absent has scale one. The output of a
            layer may have constants, one for each channel, if all its readers divide or absorb them.
        rescalings: in order of their values.
        divide_words: whether weight words are divided when read.
        multipliers: bias addition whose multiplier, idle otherwise, changes the scale -> (reason, forced_by) as in
            `Rescaling`; one that is absent takes up its layer's own constant.
        solution: the planner's, if it made the plan: cost, and the bound that proves it.
    """

    way: str
    scales: Mapping[str, Scale | Constants] = field(default_factory=dict)
    rescalings: tuple[Rescaling, ...] = ()
    divide_words: bool = False
    multipliers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    solution: Solution | None = field(default=None, compare=False)

    @cached_property
    def _rescaled(self) -> dict[tuple[str, str], Rescaling]:
        return {(r.value, reader): r for r in self.rescalings for reader in r.readers}

    @cached_property
    def _of_value(self) -> dict[str, list[Rescaling]]:
        found: dict[str, list[Rescaling]] = {}
        for rescaling in self.rescalings:
            found.setdefault(rescaling.value, []).append(rescaling)
        return found

    def rescalings_of(self, value: str) -> list[Rescaling]:
        """The rescalings of one value."""
        return self._of_value.get(value, [])

    def rescaling(self, value: str, reader: str) -> Rescaling | None:
        """The rescaling that a value undergoes on its way to a reader."""
        return self._rescaled.get((value, reader))

    def produced(self, value: str) -> Scale | Constants:
        """The scale with which a value is produced."""
        return self.scales.get(value, ONE)

    def seen(self, value: str, reader: str) -> Scale | Constants:
        """The scale that a value has for a reader."""
        produced, rescaling = self.produced(value), self.rescaling(value, reader)
        if rescaling is None:
            return produced
        if isinstance(produced, Scale) and isinstance(rescaling.divisor, Scale):
            source = self.seen(value, rescaling.made_from) if rescaling.made_from else produced
            assert isinstance(source, Scale)  # constants per channel are divided out at once
            return source / rescaling.divisor
        return ONE  # constants of a layer are only ever divided by themselves

    def _table(self) -> Tabular:
        """Each rescaling, and each bias addition whose multiplier changes a scale as the planner wants it."""
        rows = [
            [one.value, ", ".join(one.readers), divisor_text(one.divisor), one.reason, one.forced_by]
            for one in self.rescalings
        ]
        rows += [[at, "its bias addition", "", reason, by] for at, (reason, by) in self.multipliers.items()]
        heading = f"{self.way}: {WAYS.get(self.way, 'a plan of its own')}"
        note = ""
        if self.solution is not None:
            note = f"cost {self.solution.cost:,.6g}, proven to within {self.solution.gap:.2g}"
        return Tabular(heading, ("value", "for", ">divided by", "reason", "forced by"), rows, note)


def divisor_text(divisor: Scale | Constants) -> str:
    """A divisor in words: a number, or how many."""
    if isinstance(divisor, Scale):
        return str(divisor) if abs(divisor.exponent) < 20 else f"2^{divisor.log2:.6g}"
    values = divisor.values
    return f"{values[0]:.6g}" if len(values) == 1 else f"{len(values)} constants"


def place_divisions(hardened: Hardened, way: str, config: DatapathConfig) -> Plan:
    """The plan for one way of dividing that follows a fixed rule: all but `planned`, which `least_cost_plan` makes.

    Args:
        hardened: the stored words of a network, and their constants.
        way: one of `WAYS`.
        config: which multipliers there are, for `absorbed` and `logits` to use.

    Raises:
        HwsimError: where the result could not be exact: scaled weights that are never divided, constants per
            channel or stored biases with `logits`, or an operation that needs a scale of one.
    """
    if way not in WAYS:
        raise unknown("way of dividing", way, WAYS)
    network = hardened.network
    scaled = {w: c for w, c in hardened.constants.items() if w in network.weights and not c.all_one}
    if way == "none" and scaled:
        raise HwsimError("Scaled weights are never divided with divide = 'none': choose one of the other ways.")
    if way == "per_weight":
        return Plan(way, divide_words=True)
    if way == "logits":
        return _carried_to_logits(network, hardened, scaled, config.inner_multipliers)
    assert way in ("none", "per_layer", "absorbed")  # planned follows no rule
    return _divided_layer_by_layer(network, hardened, scaled, way, config.bias_multiplier)


def _divided_layer_by_layer(
    network: Network, hardened: Hardened, scaled: Mapping[str, Constants], way: str, bias_multiplier: bool
) -> Plan:
    """Each constant is divided out, or absorbed, right behind its layer."""
    scales: dict[str, Scale | Constants] = {}
    rescalings = []
    for layer in network.operations:
        constants = scaled.get(layer.weight) if isinstance(layer, (Linear, Fetch)) else None
        if constants is None:
            continue
        scales[layer.name] = constants if constants.per_channel else constants.scale
        chain: list[Affine] = []
        if way == "absorbed" and isinstance(layer, Linear):
            chain = _absorbing_chain(network, hardened, layer, bias_multiplier)
            if constants.per_channel and any(affine.channel_axis != layer.channel_axis for affine in chain):
                chain = []  # it has other channels
        if not chain:
            rescalings.append(Rescaling(layer.name, _readers(network, layer.name), scales[layer.name], "layer"))
        for affine in chain[:-1]:
            scales[affine.name] = scales[layer.name]
    return Plan(way, scales, tuple(rescalings))


def _readers(network: Network, value: str) -> tuple[str, ...]:
    """All readers of a value, the network's result included."""
    readers = tuple(op.name for op in network.users[value])
    return (*readers, RESULT) if value == network.output else readers


def _absorbing_chain(network: Network, hardened: Hardened, layer: Linear, bias_multiplier: bool) -> list[Affine]:
    """The multiply-adds behind a layer up to the one that takes its constant; empty if none can.

    A bias before a BatchNorm is passed with the constant still in place (the bias is multiplied by it), because
    BatchNorm's multiplier exists anyway. Such a bias cannot lie in faulty memory.
    """
    chain: list[Affine] = []
    value = layer.name
    while value != network.output:
        users = network.users[value]
        if len(users) != 1 or not isinstance(users[0], Affine):
            break
        chain.append(users[0])
        if users[0].multiplier is not None:
            stored = [affine.addend for affine in chain[:-1] if affine.addend in hardened.words]
            return [] if stored else chain
        value = users[0].name
    return chain[:1] if bias_multiplier else []


def _carried_to_logits(
    network: Network, hardened: Hardened, scaled: Mapping[str, Constants], inner_multipliers: bool
) -> Plan:
    """Scales multiply up from layer to layer; one division at the end."""
    channelled = [w for w, c in scaled.items() if c.per_channel]
    if channelled:
        raise HwsimError(
            f"Constants per channel cannot be divided out at the logits: {channelled[0]} mixes the channels' scales "
            "in the next layer; use granularity = 'layer' or divide per layer."
        )
    stored = [name for name in hardened.words if name in network.biases]
    if stored:
        raise HwsimError(
            f"Dividing at the logits multiplies biases beforehand, so {stored[0]} cannot lie in faulty memory: "
            "use store = ['weights'] or divide per layer."
        )
    scales: dict[str, Scale] = {network.input.name: ONE}
    rescalings = []
    for op in network.operations:
        if isinstance(op, Linear):
            constants = scaled.get(op.weight)
            scales[op.name] = scales[op.input.name] * (constants.scale if constants else ONE)
        elif isinstance(op, Fetch):
            scales[op.name] = scaled[op.weight].scale if op.weight in scaled else ONE
        elif isinstance(op, Affine):
            scales[op.name] = scales[op.input.name]
        elif isinstance(op, Call):
            inputs = {name: scales[name] for name in op.values}
            rule = rule_of(op, inner_multipliers)
            if rule is not None and rule.effect == "join":
                largest = max(inputs.values(), key=lambda s: (s.exponent, s.significand))
                rescalings += [
                    Rescaling(name, (op.name,), scale / largest, "join", forced_by=op.name)
                    for name, scale in inputs.items()
                    if scale != largest
                ]
                inputs = dict.fromkeys(inputs, largest)
            scales[op.name] = result_scale(op, inputs, inner_multipliers)
    if not scales[network.output].is_one:
        rescalings.append(Rescaling(network.output, (RESULT,), scales[network.output], "unscaled", forced_by=RESULT))
    return Plan("logits", scales, tuple(rescalings))


def result_scale(call: Call, inputs: Mapping[str, Scale], inner_multipliers: bool = False) -> Scale:
    """The natural scale of a call's result, from those of its inputs that can have one.

    Raises:
        HwsimError: if the operation needs unscaled inputs and they are not.
    """
    if all(scale.is_one for scale in inputs.values()):
        return ONE
    rule = rule_of(call, inner_multipliers)
    if rule is None:
        raise _needs_unscaled(call)
    if rule.effect in ("size", "drop") or (rule.effect == "absorb" and not rule.keeps):
        return ONE
    if rule.effect == "quotient":
        dividend, divisor = call.values
        return inputs[dividend] / inputs[divisor]
    if rule.effect == "carry":
        if not all(inputs[name].is_one for name in rule.bound_to_one(call)):
            raise _needs_unscaled(call)
        return inputs[rule.carried_by(call)]
    if rule.effect == "join":
        return inputs[call.values[0]]
    product = _product(inputs[name] for name in call.values)
    return product ** rule.exponent(call) if rule.effect == "power" else product


def _needs_unscaled(call: Call) -> HwsimError:
    return HwsimError(
        f"Dividing at the logits is impossible: {call.target} in {call.layer or 'the network'} needs its input "
        "unscaled; divide per layer, or teach hwsim.network a rule for it."
    )


def _product(scales: Iterable[Scale]) -> Scale:
    result = ONE
    for scale in scales:
        result = result * scale
    return result
