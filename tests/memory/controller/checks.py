"""Checks that say what was expected, what was measured, and how far apart they are. Each docstring is the formula."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from hwsim.memory.controller import Controller, Latency, Stream, Timing, TrafficReport


class Check(NamedTuple):
    expected: Fraction | int
    measured: Fraction | int

    @property
    def deviation(self) -> Fraction | int:
        return self.measured - self.expected


def unloaded_latency(timing: Timing, row: str) -> Check:
    """hit: tCL; closed: tRCD + tCL; conflict: tRP + tRCD + tCL; from arrival to the first data."""
    rp, rcd, cl = timing.gap("precharge", "activate"), timing.gap("activate", "read"), timing.read_cycles
    expected = {"hit": cl, "closed": rcd + cl, "conflict": rp + rcd + cl}[row]
    burst = timing.burst_bits // timing.word_bits  # words of a burst
    other_row = timing.row_bursts * timing.banks * burst
    late = 1000 * timing.clock_s  # long after the first read has ended
    first = {"hit": [Stream("read", 0, burst)], "closed": [], "conflict": [Stream("read", other_row, burst)]}[row]
    last = Controller(timing).simulate([*first, Stream("read", 0, burst, at_s=late)]).latency["read"]
    latencies = expand(last)
    if first:
        latencies.remove(rcd + cl)  # the first read's, which finds all rows closed
    (measured,) = latencies
    return Check(expected, measured)


def expand(latency: Latency) -> list[int]:
    """The latency of each burst, sorted."""
    return sorted(cycles for cycles, n in latency.counts.items() for _ in range(n))


def stream_cycles(timing: Timing, bursts: int) -> Check:
    """No refresh, one row of each bank: first access + bursts x burst, and by how much the last row opens too late.

    Row k opens in cycle (k // 4) tFAW + (k % 4) tRRD, and burst k would use it in cycle k x burst.
    """
    first, late = timing.read_cycles, 0
    if timing.has_rows:
        first += timing.gap("activate", "read")
        lines = {(c.scope, c.before, c.after, c.count): c.cycles for c in timing.constraints}
        four, gap = lines["channel", "activate", "activate", 4], lines["channel", "activate", "activate", 1]
        rows = range(min(bursts, timing.banks))
        late = max(k // 4 * four + k % 4 * gap - k * timing.burst_cycles for k in rows)
    report = Controller(timing).stream_read(bursts * timing.burst_bits // timing.word_bits)
    return Check(first + bursts * timing.burst_cycles + late, report.cycles)


def peak_bandwidth(timing: Timing, bus_bits: int, rate: Fraction) -> Check:
    """bus width x rate / 8, less tRFC / tREFI."""
    share = Fraction(timing.refresh.cycles, timing.refresh.every) if timing.refresh else Fraction(0)
    return Check(bus_bits * rate * (1 - share) / 8, Fraction(timing.peak_bandwidth).limit_denominator(10**6))


def refreshes(timing: Timing, report: TrafficReport, last_command: int) -> Check:
    """One for each multiple of tREFI up to the last read or write command."""
    assert timing.refresh is not None
    return Check(last_command // timing.refresh.every, report.commands.get("refresh", 0))
