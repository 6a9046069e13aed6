"""What a memory lives through: heat, voltage and activity over the years, and when it is written, scrubbed and read.

A `Mission` repeats a profile of phases. Nothing here steps through it: how long a memory spent under each condition
between two moments follows in closed form, and is exact, since time is counted in whole nanoseconds. What ages a
memory (one integral for each activation energy) is then a sum over the few distinct conditions, an `Exposure`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.constants.units import ZERO_CELSIUS_K
from hwsim.errors import HwsimError
from hwsim.memory.physics.common import acceleration

Ticks = NDArray[np.int64]

TICKS_PER_S = 10**9  # life is counted in nanoseconds; access times, which may be shorter, are not part of it
LONGEST_LIFE_S = 290 * 365.25 * 86400  # what a 64-bit count of them holds, nearly
MOST_EVENTS = 10**7  # scrubs or rewrites in a mission: one a minute for 19 years; each takes some bytes of tables


def to_ticks(name: str, seconds: float) -> int:
    """A time as a whole number of nanoseconds.

    Raises:
        HwsimError: for a negative time, and one beyond 290 years.
    """
    if not 0 <= seconds <= LONGEST_LIFE_S:
        wrong = "goes back in time" if seconds < 0 else "is more than the 290 years that can be simulated"
        raise HwsimError(f"{name} = {seconds!r} s {wrong}: give from 0 s to 290 years.")
    return round(seconds * TICKS_PER_S)


@dataclass(frozen=True)
class Condition:
    """Under what a memory is for a while.

    Attributes:
        temperature_c: temperature of the cells, degC.
        voltage_v: supply voltage, V; None for the technology's nominal one.
        duty: share of the time that the cells are under stress, 0 to 1.
        powered: whether the memory has power; without it there is neither refresh nor scrubbing.
        refresh_every_s: time between two refreshes, s; None for the technology's own.
        reads_per_s: how often each word is read, 1/s.

    Raises:
        HwsimError: for a temperature at or below absolute zero and for other values out of range.
    """

    temperature_c: float = 25.0
    voltage_v: float | None = None
    duty: float = 1.0
    powered: bool = True
    refresh_every_s: float | None = None
    reads_per_s: float = 0.0

    def __post_init__(self) -> None:
        if not -ZERO_CELSIUS_K < self.temperature_c < math.inf:
            raise HwsimError(
                f"temperature_c = {self.temperature_c:g} is not a temperature: absolute zero is {-ZERO_CELSIUS_K} "
                "degC, give more."
            )
        if self.voltage_v is not None and not 0 <= self.voltage_v < math.inf:
            raise HwsimError(f"voltage_v = {self.voltage_v!r} is not a supply voltage: give at least 0 V.")
        if not 0 <= self.duty <= 1:
            raise HwsimError(f"duty = {self.duty!r} is not a share of time: give a number from 0 to 1.")
        if self.refresh_every_s is not None and not 0 < self.refresh_every_s < math.inf:
            raise HwsimError(f"refresh_every_s = {self.refresh_every_s!r} is no interval: give more than 0 s.")
        if not 0 <= self.reads_per_s < math.inf:
            raise HwsimError(f"reads_per_s = {self.reads_per_s!r} is no rate of reads: give at least 0.")

    def __str__(self) -> str:
        parts = [f"{self.temperature_c:g} degC"]
        if self.voltage_v is not None:
            parts.append(f"{self.voltage_v:g} V")
        if self.duty != 1:
            parts.append(f"duty {self.duty:g}")
        if self.refresh_every_s is not None:
            parts.append(f"refresh every {self.refresh_every_s:g} s")
        if self.reads_per_s:
            parts.append(f"{self.reads_per_s:g} reads/s")
        return ", ".join(parts if self.powered else [*parts, "without power"])


class Exposure(Mapping[Condition, float]):
    """How long, in seconds, a memory was under each condition; the order is not known, and no integral needs it.

    A mapping from condition to seconds. Exposures add up exactly: they count whole nanoseconds.
    """

    def __init__(self, seconds: Mapping[Condition, float] | None = None) -> None:
        ticks = {one: to_ticks(f"time at {one}", value) for one, value in (seconds or {}).items()}
        self._ticks = {one: count for one, count in ticks.items() if count}

    @classmethod
    def of_ticks(cls, ticks: Iterable[tuple[Condition, int]]) -> Exposure:
        """From nanoseconds; a condition may come more than once."""
        exposure = cls()
        for condition, count in ticks:
            if count:
                exposure._ticks[condition] = exposure._ticks.get(condition, 0) + count
        return exposure

    @property
    def ticks(self) -> int:
        """The whole duration, in nanoseconds."""
        return sum(self._ticks.values())

    @property
    def duration_s(self) -> float:
        """The whole duration, s."""
        return self.ticks / TICKS_PER_S

    @property
    def hottest_c(self) -> float:
        """The highest temperature met, degC; minus infinity if no time has passed."""
        return max((condition.temperature_c for condition in self), default=-math.inf)

    def integral(self, rate: Callable[[Condition], float]) -> float:
        """Sum of `rate(condition)` times the seconds under it; the same whatever the order of conditions was."""
        return math.fsum(float(rate(condition)) * seconds for condition, seconds in self.items())

    def equivalent_time_s(self, activation_energy_ev: float, reference_c: float) -> float:
        """Seconds at `reference_c` that age a cell as much, for a process of one activation energy (Arrhenius)."""
        return self.integral(lambda one: float(acceleration(one.temperature_c, reference_c, activation_energy_ev)))

    @property
    def reads(self) -> float:
        """How often each word was read by what `Condition.reads_per_s` says."""
        return self.integral(lambda condition: condition.reads_per_s)

    def __getitem__(self, condition: Condition) -> float:
        return self._ticks[condition] / TICKS_PER_S

    def __iter__(self) -> Iterator[Condition]:
        return iter(self._ticks)

    def __len__(self) -> int:
        return len(self._ticks)

    def __add__(self, other: Exposure) -> Exposure:
        return Exposure.of_ticks([*self._ticks.items(), *other._ticks.items()])

    def __sub__(self, earlier: Exposure) -> Exposure:
        """What came after `earlier`, which is part of this."""
        return Exposure.of_ticks([*self._ticks.items(), *((one, -count) for one, count in earlier._ticks.items())])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exposure) and self._ticks == other._ticks

    def __hash__(self) -> int:
        return hash(frozenset(self._ticks.items()))

    def __repr__(self) -> str:
        parts = "; ".join(f"{seconds:g} s at {condition}" for condition, seconds in self.items())
        return f"<Exposure: {parts or 'none'}>"


class Lives(NamedTuple):
    """What a memory had lived through where neighbouring intervals of its life meet.

    Attributes:
        conditions: the conditions.
        seconds: (intervals + 1, conditions) since it was new: at the beginning of the first, and at the end of each.
    """

    conditions: tuple[Condition, ...]
    seconds: NDArray[np.float64]

    @classmethod
    def of_one(cls, begin: Exposure, end: Exposure) -> Lives:
        """Those of a single interval."""
        conditions = tuple(end)
        rows = [[exposure.get(condition, 0.0) for condition in conditions] for exposure in (begin, end)]
        return cls(conditions, np.array(rows))


@dataclass(frozen=True)
class Phase:
    """A stretch of time under one condition.

    Attributes:
        duration_s: how long, s; more than 0.
        condition: under what.

    Raises:
        HwsimError: for a duration that is not above zero.
    """

    duration_s: float
    condition: Condition = field(default_factory=Condition)

    def __post_init__(self) -> None:
        if to_ticks("duration of a phase", self.duration_s) < 1:
            raise HwsimError(f"A phase of {self.duration_s!r} s takes no time: give more than 0 s.")


@dataclass(frozen=True)
class Mission:
    """A profile of phases, repeated, and what happens to the memory at which time since its beginning.

    At one moment a read comes first, then a rewrite, then a scrub. While the memory has no power it is neither
    rewritten nor scrubbed.

    Attributes:
        phases: the profile, in order.
        repeat_for_s: how long it is repeated, s; None for once. The last repetition may be cut short.
        write_at_s: when the memory is written first.
        read_at_s: when it is read, in order.
        scrub_every_s: time between two scrubs, counted from the first write; None for no scrubbing.
        rewrite_every_s: time between two rewrites of the same words from elsewhere, counted in the same way.

    Raises:
        HwsimError: for a profile without phases or one that goes back in time, a read before the write, an event
            after the end, and more scrubs or rewrites than ten million.
    """

    phases: tuple[Phase, ...]
    repeat_for_s: float | None = None
    write_at_s: float = 0.0
    read_at_s: tuple[float, ...] = ()
    scrub_every_s: float | None = None
    rewrite_every_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "phases", tuple(self.phases))
        object.__setattr__(self, "read_at_s", tuple(self.read_at_s))
        if not self.phases:
            raise HwsimError("A mission has no phases: give at least one, with a duration and a temperature.")
        end = to_ticks("repeat_for_s", self.duration_s)
        write = to_ticks("write_at_s", self.write_at_s)
        before, last = write, "the write"
        for read_s in self.read_at_s:
            read = to_ticks("read_at_s", read_s)
            if read < before:
                raise HwsimError(
                    f"read_at_s = {read_s:g} s comes before {last} at {before / TICKS_PER_S:g} s: give the times in "
                    "order, the write first."
                )
            before, last = read, "the read"
        if before > end:
            raise HwsimError(
                f"{last.removeprefix('the ').capitalize()} at {before / TICKS_PER_S:g} s comes after the end of the "
                f"mission at {self.duration_s:g} s: repeat the profile for longer."
            )
        for name in ("scrub_every_s", "rewrite_every_s"):
            every = getattr(self, name)
            if every is None:
                continue
            if to_ticks(name, every) < 1:
                raise HwsimError(f"{name} = {every!r} is no interval: give more than 0 s.")
            if (end - write) // to_ticks(name, every) > MOST_EVENTS:
                raise HwsimError(
                    f"{name} = {every:g} s comes {(end - write) / TICKS_PER_S / every:.2g} times in this mission, more "
                    f"than the {MOST_EVENTS:,} that can be simulated: give a longer interval, or a shorter mission."
                )

    @classmethod
    def constant(cls, condition: Condition, duration_s: float, **events: object) -> Mission:
        """A mission under one condition; `events` are further attributes."""
        return replace(cls((Phase(duration_s, condition),)), **events)  # type: ignore[arg-type]

    @property
    def duration_s(self) -> float:
        """When the mission ends, s."""
        return self.period_s if self.repeat_for_s is None else self.repeat_for_s

    @property
    def period_s(self) -> float:
        """Duration of the profile, s."""
        return int(self._edges[-1]) / TICKS_PER_S

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The distinct conditions, in order of appearance."""
        return tuple(dict.fromkeys(phase.condition for phase in self.phases))

    @cached_property
    def _edges(self) -> Ticks:
        """Where phases begin and the profile ends."""
        durations = [to_ticks("duration of a phase", phase.duration_s) for phase in self.phases]
        to_ticks("duration of the profile", sum(durations) / TICKS_PER_S)
        return np.concatenate([[0], np.cumsum(durations)]).astype(np.int64)

    @cached_property
    def _sums(self) -> Ticks:
        """(edge, condition): nanoseconds under each condition from the beginning of the profile to each edge."""
        which = np.array([self.conditions.index(phase.condition) for phase in self.phases])
        spent = np.zeros((len(self.phases) + 1, len(self.conditions)), np.int64)
        spent[np.arange(1, len(spent)), which] = np.diff(self._edges)
        return np.cumsum(spent, axis=0)

    def elapsed(self, ticks: Ticks) -> Ticks:
        """(moment, condition): nanoseconds spent under each of `conditions` from the beginning to each moment.

        Args:
            ticks: the moments, nanoseconds from the beginning; one dimension.
        """
        rounds, rest = np.divmod(np.asarray(ticks, np.int64), self._edges[-1])
        phase = np.clip(self._edges.searchsorted(rest, "right") - 1, 0, len(self.phases) - 1)
        which = np.array([self.conditions.index(one.condition) for one in self.phases])[phase]
        spent = rounds[:, None] * self._sums[-1] + self._sums[phase]
        spent[np.arange(len(rest)), which] += rest - self._edges[phase]
        return spent

    def exposure(self, start_s: float, stop_s: float) -> Exposure:
        """What a memory lives through from `start_s` to `stop_s`, in closed form.

        Raises:
            HwsimError: if that goes back in time, or beyond the end of the mission.
        """
        start, stop = to_ticks("start_s", start_s), to_ticks("stop_s", stop_s)
        if stop < start:
            raise HwsimError(f"stop_s = {stop_s:g} s is before start_s = {start_s:g} s: time does not go back.")
        if stop > to_ticks("repeat_for_s", self.duration_s):
            raise HwsimError(f"stop_s = {stop_s:g} s is after the end of the mission at {self.duration_s:g} s.")
        return self.exposure_ticks(start, stop)

    def exposure_ticks(self, start: int, stop: int) -> Exposure:
        """The same from and to nanoseconds, unchecked."""
        before, after = self.elapsed(np.array([start, stop]))
        return Exposure.of_ticks(zip(self.conditions, (after - before).tolist(), strict=True))

    def condition_at(self, time_s: float) -> Condition:
        """The condition that a memory is under when a moment comes: where two phases meet, the one that ends."""
        return self.conditions[int(self.conditions_at(np.array([to_ticks("time_s", time_s)]))[0])]

    def conditions_at(self, ticks: Ticks) -> NDArray[np.int64]:
        """The same for many moments, as indices of `conditions`."""
        ticks = np.asarray(ticks, np.int64)
        rest = np.where(ticks > 0, (ticks - 1) % self._edges[-1], 0)
        phase = self._edges.searchsorted(rest, "right") - 1
        return np.array([self.conditions.index(one.condition) for one in self.phases])[phase]

    def events(self, every_s: float | None, start: int, stop: int) -> Ticks:
        """Moments from `start` to before `stop`, nanoseconds, at which what happens `every_s` does: with power only."""
        if every_s is None:
            return np.empty(0, np.int64)
        origin, every = to_ticks("write_at_s", self.write_at_s), to_ticks("interval", every_s)
        first = max(1, -((origin - start) // every))
        ticks = origin + every * np.arange(first, max(first, -((origin - stop) // every)), dtype=np.int64)
        powered = np.array([condition.powered for condition in self.conditions])
        return ticks[powered[self.conditions_at(ticks)]]
