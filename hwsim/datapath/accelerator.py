"""The accelerator: executes a network on words read from memory, and counts what it does.

The arithmetic is FP32, accumulated in the order that torch chooses; what an operation puts out may be rounded to a
narrower format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hwsim.datapath.arithmetic import divide, largest_magnitude, multiply, ratio, times
from hwsim.datapath.counts import Counts, LayerCounts
from hwsim.datapath.places import COUNTER_OF, places
from hwsim.datapath.plan import RESULT, WAYS, Plan, Rescaling, place_divisions
from hwsim.datapath.planned import PlanOptions, least_cost_plan
from hwsim.datapath.port import ReadPort
from hwsim.datapath.run import Run
from hwsim.datapath.tensor_format import TensorFormats
from hwsim.errors import HwsimError, unknown
from hwsim.hardening import Constants, Guards, Hardened, harden
from hwsim.network import Affine, Call, Fetch, Linear, Network, Operation, Ref, Scale, rule_of
from hwsim.network.attention import attention
from hwsim.network.graph import ATEN, Parameter, channels, storable, substitute
from hwsim.network.products import count_macs
from hwsim.tabular import Shown, Tabular
from hwsim.tensors import tensor_of

if TYPE_CHECKING:
    from hwsim.memory import Faults
    from hwsim.memory.ecc import Code

DIVIDERS = ("exact", "reciprocal")

_IN_PLACE = {  # elementwise operations that may overwrite an input which nothing else reads
    ATEN.relu.default: ATEN.relu_.default,
    ATEN.hardtanh.default: ATEN.hardtanh_.default,
    ATEN.leaky_relu.default: ATEN.leaky_relu_.default,
}
_CONTIGUOUS = {ATEN.max_pool3d.default}
"""Operations that torch does not have for tensors of four axes with their channels last."""

_ADDITIONS = {ATEN.add.Tensor, ATEN.sub.Tensor, ATEN.add.Scalar, ATEN.sub.Scalar}
_MULTIPLICATIONS = {ATEN.mul.Tensor, ATEN.mul.Scalar}
_ROUNDING = 2.0**-40
"""Equal scales that were computed in two ways differ by less."""

Values = dict[str, Any]
Step = Callable[[Values, Counts], Any]


class Accelerator(Shown):
    """A datapath with one network loaded.

    Args:
        network: the network to run.
        hardened: its parameters as stored words.
        divide: where scaling constants are divided out: one of `hwsim.datapath.WAYS`, or a plan.
        guards: names of guards at the read port, of `hwsim.hardening.GUARDS`.
        batch: images that share one read of the weights.
        divider: "exact" divides; "reciprocal" multiplies by 1/c rounded to FP32 precision, whose result may differ
            in the last bit.
        bias_multiplier: whether the bias addition has a multiplier, which `absorbed` and `planned` then use.
        inner_multipliers: whether the constants inside units can be changed, such as GELU's 1/sqrt 2, which `logits`
            and `planned` then use.
        calibration: images that show `planned` how large each tensor gets; noise if None.
        activations: number format of the tensors between operations.
        accumulators: number format in which the MAC array puts its sums out, before a bias or a division.
        code: what protects the words in memory, whose check cells are then read too; None for words alone.

    Raises:
        HwsimError: if the network cannot be run exactly in this way (see `place_divisions`), a plan needs a multiplier
            that the datapath does not have, or a guard does not fit.
    """

    def __init__(
        self,
        network: Network,
        hardened: Hardened,
        divide: str | Plan = "none",
        guards: Iterable[str] = (),
        batch: int = 1,
        divider: str = "exact",
        bias_multiplier: bool = True,
        inner_multipliers: bool = False,
        calibration: Tensor | None = None,
        activations: str = "fp32",
        accumulators: str = "fp32",
        code: Code | None = None,
    ) -> None:
        if batch < 1:
            raise HwsimError(f"Datapath batch {batch} is not positive: at least one image needs a read of the weights.")
        if divider not in DIVIDERS:
            raise unknown("divider", divider, DIVIDERS)
        if hardened.network is not network:
            raise HwsimError("The stored words belong to another network: harden the one that is to run.")
        self.network = network
        self.hardened = hardened
        formats = TensorFormats.of(activations, accumulators)
        if divide == "planned":
            options = PlanOptions(divider=divider, bias_multiplier=bias_multiplier, inner_multipliers=inner_multipliers)
            divide = least_cost_plan(network, hardened, true_peaks(network, calibration), options, formats).plan
        elif isinstance(divide, str):
            divide = place_divisions(network, hardened, divide, bias_multiplier, inner_multipliers)
        self.plan = divide
        self._formats = formats
        self.batch = batch
        self.divider = divider
        self.bias_multiplier = bias_multiplier
        self.inner_multipliers = inner_multipliers
        self._multiplies = divider == "reciprocal"
        self.guards = Guards(guards)
        self._port = ReadPort(network, hardened, self.plan, self.guards, divider, code)
        self._sources = {op.name: op for op in network.operations}
        self._places = {op.name: place for place, op in enumerate(network.operations)}
        # No step refers to the accelerator, which would otherwise keep its weights until cycles are collected.
        # What depends on no image comes first: it is done once for every read of the weights.
        order = sorted(network.operations, key=lambda op: op.name not in network.fixed)
        self._steps = [(op, self._step(op)) for op in order]
        self._last_read = self._last_reads()

    def _table(self) -> Tabular:
        """What it is made of, and what it rescales for one image, by its plan and the shapes alone."""
        rescaled = dict.fromkeys(COUNTER_OF.values(), 0.0)
        for place in places(self.network, self.hardened, self.plan, self.divider, self._formats):
            if place.kind in COUNTER_OF:
                rescaled[COUNTER_OF[place.kind]] += place.elements / (self.batch if place.per_read else 1)
        shape = " x ".join(map(str, self.network.input.shape))
        rows = [
            ["network", f"{len(self.network.operations)} operations, images of {shape}"],
            ["stored", self.hardened.summary],
            ["divided", f"{self.plan.way}: {WAYS.get(self.plan.way, 'by a plan of its own')}"],
            ["divider", self.divider],
            ["guards", ", ".join(self.guards.names) or "none"],
            ["batch", f"{self.batch} image{'s' if self.batch > 1 else ''} for each read of the weights"],
            ["activations", self._formats.activations.words.name],
            ["accumulators", self._formats.accumulators.words.name],
            *([f"{name.replace('_', ' ')} an image", f"{count:,.10g}"] for name, count in rescaled.items()),
        ]
        return Tabular("Accelerator", ("what", "as it is"), rows)

    @torch.inference_mode()
    def run(self, images: Any, faults: Faults | None = None, chunk: int | None = None) -> Run:
        """The network's logits for `images`, with the counts of everything done for them.

        Args:
            images: (N, C, H, W), preprocessed, of torch or numpy.
            faults: what a memory that was written with `hardened.words` gives wrong; None for a sound memory.
            chunk: images simulated at a time: a matter of the simulator's speed and memory, not of the results.

        Raises:
            HwsimError: if the images do not have the network's input shape, or the faults are of other words.
        """
        images, expected = tensor_of(images, "images"), self.network.input.shape
        if images.dim() != len(expected) + 1 or images.shape[1] != expected[0] or len(images) == 0:
            shape = ", ".join(map(str, expected))
            raise HwsimError(f"Images of shape {tuple(images.shape)} do not fit the network, which takes (N, {shape}).")
        chunk = chunk or _chunk(images)
        counts = Counts(_label(op) for op in self.network.operations)  # in order of execution
        logits = []
        with self._port.reading(faults, counts):
            reads = math.ceil(len(images) / self.batch)
            self._count_reads(reads, counts)
            once = Counts()
            fixed = self._execute_fixed(once)
            counts.add(once, reads)
            for start in range(0, len(images), chunk):
                logits.append(self._execute(images[start : start + chunk], fixed, counts))
        return Run(torch.cat(logits), counts.counted())

    @torch.inference_mode()
    def peaks(self, images: Tensor) -> dict[str, float]:
        """The largest magnitude of every value of the network over `images`; NaN where one occurs."""
        found: dict[str, float] = {}

        def see(name: str, value: Any) -> None:
            if isinstance(value, Tensor) and value.is_floating_point():
                peak = largest_magnitude(value)
                before = found.get(name, peak)
                found[name] = peak if math.isnan(peak) or peak > before else before

        fixed = self._execute_fixed(Counts(), see)
        for part in images.split(_chunk(images)):
            self._execute(part, fixed, Counts(), see)
        return found

    def _count_reads(self, reads: int, counts: Counts) -> None:
        """Stored words cross the port once for every `batch` images, and are divided there if at all."""
        for op in self.network.operations:
            name = storable(op)
            if name is None or name not in self.hardened.words:
                continue
            layer, words = counts.layer(_label(op)), reads * self.hardened.words[name].size
            layer.words_read += words
            layer.bits_read += reads * self._port.cells[name]
            layer.comparisons += words * self._port.comparisons
            if self._port.divides(name):
                _count_division(layer, words, self.hardened.constants[name].powers_of_two, self._multiplies)

    def _execute_fixed(self, counts: Counts, see: Callable[[str, Any], None] | None = None) -> Values:
        """The values that depend on no image."""
        values: Values = {}
        self._run_steps(values, counts, see, fixed=True)
        return values

    def _execute(
        self, images: Tensor, fixed: Values, counts: Counts, see: Callable[[str, Any], None] | None = None
    ) -> Tensor:
        """The logits; `see` is shown every value as it is produced: a later operation may overwrite it."""
        images = images.float()
        if images.dim() == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        values = dict(fixed)
        self._produce(self.network.input.name, images, values, counts)
        if see is not None:
            see(self.network.input.name, values[self.network.input.name])
        self._run_steps(values, counts, see, fixed=False)
        return values[self._where(self.network.output, RESULT)]

    def _run_steps(self, values: Values, counts: Counts, see: Callable[[str, Any], None] | None, fixed: bool) -> None:
        for op, step in self._steps:
            if (op.name in self.network.fixed) is not fixed:
                continue
            self._produce(op.name, step(values, counts), values, counts)
            if see is not None:
                see(op.name, values[op.name])
            for name in self._last_read[op.name]:
                values.pop(name, None)

    # -- values and their rescaled copies -------------------------------------------------------------------------

    def _produce(self, name: str, value: Any, values: Values, counts: Counts) -> None:
        """Keep a value, in its number format, and the copies of it that are rescaled for some readers."""
        if isinstance(value, Tensor) and value.is_floating_point():
            value = self._held(name, value, counts)
        values[name] = value
        for rescaling in self.plan.rescalings_of(name):
            source = self._where(name, rescaling.made_from) if rescaling.made_from else name
            values[self._where(name, rescaling.readers[0])] = self._rescaled(rescaling, values[source], counts)

    def _held(self, name: str, y: Tensor, counts: Counts) -> Tensor:
        op = self._sources.get(name)
        fmt = self._formats.of_value(self.network, op, rescaled=bool(self.plan.rescalings_of(name)))
        rounded = fmt.rounded(y)
        arithmetic = isinstance(op, Linear) or (isinstance(op, Affine) and not self._accumulates(op)) or _computes(op)
        if op is not None and (arithmetic or not fmt.is_fp32):
            counts.overflow(_label(op), fmt.overflowed(y, rounded), self._places[name])
        if not fmt.is_fp32:
            layer = counts.layer(self.network.input.name if op is None else _label(op))
            layer.underflows += fmt.underflowed(y, rounded)
        return rounded

    def _where(self, value: str, reader: str) -> str:
        """The name under which a reader finds a value."""
        rescaling = self.plan.rescaling(value, reader)
        return value if rescaling is None else f"{value} for {rescaling.readers[0]}"

    def _rescaled(self, rescaling: Rescaling, y: Tensor, counts: Counts) -> Tensor:
        source = self._sources.get(rescaling.value)
        axis = source.channel_axis if isinstance(source, (Linear, Affine)) else 0 if isinstance(source, Fetch) else 1
        # The value itself is read by nobody else: its memory can be used again.
        alone = isinstance(source, Linear) and len(rescaling.readers) == len(self.network.users[rescaling.value])
        layer = counts.layer(self._charged(rescaling))
        result = divide(y, rescaling.divisor, axis, self.divider, in_place=alone)
        if rescaling.reason == "join":
            layer.alignments += y.numel()
        else:
            _count_division(layer, y.numel(), _is_power_of_two(rescaling.divisor), self._multiplies)
        fmt = self._formats.of_value(self.network, source, rescaled=False)
        rounded = fmt.rounded(result)
        if rescaling.reason == "join" or not fmt.is_fp32:
            place = self._places.get(self._wants(rescaling), len(self._places))
            counts.overflow(self._charged(rescaling), fmt.overflowed(result, rounded), place)
        if not fmt.is_fp32:
            layer.underflows += fmt.underflowed(result, rounded)
        return rounded

    def _wants(self, rescaling: Rescaling) -> str:
        """The operation that a rescaling is counted for: the one whose constant goes, or the one that wants it gone."""
        return rescaling.value if rescaling.reason == "layer" else rescaling.readers[0]

    def _charged(self, rescaling: Rescaling) -> str:
        """The layer of that operation."""
        name = self._wants(rescaling)
        return RESULT if name == RESULT else _label(self._sources[name])

    def _last_reads(self) -> dict[str, list[str]]:
        """For every operation, the values and copies that nothing reads after it."""
        last: dict[str, str] = {}
        for op, _ in self._steps:
            last[op.name] = op.name  # a value that nothing reads as produced goes at once
            for name in op.inputs:
                last[name] = last[self._where(name, op.name)] = op.name
        last[self.network.output] = ""
        freed: dict[str, list[str]] = {op.name: [] for op in self.network.operations}
        for name, reader in last.items():
            freed.get(reader, []).append(name)
        return freed

    def _may_overwrite(self, value: Ref, reader: str) -> bool:
        """Whether a value is the fresh result of an arithmetic operation, not a view, and has one reader."""
        source = self._sources.get(value.name)
        fresh = isinstance(source, (Linear, Affine)) or (isinstance(source, Call) and source.target in _ADDITIONS)
        if value.name in self.network.fixed and reader not in self.network.fixed:
            return False  # other images want it too
        return fresh and len(self.network.users[value.name]) == 1 and value.name != self.network.output

    # -- one function for each operation: (values so far, counts) -> its result -----------------------------------

    def _step(self, op: Operation) -> Step:
        if isinstance(op, Linear):
            return self._linear(op)
        if isinstance(op, Affine):
            return self._affine(op)
        if isinstance(op, Fetch):
            weight = self._port.tensors[op.weight]
            return lambda values, counts: weight
        assert isinstance(op, Call)
        return self._call(op)

    def _linear(self, op: Linear) -> Step:
        weight = self._port.tensors[op.weight]
        source = self._where(op.input.name, op.name)

        def step(values: Values, counts: Counts) -> Tensor:
            # Without its bias, from which torch may start the accumulation: that would round differently.
            x = values[source]
            y = op.target(x, weight, None, *op.options)
            layer = counts.layer(_label(op))
            layer.macs += count_macs(op.target, (x, weight, None, *op.options), {}, y)
            return y

        return step

    def _accumulates(self, op: Affine) -> bool:
        """Whether a bias belongs to the sum of the convolution in front: what leaves the range then does so once.

        A matrix product and its bias are two sums.
        """
        source = self._sources.get(op.input.name)
        if not isinstance(source, Linear) or source.target == ATEN.linear.default:
            return False
        if self.network.sole_affine_after(source) is not op:
            return False
        alone = self._multiplier(op) is None and self.plan.rescaling(source.name, op.name) is None
        return alone and self._formats.accumulators.is_fp32

    def _addend(self, op: Affine) -> Tensor | None:
        """What a multiply-add adds: its addend at the scale of its result."""
        if op.addend is None:
            return None
        addend, scale = self._port.tensors[op.addend], self.plan.produced(op.name)
        # At scale one it is the port's own tensor: a stored bias changes with the faults.
        return addend if _is_one(scale) else times(addend, scale)

    def _multiplier(self, op: Affine) -> Tensor | None:
        """The factor of a multiply-add as doubles, with the change of scale that it absorbs; None for one."""
        change = ratio(self.plan.produced(op.name), self.plan.seen(op.input.name, op.name))
        if op.multiplier is None:
            if not self.bias_multiplier and change is not None and float((change - 1).abs().max()) > _ROUNDING:
                raise self._lacks("bias_multiplier", f"the bias addition in {op.layer or 'the network'}")
            return change
        multiplier = self._port.tensors[op.multiplier].double()
        return multiplier if change is None else multiply(multiplier, change)

    def _affine(self, op: Affine) -> Step:
        where = self._where(op.input.name, op.name)
        overwrite = self._may_overwrite(op.input, op.name)
        addend, multiplier = self._addend(op), self._multiplier(op)
        divides = op.multiplier is None and multiplier is not None
        powers = _is_power_of_two(self.plan.seen(op.input.name, op.name)) and _is_power_of_two(
            self.plan.produced(op.name)
        )

        def step(values: Values, counts: Counts) -> Tensor:
            x = values[where]
            layer = counts.layer(_label(op))
            if addend is not None:
                layer.additions += x.numel()
            if op.multiplier is not None:
                layer.multiplications += x.numel()
            if divides:
                _count_division(layer, x.numel(), powers, by_multiplier=True)
            y = x if overwrite else x.clone(memory_format=torch.preserve_format)
            if multiplier is not None:
                y = times(y, multiplier, op.channel_axis, out=y)
            if addend is not None:
                y.add_(channels(addend, op.channel_axis, y.dim()))
            return y

        return step

    def _call(self, op: Call) -> Step:
        call = self._at_its_scales(op)
        first = op.args[0] if op.args else None
        in_place = call.target in _IN_PLACE and isinstance(first, Ref) and self._may_overwrite(first, op.name)
        target = _IN_PLACE[call.target] if in_place else call.target
        if call.target in _CONTIGUOUS:
            target = _rows_first(call.target)
        if call.target == ATEN.scaled_dot_product_attention.default:
            target = attention
        limits = self._limits(op)
        adds, multiplies, place = op.target in _ADDITIONS, op.target in _MULTIPLICATIONS, self._places[op.name]
        where, options = {name: self._where(name, op.name) for name in op.inputs}, dict(call.kwargs)
        parameters = {
            leaf: self._port.tensors[leaf.name]
            if leaf.factor.is_one
            else times(self._port.tensors[leaf.name], leaf.factor)
            for leaf in call.parameters
        }

        def step(values: Values, counts: Counts) -> Any:
            def value_of(leaf: Any) -> Any:
                if isinstance(leaf, Ref):
                    return values[where[leaf.name]]
                return parameters[leaf] if isinstance(leaf, Parameter) else leaf

            for name, limit in limits.items():
                x = values[where[name]]
                if largest_magnitude(x) > limit:
                    counts.overflow(_label(op), int((x.abs() > limit).sum()), place)
            args = substitute(call.args, value_of)
            named = {key: substitute(value, value_of) for key, value in options.items()}
            y = target(*args, **named)
            if isinstance(y, Tensor):
                layer = counts.layer(_label(op))
                layer.macs += count_macs(op.target, args, named, y)
                layer.additions += y.numel() if adds else 0
                layer.multiplications += y.numel() if multiplies else 0
            return y

        return step

    def _limits(self, op: Call) -> dict[str, float]:
        """Inputs of which an operation makes a power on its way, and the magnitude from which that leaves FP32.

        Where it does, what comes out may be finite: a vector whose norm is infinite is normalised to zero.
        """
        rule = rule_of(op)
        degree = 1.0 if rule is None else rule.degree(op)
        scales = {name: self.plan.seen(name, op.name) for name in op.values} if degree > 1 else {}
        limit = torch.finfo(torch.float32).max ** (1 / degree)
        return {name: limit for name, scale in scales.items() if isinstance(scale, Scale) and scale.log2 > 0}

    def _at_its_scales(self, op: Call) -> Call:
        """The call with its constants changed for the scales of its inputs and its result."""
        inputs = {name: self.plan.seen(name, op.name) for name in op.values}
        result = self.plan.produced(op.name)
        if _is_one(result) and all(map(_is_one, inputs.values())):
            return op
        rule, within = rule_of(op, inner=True), f"{op.target} in {op.layer or 'the network'}"
        scales = {name: scale for name, scale in inputs.items() if isinstance(scale, Scale)}
        if rule is None or len(scales) < len(inputs) or not isinstance(result, Scale):
            raise HwsimError(f"The plan gives {within} a scale that it cannot have.")
        if rule.inner and not self.inner_multipliers:
            rule = rule_of(op)  # such as that of a mean whose 1/N stays as it is
            if rule is None or abs((result / scales[rule.carried_by(op)]).log2) > _ROUNDING:
                raise self._lacks("inner_multipliers", f"a constant inside {within}")
        return rule.rewrite(op, scales, result)

    def _lacks(self, multiplier: str, place: str) -> HwsimError:
        return HwsimError(
            f"The plan changes a scale at {place}, for which this datapath has no multiplier: give the accelerator "
            f"{multiplier} = True, or make the plan without."
        )


def _rows_first(target: Any) -> Callable[..., Any]:
    """The operation on tensors whose rows lie one after the other."""

    def contiguous(leaf: Any) -> Any:
        return leaf.contiguous() if isinstance(leaf, Tensor) else leaf

    return lambda *args, **options: target(*map(contiguous, args), **options)


def _count_division(layer: LayerCounts, n: int, power_of_two: bool, by_multiplier: bool) -> None:
    """A division is a shift if its divisor is a power of two; else a divider or a multiplier does it."""
    if power_of_two:
        layer.shifts += n
    elif by_multiplier:
        layer.reciprocal_multiplications += n
    else:
        layer.divisions += n


def _chunk(images: Tensor) -> int:
    """Images simulated at a time, unless said."""
    return min(max(2**21 // math.prod(images.shape[1:]), 8), 250)


def true_peaks(network: Network, images: Tensor | None = None) -> dict[str, float]:
    """The largest true magnitude of every value of the network, over some images.

    Without images they are normal noise of unit variance, as normalised photographs have.
    """
    if images is None:
        images = torch.randn(4, *network.input.shape, generator=torch.Generator().manual_seed(0))
    return Accelerator(network, harden(network, "fp32")).peaks(images)


def _computes(op: Operation | None) -> bool:
    """Whether a call does sums or products that may overflow."""
    if not isinstance(op, Call):
        return False
    rule = rule_of(op)
    return op.target in _ADDITIONS or op.target in _MULTIPLICATIONS or (rule is not None and rule.offset > 0)


def _label(op: Operation) -> str:
    """The name under which an operation is counted: its module's path."""
    return op.layer or op.name


def _is_power_of_two(scale: Scale | Constants) -> bool:
    return scale.powers_of_two if isinstance(scale, Constants) else scale.is_power_of_two


def _is_one(scale: Scale | Constants) -> bool:
    return scale.all_one if isinstance(scale, Constants) else scale.is_one
