"""The accelerator: executes a network on words read from memory, and counts what it does.

The arithmetic is FP32, accumulated in the order that torch chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hwsim.datapath.arithmetic import (
    count_nonfinite,
    divide_by_constants,
    divide_by_scale,
    multiply_by_scale,
    rescale,
)
from hwsim.datapath.counts import Counts, LayerCounts
from hwsim.datapath.plan import Plan, place_divisions, rescaled_arguments
from hwsim.datapath.port import ReadPort
from hwsim.errors import HwsimError, unknown
from hwsim.hardening import Guards, Hardened
from hwsim.hardening.scaling import to_significand
from hwsim.network import Affine, Call, Linear, Network, Operation, Ref, Scale
from hwsim.network.graph import ATEN, Parameter, channels, count_macs, substitute

if TYPE_CHECKING:
    from hwsim.memory import Faults

DIVIDERS = ("exact", "reciprocal")

_IN_PLACE = {  # elementwise operations that may overwrite an input which nothing else reads
    ATEN.relu.default: ATEN.relu_.default,
    ATEN.hardtanh.default: ATEN.hardtanh_.default,
    ATEN.leaky_relu.default: ATEN.leaky_relu_.default,
}
_ADDITIONS = {ATEN.add.Tensor, ATEN.sub.Tensor, ATEN.add.Scalar, ATEN.sub.Scalar}
_MULTIPLICATIONS = {ATEN.mul.Tensor, ATEN.mul.Scalar}

Values = dict[str, Any]
Step = Callable[[Values, Counts], Any]


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        logits: (N, classes), divided back to scale one.
        counts: what the datapath did, layer by layer, for all N images.
    """

    logits: Tensor
    counts: Counts

    @cached_property
    def invalid(self) -> Tensor:
        """(N,) whether a logit is NaN, so that there is no prediction."""
        return self.logits.isnan().any(dim=1)

    @cached_property
    def predictions(self) -> Tensor:
        """(N,) the class of the largest logit; -1 for invalid images, which therefore never count as right."""
        return self.logits.argmax(dim=1).masked_fill(self.invalid, -1)

    @property
    def nonfinite(self) -> dict[str, int]:
        """Layer -> NaN and infinite values that it put out, in order of execution: overflows, by layer."""
        return {name: layer.nonfinite for name, layer in self.counts.items() if layer.nonfinite}

    def accuracy(self, labels: Tensor) -> float:
        """Share of images whose prediction is their label."""
        return float((self.predictions == labels).double().mean())

    def __str__(self) -> str:
        total = self.counts.total
        lines = [
            f"{len(self.logits):,} images: {total.words_read:,} words read, {total.macs:,} MACs, {total.divisions:,} "
            f"divisions, {total.reciprocal_multiplications:,} reciprocal multiplications, {total.shifts:,} shifts"
        ]
        if self.nonfinite:
            name, count = next(iter(self.nonfinite.items()))
            lines.append(
                f"overflow: first in {name} ({count:,} values); {int(self.invalid.sum())} images without result"
            )
        return "\n".join(lines)

    __repr__ = __str__


class Accelerator:
    """A datapath with one network loaded.

    Args:
        network: the network to run.
        hardened: its parameters as stored words.
        divide: where scaling constants are divided out, one of `hwsim.datapath.WAYS`.
        guards: names of guards at the read port, of `hwsim.hardening.GUARDS`.
        batch: images that share one read of the weights.
        divider: "exact" divides; "reciprocal" multiplies by 1/c rounded to FP32 precision, whose result may differ
            in the last bit.
        bias_multiplier: whether the bias addition has a multiplier, which `absorbed` then uses.

    Raises:
        HwsimError: if the network cannot be run exactly in this way (see `place_divisions`), or a guard does not fit.
    """

    def __init__(
        self,
        network: Network,
        hardened: Hardened,
        divide: str = "none",
        guards: Iterable[str] = (),
        batch: int = 1,
        divider: str = "exact",
        bias_multiplier: bool = True,
    ) -> None:
        if batch < 1:
            raise HwsimError(f"Datapath batch {batch} is not positive: at least one image needs a read of the weights.")
        if divider not in DIVIDERS:
            raise unknown("divider", divider, DIVIDERS)
        if hardened.network is not network:
            raise HwsimError("The stored words belong to another network: harden the one that is to run.")
        self.network = network
        self.hardened = hardened
        self.plan: Plan = place_divisions(network, hardened, divide, bias_multiplier)
        self.batch = batch
        self.divider = divider
        self._port = ReadPort(network, hardened, self.plan, Guards(guards), divider)
        self._sources = {op.name: op for op in network.operations}
        self._steps = [(op, self._step(op)) for op in network.operations]
        self._last_read = _last_reads(network)

    @torch.inference_mode()
    def run(self, images: Tensor, faults: Faults | None = None, chunk: int | None = None) -> Run:
        """The network's logits for `images`, with the counts of everything done for them.

        Args:
            images: (N, C, H, W), preprocessed.
            faults: faulty words of the memory that holds `hardened.words`; None for a sound memory.
            chunk: images simulated at a time: a matter of the simulator's speed and memory, not of the results.

        Raises:
            HwsimError: if the images do not have the network's input shape.
        """
        expected = self.network.input.shape
        if images.dim() != len(expected) + 1 or images.shape[1] != expected[0] or len(images) == 0:
            shape = ", ".join(map(str, expected))
            raise HwsimError(f"Images of shape {tuple(images.shape)} do not fit the network, which takes (N, {shape}).")
        chunk = chunk or min(max(2**21 // math.prod(images.shape[1:]), 8), 250)
        counts = Counts()
        logits = []
        with self._port.reading(faults, counts):
            for start in range(0, len(images), chunk):
                part = images[start : start + chunk]
                self._count_reads(start, start + len(part), counts)
                logits.append(self._execute(part, counts))
        return Run(torch.cat(logits), counts)

    def _count_reads(self, start: int, stop: int, counts: Counts) -> None:
        """Stored words cross the port once for every `batch` images, and are divided there if at all."""
        reads = math.ceil(stop / self.batch) - math.ceil(start / self.batch)
        for op in self.network.operations:
            name = op.weight if isinstance(op, Linear) else op.addend if isinstance(op, Affine) else None
            if name is None or name not in self.hardened.words:
                continue
            layer, words = counts.layer(_label(op)), reads * self.hardened.words[name].size
            layer.words_read += words
            if self._port.divides(name):
                self._count_division(layer, words, self.hardened.constants[name].powers_of_two)

    def _execute(self, images: Tensor, counts: Counts) -> Tensor:
        images = images.float()
        if images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        values: Values = {self.network.input.name: images}
        for op, step in self._steps:
            values[op.name] = step(values, counts)
            for name in self._last_read[op.name]:
                del values[name]
        logits = values[self.network.output]
        scale = self.plan.divide_logits
        if scale.is_one:
            return logits
        self._count_division(counts.layer("logits"), logits.numel(), scale.is_power_of_two)
        return divide_by_scale(logits, scale, self.divider)

    def _step(self, op: Operation) -> Step:
        """The function that executes `op`: (values so far, counts) -> its result."""
        if isinstance(op, Linear):
            return self._linear(op)
        if isinstance(op, Affine):
            return self._affine(op)
        assert isinstance(op, Call)
        return self._call(op)

    def _linear(self, op: Linear) -> Step:
        weight = self._port.tensors[op.weight]
        constants = self.plan.divide_after.get(op.name)
        bias_of = self._bias_inside(op)
        bias = self._addend(bias_of) if bias_of else None

        def step(values: Values, counts: Counts) -> Tensor:
            y = op.target(values[op.input.name], weight, bias, *op.options)
            layer = counts.layer(_label(op))
            layer.macs += count_macs(op, weight, y)
            if constants is not None:
                y = divide_by_constants(y, constants, op.channel_axis, self.divider)
                self._count_division(layer, y.numel(), constants.powers_of_two)
            layer.nonfinite += count_nonfinite(y)
            return y

        return step

    def _bias_inside(self, op: Linear) -> Affine | None:
        """The bias that torch may add inside a convolution, since nothing is divided between the two.

        A matter of speed: the additions are counted at the multiply-add, like any other. A matrix product is left
        alone, because torch starts its accumulation from the bias, which rounds differently.
        """
        affine = self.network.sole_affine_after(op)
        if affine is None or affine.multiplier or affine.name in self.plan.absorb or op.name in self.plan.divide_after:
            return None
        return affine if op.target != ATEN.linear.default else None

    def _addend(self, op: Affine) -> Tensor | None:
        if op.addend is None:
            return None
        addend = self._port.tensors[op.addend]
        factor = self.plan.premultiply.get(op.name)
        if factor is None:
            return addend  # the port's own tensor: a stored bias changes with the faults
        number = float(factor) if isinstance(factor, Scale) else torch.from_numpy(factor.values)
        return (addend.double() * number).float()

    def _multiplier(self, op: Affine) -> Tensor | None:
        """The factor of a multiply-add as doubles, with the constant that it absorbs divided out beforehand.

        Like the constants, a factor is kept as a significand of 24 bits and an exponent.
        """
        multiplier = self._port.tensors[op.multiplier].double() if op.multiplier else None
        constants = self.plan.absorb.get(op.name)
        if constants is None:
            return multiplier
        factor = 1.0 if multiplier is None else multiplier.numpy()
        return torch.from_numpy(to_significand(factor / constants.values))

    def _affine(self, op: Affine) -> Step:
        source = self._sources.get(op.input.name)
        inside = isinstance(source, Linear) and self._bias_inside(source) is op
        overwrite = self._may_overwrite(op.input)
        addend, multiplier = self._addend(op), self._multiplier(op)
        absorbed = self.plan.absorb.get(op.name)

        def step(values: Values, counts: Counts) -> Tensor:
            x = values[op.input.name]
            layer = counts.layer(_label(op))
            if addend is not None:
                layer.additions += x.numel()
            if op.multiplier is not None:
                layer.multiplications += x.numel()
            elif absorbed is not None:
                self._count_division(layer, x.numel(), absorbed.powers_of_two, by_multiplier=True)
            if inside:
                return x
            y = x if overwrite else x.clone(memory_format=torch.preserve_format)
            if multiplier is not None:
                rescale(y, multiplier, op.channel_axis, torch.mul, out=y)
            if addend is not None:
                y.add_(channels(addend, op.channel_axis, y.dim()))
            layer.nonfinite += count_nonfinite(y)
            return y

        return step

    def _call(self, op: Call) -> Step:
        args = rescaled_arguments(op, self.plan.scales[op.inputs[0]]) if op.inputs else op.args
        factors = self.plan.align.get(op.name, {})
        in_place = op.target in _IN_PLACE and self._may_overwrite(op.args[0])
        target = _IN_PLACE[op.target] if in_place else op.target
        adds, multiplies = op.target in _ADDITIONS, op.target in _MULTIPLICATIONS

        def step(values: Values, counts: Counts) -> Any:
            aligned = {name: multiply_by_scale(values[name], factor) for name, factor in factors.items()}

            def value_of(leaf: Any) -> Any:
                if isinstance(leaf, Ref):
                    return aligned[leaf.name] if leaf.name in aligned else values[leaf.name]
                return self._port.tensors[leaf.name] if isinstance(leaf, Parameter) else leaf

            y = target(*substitute(args, value_of), **{k: substitute(v, value_of) for k, v in op.kwargs.items()})
            if aligned or ((adds or multiplies) and isinstance(y, Tensor)):
                layer = counts.layer(_label(op))
                layer.alignments += sum(tensor.numel() for tensor in aligned.values())
                layer.additions += y.numel() if adds else 0
                layer.multiplications += y.numel() if multiplies else 0
                layer.nonfinite += count_nonfinite(y)
            return y

        return step

    def _may_overwrite(self, value: Ref) -> bool:
        """Whether a value is the fresh result of an arithmetic operation, not a view, and has one reader."""
        source = self._sources.get(value.name)
        fresh = isinstance(source, (Linear, Affine)) or (isinstance(source, Call) and source.target in _ADDITIONS)
        return fresh and len(self.network.users[value.name]) == 1

    def _count_division(self, layer: LayerCounts, n: int, power_of_two: bool, by_multiplier: bool = False) -> None:
        """A division is a shift if its divisor is a power of two; else a divider or a multiplier does it."""
        if power_of_two:
            layer.shifts += n
        elif by_multiplier or self.divider == "reciprocal":
            layer.reciprocal_multiplications += n
        else:
            layer.divisions += n


def _label(op: Operation) -> str:
    """The name under which an operation is counted: its module's path."""
    return op.layer or op.name


def _last_reads(network: Network) -> dict[str, list[str]]:
    """For every operation, the values that nothing reads after it."""
    last = {name: op.name for op in network.operations for name in op.inputs}
    freed: dict[str, list[str]] = {op.name: [] for op in network.operations}
    for name, reader in last.items():
        if name != network.output:
            freed[reader].append(name)
    return freed
