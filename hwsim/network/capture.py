"""From an `nn.Module` to a `Network`, through `torch.export` with a dynamic batch."""

from __future__ import annotations

import logging
import operator
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind

from hwsim.errors import HwsimError
from hwsim.network.graph import (
    ATEN,
    Affine,
    Call,
    Fetch,
    Input,
    Linear,
    Network,
    Operation,
    Parameter,
    Ref,
    Shape,
    Size,
    leaves,
    places_of,
    storable,
    substitute,
)
from hwsim.network.holdings import HeldParameter
from hwsim.network.operators import operator_of
from hwsim.network.operators.products import CONVOLUTIONS, OPERANDS, TRANSPOSED, Form, options_of
from hwsim.network.recurrent import taken_apart
from hwsim.network.refusals import (
    DROPOUTS,
    REGIONS,
    check,
    check_draws,
    check_images_apart,
    check_logits,
    check_product,
    check_types,
    for_one_image,
    module_path,
)
from hwsim.network.target import Target
from hwsim.network.weights import Fixed, overwrites
from hwsim.tensors import tensor_of

_EXTREMA: dict[Any, Any] = {ATEN.max.dim: ATEN.amax.default, ATEN.min.dim: ATEN.amin.default}
_CASTS = {ATEN.to.dtype, ATEN.to.device, ATEN.to.dtype_layout, ATEN.type_as.default}
_BIASED = {  # product -> what it is without its bias, where its factors and its bias are, axis of the output channels
    ATEN.linear.default: (ATEN.linear.default, 0, 2, -1),
    **{target: (target, 0, 2, 1) for target in (*CONVOLUTIONS, *TRANSPOSED)},
    ATEN.addmm.default: (ATEN.mm.default, 1, 0, -1),
    ATEN.baddbmm.default: (ATEN.bmm.default, 1, 0, -1),
}
_MAPPED = "torch._functorch.predispatch"  # torch.func.vmap in a graph; decomposed, it is operations with one more axis
_IDENTITY = {*DROPOUTS, ATEN.alias.default, ATEN.detach.default}


def capture(module: Any, example: Any) -> Network:
    """The graph of `module`, to be executed by a datapath.

    Args:
        module: an `nn.Module`, or an object with one as its `.module`. It is put in evaluation mode.
        example: images of the shape that it takes, (N, C, H, W) or whatever it wants after the batch; the
            values do not matter. A tensor of torch or an array of numpy, of any real type. The graph works for any N.

    Raises:
        HwsimError: if torch.export cannot follow the module (control flow or shapes that depend on data), if it does
            not take one tensor and return one tensor, if its parameters are not FP32, or if it mixes images: the
            logits of one must not depend on the others that it is run with.
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
    check_types(name, module)
    module, image = module.eval(), example[:1].float()
    try:
        with torch.no_grad(), _silent():
            dynamic = ({0: torch.export.Dim("batch", min=1)},)
            example = image.expand(2, *image.shape[1:]).contiguous()
            program = torch.export.export(module, (example,), dynamic_shapes=dynamic)
            if any(getattr(node.target, "__module__", "") == _MAPPED for node in program.graph.nodes):
                program = program.run_decompositions({})
            program = taken_apart(program)
    except Exception as error:  # torch.export raises many unrelated types, all meaning "cannot be followed"
        raise HwsimError(f"{name} cannot be captured by torch.export: {_reason(error)}") from error
    network = _lowered(program, tuple(image.shape[1:]), name)
    with _silent():
        check_images_apart(name, module, image)
    return network


def _lowered(program: torch.export.ExportedProgram, shape: tuple[int, ...], name: str) -> Network:
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


def _functional(target: Any) -> Any:
    """The form of an operation that returns its result instead of overwriting its input: `relu_` -> `relu`.

    `view` becomes `reshape`, which also works for the memory layout that a datapath chooses.
    """
    if target in (ATEN.view.default, ATEN._unsafe_view.default):
        return ATEN.reshape.default
    if not overwrites(target):
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
        self.shapes: dict[str, Shape] = {}
        self.operations: list[Operation] = []
        self.alias: dict[str, Ref | Parameter] = {}
        self.fetches: dict[str, Ref] = {}  # a weight that is read as a value -> that value
        self.normalised: dict[str, str] = {}  # factor or addend of a BatchNorm -> the parameter it was computed from
        self.views: dict[str, str] = {}  # a view -> the value whose storage it shares

    def network(self, module_name: str) -> Network:
        graph = _without_regions(self.program.graph_module)
        images = self._bind_inputs(module_name, graph)
        for node in graph.nodes:
            if node.op == "call_function":
                self._lower(node)
        returned = self.program.call_spec.out_spec
        if returned is not None and not returned.is_leaf() and returned.num_leaves == 1:
            raise HwsimError(
                f"{module_name} returns a {getattr(returned.type, '__name__', 'container')} that holds one tensor: a "
                "classifier returns the tensor itself, so wrap it in a module that takes it out."
            )
        output = list(leaves(graph.output_node().args[0]))
        results = list(leaves(self._values(output)))
        if len(results) != 1 or results[0] is None:
            number = sum(result is not None for result in results)
            raise HwsimError(f"{module_name} returns {number} tensors: a classifier returns one, the logits.")
        if not isinstance(results[0], Ref):
            raise HwsimError(f"{module_name} returns a constant: a classifier returns logits, which depend on images.")
        check_logits(module_name, output[0].meta["val"])
        network = _drop_unread(
            Network(
                tuple(self.operations),
                self.parameters,
                Input(images, self.shape),
                results[0].name,
                frozenset(self.biases),
                self.shapes,
            )
        )
        return replace(network, holdings=tuple(self._holdings(network)))

    def _holdings(self, network: Network) -> Iterator[HeldParameter]:
        """What became of each parameter of the module, each element once: a weight if it is one anywhere."""
        uses: dict[str, str] = {}
        for op in network.operations:
            if isinstance(op, Call):
                read = [(parameter.name, Target.of(op.target).packet) for parameter in op.parameters]
            elif isinstance(op, Affine):
                use = "bias" if op.multiplier is None else "batch_norm"
                read = [(name, use) for name in (op.multiplier, op.addend) if name is not None]
            else:
                read = [(str(storable(op)), "weight")]
            for name, use in read:
                uses[name] = "weight" if "weight" in (use, uses.get(name)) else uses.get(name, use)
        sizes = {name: tensor.numel() for name, tensor in self.program.state_dict.items()}
        left = {name: torch.ones(sizes[name], dtype=torch.bool) for name in sorted(self.fixed.trained)}
        for held, use in sorted(uses.items(), key=lambda item: item[1] != "weight"):
            sources = [self.normalised[held]] if held in self.normalised else [held]
            for source in sources:
                for name, places in self.fixed.carried(source).items():
                    before = int(left[name].sum())
                    left[name][slice(None) if places is None else places] = False
                    if before > int(left[name].sum()):
                        yield HeldParameter(name, before - int(left[name].sum()), held, use)
        for name, mask in left.items():
            if bool(mask.any()):
                yield HeldParameter(name, int(mask.sum()), "", "unread")

    def _bind_inputs(self, module_name: str, graph: torch.fx.Graph) -> str:
        state = {**dict(self.program.state_dict), **dict(self.program.constants)}
        placeholders = [node.name for node in graph.nodes if node.op == "placeholder"]
        specs = dict(zip(placeholders, self.program.graph_signature.input_specs, strict=True))
        images = [name for name, spec in specs.items() if spec.target is None]
        if len(images) != 1:
            raise HwsimError(f"{module_name} takes {len(images)} inputs: a classifier takes one, the images.")
        tensors = {name: (spec.target, state[spec.target]) for name, spec in specs.items() if spec.target is not None}
        if any(isinstance(held, torch.Generator) for _, held in tensors.values()):
            raise HwsimError(
                f"{module_name} draws random numbers from a torch.Generator in evaluation too: let it depend on "
                "module.training."
            )
        for name, tensor in tensors.values():
            if tensor.is_complex():
                raise HwsimError(f"{name} in {module_name} is {tensor.dtype}: parameters and buffers are real numbers.")
        trained = {spec.target for spec in specs.values() if spec.target and spec.kind == InputKind.PARAMETER}
        self.fixed = Fixed(graph, tensors, trained)
        self.alias[images[0]] = Ref(images[0])
        for node, name in self.fixed.names.items():
            if node in self.fixed.run:
                continue
            self.alias[node] = Parameter(name)
            if isinstance(self.fixed.values[node], Tensor):
                self.parameters[name] = self.fixed.values[node]
        self.parameters.update(self.fixed.stored)
        return images[0]

    def _values(self, tree: Any) -> Any:
        """Arguments of an operation, with weights as values."""

        def value_of(leaf: Any) -> Any:
            value = self._named(leaf)
            return self._fetched(value.name) if self._is_fetched(value) else value

        return substitute(tree, value_of)

    def _named(self, leaf: Any) -> Any:
        """What stands for one argument: a value, a parameter, or a number."""
        if not isinstance(leaf, torch.fx.Node):
            return leaf
        number = self.fixed.values.get(leaf.name)
        return number if isinstance(number, int | float) else self.alias[leaf.name]

    def _is_fetched(self, value: Any) -> bool:
        return isinstance(value, Parameter) and value.name in self.fixed.fetched

    def _fetched(self, name: str) -> Ref:
        """The value of a weight, read from memory where it is first wanted."""
        if name not in self.fetches:
            tensor = self.parameters[name]
            fetch = Fetch(f"{name}.value", name.rpartition(".")[0], Target("fetch"), name)
            self._append(fetch)
            self.shapes[fetch.name] = tuple(tensor.shape)
            self.fetches[name] = Ref(fetch.name)
        return self.fetches[name]

    def _lower(self, node: torch.fx.Node) -> None:
        check_draws(node)
        if node.name in self.alias:
            return  # it depends on no image, and its value is known
        check(node)
        target = _functional(node.target)
        values = [self.fixed.values.get(n.name) for n in node.all_input_nodes] if target in OPERANDS else []
        check_product(node, values)
        if node.name in self.fixed.layers:
            self._layer(node, *self.fixed.layers[node.name])
            return
        args = self._values(tuple(node.args))
        if target in _IDENTITY or _changes_nothing(node, target, args):
            self.alias[node.name] = args[0]
        elif target in _BIASED and not node.kwargs:
            self._product_with_bias(node, target, args)
        elif target == ATEN.batch_norm.default and all(isinstance(a, Parameter) for a in args[3:5]):
            self._batch_norm(node, args)
        elif target == ATEN._native_batch_norm_legit_no_training.default:
            self._batch_norm(node, (*args[:5], False, *args[5:]))
        elif target is operator.getitem and node.all_input_nodes[0].target == (
            ATEN._native_batch_norm_legit_no_training.default
        ):
            self.alias[node.name] = args[0]
        elif target is operator.getitem and args[1] == 0 and node.all_input_nodes[0].target in _EXTREMA:
            # Of a maximum and its place, the maximum.
            both = node.all_input_nodes[0]
            value, axis, *keep = self._values(tuple(both.args))
            self._emit(node, Call(node.name, module_path(node), _EXTREMA[both.target], (value, [axis], *keep)))
        else:
            if target is operator.getitem and not _is_real(node.meta["val"]):
                target = places_of
            canonical = operator_of(target).canonical
            if canonical is not None:
                target, args = canonical(args)
            kwargs = {key: self._values(value) for key, value in node.kwargs.items()}
            self._emit(node, Call(node.name, module_path(node), target, args, kwargs))
        if overwrites(node.target):
            self._rebind(node)

    def _emit(self, node: torch.fx.Node, op: Operation, shape: Shape = None) -> None:
        """An operation whose result stands for a node from now on, with its shape for one image."""
        self._append(op)
        value = node.meta.get("val")
        self.shapes[op.name] = _shape(value) if shape is None else shape
        self.alias[node.name] = (Size if _has_no_scale(value) else Ref)(op.name)
        if isinstance(op, Call) and _is_view(Target.of(op.target).function) and op.inputs:
            self.views[op.name] = self.views.get(op.inputs[0], op.inputs[0])

    def _append(self, op: Operation) -> None:
        self.operations.append(replace(op, target=Target.of(op.target)))

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

    def _layer(self, node: torch.fx.Node, form: Form, weight: str) -> None:
        layer = module_path(node)
        data = self._values(node.args[form.data])
        if isinstance(data, Parameter):  # such as the coordinates of relative positions
            constant = f"{node.name}_input"
            self._append(Call(constant, layer, ATEN.alias.default, (data,)))
            self.shapes[constant] = tuple(self.parameters[data.name].shape)
            data = Ref(constant)
        options = self._values(options_of(node.args, form))
        axis = form.axis % (node.meta["val"].dim() + (node.target == ATEN.bilinear.default))
        self._emit(node, Linear(node.name, layer, form.target, data, weight, options, axis))
        bias = node.args[form.bias] if form.bias is not None and len(node.args) > form.bias else None
        if node.target == ATEN.bilinear.default:
            axis = self._second_factor(node, layer)
        self._add_bias(node, layer, bias, axis)

    def _add_bias(self, node: torch.fx.Node, layer: str, bias: Any, axis: int) -> None:
        """A bias behind the product that now stands for a node."""
        if bias is None:
            return
        product, name, added = Ref(self.alias[node.name].name), f"{node.name}_bias", self._named(bias)
        dims, own = node.meta["val"].dim(), bias.meta["val"].dim()
        if isinstance(added, Parameter) and not self._is_fetched(added) and own == 1:
            self.biases.add(added.name)
            self._emit(node, Affine(name, layer, ATEN.add.Tensor, product, None, added.name, axis % dims))
            return
        added = self._values(bias)
        if own == 1 and axis % dims < dims - 1:
            shape = [-1, *[1] * (dims - 1 - axis % dims)]
            spread = Call(f"{name}_spread", layer, ATEN.reshape.default, (added, shape))
            self._emit(node, spread, (int(bias.meta["val"].numel()), *shape[1:]))
            added = Ref(spread.name)
        self._emit(node, Call(name, layer, ATEN.add.Tensor, (product, added)))

    def _second_factor(self, node: torch.fx.Node, layer: str) -> int:
        """Of a bilinear form, the product with its second argument, summed: the first is in the layer already.

        Returns:
            The axis of the output channels of what is then the result.
        """
        factor: Any = node.args[1]
        second = _shape(factor.meta["val"])
        product, each = self.alias[node.name], (*_shape(node.meta["val"]), second[-1])
        self.shapes[product.name] = each
        spread = Call(f"{node.name}_second", layer, ATEN.unsqueeze.default, (self._values(factor), -2))
        self._emit(node, spread, (*second[:-1], 1, second[-1]))
        both = Call(f"{node.name}_both", layer, ATEN.mul.Tensor, (product, Ref(spread.name)))
        self._emit(node, both, each)
        self._emit(node, Call(f"{node.name}_sum", layer, ATEN.sum.dim_IntList, (Ref(both.name), [-1])))
        return -1

    def _product_with_bias(self, node: torch.fx.Node, target: Any, args: tuple[Any, ...]) -> None:
        """A product of two values, and its bias apart from it."""
        plain, first, bias, axis = _BIASED[target]
        factors = args[first : first + 2]
        rest = args[3:] if bias == 2 else ()
        without = (*factors, None, *rest) if plain == target else factors
        self._emit(node, Call(node.name, module_path(node), plain, without))
        self._add_bias(node, module_path(node), node.args[bias] if len(args) > bias else None, axis)

    def _batch_norm(self, node: torch.fx.Node, args: tuple[Any, ...]) -> None:
        """gamma (x - mean) / sqrt(variance + eps) + beta as one multiply-add, computed in double precision."""
        images, gamma, beta, mean, variance, _, _, eps, *_ = args
        layer = module_path(node)
        if not bool((self.parameters[variance.name] >= 0).all()):
            raise HwsimError(
                f"{variance.name} in {layer or 'the network'} is negative or NaN: a variance is a mean of squares, so "
                "the weights are damaged."
            )
        number = {p.name: self.parameters[p.name].double() for p in (gamma, beta, mean, variance) if p is not None}
        multiplier = (number[variance.name] + eps).rsqrt()
        if gamma is not None:
            multiplier = multiplier * number[gamma.name]
        addend = -number[mean.name] * multiplier
        if beta is not None:
            addend = addend + number[beta.name]
        # One normalisation may be called several times, and one module may have several.
        values = {"multiplier": multiplier, "addend": addend}
        prefix = layer or node.name
        if any(
            not torch.equal(self.parameters.get(f"{prefix}.{key}", v.float()), v.float()) for key, v in values.items()
        ):
            prefix = f"{prefix}.{node.name}"
        names = (f"{prefix}.multiplier", f"{prefix}.addend")
        self.normalised.update(
            {name: source.name for name, source in zip(names, (gamma, beta), strict=True) if source is not None}
        )
        for name, value in zip(names, (multiplier, addend), strict=True):
            self.parameters[name] = value.to(self.parameters[mean.name].dtype)
        self._emit(node, Affine(node.name, layer, Target.of(node.target), images, *names))  # type: ignore[arg-type]


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
        if isinstance(op, (Linear, Fetch)):
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
        {network.input.name: (1, *network.input.shape)} | {op.name: network.shapes[op.name] for op in kept},
    )


def _has_no_scale(value: Any) -> bool:
    """Whether a value is a size or a mask."""
    return isinstance(value, torch.SymInt | torch.SymFloat) or (isinstance(value, Tensor) and value.dtype == torch.bool)


def _is_real(value: Any) -> bool:
    """Whether a value consists of numbers that can have a scale: not of integers."""
    return not isinstance(value, Tensor) or value.is_floating_point() or value.is_complex()


def _shape(value: Any) -> Shape:
    """The shape of a value for one image; of several tensors, their shapes.

    Sizes are expressions in the number of images (attention in windows counts images times windows).
    """
    if isinstance(value, (tuple, list)):
        return tuple(map(_shape, value))
    return tuple(map(for_one_image, value.shape)) if isinstance(value, Tensor) else None


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
