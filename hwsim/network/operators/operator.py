"""What is known of each tensor operation, beside what it computes: one entry an operation, in one table.

The modules beside this one fill it, a family of operations each. An operation without an entry runs as well; its inputs
must then be unscaled, and how large its result gets is not bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from hwsim.network.graph import ATEN, Call
from hwsim.network.operators.bounds import Bound
from hwsim.network.operators.rules import Rule
from hwsim.network.target import Target


@dataclass(frozen=True)
class Operator:
    """One tensor operation.

    Attributes:
        target: the operation.
        rules: what it does to scales, see `Rule`: the first that applies to a call is its rule.
        bound: makes the interval of its result from intervals of its arguments: `increasing`, `elementwise(...)`,
            `between(...)`, or a function of one's own; None if that is not known.
        in_place: the same operation, overwriting its first argument; None if there is none.
        computed_by: what computes it on a datapath, where that is not the operation itself.
        macs: its multiply-accumulates, from its arguments, its options and its result; None if it has none. Every
            element of a result sums one product for each element of what is summed over. In a transposed convolution,
            every input is multiplied by all weights that read it, those whose products lie beyond the edge included, as
            is usual. Products that a mask of attention hides are counted too.
        counted: the counter that its elements belong to; empty if they are not counted.
        canonical: its arguments -> an operation that is better known, and its arguments; None if it is known itself.
        shown: what it is called in a sentence; empty for its own name.
    """

    target: Target
    rules: tuple[Rule, ...] = ()
    bound: Bound | None = None
    in_place: Target | None = None
    computed_by: Callable[..., Any] | None = None
    macs: Callable[[tuple[Any, ...], Mapping[str, Any], Tensor], int] | None = None
    counted: Literal["", "additions", "multiplications"] = ""
    canonical: Callable[[tuple[Any, ...]], tuple[Any, tuple[Any, ...]]] | None = None
    shown: str = ""


_TABLE: dict[Target, Operator] = {}


def teach(target: Callable[..., Any], *rules: Rule, **known: Any) -> None:
    """Say what is known of an operation; what was known of it before is replaced.

    Args:
        target: a `torch.ops` overload.
        rules: what it does to scales.
        known: the other attributes of `Operator`.
    """
    named = Target.of(target)
    _TABLE[named] = Operator(named, rules, **known)


def teach_all(targets: Iterable[Callable[..., Any]], *rules: Rule, **known: Any) -> None:
    """The same of several operations."""
    for target in targets:
        teach(target, *rules, **known)


def operator_of(target: Callable[..., Any]) -> Operator:
    """What is known of an operation, which may be nothing."""
    named = Target.of(target)
    return _TABLE.get(named) or Operator(named)


def rule_of(call: Call, inner: bool = False) -> Rule | None:
    """The rule that this call follows, or None where the operation needs a scale of one.

    Args:
        call: the call.
        inner: whether the constants inside units can be changed, see `Rule.inner`.
    """
    rules = operator_of(call.target).rules
    return next((rule for rule in rules if (inner or not rule.inner) and rule.applies(call)), None)


def overloads(*names: str) -> list[Any]:
    """ATen operations by name; the overload is `default` unless said, as in "max.other"."""
    found = []
    for name in names:
        packet, _, overload = name.partition(".")
        found.append(getattr(getattr(ATEN, packet), overload or "default"))
    return found
