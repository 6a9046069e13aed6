"""Equal streams give equal reports; bursts served together give what bursts served one by one give."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.memory.controller import Channel, Controller, Scrub, Stream, Timing, TrafficReport
from hwsim.memory.technology.constants import technology


def numbers(report: TrafficReport) -> dict[str, Any]:
    found = asdict(replace(report, timing=None))  # type: ignore[arg-type]
    return {name: value for name, value in found.items() if name != "timing"}


@pytest.mark.parametrize("name", ["dram", "dram/hbm2", "sram", "stt_mram", "pcm"])
@given(
    operation=st.sampled_from(["read", "write"]),
    first=st.integers(0, 200_000),
    words=st.integers(0, 60_000),
    depth=st.sampled_from([1, 2, 7, 32, 64]),
    per_bank=st.sampled_from([1, 1, 1, 4]),
)
@settings(max_examples=25, deadline=None)
def test_bursts_served_together_change_nothing(
    name: str, operation: Any, first: int, words: int, depth: int, per_bank: int
) -> None:
    timing = Timing.of(technology(name), queue_depth=depth)
    stream = Stream(operation, first, words if timing.has_rows else words // 8, at_s=3e-6)
    reports = [
        Controller(timing, one_by_one=slow, bursts_per_bank=per_bank).simulate([stream]) for slow in (True, False)
    ]
    assert numbers(reports[0]) == numbers(reports[1])


def test_a_long_stream_is_served_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """730,000 bursts, the FP32 weights of a ResNet18: the bursts that get an event of their own are few."""
    calls = 0
    serve = Channel.serve

    def counted(self: Channel, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        return serve(self, *args)

    monkeypatch.setattr(Channel, "serve", counted)
    report = Controller(Timing.of(technology("dram"))).stream_read(11_689_512, word_bits=32)
    assert report.bursts == {"read": 730_595}
    assert calls < 730_595 / 8


def test_equal_streams_give_equal_reports() -> None:
    timing = Timing.of(technology("dram"))
    streams = [
        Stream("read", 0, 3000),
        Stream("write", 50_000, 2000, every_s=13e-9),
        Stream("read", 9_000, 1000, at_s=2e-6, every_s=50e-9),
    ]
    first, second = (
        Controller(timing, scrub=Scrub(1e-3, 100_000), bursts_per_bank=4).simulate(streams) for _ in range(2)
    )
    assert numbers(first) == numbers(second)
    assert str(first) == str(second)


def test_a_burst_is_counted_once_in_every_account() -> None:
    timing = Timing.of(technology("dram"))
    streams = [Stream("read", 0, 3000), Stream("write", 50_000, 2000, every_s=13e-9)]
    report = Controller(timing, scrub=Scrub(1e-3, 100_000)).simulate(streams)
    asked, scrubbed = sum(report.bursts.values()), sum(report.scrub_bursts.values())
    assert asked == 3000 // 8 + 2000 // 8
    assert sum(latency.bursts for latency in report.latency.values()) == asked
    assert sum(report.rows.values()) == sum(report.bank_bursts) == asked + scrubbed
    assert report.commands["read"] + report.commands["write"] == asked + scrubbed
    assert report.commands["activate"] == report.rows["closed"] + report.rows["conflict"]


def test_more_traffic_never_makes_a_stream_faster() -> None:
    timing = Timing.of(technology("dram"))
    alone = Controller(timing).simulate([Stream("read", 0, 8000)])
    both = Controller(timing).simulate([Stream("read", 0, 8000), Stream("write", 100_000, 4000)])
    assert both.cycles > alone.cycles
    assert both.latency["read"].mean > alone.latency["read"].mean


def test_latency_has_the_quantiles_of_its_counts() -> None:
    report = Controller(Timing.of(technology("dram"))).stream_read(8 * 500)
    waits = sorted(cycles for cycles, n in report.latency["read"].counts.items() for _ in range(n))
    latency = report.latency["read"]
    assert (latency.least, latency.most, latency.bursts) == (waits[0], waits[-1], 500)
    assert latency.quantile(0.5) == waits[249]
    assert latency.quantile(0.99) == waits[494]
    assert latency.quantile(1.0) == waits[-1]
    assert latency.mean == pytest.approx(sum(waits) / 500)
