"""From an `nn.Module` to a `Network`, through `torch.export` with a dynamic batch."""

from __future__ import annotations

import logging
import math
import operator
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn

from hwsim.errors import HwsimError
from hwsim.network.graph import (
    ATEN,
    Affine,
    Call,
    Input,
    Linear,
    Network,
    Operation,
    Parameter,
    Ref,
    Size,
    leaves,
    substitute,
)
from hwsim.network.refusals import DROPOUTS, REGIONS, check, check_draws, check_logits, for_one_image, module_path
from hwsim.tensors import tensor_of

_LINEAR = {  # ATen operation -> axis of the output channels in its result
    ATEN.conv1d.default: 1,
    ATEN.conv2d.default: 1,
    ATEN.conv3d.default: 1,
    ATEN.conv1d.padding: 1,
    ATEN.conv2d.padding: 1,
    ATEN.conv3d.padding: 1,
    ATEN.linear.default: -1,
}
_BLANK = {ATEN.new_zeros.default, ATEN.new_ones.default, ATEN.new_full.default}
_EXTREMA: dict[Any, Any] = {ATEN.max.dim: ATEN.amax.default, ATEN.min.dim: ATEN.amin.default}
_CASTS = {ATEN.to.dtype, ATEN.to.device, ATEN.to.dtype_layout, ATEN.type_as.default}
_IDENTITY = {*DROPOUTS, ATEN.alias.default, ATEN.detach.default}


def capture(module: Any, example: Any) -> Network:
    """The graph of `module`, to be executed by a datapath.

    Args:
        module: an `nn.Module`, or an object with one as its `.module`. It is put in evaluation mode.
        example: images of the shape that it takes, (N, C, H, W) or whatever it wants after the batch; the
            values do not matter. A tensor of torch or an array of numpy. The graph works for any N.

    Raises:
        HwsimError: if torch.export cannot follow the module (control flow or shapes that depend on data), or if
            it does not take one tensor and return one tensor.
    """
    if not isinstance(module, nn.Module):
        module = getattr(module, "module", module)
    if not isinstance(module, nn.Module):
        raise HwsimError(f"capture needs an nn.Module, not {type(module).__name__}.")
    example = tensor_of(example, "example images")
    if example.dim() < 2:
        raise HwsimError("capture needs an example batch of images: a tensor with the batch as its first axis.")
    if not example.is_floating_point():
        raise HwsimError(f"capture needs real-valued images, not {example.dtype}: convert them to float32 first.")
    name = type(module).__name__
    module = module.eval()
    example = example[:1].expand(2, *example.shape[1:]).contiguous()
    try:
        with torch.no_grad(), _silent():
            dynamic = ({0: torch.export.Dim("batch", min=1)},)
            program = torch.export.export(module, (example,), dynamic_shapes=dynamic)
    except Exception as error:  # torch.export raises many unrelated types, all meaning "cannot be followed"
        raise HwsimError(f"{name} cannot be captured by torch.export: {_reason(error)}") from error
    shape = tuple(example.shape[1:])
    try:
        return _Lowering(program, shape).network(name)
    except _OverwrittenError as overwritten:
        try:
            with _silent():
                program = program.run_decompositions({})  # into operations that overwrite nothing
        except Exception:  # it too raises many unrelated types, and the first error says what to change
            raise HwsimError(str(overwritten)) from overwritten
        return _Lowering(program, shape).network(name)


class _OverwrittenError(HwsimError):
    """A tensor is overwritten, and what shares its storage would have to change with it."""


@contextmanager
def _silent() -> Iterator[None]:
    """Without the graphs that torch logs and prints when it cannot follow a module, nor warnings: errors say why."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stderr(StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


_REASONS = {  # what torch.export says -> what it means, and what would be right
    "data-dependent expression": "what comes next depends on the values of a tensor (an if, a loop): use torch.where.",
    "Constraints violated (batch)": "it works for one number of images only: let shapes follow that of the batch.",
}


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in line {at.lineno} of {at.filename}, {at.line!r}."
    first = lines[0]
    return next((meaning for said, meaning in _REASONS.items() if said in first), first)


def _overwrites(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _functional(target: Any) -> Any:
    """The form of an operation that returns its result instead of overwriting its input: `relu_` -> `relu`.

    `view` becomes `reshape`, which also works for the memory layout that a datapath chooses.
    """
    if target in (ATEN.view.default, ATEN._unsafe_view.default):
        return ATEN.reshape.default
    if not _overwrites(target):
        return target
    packet = getattr(ATEN, target._schema.name.removeprefix("aten::").rstrip("_"), None)
    overload = target._overloadname
    if packet is None or overload not in packet.overloads():
        raise HwsimError(f"{target} overwrites its input and has no functional form: use one that returns its result.")
    return getattr(packet, overload)


class _Lowering:
    """One pass over an exported graph; `alias` says which of our values stands for a node of it."""

    def __init__(self, program: torch.export.ExportedProgram, shape: tuple[int, ...]) -> None:
        self.program = program
        self.shape = shape
        self.parameters: dict[str, Tensor] = {}
        self.biases: set[str] = set()
        self.elements: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.alias: dict[str, Ref | Parameter] = {}
        self.constants: dict[str, Any] = {}  # nodes that depend on no image, evaluated here and now
        self.views: dict[str, str] = {}  # a view -> the value whose storage it shares

    def network(self, module_name: str) -> Network:
        graph = _without_regions(self.program.graph_module)
        images = self._bind_inputs(module_name, [node.name for node in graph.nodes if node.op == "placeholder"])
        for node in graph.nodes:
            if node.op == "call_function":
                self._lower(node)
        output = list(leaves(graph.output_node().args[0]))
        results = list(leaves(self._values(output)))
        if len(results) != 1 or results[0] is None:
            number = sum(result is not None for result in results)
            raise HwsimError(f"{module_name} returns {number} tensors: a classifier returns one, the logits.")
        if not isinstance(results[0], Ref):
            raise HwsimError(f"{module_name} returns a constant: a classifier returns logits, which depend on images.")
        check_logits(module_name, output[0].meta["val"])
        return _drop_unread(
            Network(
                tuple(self.operations),
                self.parameters,
                Input(images, self.shape),
                results[0].name,
                frozenset(self.biases),
                self.elements,
            )
        )

    def _bind_inputs(self, module_name: str, names: list[str]) -> str:
        state = {**dict(self.program.state_dict), **dict(self.program.constants)}
        images = []
        for spec, name in zip(self.program.graph_signature.input_specs, names, strict=True):
            if spec.target is None:
                images.append(name)
                self.alias[name] = Ref(name)
                continue
            tensor = state[spec.target]
            self.parameters[spec.target] = tensor.detach()
            self.alias[name] = Parameter(spec.target)
        if len(images) != 1:
            raise HwsimError(f"{module_name} takes {len(images)} inputs: a classifier takes one, the images.")
        return images[0]

    def _values(self, tree: Any) -> Any:
        def value_of(leaf: Any) -> Any:
            if not isinstance(leaf, torch.fx.Node):
                return leaf
            number = self.constants.get(leaf.name)
            return number if isinstance(number, int | float) else self.alias[leaf.name]

        return substitute(tree, value_of)

    def _lower(self, node: torch.fx.Node) -> None:
        check_draws(node)
        if self._evaluated(node):
            return
        check(node)
        target = _functional(node.target)
        args = self._values(tuple(node.args))
        if target in _IDENTITY or _changes_nothing(node, target, args):
            self.alias[node.name] = args[0]
        elif target in _LINEAR and isinstance(args[1], Parameter):
            self._linear(node, target, args)
        elif target == ATEN.batch_norm.default and all(isinstance(a, Parameter) for a in args[3:5]):
            self._batch_norm(node, args)
        elif target == ATEN._native_batch_norm_legit_no_training.default:
            self._batch_norm(node, (*args[:5], False, *args[5:]))
        elif target is operator.getitem and node.all_input_nodes[0].target == (
            ATEN._native_batch_norm_legit_no_training.default
        ):
            self.alias[node.name] = args[0]
        elif target in (ATEN.relu6.default, ATEN.hardtanh.default):
            bounds = (0.0, 6.0) if target == ATEN.relu6.default else (*args[1:], *(-1.0, 1.0)[len(args) - 1 :])
            self._emit(node, Call(node.name, module_path(node), ATEN.hardtanh.default, (args[0], *bounds)))
        elif target == ATEN.square.default or (target == ATEN.pow.Tensor_Scalar and args[1] == 2):
            # What torch computes, in words that the scale algebra knows.
            self._emit(node, Call(node.name, module_path(node), ATEN.mul.Tensor, (args[0], args[0])))
        elif target is operator.getitem and args[1] == 0 and node.all_input_nodes[0].target in _EXTREMA:
            # Of a maximum and its place, the maximum.
            both = node.all_input_nodes[0]
            value, axis, *keep = self._values(tuple(both.args))
            self._emit(node, Call(node.name, module_path(node), _EXTREMA[both.target], (value, [axis], *keep)))
        else:
            kwargs = {key: self._values(value) for key, value in node.kwargs.items()}
            self._emit(node, Call(node.name, module_path(node), target, args, kwargs))
        if _overwrites(node.target):
            self._rebind(node)

    def _evaluated(self, node: torch.fx.Node) -> bool:
        """Compute what depends on parameters only (masks, tables of position biases): it becomes a parameter.

        Operations that overwrite are executed as they are, on tensors made here, so that views see the change.
        """
        blank = node.target in _BLANK and all(isinstance(size, int) for size in leaves(node.args[1]))
        if not blank and any(isinstance(self.alias.get(n.name), Ref) for n in node.all_input_nodes):
            return False
        if any(n.name not in self.alias for n in node.all_input_nodes):
            return False

        def value_of(leaf: Any) -> Any:
            if not isinstance(leaf, torch.fx.Node):
                return leaf
            if isinstance(self.alias[leaf.name], Ref):
                return torch.zeros(1)  # of which a blank tensor takes only the type
            return self.constants.get(leaf.name, self.parameters.get(self.alias[leaf.name].name))

        target: Any = node.target
        args = substitute(tuple(node.args), value_of)
        if _overwrites(target) and not any(n.name in self.constants for n in node.all_input_nodes[:1]):
            raise HwsimError(
                f"{node.target} in {module_path(node) or 'the network'} overwrites a parameter or buffer while the "
                "network runs: let forward leave them alone in evaluation mode."
            )
        with torch.no_grad():
            value = target(*args, **{key: substitute(v, value_of) for key, v in node.kwargs.items()})
        self.constants[node.name] = value
        name = f"{module_path(node) or 'network'}.{node.name}"
        self.alias[node.name] = Parameter(name)
        if isinstance(value, Tensor):
            self.parameters[name] = value
        return True

    def _emit(self, node: torch.fx.Node, op: Operation) -> None:
        self.operations.append(op)
        value = node.meta.get("val")
        self.elements[op.name] = _elements(value)
        self.alias[node.name] = (Size if isinstance(value, torch.SymInt | torch.SymFloat) else Ref)(op.name)
        if isinstance(op, Call) and _is_view(op.target) and op.inputs:
            self.views[op.name] = self.views.get(op.inputs[0], op.inputs[0])

    def _rebind(self, node: torch.fx.Node) -> None:
        """After an in-place operation, the overwritten tensor's name means the result.

        A view of the overwritten storage that is read later would have to see the change too.
        """
        first = node.args[0]
        assert isinstance(first, torch.fx.Node)
        overwritten = self.alias[first.name]
        storage = self.views.get(overwritten.name, overwritten.name)
        for other in list(self.alias):
            value = self.alias[other]
            if other == node.name or not isinstance(value, Ref):
                continue
            if value == overwritten:
                self.alias[other] = self.alias[node.name]
            elif self.views.get(value.name, value.name) == storage and _read_after(node, other):
                raise _OverwrittenError(
                    f"{node.target} in {module_path(node) or 'the network'} overwrites a tensor of which "
                    "another view is read later: use the form that returns its result."
                )

    def _linear(self, node: torch.fx.Node, target: Any, args: tuple[Any, ...]) -> None:
        images, weight, *rest = args
        bias, options = (rest[0], tuple(rest[1:])) if rest else (None, ())
        axis, layer = _LINEAR[target], module_path(node)
        kind = self.parameters[weight.name].dtype
        if not kind.is_floating_point:
            raise HwsimError(f"{target} in {layer or 'the network'} has weights of {kind}: they must be real numbers.")
        self._emit(node, Linear(node.name, layer, target, images, weight.name, options, axis))
        if bias is not None:
            self.biases.add(bias.name)
            name = f"{node.name}_bias"
            self._emit(node, Affine(name, layer, ATEN.add.Tensor, Ref(node.name), None, bias.name, axis))

    def _batch_norm(self, node: torch.fx.Node, args: tuple[Any, ...]) -> None:
        """gamma (x - mean) / sqrt(variance + eps) + beta as one multiply-add, computed in double precision."""
        images, gamma, beta, mean, variance, _, _, eps, *_ = args
        number = {p.name: self.parameters[p.name].double() for p in (gamma, beta, mean, variance) if p is not None}
        multiplier = (number[variance.name] + eps).rsqrt()
        if gamma is not None:
            multiplier = multiplier * number[gamma.name]
        addend = -number[mean.name] * multiplier
        if beta is not None:
            addend = addend + number[beta.name]
        layer = module_path(node)
        names = (f"{layer or node.name}.multiplier", f"{layer or node.name}.addend")
        for name, value in zip(names, (multiplier, addend), strict=True):
            self.parameters[name] = value.to(self.parameters[mean.name].dtype)
        self._emit(node, Affine(node.name, layer, node.target, images, *names))


def _without_regions(module: torch.fx.GraphModule) -> torch.fx.Graph:
    if not any(node.target in REGIONS for node in module.graph.nodes):
        return module.graph
    graph = torch.fx.Graph()
    graph.output(_copy_regions(module, graph, {}))
    return graph


def _copy_regions(module: Any, graph: torch.fx.Graph, made: dict[torch.fx.Node, Any]) -> Any:
    """Copy a graph node by node, with the regions that `torch.no_grad` and autocast make of it put in their places.

    Args:
        module: holds the graph to copy.
        graph: where the copies go.
        made: what stands for each node in the copy; the placeholders of a region are in it already.

    Returns:
        What stands for the output.
    """
    for node in module.graph.nodes:
        if node in made or node.op == "get_attr":
            continue
        if node.op == "output":
            return torch.fx.node.map_arg(node.args[0], lambda n: made[n])
        region = REGIONS.get(node.target)
        if region is not None:
            part = getattr(module, node.args[region].target)
            inputs = [n for n in part.graph.nodes if n.op == "placeholder"]
            given = {n: made[value] for n, value in zip(inputs, node.args[region + 1 :], strict=True)}
            check(node)
            made[node] = _copy_regions(part, graph, given)
        elif node.target is operator.getitem and isinstance(made[node.args[0]], tuple | list):
            made[node] = made[node.args[0]][node.args[1]]
        else:
            made[node] = graph.node_copy(node, lambda n: made.get(n))  # None for a branch of control flow
    raise AssertionError("every graph has an output")


def _drop_unread(network: Network) -> Network:
    """Without operations and parameters that nothing reads (sizes asked for by export, BatchNorm's statistics)."""
    read = {network.output}
    kept: list[Operation] = []
    parameters: set[str] = set()
    for op in reversed(network.operations):
        if op.name not in read:
            continue
        kept.append(op)
        read.update(op.inputs)
        if isinstance(op, Linear):
            parameters.add(op.weight)
        elif isinstance(op, Affine):
            parameters.update(name for name in (op.multiplier, op.addend) if name)
        elif isinstance(op, Call):
            parameters.update(parameter.name for parameter in op.parameters)
    return Network(
        tuple(reversed(kept)),
        {name: tensor for name, tensor in network.parameters.items() if name in parameters},
        network.input,
        network.output,
        network.biases & parameters,
        {network.input.name: math.prod(network.input.shape)} | {op.name: network.elements[op.name] for op in kept},
    )


def _elements(value: Any) -> int:
    """Elements of a value for one image: of a tensor, or of all tensors in a tuple; a size has none.

    Sizes are expressions in the number of images (attention in windows counts images times windows).
    """
    if isinstance(value, (tuple, list)):
        return sum(map(_elements, value))
    if not isinstance(value, Tensor):
        return 0
    return math.prod(map(for_one_image, value.shape))


def _is_view(target: Callable[..., Any]) -> bool:
    schema = getattr(target, "_schema", None)
    return target is operator.getitem or (schema is not None and any(a.alias_info for a in schema.arguments))


def _changes_nothing(node: torch.fx.Node, target: Any, args: tuple[Any, ...]) -> bool:
    """A copy into another memory layout, or a cast to the type that the value has already."""
    if target in _CASTS:
        first: Any = node.args[0]
        return bool(node.meta["val"].dtype == first.meta["val"].dtype)
    return target == ATEN.contiguous.default and isinstance(args[0], Ref)


def _read_after(node: torch.fx.Node, name: str) -> bool:
    later = node.next
    while later.op != "root":
        if any(argument.name == name for argument in later.all_input_nodes):
            return True
        later = later.next
    return False
