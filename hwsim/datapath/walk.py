"""One walk along the operations of a network, whatever arithmetic its values are computed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from hwsim.datapath.plan import RESULT, Plan, Rescaling
from hwsim.network import Affine, Call, Fetch, Linear, Network, Operation

Values: TypeAlias = dict[str, Any]
Watch: TypeAlias = Callable[[str, Any], None]


class Arithmetic(Protocol):
    """What each operation makes of its inputs. A value is whatever the arithmetic says: the walk only hands it on."""

    def linear(self, op: Linear, x: Any) -> Any:
        """The sums of products of `x` with a stored weight, without its bias."""

    def affine(self, op: Affine, x: Any) -> Any:
        """`x` times a factor plus an addend, one of each a channel."""

    def fetch(self, op: Fetch) -> Any:
        """A stored weight as a value."""

    def call(self, op: Call, inputs: Mapping[str, Any]) -> Any:
        """Any other operation, given its inputs by their names in the graph."""

    def rescaled(self, rescaling: Rescaling, value: Any) -> Any:
        """A value divided on its way to some readers."""

    def held(self, of: str | Rescaling, value: Any) -> Any:
        """A result in the number format that holds it: that of an operation, of the images, or of a rescaled copy."""


class Walk:
    """The order of a network's operations under a plan, and where each finds what it reads.

    What depends on no image comes first: it is computed once for every read of the weights. Values are let go when
    nothing reads them any more.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network, self.plan = network, plan
        order = sorted(network.operations, key=lambda op: op.name not in network.fixed)
        self._fixed = [op for op in order if op.name in network.fixed]
        self._others = [op for op in order if op.name not in network.fixed]
        self._found_at = {op.name: {name: self._where(name, op.name) for name in op.inputs} for op in order}
        self._last_read = self._last_reads(order)

    def fixed(self, arithmetic: Arithmetic, watch: Watch | None = None) -> Values:
        """The values that depend on no image."""
        values: Values = {}
        self._follow(self._fixed, arithmetic, values, watch)
        return values

    def result(self, arithmetic: Arithmetic, images: Any, fixed: Values, watch: Watch | None = None) -> Any:
        """The network's result for some images.

        Args:
            arithmetic: computes.
            images: as the arithmetic takes them.
            fixed: what `fixed` gave.
            watch: is shown every value as it is produced: a later operation may overwrite it.
        """
        values = dict(fixed)
        self._keep(self.network.input.name, images, arithmetic, values, watch)
        self._follow(self._others, arithmetic, values, watch)
        return values[self._where(self.network.output, RESULT)]

    def _follow(self, ops: list[Operation], arithmetic: Arithmetic, values: Values, watch: Watch | None) -> None:
        for op in ops:
            found_at = self._found_at[op.name]
            if isinstance(op, Linear):
                value = arithmetic.linear(op, values[found_at[op.input.name]])
            elif isinstance(op, Affine):
                value = arithmetic.affine(op, values[found_at[op.input.name]])
            elif isinstance(op, Fetch):
                value = arithmetic.fetch(op)
            else:
                assert isinstance(op, Call)
                value = arithmetic.call(op, {name: values[where] for name, where in found_at.items()})
            self._keep(op.name, value, arithmetic, values, watch)
            for name in self._last_read[op.name]:
                values.pop(name, None)

    def _keep(self, name: str, value: Any, arithmetic: Arithmetic, values: Values, watch: Watch | None) -> None:
        """Keep a value, in its number format, and the copies of it that are rescaled for some readers."""
        values[name] = arithmetic.held(name, value)
        for rescaling in self.plan.rescalings_of(name):
            source = self._where(name, rescaling.made_from) if rescaling.made_from else name
            copy = arithmetic.rescaled(rescaling, values[source])
            values[self._where(name, rescaling.readers[0])] = arithmetic.held(rescaling, copy)
        if watch is not None:
            watch(name, values[name])

    def _where(self, value: str, reader: str) -> str:
        """The name under which a reader finds a value."""
        rescaling = self.plan.rescaling(value, reader)
        return value if rescaling is None else f"{value} for {rescaling.readers[0]}"

    def _last_reads(self, order: list[Operation]) -> dict[str, list[str]]:
        """For every operation, the values and copies that nothing reads after it."""
        last: dict[str, str] = {}
        for op in order:
            last[op.name] = op.name  # a value that nothing reads as produced goes at once
            for name, where in self._found_at[op.name].items():
                last[name] = last[where] = op.name
        last[self.network.output] = ""
        freed: dict[str, list[str]] = {op.name: [] for op in order}
        for name, reader in last.items():
            freed.get(reader, []).append(name)
        return freed
