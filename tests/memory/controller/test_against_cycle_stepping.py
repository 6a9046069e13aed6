"""The controller, one event a burst, sends every command in the cycle in which a channel stepped by cycles sends it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.memory.controller import Channel, Refresh, Timing
from hwsim.memory.technology.constants import technology
from tests.memory.controller.stepper import Ask, Step, Stepper

ASKS = st.lists(
    st.tuples(st.sampled_from(["read", "write"]), st.integers(0, 40), st.sampled_from([0, 0, 0, 1, 7, 60, 300])),
    min_size=1,
    max_size=14,
)


def timing_of(name: str, refresh: Refresh | None, depth: int, banks: int) -> Timing:
    timing = Timing.of(technology(name))
    if not timing.has_rows:
        return replace(timing, banks=banks, queue_depth=depth)
    constraints = tuple(
        replace(c, cycles=refresh.cycles) if refresh and c.before == "refresh" else c for c in timing.constraints
    )
    return replace(
        timing, banks=banks, groups=2, row_bursts=4, queue_depth=depth, refresh=refresh, constraints=constraints
    )


@pytest.mark.parametrize("name", ["dram", "dram/hbm2", "sram", "pcm"])
@given(
    asked=ASKS,
    refresh=st.sampled_from([None, Refresh(180, 40), Refresh(333, 100)]),
    depth=st.sampled_from([1, 2, 5, 32]),
    banks=st.sampled_from([2, 4]),
    per_bank=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=100, deadline=None)
def test_every_burst_has_its_command_and_its_data_in_the_same_cycle(
    name: str,
    asked: list[tuple[str, int, int]],
    refresh: Refresh | None,
    depth: int,
    banks: int,
    per_bank: int,
) -> None:
    timing = timing_of(name, refresh, depth, banks)
    asks, now = [], 0
    for operation, burst, gap in asked:
        now += gap
        asks.append(Ask(operation, burst, now))
    stepper = Stepper(timing, per_bank)
    expected = stepper.run(asks)
    channel, found, now = Channel(timing, per_bank), [], 0
    for ask in asks:
        now = channel.accepts_at(max(now, ask.arrival))
        service = channel.serve(ask.operation, ask.burst, now)  # type: ignore[arg-type]
        found.append(Step(now, service.command, service.answer, service.end))
    assert found == expected
    assert channel.commands == Counter(command for _, command, _ in stepper.log)
