"""The [memory] of a scenario: how weights are stored, and what cells they lie in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hwsim.errors import HwsimError, unknown
from hwsim.experiment.scenario.quantities import Capacity
from hwsim.experiment.scenario.settings import REQUIRED, Settings, WrongValueError, one_or_many, setting, unique
from hwsim.memory.cells.geometry import MOST_INTERLEAVED
from hwsim.memory.ecc import code_names
from hwsim.memory.technology.constants import GROUPS, Technology, technology
from hwsim.words import get_format

Store = Literal["weights", "biases"]
Uncorrectable = Literal["zero", "as_read"]
New = Literal["zeros", "ones", "random"]

DEVICE = (
    "technology",
    "constants",
    "flips",
    "stuck_at",
    "clusters",
    "fault_map",
    "capacity",
    "word_bits",
    "banks",
    "interleave",
    "ecc",
    "uncorrectable",
    "new",
    "cycles",
)
"""The keys that describe a device, for a lifetime study only."""

CODES = ("ecc", "uncorrectable", "word_bits")
"""Those of them that say how words are coded, which an accuracy study heeds too."""

FLIPS = ("ber", "immune", "zero_to_one", "one_to_zero")
"""The keys of independent flips at a given rate, for an accuracy study only."""


def _known_format(name: str) -> str:
    return get_format(name).name


def known_code(name: str) -> str:
    if name not in code_names():
        raise unknown("code", name, code_names())
    return name


def printed(text: str) -> str:
    """A text for people; what moves a cursor, or is no character, cannot stand in a table or a figure."""
    if not text.isprintable():
        raise WrongValueError("not printed")
    return text


def _bit_sets(value: Any) -> Any:
    """`[]`, `["a", "b"]` (one set of bits) or `[[], ["a"]]` (several sets, run one after the other)."""
    sets = one_or_many(value)
    if not sets or not all(isinstance(bits, list | tuple) for bits in sets):
        sets = (sets,)
    return tuple(tuple(bits) if isinstance(bits, list) else bits for bits in sets)


NonEmpty = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printed)]
Sentence = Annotated[str, Field(min_length=1), AfterValidator(lambda text: printed(" ".join(text.split())))]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, le=1)]
Hazard = Annotated[float, Field(ge=0)]
Ecc = Annotated[str, AfterValidator(known_code)]
Formats = Annotated[
    tuple[Annotated[str, AfterValidator(_known_format)], ...],
    BeforeValidator(one_or_many),
    Field(min_length=1),
    AfterValidator(unique),
]


class FlipSettings(Settings):
    zero_to_one: Hazard = setting(0.0, "a number, 0 or more", "how often a stored 0 flips")
    one_to_zero: Hazard = setting(0.0, "a number, 0 or more", "how often a stored 1 flips")
    per: Literal["write", "second", "read"] = setting(
        "write", "'write', 'second' or 'read'", "what the rates are of: a write, a second of holding data, or a read"
    )


class StuckSettings(Settings):
    zero: Rate = setting(0.0, "a number from 0 to 1", "share of the cells that are stuck at 0")
    one: Rate = setting(0.0, "a number from 0 to 1", "share of the cells that are stuck at 1")


class ClusterSettings(Settings):
    scope: Literal["word", "column", "row", "block", "bank"] = setting(
        REQUIRED, "'word', 'column', 'row', 'block' or 'bank'", "what fails as one"
    )
    rate: Rate = setting(REQUIRED, "a number from 0 to 1", "share of these that fail")
    density: Rate = setting(1.0, "a number from 0 to 1", "share of the cells of a failing one that fail")
    kind: Literal["flip", "to 0", "to 1"] = setting("to 0", "'flip', 'to 0' or 'to 1'", "what its cells read as")


class FaultMapSettings(Settings):
    file: NonEmpty = setting(REQUIRED, "the name of a file", "a fault map, whose geometry the device has")
    level: float | None = setting(
        None, "a number in the unit of the map's thresholds", "at which voltage or time, for a map with thresholds"
    )


class MemorySettings(Settings):
    formats: Formats = setting(
        REQUIRED, "a word format such as 'fp32' or 'q2.5', or a list of them", "how weights are stored"
    )
    ber: Annotated[
        tuple[Rate, ...],
        BeforeValidator(one_or_many),
        Field(min_length=1),
        AfterValidator(lambda rates: tuple(sorted({0.0, *rates}))),
    ] = setting(
        (0.0,),
        "a bit error rate, a number from 0 to 1 without a unit, or a list of them",
        "probability that a stored bit flips; 0 (fault-free) is always run as well",
    )
    store: Annotated[tuple[Store, ...], BeforeValidator(one_or_many), Field(min_length=1), AfterValidator(unique)] = (
        setting(
            ("weights",),
            "'weights', 'biases', or a list of both",
            "which parameters lie in the faulty memory; the others lie in a safe one",
        )
    )
    immune: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_bit_sets), AfterValidator(unique)] = setting(
        ((),),
        "a list of bits such as ['exponent_msb'], or a list of such lists",
        "bits of every word that never flip; a list of lists is swept",
    )
    zero_to_one: Rate = setting(1.0, "a number from 0 to 1", "a stored 0 flips with this times the bit error rate")
    one_to_zero: Rate = setting(1.0, "a number from 0 to 1", "a stored 1 flips with this times the bit error rate")
    technology: NonEmpty | dict[str, Any] | None = setting(
        None,
        "a technology of `hwsim memory list`, a file with a table of one's own, or such a table",
        "what the cells are, and so how they fail; absent for the mechanisms below alone",
    )
    constants: dict[str, Any] = setting(  # the technology's table says what each may be
        {},
        "a table of constants such as { delta = 45, write_pulse = '8 ns' }",
        "constants of the technology that are to be others, by name: `hwsim memory show` lists them",
    )
    flips: FlipSettings | None = setting(None, "a table such as { one_to_zero = 1e-9, per = 'second' }", "")
    stuck_at: StuckSettings | None = setting(None, "a table such as { zero = 1e-5 }", "")
    clusters: Annotated[tuple[ClusterSettings, ...], BeforeValidator(one_or_many)] = setting(
        (), "a list of tables such as { scope = 'row', rate = 1e-4 }", ""
    )
    fault_map: FaultMapSettings | None = setting(None, "a table such as { file = 'chip.csv' }", "")
    capacity: Capacity | None = setting(
        None, "a size such as '16 MiB'", "of the device, without check bits; absent for what the weights need"
    )
    word_bits: Positive | None = setting(
        None, "a whole number of bits, 1 or more", "data bits of a memory word; absent for the technology's, or 64"
    )
    banks: Positive | None = setting(
        None, "a whole number of banks, 1 or more", "banks of the device; absent for the technology's, or 1"
    )
    interleave: Annotated[int, Field(ge=1, le=MOST_INTERLEAVED)] | None = setting(
        None,
        f"a whole number of words from 1 to {MOST_INTERLEAVED}",
        "words that share a row bit by bit, against clustered faults; absent for the technology's, or 1",
    )
    ecc: Ecc = setting("none", "a code such as 'secded'", "code that protects the words; a variant may have another")
    uncorrectable: Uncorrectable = setting(
        "zero", "'zero' or 'as_read'", "what a codeword reads as that is found wrong and cannot be corrected"
    )
    new: New = setting(
        "zeros", "'zeros', 'ones' or 'random'", "what the cells hold before the weights are written over it"
    )
    cycles: Annotated[int, Field(ge=0)] = setting(
        0, "a whole number of writes, 0 or more", "how often each cell was written in a life before this one"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_format(cls, data: Any) -> Any:
        if isinstance(data, dict) and "format" in data:
            if "formats" in data:
                raise ValueError("give either `format` or `formats`, not both")
            data = {"formats" if key == "format" else key: value for key, value in data.items()}
        return data

    @model_validator(mode="after")
    def _bits_exist(self) -> MemorySettings:
        for name in self.formats:
            for selector in {selector for bits in self.immune for selector in bits}:
                get_format(name).bit_mask(selector)
        return self

    @model_validator(mode="after")
    def _constants_exist(self) -> MemorySettings:
        if self.constants and self.technology is None:
            raise HwsimError("`constants` are those of a technology: give a `technology` too")
        self.cells()
        for key in ("capacity", "banks"):
            if self.fault_map is not None and getattr(self, key) is not None:
                raise HwsimError(f"`{key}` is what the fault map says already: leave it out")
        return self

    @property
    def constants_given(self) -> tuple[str, ...]:
        """The constants that the scenario itself gives other values than those of a technology known by name."""
        own = self.technology if isinstance(self.technology, dict) and "based_on" in self.technology else {}
        return (*self.constants, *(name for group in GROUPS for name in own.get(group, {})))

    def cells(self) -> Technology | None:
        """The technology with the scenario's own constants.

        Raises:
            HwsimError: for an unknown technology or constant, naming the nearest one, and a wrong unit.
        """
        if self.technology is None:
            return None
        return technology(self.technology).override(self.constants, "set by the scenario")
