"""Where the divisions go: one pass over the graph with the scale algebra.

Every value of the network gets a scale s; the plan says what to change in each operation so that its result is
`s` times the true one. Which divisions appear follows from the way of dividing and the algebra alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from hwsim.errors import HwsimError, unknown
from hwsim.hardening import Constants, Hardened
from hwsim.network import Affine, Call, Linear, Network, Operation, rule_of
from hwsim.network.scale import ONE, Scale

WAYS = {
    "none": "no division: for unscaled weights",
    "per_weight": "every weight word is divided as it is read",
    "per_layer": "the accumulated output of each layer is divided, before its bias",
    "logits": "nothing inside; biases are multiplied by the scale beforehand, each logit is divided once",
    "absorbed": "the constant goes into BatchNorm's factor, or into a multiplier at the bias addition; a layer with "
    "neither is divided as in per_layer",
}
"""Every way of dividing the scaling constants out, and what it does."""


@dataclass(frozen=True)
class Plan:
    """What the datapath does about scales.

    Attributes:
        way: the way of dividing.
        scales: value name -> its scale.
        divide_words: whether weight words are divided when read.
        divide_after: linear operation -> constants to divide its accumulated output by.
        absorb: multiply-add -> constants to divide its multiplier by.
        through_multiplier: multiply-adds whose multiplier was 1 and is now used to divide.
        premultiply: multiply-add -> what its addend is multiplied by beforehand, as (layer constants or scale).
        align: operation -> {input name: factor} that makes its inputs' scales equal.
        divide_logits: what the network's result is divided by.
    """

    way: str
    scales: Mapping[str, Scale]
    divide_words: bool = False
    divide_after: Mapping[str, Constants] = field(default_factory=dict)
    absorb: Mapping[str, Constants] = field(default_factory=dict)
    through_multiplier: frozenset[str] = frozenset()
    premultiply: Mapping[str, Scale | Constants] = field(default_factory=dict)
    align: Mapping[str, Mapping[str, Scale]] = field(default_factory=dict)
    divide_logits: Scale = ONE


def place_divisions(network: Network, hardened: Hardened, way: str, bias_multiplier: bool = True) -> Plan:
    """The plan for one way of dividing.

    Args:
        network: the network to run.
        hardened: its stored words and their constants.
        way: one of `WAYS`.
        bias_multiplier: whether the bias addition has a multiplier that `absorbed` may use.

    Raises:
        HwsimError: where the result could not be exact: scaled weights that are never divided, constants per
            channel or stored biases with `logits`, or an operation that needs a scale of one.
    """
    if way not in WAYS:
        raise unknown("way of dividing", way, WAYS)
    scaled = {w: c for w, c in hardened.constants.items() if w in network.weights and not c.all_one}
    if way == "none" and scaled:
        raise HwsimError("Scaled weights are never divided with divide = 'none': choose one of the other ways.")
    ones = dict.fromkeys([network.input.name, *(op.name for op in network.operations)], ONE)
    if way in ("none", "per_weight"):
        return Plan(way, ones, divide_words=way == "per_weight")
    if way == "logits":
        return _carry_to_logits(network, hardened, scaled)
    divide_after, absorb, premultiply = {}, {}, {}
    for layer in network.layers:
        constants = scaled.get(layer.weight)
        if constants is None:
            continue
        chain = _absorbing_chain(network, hardened, layer, bias_multiplier) if way == "absorbed" else []
        if chain:
            absorb[chain[-1].name] = constants
            premultiply.update({affine.name: constants for affine in chain[:-1]})
        else:
            divide_after[layer.name] = constants
    through = frozenset(
        op.name for op in network.operations if isinstance(op, Affine) and op.name in absorb and op.multiplier is None
    )
    return Plan(
        way, ones, divide_after=divide_after, absorb=absorb, through_multiplier=through, premultiply=premultiply
    )


def _absorbing_chain(network: Network, hardened: Hardened, layer: Linear, bias_multiplier: bool) -> list[Affine]:
    """The multiply-adds behind a layer up to the one that takes its constant; empty if none can.

    A bias before a BatchNorm is passed with the constant still in place (the bias is multiplied by it), because
    BatchNorm's multiplier exists anyway. Such a bias cannot lie in faulty memory.
    """
    chain: list[Affine] = []
    value: Operation = layer
    while value.name != network.output:
        users = network.users[value.name]
        if len(users) != 1 or not isinstance(users[0], Affine):
            break
        chain.append(users[0])
        if users[0].multiplier is not None:
            stored = [a.addend for a in chain[:-1] if a.addend in hardened.words]
            return [] if stored else chain
        value = users[0]
    return chain[:1] if bias_multiplier else []


def _carry_to_logits(network: Network, hardened: Hardened, scaled: Mapping[str, Constants]) -> Plan:
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
    premultiply: dict[str, Scale | Constants] = {}
    align: dict[str, Mapping[str, Scale]] = {}
    for op in network.operations:
        if isinstance(op, Linear):
            constants = scaled.get(op.weight)
            scales[op.name] = scales[op.input.name] * (constants.scale if constants else ONE)
        elif isinstance(op, Affine):
            scales[op.name] = scales[op.input.name]
            if op.addend is not None and not scales[op.name].is_one:
                premultiply[op.name] = scales[op.name]
        elif isinstance(op, Call):
            scales[op.name], factors = _result_scale(op, scales)
            if factors:
                align[op.name] = factors
    return Plan("logits", scales, premultiply=premultiply, align=align, divide_logits=scales[network.output])


def _result_scale(call: Call, scales: Mapping[str, Scale]) -> tuple[Scale, dict[str, Scale]]:
    """The scale of a call's result, and the factors that align its inputs."""
    inputs = {name: scales[name] for name in call.inputs}
    if all(scale.is_one for scale in inputs.values()):
        return ONE, {}
    rule = rule_of(call)
    if rule is None:
        raise HwsimError(
            f"Dividing at the logits is impossible: {call.target} in {call.layer or 'the network'} needs its input "
            "unscaled; divide per layer, or teach hwsim.network a rule for it."
        )
    if rule.effect == "join":
        largest = ONE
        for scale in inputs.values():
            largest = max(largest, scale, key=lambda s: (s.exponent, s.significand))
        return largest, {name: largest / scale for name, scale in inputs.items() if scale != largest}
    result = ONE
    if rule.effect == "product":
        for scale in (scales[leaf.name] for leaf in call.args[:2]):
            result = result * scale
        return result, {}
    if rule.effect == "size":
        return ONE, {}
    return scales[call.inputs[0]], {}


def rescaled_arguments(call: Call, scale: Scale) -> tuple[Any, ...]:
    """The arguments of a call whose input has a scale: bounds and offsets multiplied by it."""
    rule = rule_of(call)
    if scale.is_one or rule is None or not rule.numbers:
        return call.args
    args = list(call.args)
    for position in rule.numbers:
        if position < len(args) and args[position] is not None:
            # A bound beyond FP32 is infinite on the datapath, as the tensor that it bounds is about to be.
            args[position] = float((torch.tensor(args[position] * float(scale), dtype=torch.float64)).float())
    return tuple(args)
