"""Which of a module's tensors are weights, and how they are read.

Weights are what products with data read, and the tables of embeddings: they lie in the memory under study. A weight
that is computed from parameters (a normalised one, a slice of a larger one) is stored as computed, for that is what an
accelerator is given. But each word is stored once: where several products read the same elements in different ways
(tied embeddings, `enc(x) @ enc.weight`), and where a product is none of the layers that `products.FORMS` lists, the
parameter is fetched as a value with the scale of its words, and what is made of it is computed by the datapath.

Layers that see constants instead of images (an MLP of relative positions) are run like all others. All else that
depends on no image is computed at capture and kept in safe memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hwsim.errors import HwsimError
from hwsim.network.graph import ATEN, leaves, substitute
from hwsim.network.operators.products import LAYER_TARGETS, OPERANDS, Form, as_it_is, form_of, options_of
from hwsim.network.refusals import module_path

_BLANK = {ATEN.new_zeros.default, ATEN.new_ones.default, ATEN.new_full.default}
_REARRANGES = {  # names of operations that only choose, order, repeat and join elements
    *("t", "transpose", "permute", "reshape", "view", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"),
    *("select", "slice", "chunk", "split", "split_with_sizes", "unbind", "index", "index_select", "narrow", "expand"),
    *("repeat", "tile", "cat", "stack", "contiguous", "clone", "detach", "alias", "movedim", "swapaxes", "flip"),
    *("roll", "gather", "embedding", "getitem", "numpy_T", "mT", "swapdims", "moveaxis", "unfold", "as_strided"),
}


@dataclass(frozen=True)
class _Reading:
    """One way in which a weight is read.

    Attributes:
        reader: the product, or what else reads it.
        source: the node that it reads.
        form: how the reader is a layer; None if it is not.
    """

    reader: torch.fx.Node
    source: torch.fx.Node
    form: Form | None

    @property
    def options(self) -> tuple[Any, ...]:
        """The arguments of a layer behind those that its form names."""
        return () if self.form is None else options_of(self.reader.args, self.form)

    def like(self, other: _Reading) -> bool:
        """Whether both read the same tensor as a layer whose weight is stored in the same order."""
        if self.form is None or other.form is None or self.source is not other.source:
            return False
        return self.form.stored is other.form.stored and self.options == other.options


class Fixed:
    """What depends on no image in an exported graph: its values, which of it are weights, and what is run anyway.

    Attributes:
        values: node -> its value, for parameters, buffers and all that is computed from them.
        names: node -> the name of its value among the network's parameters.
        layers: product -> (how it is a layer, the name of its weight).
        stored: name of a weight -> its value as stored.
        fetched: names of weights that are read as values.
        run: nodes that the datapath runs though they depend on no image.
        trained: names of the module's parameters, which are trained; the others are buffers and constants.
    """

    def __init__(self, graph: torch.fx.Graph, tensors: dict[str, tuple[str, Tensor]], trained: set[str]) -> None:
        """Find what is fixed and compute it.

        Args:
            graph: the exported graph.
            tensors: placeholder -> (name, value) of parameters, buffers and constants.
            trained: names of parameters.
        """
        self.graph, self.trained = graph, set(trained)
        self.values: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.stored: dict[str, Tensor] = {}
        self.layers: dict[str, tuple[Form, str]] = {}
        self.fetched: set[str] = set()
        self.run: set[str] = set()
        self._roots: dict[str, frozenset[str]] = {}  # node -> the named tensors that its value was made of
        self._elements: dict[str, Any] = {}  # node -> the addresses of its elements, if it only rearranges
        self._states = {tensor.untyped_storage().data_ptr() for _, tensor in tensors.values()}
        self._number(tensors)
        for node in graph.nodes:
            if node.op == "call_function" and self._is_fixed(node):
                self._evaluate(node)
        self._decide()

    # -- values and where they come from --------------------------------------------------------------------------

    def _number(self, tensors: dict[str, tuple[str, Tensor]]) -> None:
        """Give each element of each tensor an address of its own; tensors of one memory have the same."""
        self._first: dict[str, int] = {}
        self._tensors: dict[str, Tensor] = {}
        same: dict[Any, str] = {}
        free = 0
        for node, (name, tensor) in tensors.items():
            memory = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride())
            name = same.setdefault(memory, name) if tensor.numel() else name
            self.values[node], self.names[node] = tensor.detach(), name
            self._roots[node] = frozenset([name])
            if name not in self._first:
                self._first[name], self._tensors[name] = free, tensor
                free += tensor.numel()
        self.trained &= set(self._first)  # one name for each

    def _rearranges(self, node: torch.fx.Node) -> bool:
        """Whether it is a tensor of the module, or the elements of such tensors in some order."""
        if node.op == "placeholder":
            return bool(self.values[node.name].is_floating_point())
        return self._elements.get(node.name) is not None

    def _addresses(self, node: torch.fx.Node) -> Any:
        """The address of each element of what only rearranges."""
        return self._all_of(self.names[node.name]) if node.op == "placeholder" else self._elements[node.name]

    def _all_of(self, name: str) -> Tensor:
        """The addresses of a tensor of the module."""
        first, tensor = self._first[name], self._tensors[name]
        return torch.arange(first, first + tensor.numel()).reshape(tensor.shape)

    def _read(self, one: _Reading) -> Tensor:
        """The addresses of what is read, in the order in which a layer stores it."""
        addresses: Tensor = self._addresses(one.source)
        return addresses if one.form is None else one.form.stored(addresses, one.options)

    def _is_fixed(self, node: torch.fx.Node) -> bool:
        blank = node.target in _BLANK and all(isinstance(size, int) for size in leaves(node.args[1]))
        return blank or all(n.name in self.values for n in node.all_input_nodes)

    def _evaluate(self, node: torch.fx.Node) -> None:
        """Operations that overwrite are executed as they are, on tensors made here, so that views see the change."""

        def value_of(leaf: Any) -> Any:
            if not isinstance(leaf, torch.fx.Node):
                return leaf
            return self.values.get(leaf.name, torch.zeros(1))  # of images, a blank tensor takes only the type

        target: Any = node.target
        args = substitute(tuple(node.args), value_of)
        overwritten = _storages(args[0]) if overwrites(target) else set()
        if overwritten & self._states:
            raise HwsimError(
                f"{node.target} in {module_path(node) or 'the network'} overwrites a parameter or buffer while the "
                "network runs: let forward leave them alone in evaluation mode."
            )
        with torch.no_grad():
            value = target(*args, **{key: substitute(v, value_of) for key, v in node.kwargs.items()})
        self.values[node.name] = value
        self.names[node.name] = f"{module_path(node) or 'network'}.{node.name}"
        made_of = [n.name for n in node.all_input_nodes if not _is_index(self.values.get(n.name))]
        self._roots[node.name] = frozenset[str]().union(*(self._roots.get(name, ()) for name in made_of))
        for name in self.values if overwritten else ():
            if _storages(self.values[name]) & overwritten:
                self._elements[name] = None
                self._roots[name] |= self._roots[node.name]
        if not overwritten and _packet(target) in _REARRANGES and self._roots[node.name]:
            self._elements[node.name] = self._rearranged(node)

    def _rearranged(self, node: torch.fx.Node) -> Any:
        """The operation done on addresses instead of numbers; None where it takes numbers that were computed."""
        unknown = False

        def addresses_of(leaf: Any) -> Any:
            nonlocal unknown
            if not isinstance(leaf, torch.fx.Node):
                return leaf
            value = self.values[leaf.name]
            if _is_index(value):
                return value
            unknown |= not self._rearranges(leaf)
            return None if unknown else self._addresses(leaf)

        args = substitute(tuple(node.args), addresses_of)
        kwargs = {key: substitute(value, addresses_of) for key, value in node.kwargs.items()}
        target: Any = node.target
        return None if unknown else target(*args, **kwargs)

    def carried(self, name: str) -> dict[str, Tensor | None]:
        """The trained parameters that a parameter of the network has elements of, or was computed from.

        Returns:
            Name -> places of its elements; None for all of them.
        """
        nodes = [node for node, known in self.names.items() if known == name]
        if not nodes or name in self._tensors:
            return {name: None} if name in self.trained else {}
        node, roots = nodes[0], self._roots[nodes[0]] & self.trained
        addresses = self._elements.get(node)
        if not isinstance(addresses, Tensor):
            return dict.fromkeys(roots)
        ends = {root: (self._first[root], self._first[root] + self._tensors[root].numel()) for root in roots}
        flat = addresses.reshape(-1)
        return {root: flat[(flat >= low) & (flat < high)] - low for root, (low, high) in ends.items()}

    # -- weights --------------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        products = [node for node in self.graph.nodes if node.target in OPERANDS]
        # What ends in the weight of a layer is computed beforehand. Other products of constants are layers to be run.
        inner = self._ancestors(
            node.args[1] for node in products if node.target in LAYER_TARGETS and not self._is_known(node)
        )
        for node in self.graph.nodes:
            if not self._is_known(node) or node.op == "placeholder" or node.name in inner:
                continue
            layer = node.target in OPERANDS and any(map(self._is_trained, self._weights_of(node)))
            if layer or any(n.name in self.run for n in node.all_input_nodes):
                self.run.add(node.name)
        readings = [
            one
            for node in products
            if not self._is_known(node) or node.name in self.run
            for one in self._readings_of(node)
        ]
        readings += list(self._other_readings({root for one in readings for root in self._roots[one.source.name]}))
        self._fetch(readings)
        self._store(readings)

    def _is_known(self, node: torch.fx.Node) -> bool:
        return node.name in self.values

    def _is_trained(self, node: torch.fx.Node) -> bool:
        return bool(self._roots[node.name] & self.trained)

    def _ancestors(self, nodes: Iterable[Any]) -> set[str]:
        """Fixed nodes from which these fixed nodes are computed, and themselves."""
        found: set[str] = set()
        waiting = [node for node in nodes if isinstance(node, torch.fx.Node) and self._is_known(node)]
        while waiting:
            node = waiting.pop()
            if node.name not in found:
                found.add(node.name)
                waiting += node.all_input_nodes
        return found

    def _weights_of(self, node: torch.fx.Node) -> Iterator[torch.fx.Node]:
        """The arguments of a product that are weights: fixed, not run, and trained or in a layer's place for them."""
        positions = OPERANDS[node.target]
        if node.target in LAYER_TARGETS and self._is_known(node.args[1]):  # type: ignore[arg-type]
            positions = (1,)
        for leaf in leaves([node.args[p] for p in positions]):
            if not isinstance(leaf, torch.fx.Node) or not self._is_known(leaf) or leaf.name in self.run:
                continue
            value = self.values[leaf.name]
            if not isinstance(value, Tensor) or value.dim() == 0 or _is_index(value):
                continue
            if self._is_trained(leaf) or (node.target in LAYER_TARGETS and leaf is node.args[1]):
                yield leaf

    def _readings_of(self, node: torch.fx.Node) -> Iterator[_Reading]:
        weights = list(self._weights_of(node))
        form = form_of(node.target, node.args, node.kwargs, weights.__contains__)
        for weight in weights:
            yield _Reading(node, weight, form if form is not None and node.args[form.weight] is weight else None)

    def _other_readings(self, weights: set[str]) -> Iterator[_Reading]:
        """Reads of the elements of weights by what is no product; computed numbers are kept apart."""
        for node in self.graph.nodes:
            if node.op == "output" or (self._is_known(node) and node.name not in self.run):
                continue
            products = list(self._weights_of(node)) if node.target in OPERANDS else []
            for source in node.all_input_nodes:
                if not self._is_known(source) or source.name in self.run or source in products:
                    continue
                if self._roots[source.name] & weights and self._rearranges(source):
                    yield _Reading(node, source, None)

    def _fetch(self, readings: list[_Reading]) -> None:
        """Find the parameters that are read as values, and run what makes of them what is read."""
        for one in readings:
            if one.form is None and self._rearranges(one.source):
                self.fetched |= self._roots[one.source.name]  # what is no layer reads its weights as values
        for root in {root for one in readings for root in self._roots[one.source.name]}:
            sharing = [one for one in readings if root in self._roots[one.source.name]]
            if any(self._collide(one, other) for i, one in enumerate(sharing) for other in sharing[:i]):
                self.fetched.add(root)
        others = [one for one in readings if not self._as_named(one)]
        before = -1
        while before != len(self.fetched):  # what is computed from a value is computed from values alone
            before = len(self.fetched)
            for one in others:
                if self._roots[one.source.name] & self.fetched:
                    self.fetched |= self._roots[one.source.name] & self.trained
        wanted = self._ancestors(one.source for one in others)
        for node in self.graph.nodes:
            if node.op == "call_function" and node.name in wanted and self._roots[node.name] & self.fetched:
                self.run.add(node.name)

    def _as_named(self, one: _Reading) -> str:
        """The tensor of the module that a layer reads whole and in its own order; empty if there is none."""
        roots = self._roots[one.source.name]
        if one.form is None or len(roots) != 1 or not self._rearranges(one.source):
            return ""
        (root,) = roots
        if one.source.op == "placeholder" and one.form.stored is as_it_is:
            return root
        elements = self._read(one)
        whole = elements.shape == self._tensors[root].shape and torch.equal(elements, self._all_of(root))
        return root if whole else ""

    def _collide(self, one: _Reading, other: _Reading) -> bool:
        """Whether two readings read the same elements in different ways."""
        if one.like(other):
            return False
        if not (self._rearranges(one.source) and self._rearranges(other.source)):
            return True
        first, second = self._read(one), self._read(other)
        if one.form and other.form and first.shape == second.shape and torch.equal(first, second):
            return False
        return bool(torch.isin(first, second).any())

    def _store(self, readings: list[_Reading]) -> None:
        """Name the weights, each once, and say which products are layers."""
        known: list[tuple[_Reading, str]] = []
        for one in readings:
            if one.source.name in self.run:
                continue
            if one.form is None:
                if one.reader.target in OPERANDS and not self._rearranges(one.source):
                    self.fetched.add(self.names[one.source.name])  # a product with computed numbers
                continue
            name = self._as_named(one)
            if not name and self._roots[one.source.name] & self.fetched:
                continue  # it reads in another order what is stored in its own
            sharing = [(e, n) for e, n in known if self._roots[e.source.name] & self._roots[one.source.name]]
            name = name or next((n for e, n in sharing if not self._collide(e, one) and self._same(e, one)), "")
            name = name or self._new_name(one)
            known.append((one, name))
            self.layers[one.reader.name] = one.form, name
            self.stored[name] = one.form.stored(self.values[one.source.name], one.options).contiguous()

    def _same(self, one: _Reading, other: _Reading) -> bool:
        """Whether two layers read the same numbers in the same order."""
        if one.like(other):
            return True
        if not (self._rearranges(one.source) and self._rearranges(other.source)):
            return False
        return torch.equal(self._read(one), self._read(other))

    def _new_name(self, one: _Reading) -> str:
        """A tensor in another order keeps its name; parts of one, and what was computed, get one."""
        roots = self._roots[one.source.name]
        if len(roots) == 1 and self._rearranges(one.source):
            (root,) = roots
            if self._read(one).unique().numel() == self._tensors[root].numel():
                return root
        return self.names[one.source.name]


def _is_index(value: Any) -> bool:
    """Whether it is a tensor of other than real numbers: an index, a mask."""
    return isinstance(value, Tensor) and not value.is_floating_point()


def overwrites(target: Any) -> bool:
    """Whether an operation changes one of its arguments."""
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _packet(target: Any) -> str:
    return str(getattr(target, "__name__", target)).split(".")[0]


def _storages(value: Any) -> set[int]:
    return {leaf.untyped_storage().data_ptr() for leaf in leaves(value) if isinstance(leaf, Tensor)}
