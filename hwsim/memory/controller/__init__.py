"""The memory controller: what reading and writing a memory costs in time and energy, on SimPy.

`Timing.of(technology)` is the memory as a timing table, `Controller(timing).simulate(streams)` serves streams of
bursts and reports cycles, bandwidth, latency, row hits, refresh and energy.
"""

from __future__ import annotations

from hwsim.memory.controller.channel import Channel, Service, Skipped
from hwsim.memory.controller.commands import Commands
from hwsim.memory.controller.controller import Controller
from hwsim.memory.controller.report import Latency, TrafficReport
from hwsim.memory.controller.stream import Scrub, Stream, expected_tries, write_tries
from hwsim.memory.controller.timing import Constraint, Refresh, Timing

__all__ = [
    "Channel",
    "Commands",
    "Constraint",
    "Controller",
    "Latency",
    "Refresh",
    "Scrub",
    "Service",
    "Skipped",
    "Stream",
    "Timing",
    "TrafficReport",
    "expected_tries",
    "write_tries",
]
