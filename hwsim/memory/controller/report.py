"""What the traffic of a run took: time, bandwidth, latency, energy and counts, all from the accesses themselves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hwsim.memory.controller.stream import Access
from hwsim.memory.controller.timing import Command, RowState, Timing


@dataclass(frozen=True)
class Latency:
    """Cycles from the arrival of a burst to its answer: a read's first data, a write held by the cells.

    Attributes:
        counts: {cycles: how many bursts waited so long}.
    """

    counts: Mapping[int, int]

    @cached_property
    def bursts(self) -> int:
        """Number of bursts."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Mean; NaN of none."""
        return sum(cycles * n for cycles, n in self.counts.items()) / self.bursts if self.bursts else math.nan

    @property
    def least(self) -> int:
        """The shortest; 0 of none."""
        return min(self.counts, default=0)

    @property
    def most(self) -> int:
        """The longest; 0 of none."""
        return max(self.counts, default=0)

    def quantile(self, share: float) -> int:
        """The least number of cycles within which at least this share of the bursts was answered."""
        seen = 0
        for cycles in sorted(self.counts):
            seen += self.counts[cycles]
            if seen >= share * self.bursts:
                return cycles
        return self.most


@dataclass(frozen=True)
class TrafficReport:
    """What a run of a `Controller` took.

    Attributes:
        timing: of the memory.
        cycles: from cycle 0 to the end of the last burst asked for.
        bits_requested: bits asked for; what a burst moves beyond them is not in it.
        bursts: bursts of the streams, by operation.
        scrub_bursts: bursts of the scrub, by operation.
        latency: of the streams' bursts, by operation.
        rows: accesses by what the row buffer held, scrub included.
        commands: commands by kind, scrub and refresh included.
        bank_bursts: bursts of each bank.
        bank_cycles: cycles for which each bank moved data or, without a row buffer, was busy.
    """

    timing: Timing
    cycles: int
    bits_requested: int
    bursts: Mapping[Access, int]
    scrub_bursts: Mapping[Access, int]
    latency: Mapping[Access, Latency]
    rows: Mapping[RowState, int]
    commands: Mapping[Command, int]
    bank_bursts: tuple[int, ...]
    bank_cycles: tuple[int, ...]

    @property
    def time_s(self) -> float:
        """Length of the run, s."""
        return self.cycles * self.timing.clock_s

    @property
    def bytes_requested(self) -> float:
        """Bytes asked for."""
        return self.bits_requested / 8

    @property
    def bytes_moved(self) -> float:
        """Bytes that crossed the data lines, scrub included."""
        return sum(self.bank_bursts) * self.timing.burst_bits / 8

    @property
    def bandwidth(self) -> float:
        """Bytes asked for a second."""
        return self.bytes_requested / self.time_s if self.cycles else 0.0

    @property
    def bandwidth_share(self) -> float:
        """Bandwidth as a share of the peak."""
        return self.bandwidth / self.timing.peak_bandwidth

    @property
    def refresh_share(self) -> float:
        """Share of the run in which a refresh blocked the memory."""
        refresh = self.timing.refresh
        return self.commands.get("refresh", 0) * refresh.cycles / self.cycles if refresh and self.cycles else 0.0

    @property
    def scrub_share(self) -> float:
        """Share of the bursts that were the scrub's."""
        return sum(self.scrub_bursts.values()) / max(1, sum(self.bank_bursts))

    @property
    def bank_utilisation(self) -> tuple[float, ...]:
        """Share of the run for which each bank moved data or, without a row buffer, was busy."""
        return tuple(cycles / self.cycles if self.cycles else 0.0 for cycles in self.bank_cycles)

    @property
    def energy_pj(self) -> dict[str, float]:
        """Energy by kind of command, and "background": each is a count times the energy of one, or power x time."""
        energy: dict[str, float] = {
            kind: count * self.timing.energy_pj[kind]
            for kind, count in sorted(self.commands.items())
            if self.timing.energy_pj[kind]
        }
        return energy | {"background": self.timing.background_mw * self.time_s * 1e9}  # mW s to pJ

    @property
    def total_energy_pj(self) -> float:
        """Sum of `energy_pj`."""
        return sum(self.energy_pj.values())

    def __str__(self) -> str:
        ns = self.timing.clock_s * 1e9
        lines = [
            f"{self.timing.name}: {self.cycles:,} cycles of {ns:.4g} ns, {self.time_s * 1e6:,.4g} us",
            f"  bandwidth    {self.bandwidth / 1e9:.4g} GB/s, {self.bandwidth_share:.1%} of the peak",
        ]
        for operation, latency in self.latency.items():
            if latency.bursts:
                lines.append(
                    f"  {operation + 's':<12} {latency.bursts:,} bursts, latency {latency.least * ns:.4g} to "
                    f"{latency.most * ns:.4g} ns, mean {latency.mean * ns:.4g}, 99 % within "
                    f"{latency.quantile(0.99) * ns:.4g}"
                )
        if sum(self.rows.values()):
            lines.append("  rows         " + ", ".join(f"{self.rows.get(s, 0):,} {s}" for s in _ROWS))
        if self.timing.refresh:
            lines.append(f"  refresh      {self.commands.get('refresh', 0):,} times, {self.refresh_share:.2%} of time")
        if sum(self.scrub_bursts.values()):
            lines.append(f"  scrub        {sum(self.scrub_bursts.values()):,} bursts, {self.scrub_share:.2%} of all")
        banks = self.bank_utilisation
        lines.append(f"  banks        {len(banks)}, used {min(banks):.1%} to {max(banks):.1%} of the time")
        parts = ", ".join(f"{kind} {energy / 1e6:.4g}" for kind, energy in self.energy_pj.items())
        lines.append(f"  energy       {self.total_energy_pj / 1e6:.4g} uJ: {parts}")
        return "\n".join(lines)


_ROWS: tuple[RowState, ...] = ("hit", "closed", "conflict")


def tally(counts: Counter[int]) -> Latency:
    """A latency, in order of cycles."""
    return Latency(dict(sorted(counts.items())))
