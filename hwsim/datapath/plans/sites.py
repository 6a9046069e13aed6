"""Every division site of a datapath, where a scale changes: what is divided there, by what, and what forces it.

The sites follow from the plan and the shapes alone. Their elements add up to the counters of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hwsim.datapath.arithmetic.rescaling import is_power_of_two
from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.plan import RESULT, Plan, Rescaling, divisor_text
from hwsim.hardening import Constants, Hardened
from hwsim.hardening.scaling import EXPONENT_BITS
from hwsim.network import Affine, Call, Fetch, Linear, Operation, Scale, operator_of, rule_of
from hwsim.network.graph import storable
from hwsim.network.operators.rules import unchanged
from hwsim.network.scale import ONE, SIGNIFICAND_BITS
from hwsim.network.target import Target

SITE_KINDS = {
    "division": "a true division",
    "reciprocal": "a multiplication by a reciprocal",
    "shift": "a division by a power of two: a shift or an exponent subtraction",
    "alignment": "a division, of the kind of the others, that gives an input of a join the scale of the others",
    "absorbed": "taken up for nothing by a multiplier that is there anyway",
}
"""What is done at a site."""

COUNTER_OF = {
    "division": "divisions",
    "reciprocal": "reciprocal_multiplications",
    "shift": "shifts",
    "alignment": "alignments",
}
"""The counter of each kind of site; what is absorbed is not counted."""


@dataclass(frozen=True)
class Cause:
    """What forces a division, in words: `subject predicate`, as in "GELU needs its input unscaled".

    Attributes:
        subject: what it is, wherever it stands.
        predicate: what it needs or does.
        where: the module path of the operation or tensor, if there is one.
        joined: what a join joins the tensor with.
    """

    subject: str
    predicate: str
    where: str = ""
    joined: str = ""

    @property
    def general(self) -> str:
        """The same for all sites that are there for the same cause."""
        return f"{self.subject} {self.predicate}"

    @property
    def located(self) -> str:
        """With the module where it is."""
        return f"{self.subject} in {self.where} {self.predicate}" if self.where else self.general

    def __str__(self) -> str:
        return f"{self.located} and joins it with {self.joined}" if self.joined else self.located


@dataclass(frozen=True)
class Site:
    """A division site: one point of the datapath where a scale changes.

    Attributes:
        tensor: module path of what is divided, the name of a parameter, or "images".
        elements: numbers that pass it, for one image; with `per_read`, for one read of the weights.
        kind: one of `SITE_KINDS`.
        operation: what does it and has a price: "division", "reciprocal" or "shift"; empty where it is absorbed.
        divisor: what is divided out: a scale, or the constants of a layer, one for each channel.
        readers: module paths of what reads the result, or "logits".
        cause: what forces it; of an absorbed scale, what takes it up.
        per_read: whether a read of the weights is divided, or what depends on no image: the images of a batch share it.
        at: name of the operation where it happens: the one that makes the tensor, reads the words, or has the
            multiplier; of the images, their name.
    """

    tensor: str
    elements: int
    kind: str
    operation: str
    divisor: Scale | Constants
    readers: tuple[str, ...]
    cause: Cause
    per_read: bool = False
    at: str = ""

    @property
    def constants(self) -> int:
        """Constants that the datapath has to keep for it; those that are absorbed beforehand are none."""
        if self.kind == "absorbed":
            return 0
        return len(self.divisor.exponent) if isinstance(self.divisor, Constants) else 1

    @property
    def constant_bits(self) -> int:
        """Safe memory that they take, in bits."""
        if self.kind == "absorbed":
            return 0
        if isinstance(self.divisor, Constants):
            return self.divisor.bits
        # A product of many constants may need a longer exponent than one constant.
        exponent = max(EXPONENT_BITS, abs(self.divisor.exponent).bit_length() + 1)
        return exponent + (0 if self.divisor.is_power_of_two else SIGNIFICAND_BITS - 1)

    def __str__(self) -> str:
        numbers = "words" if self.per_read else "elements"
        done = "absorbed" if self.kind == "absorbed" else f"{self.kind}, {self.elements:,} {numbers} by {self.by}"
        return f"{self.tensor} for {', '.join(self.readers)}: {done}; {self.cause}"

    @property
    def by(self) -> str:
        """The divisor in words: a number, or how many."""
        return divisor_text(self.divisor)


@dataclass(frozen=True)
class Group:
    """Sites of one kind that are there for the same cause.

    Attributes:
        kind: one of `SITE_KINDS`.
        operation: as in `Site`.
        cause: see `Cause.general`.
        sites: how many there are.
        elements: of all of them, as in `Site`.
        per_read: see `Site`.
    """

    kind: str
    operation: str
    cause: str
    sites: int
    elements: int
    per_read: bool


def price(found: Iterable[Site], prices: Mapping[str, float], batch: int = 1) -> float:
    """What sites cost for one image, where `batch` images share a read of the weights.

    Args:
        found: the sites.
        prices: price of one "division", "reciprocal" and "shift".
        batch: images that share one read.
    """
    return sum(
        site.elements * prices[site.operation] / (batch if site.per_read else 1) for site in found if site.operation
    )


def grouped(sites: Iterable[Site]) -> list[Group]:
    """Sites grouped by kind and cause: the most elements first, what is absorbed last."""
    found: dict[tuple[str, str, str, bool], list[int]] = {}
    for site in sites:
        key = site.kind, site.operation, site.cause.general, site.per_read
        found.setdefault(key, []).append(site.elements)
    groups = [Group(*key[:3], len(all_), sum(all_), key[3]) for key, all_ in found.items()]
    return sorted(groups, key=lambda group: (group.kind == "absorbed", -group.elements))


def division_sites(hardened: Hardened, plan: Plan, config: DatapathConfig | None = None) -> tuple[Site, ...]:
    """Every division site of a datapath, in order of execution.

    Args:
        hardened: the stored words of the network that runs, and their constants.
        plan: what its datapath does about scales.
        config: what the datapath is made of: its divider, and the number formats whose ranges may force a division.
    """
    return tuple(_Sites(hardened, plan, config or DatapathConfig()).all())


class _Sites:
    """The walk along the operations, which all need the same few things."""

    def __init__(self, hardened: Hardened, plan: Plan, config: DatapathConfig) -> None:
        self.network, self.hardened, self.plan = hardened.network, hardened, plan
        self.divider, self.formats = config.divider, config.formats
        self.operations = self.network.named
        self.shared = Counter(op.label for op in self.network.operations if isinstance(op, Call))

    def all(self) -> Iterator[Site]:
        yield from self._rescaled(self.network.input.name)
        for op in self.network.operations:
            yield from self._words(op)
            yield from self._inside(op)
            yield from self._rescaled(op.name)

    def _words(self, op: Operation) -> Iterator[Site]:
        """Stored words that are divided as they are read: weights in one way of dividing, biases in every way."""
        name = storable(op)
        constants = self.hardened.constants.get(name) if name else None
        if name is None or constants is None or constants.all_one:
            return
        if self.plan.divide_words or name in self.network.biases:
            kind = self._kind(constants.powers_of_two)
            subject = "stored biases" if isinstance(op, Affine) else "weights"
            cause = Cause(subject, "are divided as they are read")
            words = self.hardened.words[name].size
            readers = (self._label(op.name),)
            yield Site(name, words, kind, kind, constants, readers, cause, per_read=True, at=op.name)

    def _inside(self, op: Operation) -> Iterator[Site]:
        """What an operation's own multiplier changes: for nothing, or one that is idle otherwise."""
        if isinstance(op, Affine):
            seen, produced = self.plan.seen(op.input.name, op.name), self.plan.produced(op.name)
            if seen == produced:
                return
            divisor = seen / produced if isinstance(seen, Scale) and isinstance(produced, Scale) else seen
            kind, cause = "absorbed", Cause("BatchNorm", "takes the scale up", op.label)
            if op.multiplier is None:
                # As the datapath counts it: both scales are powers of two, or a multiplier is needed.
                kind = self._kind(is_power_of_two(seen) and is_power_of_two(produced), by_multiplier=True)
                cause = self._cause(op.input.name, *self.plan.multipliers.get(op.name, ("layer", "")))
            yield self._site(op.input.name, op.name, kind, kind, divisor, (op.name,), cause)
        elif isinstance(op, Call):
            changed = self._absorbed(op)
            if changed != ONE:
                cause = Cause(_name(op), "takes the scale up", op.label)
                yield self._site(op.inputs[0], op.name, "absorbed", "", changed, (op.name,), cause)

    def _absorbed(self, op: Call) -> Scale:
        """The scale that a constant inside a call takes up; one if none does."""
        rule = rule_of(op, inner=True)  # where a plan makes no use of these, they change nothing
        seen = [self.plan.seen(name, op.name) for name in op.values]
        produced = self.plan.produced(op.name)
        if rule is None or not isinstance(produced, Scale) or not all(isinstance(scale, Scale) for scale in seen):
            return ONE
        product = ONE
        for scale in seen:
            assert isinstance(scale, Scale)
            product = product * scale
        if rule.effect in ("absorb", "drop") and rule.rewrite is not unchanged:
            return product / produced
        if rule.effect == "carry" and rule.absorbs_others and rule.rewrite is not unchanged:
            # Exactly one, where only the carried tensor has a scale.
            others = [name for name in op.values if name != rule.carried_by(op)]
            scaled = any(self.plan.seen(name, op.name) != ONE for name in others)
            return product / produced if scaled else ONE
        return ONE

    def _rescaled(self, value: str) -> Iterator[Site]:
        for rescaling in self.plan.rescalings_of(value):
            cause = self._cause(value, rescaling.reason, rescaling.forced_by, rescaling)
            operation = self._kind(is_power_of_two(rescaling.divisor))
            kind = "alignment" if rescaling.reason == "join" else operation
            yield self._site(value, value, kind, operation, rescaling.divisor, rescaling.readers, cause)

    def _site(
        self,
        value: str,
        at: str,
        kind: str,
        operation: str,
        divisor: Scale | Constants,
        readers: tuple[str, ...],
        cause: Cause,
    ) -> Site:
        shown = tuple(dict.fromkeys(self._label(name) for name in readers))
        operation = "" if kind == "absorbed" else operation
        elements, once = self.network.elements[value], value in self.network.fixed
        return Site(self._label(value), elements, kind, operation, divisor, shown, cause, per_read=once, at=at)

    def _cause(self, value: str, reason: str, forced_by: str, rescaling: Rescaling | None = None) -> Cause:
        if reason == "layer":
            if rescaling is None:
                return Cause("own constant,", "at the bias addition")
            if isinstance(self.operations[value], Fetch):
                return Cause("weights", "are divided as they are read")
            return Cause("own constant,", "right behind its layer")
        if forced_by == RESULT:
            return Cause("the logits", "must be unscaled")
        op = self.operations.get(forced_by)
        if reason == "range":
            fmt = self.formats.of_value(self.network, op, rescaled=False).words.name
            return Cause(f"the range of {fmt}", "would be left", self._label(forced_by))
        where = forced_by if op is None else op.label
        if reason == "join":
            joined = ""
            if op is not None and rescaling is not None and op.name in rescaling.readers:
                joined = ", ".join(self._label(name) for name in dict.fromkeys(op.inputs) if name != value)
            return Cause(_name(op), "needs inputs of one scale", where, joined)
        if reason in ("product", "quotient", "power"):
            return Cause(_name(op), "combines scales", where)
        if isinstance(op, Affine):
            return Cause("the bias addition", "needs its input unscaled", where)
        return Cause(_name(op), "needs its input unscaled", where)

    def _kind(self, power_of_two: bool, by_multiplier: bool = False) -> str:
        if power_of_two:
            return "shift"
        return "reciprocal" if by_multiplier or self.divider == "reciprocal" else "division"

    def _label(self, name: str) -> str:
        """A value or an operation as a user knows it: its module's path, and what it is where that says too little."""
        if name == RESULT:
            return "logits"
        op = self.operations.get(name)
        if op is None:
            return "images" if name == self.network.input.name else name
        label = op.label
        if isinstance(op, Affine) and op.multiplier is None:
            return f"{label} with bias"
        if isinstance(op, Call) and op.layer and self.shared[label] > 1:
            return f"{_name(op).removeprefix('the ')} of {label}"
        return label


def _name(op: Operation | None) -> str:
    """An operation in words."""
    if isinstance(op, Linear):
        return "the layer"
    if op is None or isinstance(op, Affine):
        return "the operation"
    return operator_of(op.target).shown or Target.of(op.target).packet.strip("_")
