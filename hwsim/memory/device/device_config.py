"""What a memory device is made of: its cells and what fails in them, how they lie, and the code that protects them.

config = DeviceConfig.of("stt_mram", capacity="16 MiB", ecc="secded")
one, other = Device(config, seed=1), Device(config, seed=2)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from hwsim.constants.units import quantity
from hwsim.errors import HwsimError, unknown
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.device.image import Fill, Placement
from hwsim.memory.ecc import Code, get_code
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.mechanism import STAGES, Mechanism, check_mechanism
from hwsim.memory.technology.constants import Technology, technology
from hwsim.memory.technology.technology import Watched
from hwsim.words import WordFormat, get_format

DeviceSource: TypeAlias = "str | Path | Mapping[str, Any] | Technology | None"

_WORD_BITS = 64
_SHAPE = {"banks": 1, "interleave": 1, "block_rows": 512, "block_columns": 512}  # where neither config nor table says


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """A kind of memory device; see `of` for technologies by name.

    Attributes:
        technology: the technology, whose mechanisms act and whose geometry is the default; None for `further` alone.
        further: mechanisms beside those of the technology, which act after them at the same stage.
        capacity: bytes, or a text such as "16 MiB", without check bits; None for as much as is written first.
        word_bits: data bits of a memory word, the unit of an access. Number words whose width does not divide it are
            refused; a last memory word that they do not fill is filled up with zeros.
        banks: see `Geometry`; that of the technology if not given.
        interleave: the same.
        block_rows: the same.
        block_columns: the same.
        columns: cells in a row; if not given, one block's, and longer for check bits.
        geometry: where all cells lie, in place of `capacity`, `banks` and the others, as that of a chip whose fault map
            was measured. Its words count as those of `word_bits` and the code.
        ecc: name of a code: see `hwsim.memory.ecc.get_code`.
        uncorrectable: "zero" or "as_read": what a codeword reads as that is found wrong and cannot be corrected.
        new: "zeros", "ones" or "random": what cells hold before they are written for the first time.
        cycles: how often each cell was written in a life before this one.

    Raises:
        HwsimError: for a capacity that is not a whole number of memory words, for a geometry beside what it says
            already, and for what is no mechanism.
    """

    technology: Technology | None = None
    further: tuple[Mechanism, ...] = ()
    capacity: float | str | None = None
    word_bits: int | None = None
    banks: int | None = None
    interleave: int | None = None
    block_rows: int | None = None
    block_columns: int | None = None
    columns: int | None = None
    geometry: Geometry | None = None
    ecc: str = "none"
    uncorrectable: str = "zero"
    new: Fill = "zeros"
    cycles: int = 0

    def __post_init__(self) -> None:
        for mechanism in self.further:
            check_mechanism(mechanism)
        names = [mechanism.name for mechanism in self.mechanisms]
        for name in names:
            if names.count(name) > 1:
                raise HwsimError(f"Two mechanisms are called {name!r}: their draws would be the same.")
        if self.geometry is not None:
            twice = next((name for name in ("capacity", *_SHAPE, "columns") if getattr(self, name) is not None), None)
            if twice:
                raise HwsimError(f"A device has a geometry or {twice}, not both: the geometry says it already.")
        if self.cycles < 0:
            raise HwsimError(f"cycles = {self.cycles} is no number of writes: give at least 0.")
        if self.capacity is not None:
            capacity = quantity(self.capacity, "B", "capacity")
            if capacity < 1 or capacity * 8 % self.data_bits:
                raise HwsimError(
                    f"capacity = {capacity:g} bytes is not a whole number of memory words of {self.data_bits} bits."
                )

    @classmethod
    def of(cls, source: DeviceSource = None, mechanisms: Sequence[Mechanism] = (), **settings: Any) -> DeviceConfig:
        """That of a technology by name or table, with further mechanisms and other attributes by name.

        Raises:
            HwsimError: for unknown names too.
        """
        known = [one.name for one in fields(cls) if one.name not in ("technology", "further")]
        for name in settings:
            if name not in known:
                raise unknown("setting of a memory device", name, known)
        found = source if source is None or isinstance(source, Technology) else technology(source)
        return cls(technology=found, further=tuple(mechanisms), **settings)

    @cached_property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """All mechanisms, in the order in which they act."""
        own = mechanisms_of(self.technology) if self.technology else ()
        return tuple(sorted([*own, *self.further], key=lambda mechanism: list(STAGES).index(mechanism.stage)))

    @property
    def data_bits(self) -> int:
        """Data bits of a memory word."""
        return self._setting("word_bits", _WORD_BITS)

    @property
    def words(self) -> int | None:
        """Memory words that its capacity holds; None if it has as many as are written first."""
        if self.capacity is None:
            return None
        return int(quantity(self.capacity, "B", "capacity") * 8) // self.data_bits

    def code(self, format: WordFormat) -> Code:
        """The code of its codewords.

        Raises:
            HwsimError: for an unknown one, and one that holds no such words.
        """
        return get_code(self.ecc, self.data_bits, format, self.uncorrectable)

    def placement(self, format: WordFormat, words: int) -> Placement:
        """Where the number words that are written first go: how wide a memory word is depends on their format."""
        code = self.code(format)
        check_bits = code.codewords * code.check_bits
        if self.geometry is not None:
            return Placement(replace(self.geometry, word_cells=self.data_bits + check_bits), code)
        geometry = Geometry.for_words(
            max(-(-words * format.width // self.data_bits) if self.words is None else self.words, 1),
            word_bits=self.data_bits,
            check_bits=check_bits,
            columns=self.columns,
            **{name: self._setting(name, default) for name, default in _SHAPE.items()},
        )
        return Placement(geometry, code)

    @property
    def constants_used(self) -> frozenset[str]:
        """The constants of its technology that it reads: those of what fails, and of how the cells lie.

        What the table has besides, such as the energy of an access or the levels of cells of more bits, nothing here
        depends on.
        """
        if self.technology is None:
            return frozenset()
        watched = Watched(**{one.name: getattr(self.technology, one.name) for one in fields(Technology)})
        config = replace(self, technology=watched)  # which makes its mechanisms
        config.placement(get_format("fp32"), 1)
        return frozenset(watched.read)

    def require_room(self, placement: Placement, format: WordFormat, words: int) -> None:
        """Check that number words fit the cells of a placement.

        Raises:
            HwsimError: otherwise.
        """
        most = placement.geometry.words if self.words is None else self.words
        if words * format.width > most * self.data_bits:
            needed, larger = words * format.width / 8, "capacity" if self.geometry is None else "geometry"
            raise HwsimError(
                f"{words:,} words of {format.name} need {needed:,.0f} bytes, but the device has "
                f"{most * self.data_bits // 8:,}: give it a {larger} of at least {_binary(needed)}."
            )

    def _setting(self, name: str, otherwise: int) -> int:
        """A number that is given here, or by the table of the technology, or by neither."""
        given = getattr(self, name)
        if given is None and self.technology is not None and name in self.technology:
            entry = self.technology[name]
            return int(entry.to(entry.unit))
        return int(otherwise if given is None else given)


def _binary(size: float) -> str:
    """Bytes for a person, rounded up."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{math.ceil(size / scale * 100) / 100:g} {unit}"
    return f"{math.ceil(size)} B"
