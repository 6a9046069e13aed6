"""Where the parameters of a module lie: in the memory under study, or in safe memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeldParameter:
    """A parameter of the module, or a part of one, and what the network holds it as.

    Attributes:
        parameter: its name in the module.
        elements: how many of its numbers.
        held_as: the network's parameter that has them, or is computed from them; empty if nothing reads them.
        use: the operation that reads them: "weight", "bias", "batch_norm", "layer_norm", "add", ...; or "unread".
    """

    parameter: str
    elements: int
    held_as: str
    use: str


@dataclass(frozen=True)
class Whereabouts:
    """The parameters of a module, divided between the memory under study and safe memory.

    A parameter counts as stored if its words are, or those of a weight that is computed from it.

    Attributes:
        total: numbers in all parameters of the module; buffers, such as BatchNorm's statistics, are none.
        safe: those in safe memory.
    """

    total: int
    safe: tuple[HeldParameter, ...]

    @classmethod
    def of(cls, holdings: Iterable[HeldParameter], stored: Iterable[str]) -> Whereabouts:
        """From all holdings, and the names of the network's parameters that are stored."""
        everything, names = tuple(holdings), set(stored)
        safe = tuple(one for one in everything if one.held_as not in names)
        return cls(sum(one.elements for one in everything), safe)

    @property
    def stored(self) -> int:
        """Numbers whose words lie in the memory under study."""
        return self.total - sum(one.elements for one in self.safe)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What lies in safe memory, the largest first: parameter, elements, use, and its share of all parameters."""
        ordered = sorted(self.safe, key=lambda one: -one.elements)
        return [
            {
                "parameter": one.parameter,
                "elements": one.elements,
                "use": one.use,
                "share": one.elements / self.total,
            }
            for one in ordered
        ]

    def __str__(self) -> str:
        if not self.total:
            return "the module has no parameters"
        share = 100 * self.stored / self.total
        text = f"{self.stored:,} of {self.total:,} parameters ({share:.2f} %) in the memory under study"
        uses: Counter[str] = Counter()
        for one in self.safe:
            uses[one.use] += one.elements
        listed = ", ".join(f"{number:,} ({use})" for use, number in uses.most_common())
        return f"{text}; in safe memory: {listed}" if listed else text

    __repr__ = __str__
