"""FP32 as torch computes it, accumulated in the order that torch chooses.

What an operation puts out may be rounded to a narrower format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hwsim.datapath.arithmetic.rescaling import divide, is_one, multiply, ratio, times
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.plan import Plan, Rescaling
from hwsim.datapath.tensor_format import TensorFormat
from hwsim.errors import HwsimError
from hwsim.network import Affine, Call, Fetch, Linear, Network, Operation, Ref, Scale, operator_of, rule_of
from hwsim.network.graph import Parameter, channels, substitute
from hwsim.network.target import Target

_ROUNDING = 2.0**-40
"""Equal scales that were computed in two ways differ by less."""


@dataclass(frozen=True)
class _MultiplyAdd:
    """A multiply-add with its numbers at the scales of the plan; `divides` if its multiplier only changes a scale."""

    multiplier: Tensor | None
    addend: Tensor | None
    divides: bool
    overwrites: bool


@dataclass(frozen=True)
class _Prepared:
    """A call with its constants at the scales of the plan, and its parameters as tensors."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    parameters: Mapping[Parameter, Tensor]


class Fp32:
    """The arithmetic of one network under one plan.

    Args:
        network: the network.
        plan: the scales of its values.
        parameters: its parameters as tensors, at the scales at which they are read.
        config: what the datapath is made of.

    Raises:
        HwsimError: if the plan needs a multiplier that the datapath does not have, or gives an operation a scale that
            it cannot have.
    """

    def __init__(self, network: Network, plan: Plan, parameters: Mapping[str, Tensor], config: DatapathConfig) -> None:
        self.network, self.plan, self.config, self.parameters = network, plan, config, parameters
        self._sources = {op.name: op for op in network.operations}
        self.formats = {name: self._format(name) for name in (network.input.name, *self._sources)}
        self.copies = {
            name: config.formats.of_value(network, self._sources.get(name), rescaled=False) for name in self.formats
        }
        self._affines = {op.name: self._multiply_add(op) for op in network.operations if isinstance(op, Affine)}
        self._calls = {op.name: self._prepared(op) for op in network.operations if isinstance(op, Call)}

    @staticmethod
    def images(images: Tensor) -> Tensor:
        """Images as the arithmetic takes them: with channels last, as its weights have."""
        images = images.float()
        return images.contiguous(memory_format=torch.channels_last) if images.dim() == 4 else images

    # -- what the walk asks for -----------------------------------------------------------------------------------

    def linear(self, op: Linear, x: Tensor) -> Tensor:
        # Without its bias, from which torch may start the accumulation: that would round differently.
        y: Tensor = op.target(x, self.parameters[op.weight], None, *op.options)
        return y

    def affine(self, op: Affine, x: Tensor) -> Tensor:
        unit = self._affines[op.name]
        y = x if unit.overwrites else x.clone(memory_format=torch.preserve_format)
        if unit.multiplier is not None:
            y = times(y, unit.multiplier, op.channel_axis, out=y)
        if unit.addend is not None:
            y.add_(channels(unit.addend, op.channel_axis, y.dim()))
        return y

    def fetch(self, op: Fetch) -> Tensor:
        return self.parameters[op.weight]

    def call(self, op: Call, inputs: Mapping[str, Any]) -> Any:
        args, kwargs = self.arguments(op, inputs)
        return self._calls[op.name].function(*args, **kwargs)

    def rescaled(self, rescaling: Rescaling, value: Tensor) -> Tensor:
        source = self._sources.get(rescaling.value)
        axis = source.channel_axis if isinstance(source, (Linear, Affine)) else 0 if isinstance(source, Fetch) else 1
        # The value itself is read by nobody else: its memory can be used again.
        alone = isinstance(source, Linear) and len(rescaling.readers) == len(self.network.users[rescaling.value])
        return divide(value, rescaling.divisor, axis, self.config.divider, in_place=alone)

    def held(self, of: str | Rescaling, value: Any) -> Any:
        return self.format_of(of).rounded(value) if is_real(value) else value

    # -- what a counter asks for ----------------------------------------------------------------------------------

    def format_of(self, of: str | Rescaling) -> TensorFormat:
        """The format that holds a value, or a rescaled copy of one."""
        return self.copies[of.value] if isinstance(of, Rescaling) else self.formats[of]

    def arguments(self, op: Call, inputs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a call is given, its constants at the scales of the plan."""
        call = self._calls[op.name]

        def value_of(leaf: Any) -> Any:
            if isinstance(leaf, Ref):
                return inputs[leaf.name]
            return call.parameters[leaf] if isinstance(leaf, Parameter) else leaf

        kwargs = {key: substitute(value, value_of) for key, value in call.kwargs.items()}
        return substitute(call.args, value_of), kwargs

    def divides(self, op: Affine) -> bool:
        """Whether a multiplier that is idle otherwise changes a scale at a bias addition."""
        return self._affines[op.name].divides

    def accumulates(self, op: Affine) -> bool:
        """Whether a bias belongs to the sum of the convolution in front: what leaves the range then does so once.

        A matrix product and its bias are two sums.
        """
        source = self._sources.get(op.input.name)
        if not isinstance(source, Linear) or Target.of(source.target).packet == "linear":
            return False
        if self.network.sole_affine_after(source) is not op:
            return False
        alone = self._affines[op.name].multiplier is None and self.plan.rescaling(source.name, op.name) is None
        return alone and self.config.formats.accumulators.is_fp32

    # -- made ready once ------------------------------------------------------------------------------------------

    def _format(self, name: str) -> TensorFormat:
        rescaled = bool(self.plan.rescalings_of(name))
        return self.config.formats.of_value(self.network, self._sources.get(name), rescaled)

    def _may_overwrite(self, value: Ref, reader: Operation) -> bool:
        """Whether a value is the fresh result of an arithmetic operation, not a view, and has one reader."""
        source = self._sources.get(value.name)
        fresh = isinstance(source, (Linear, Affine)) or (
            isinstance(source, Call) and operator_of(source.target).counted == "additions"
        )
        if value.name in self.network.fixed and reader.name not in self.network.fixed:
            return False  # other images want it too
        return fresh and len(self.network.users[value.name]) == 1 and value.name != self.network.output

    def _multiply_add(self, op: Affine) -> _MultiplyAdd:
        multiplier = self._multiplier(op)
        divides = op.multiplier is None and multiplier is not None
        return _MultiplyAdd(multiplier, self._addend(op), divides, self._may_overwrite(op.input, op))

    def _addend(self, op: Affine) -> Tensor | None:
        """What a multiply-add adds: its addend at the scale of its result."""
        if op.addend is None:
            return None
        addend, scale = self.parameters[op.addend], self.plan.produced(op.name)
        # At scale one it is the port's own tensor: a stored bias changes with the faults.
        return addend if is_one(scale) else times(addend, scale)

    def _multiplier(self, op: Affine) -> Tensor | None:
        """The factor of a multiply-add as doubles, with the change of scale that it absorbs; None for one."""
        change = ratio(self.plan.produced(op.name), self.plan.seen(op.input.name, op.name))
        if op.multiplier is None:
            if not self.config.bias_multiplier and change is not None and float((change - 1).abs().max()) > _ROUNDING:
                raise _lacks("bias_multiplier", f"the bias addition in {op.layer or 'the network'}")
            return change
        multiplier = self.parameters[op.multiplier].double()
        return multiplier if change is None else multiply(multiplier, change)

    def _prepared(self, op: Call) -> _Prepared:
        call, known = self._at_its_scales(op), operator_of(op.target)
        first = op.args[0] if op.args else None
        function = call.target
        if function == op.target:  # not one that a rule has made of it
            if known.in_place is not None and isinstance(first, Ref) and self._may_overwrite(first, op):
                function = known.in_place
            elif known.computed_by is not None:
                function = known.computed_by
        parameters = {
            leaf: self.parameters[leaf.name] if leaf.factor.is_one else times(self.parameters[leaf.name], leaf.factor)
            for leaf in call.parameters
        }
        return _Prepared(getattr(function, "function", function), call.args, dict(call.kwargs), parameters)

    def _at_its_scales(self, op: Call) -> Call:
        """The call with its constants changed for the scales of its inputs and its result."""
        inputs = {name: self.plan.seen(name, op.name) for name in op.values}
        result = self.plan.produced(op.name)
        if is_one(result) and all(map(is_one, inputs.values())):
            return op
        rule, within = rule_of(op, inner=True), f"{op.target} in {op.layer or 'the network'}"
        scales = {name: scale for name, scale in inputs.items() if isinstance(scale, Scale)}
        if rule is None or len(scales) < len(inputs) or not isinstance(result, Scale):
            raise HwsimError(f"The plan gives {within} a scale that it cannot have.")
        if rule.inner and not self.config.inner_multipliers:
            rule = rule_of(op)  # such as that of a mean whose 1/N stays as it is
            if rule is None or abs((result / scales[rule.carried_by(op)]).log2) > _ROUNDING:
                raise _lacks("inner_multipliers", f"a constant inside {within}")
        return rule.rewrite(op, scales, result)


def is_real(value: Any) -> bool:
    """Whether a value is a tensor that a number format holds: not a size, a place or a mask."""
    return isinstance(value, Tensor) and value.is_floating_point()


def loaded(parameter: Tensor) -> Tensor:
    """A parameter that lies in safe memory as the arithmetic takes it; a mask or an index is no number."""
    dtype = torch.float32 if parameter.is_floating_point() else parameter.dtype
    tensor = parameter.detach().to("cpu", dtype, copy=True)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _lacks(multiplier: str, place: str) -> HwsimError:
    return HwsimError(
        f"The plan changes a scale at {place}, for which this datapath has no multiplier: configure it with "
        f"{multiplier} = True, or make the plan without."
    )
