"""The timing of a memory as a table: which command may follow which, after how many cycles.

    timing = Timing.of(technology("dram"))
    timing.unloaded_read("conflict")       # tRP + tRCD + tCL, in cycles
    timing.peak_bandwidth                  # bytes a second, less the refresh share

A memory with a row buffer (DRAM) has the commands precharge, activate, read, write and refresh. One without has read
and write, and verify and rewrite for writing that checks itself. Cycles are whole numbers: a time of the technology's
table is rounded up to the next clock edge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Literal

from hwsim.constants import Constant, load_table
from hwsim.errors import HwsimError, unknown
from hwsim.memory.technology.constants import Technology, technology

TimingScope = Literal["channel", "group", "bank"]
Command = Literal["precharge", "activate", "read", "write", "verify", "rewrite", "refresh"]
RowState = Literal["hit", "closed", "conflict"]

_EDGE = 1e-6  # of a clock: a time this little beyond an edge is meant to be on it

# Commands that precede the access itself, by what the row buffer holds.
OPENING: dict[RowState, tuple[Command, ...]] = {
    "hit": (),
    "closed": ("activate",),
    "conflict": ("precharge", "activate"),
}


@dataclass(frozen=True)
class Constraint:
    """`after` comes at least `cycles` after the `count`-th last `before`, in the same bank, group or channel."""

    scope: TimingScope
    before: Command
    after: Command
    cycles: int
    count: int = 1


@dataclass(frozen=True)
class Refresh:
    """All banks are closed and busy for `cycles`, once in `every` cycles."""

    every: int
    cycles: int

    def __post_init__(self) -> None:
        if not 0 < self.cycles < self.every:
            raise HwsimError(f"A refresh of {self.cycles} cycles does not fit into {self.every} cycles between two.")


@dataclass(frozen=True)
class Timing:
    """A memory as its controller sees it.

    Attributes:
        name: of the technology.
        clock_s: length of a cycle, s.
        word_bits: bits of an addressable word.
        banks: arrays that work at the same time.
        groups: bank groups; bank b is in group b % groups.
        burst_bits: bits that one access moves.
        burst_cycles: cycles for which it holds the data lines.
        row_bursts: bursts in a row; 0 for a memory without a row buffer.
        read_cycles: from the read command to the first data.
        write_cycles: from the write command until the cells hold the data.
        verify_cycles: of reading back what was written, inside the bank.
        constraints: what may follow what.
        refresh: refresh commands; None where nothing is refreshed.
        queue_depth: bursts that the controller looks at together.
        energy_pj: energy of each command.
        background_mw: power that flows whatever happens.
        constants: the entries of the tables that all this came from.
    """

    name: str
    clock_s: float
    word_bits: int
    banks: int
    groups: int
    burst_bits: int
    burst_cycles: int
    row_bursts: int
    read_cycles: int
    write_cycles: int
    verify_cycles: int
    constraints: tuple[Constraint, ...]
    refresh: Refresh | None
    queue_depth: int
    energy_pj: Mapping[Command, float]
    background_mw: float
    constants: tuple[Constant, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        technology: Technology,
        *,
        temperature_c: float | None = None,
        refresh: bool = True,
        capacity_bits: int | None = None,
        clock_mhz: float | None = None,
        queue_depth: int | None = None,
    ) -> Timing:
        """The timing that a technology's table gives.

        Args:
            technology: of the memory.
            temperature_c: above the table's `refresh_halved_above`, DRAM is refreshed twice as often.
            refresh: False leaves refresh out.
            capacity_bits: size of the memory, for its background power; one chip row or array if None.
            clock_mhz: clock of the controller; a DRAM has its own.
            queue_depth: bursts that the controller looks at together.

        Raises:
            HwsimError: for a technology whose table lacks what is needed, and for what is out of range.
        """
        depth = controller_constants()["queue_depth"].value if queue_depth is None else queue_depth
        if not isinstance(depth, int) or depth < 1:
            raise HwsimError(f"queue_depth = {depth!r} must be a whole number of at least 1.")
        missing = [name for name in ("read_latency", "write_latency", "access_bits") if name not in technology]
        if missing:
            raise HwsimError(f"The table of {technology.name!r} has no {missing[0]}: no controller can be timed on it.")
        if "row_precharge" in technology:
            if clock_mhz is not None:
                raise HwsimError(f"clock_mhz cannot be set: the clock of {technology.name} is half its data_rate.")
            return _row_timing(technology, depth, temperature_c, refresh, capacity_bits)
        return _array_timing(technology, depth, clock_mhz, capacity_bits)

    @property
    def has_rows(self) -> bool:
        """Whether a bank has a row buffer."""
        return self.row_bursts > 0

    @property
    def refresh_share(self) -> Fraction:
        """Share of time in which a refresh blocks the memory: tRFC / tREFI."""
        return Fraction(self.refresh.cycles, self.refresh.every) if self.refresh else Fraction(0)

    @property
    def cycles_per_burst(self) -> Fraction:
        """Cycles between two bursts of an endless read over all banks, at best."""
        if self.has_rows:
            return Fraction(self.burst_cycles)
        return max(Fraction(self.burst_cycles), Fraction(self.read_cycles, self.banks))

    @property
    def peak_bandwidth(self) -> float:
        """Bytes a second of an endless read at best: bus width x rate, less the refresh share."""
        return float(self.burst_bits * (1 - self.refresh_share) / (8 * self.cycles_per_burst)) / self.clock_s

    def unloaded_read(self, row: RowState = "hit") -> int:
        """Cycles from the arrival of a read at an idle bank to its first data.

        Args:
            row: "hit", its row is open: tCL; "closed": tRCD + tCL; "conflict", another is open: tRP + tRCD + tCL.
        """
        if row not in OPENING:
            raise unknown("row state", row, OPENING)
        chain: list[Command] = [*(OPENING[row] if self.has_rows else ()), "read"]
        gaps = (self.gap(before, after) for before, after in itertools.pairwise(chain))
        return sum(gaps) + self.read_cycles

    def gap(self, before: Command, after: Command) -> int:
        """Least cycles between two commands to one bank, by all constraints that name the two."""
        cycles = (c.cycles for c in self.constraints if (c.before, c.after, c.count) == (before, after, 1))
        return max(cycles, default=0)

    def cycle(self, time_s: float) -> int:
        """The first clock edge at or after a time."""
        return math.ceil(time_s / self.clock_s - _EDGE)


@cache
def controller_constants() -> Technology:
    """The constants of the controller itself, with their sources."""
    return technology({"name": "controller", **load_table(__package__, "defaults.toml")})


def _row_timing(
    tech: Technology, depth: int, temperature_c: float | None, refresh: bool, capacity_bits: int | None
) -> Timing:
    used: dict[str, Constant] = {}

    def number(name: str, unit: str) -> float:
        used[name] = tech[name]
        return tech[name].to(unit)

    clock_s = 2 / number("data_rate", "Hz")  # two transfers a clock

    def cycles(name: str) -> int:
        return math.ceil(number(name, "s") / clock_s - _EDGE)

    def count(name: str, unit: str = "1") -> int:
        return int(number(name, unit))

    bus, length, row = count("bus_width", "bit"), count("burst_length"), count("row_size", "bit")
    chips = bus // count("chip_width", "bit")
    burst_bits, burst = bus * length, -(-length // 2)
    if row % burst_bits:
        raise HwsimError(f"row_size = {row} bit is not a multiple of a burst's {burst_bits} bit.")
    read, write = cycles("column_latency"), cycles("write_column_latency")
    turn = cycles("bus_turnaround")
    restore = write + burst + cycles("write_recovery")
    columns: list[Constraint] = []
    neighbours: tuple[tuple[TimingScope, int, int], ...] = (
        ("channel", burst, cycles("write_to_read")),
        ("group", max(burst, cycles("burst_gap_same_group")), cycles("write_to_read_same_group")),
    )
    for scope, gap, settle in neighbours:
        columns += [
            Constraint(scope, "read", "read", gap),
            Constraint(scope, "write", "write", gap),
            Constraint(scope, "write", "read", write + burst + settle),
        ]
    rp, rcd, ras = cycles("row_precharge"), cycles("row_to_column"), cycles("row_active")
    constraints = (
        *columns,
        Constraint("channel", "read", "write", max(1, read + burst + turn - write)),
        Constraint("channel", "activate", "activate", max(1, cycles("activate_gap"))),
        Constraint("group", "activate", "activate", max(1, cycles("activate_gap_same_group"))),
        Constraint("channel", "activate", "activate", cycles("four_activates"), count=4),
        Constraint("bank", "activate", "activate", ras + rp),
        Constraint("bank", "activate", "read", rcd),
        Constraint("bank", "activate", "write", rcd),
        Constraint("bank", "activate", "precharge", ras),
        Constraint("bank", "read", "precharge", cycles("read_to_precharge")),
        Constraint("bank", "write", "precharge", restore),
        Constraint("bank", "precharge", "activate", rp),
        Constraint("channel", "precharge", "refresh", rp),
    )
    commands = None
    if refresh:
        # Refresh commands are so many a refresh of all rows; a user who refreshes rows less often sends fewer.
        interval = tech["refresh_interval"]
        used["refresh_interval"] = interval
        usual = interval.default or interval
        every = number("refresh_command_every", "s") * interval.to("s") / usual.to("s")
        hot = temperature_c is not None and temperature_c > number("refresh_halved_above", "degC")
        commands = Refresh(math.floor(every / (2 if hot else 1) / clock_s + _EDGE), cycles("refresh_command"))
        constraints += (
            Constraint("channel", "refresh", "activate", commands.cycles),
            Constraint("channel", "refresh", "refresh", commands.cycles),
        )
    transfer = number("transfer_energy", "pJ/bit") * burst_bits
    leaking = chips if capacity_bits is None else capacity_bits / number("chip_capacity", "bit")
    return Timing(
        name=tech.name,
        clock_s=clock_s,
        word_bits=count("word_bits", "bit"),
        banks=count("banks"),
        groups=count("bank_groups"),
        burst_bits=burst_bits,
        burst_cycles=burst,
        row_bursts=row // burst_bits,
        read_cycles=read,
        write_cycles=restore,
        verify_cycles=0,
        constraints=constraints,
        refresh=commands,
        queue_depth=depth,
        energy_pj={
            "precharge": 0.0,  # in the activation's
            "activate": number("activate_energy", "pJ"),
            "read": number("burst_read_energy", "pJ") + transfer,
            "write": number("burst_write_energy", "pJ") + transfer,
            "refresh": number("refresh_energy", "pJ"),
        },
        background_mw=number("leakage", "mW") * leaking,
        constants=tuple(used.values()),
    )


def _array_timing(tech: Technology, depth: int, clock_mhz: float | None, capacity_bits: int | None) -> Timing:
    used: dict[str, Constant] = {}

    def number(name: str, unit: str) -> float:
        used[name] = tech[name]
        return tech[name].to(unit)

    clock = controller_constants()["clock"]
    if clock_mhz is not None:
        clock = clock.with_value(clock_mhz)
    if clock.to("Hz") <= 0:
        raise HwsimError(f"clock_mhz = {clock_mhz!r} must be above 0.")
    used["clock"] = clock
    clock_s = 1 / clock.to("Hz")

    def cycles(name: str) -> int:
        return max(1, math.ceil(number(name, "s") / clock_s - _EDGE))

    read, write = cycles("read_latency"), cycles("write_latency")
    busy: dict[Command, int] = {"read": read, "write": write, "verify": read, "rewrite": write}
    followers: tuple[Command, ...] = ("read", "write", "verify", "rewrite")
    ports: tuple[Command, ...] = ("read", "write")  # one access a clock enters; data leave by lines of their own
    read_pj, write_pj = number("read_energy", "pJ"), number("write_energy", "pJ")
    arrays = 1.0
    if capacity_bits is not None and "array_capacity" in tech:
        arrays = capacity_bits / number("array_capacity", "bit")
    return Timing(
        name=tech.name,
        clock_s=clock_s,
        word_bits=int(number("word_bits", "bit")),
        banks=int(number("banks", "1")),
        groups=1,
        burst_bits=int(number("access_bits", "bit")),
        burst_cycles=1,
        row_bursts=0,
        read_cycles=read,
        write_cycles=write,
        verify_cycles=read,
        constraints=(
            *(Constraint("channel", before, after, 1) for before in ports for after in ports),
            *(Constraint("bank", before, after, busy[before]) for before in busy for after in followers),
        ),
        refresh=None,
        queue_depth=depth,
        energy_pj={"read": read_pj, "write": write_pj, "verify": read_pj, "rewrite": write_pj},
        background_mw=(number("leakage", "mW") if "leakage" in tech else 0.0) * arrays,
        constants=tuple(used.values()),
    )
