"""Latency, bandwidth, refresh, scrub and energy equal their closed forms, in whole cycles."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory.controller import Controller, Scrub, Stream, Timing, expected_tries, write_tries
from hwsim.memory.technology.constants import technology
from tests.memory.controller import checks

ROWS = ["hit", "closed", "conflict"]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ["dram", "dram/hbm2"])
def test_an_unloaded_read_takes_its_commands_and_no_cycle_more(name: str, row: str) -> None:
    timing = Timing.of(technology(name), refresh=False)
    check = checks.unloaded_latency(timing, row)
    assert check.deviation == 0
    assert timing.unloaded_read(row) == check.expected  # type: ignore[arg-type]


def test_an_unloaded_conflict_on_ddr4_2400_takes_48_clocks() -> None:
    assert Timing.of(technology("dram")).unloaded_read("conflict") == 16 + 16 + 16


@pytest.mark.parametrize(("name", "cycles"), [("sram", 5), ("stt_mram", 1), ("pcm/worst", 3), ("nand_tlc", 75_000)])
def test_an_unloaded_read_without_rows_takes_the_read_latency(name: str, cycles: int) -> None:
    timing = Timing.of(technology(name))
    assert timing.unloaded_read("conflict") == cycles
    report = Controller(timing).simulate([Stream("read", 0, 1)])
    assert dict(report.latency["read"].counts) == {cycles: 1}


@pytest.mark.parametrize("bursts", [1, 2, 15, 16, 17, 1000, 2048])
@pytest.mark.parametrize("name", ["dram", "dram/hbm2", "sram", "stt_mram"])
def test_a_stream_moves_a_burst_in_every_slot_of_the_bus(name: str, bursts: int) -> None:
    timing = Timing.of(technology(name), refresh=False)
    if timing.has_rows:
        bursts = min(bursts, timing.row_bursts * timing.banks)
    check = checks.stream_cycles(timing, bursts)
    assert check.deviation == 0


@pytest.mark.parametrize(
    ("name", "bus", "rate"),
    [("dram", 64, Fraction(2400 * 10**6)), ("dram/hbm2", 64, Fraction(2000 * 10**6)), ("sram", 64, Fraction(10**9))],
)
@pytest.mark.parametrize("refresh", [False, True])
def test_peak_bandwidth_is_bus_width_times_rate_less_the_refresh_share(
    name: str, bus: int, rate: Fraction, refresh: bool
) -> None:
    check = checks.peak_bandwidth(Timing.of(technology(name), refresh=refresh), bus, rate)
    assert abs(check.deviation) <= check.expected / 10**12  # the peak is a float


def test_a_long_stream_without_row_changes_reaches_the_peak() -> None:
    """A row of 2^20 bursts: once all banks have opened theirs, a burst follows a burst."""
    timing = Timing.of(technology("dram").override({"row_size": 512 << 20}), refresh=False)
    bursts = 10**6
    report = Controller(timing).stream_read(bursts * 8)
    assert report.cycles == checks.stream_cycles(timing, bursts).expected == 62 + 4 * bursts
    assert report.bandwidth == pytest.approx(timing.peak_bandwidth * 4 * bursts / report.cycles, rel=1e-12)


def test_each_refresh_of_a_stream_costs_what_its_commands_take() -> None:
    """One open bank: read to precharge, tRP, tRFC, tRCD, then on; the rest of each interval moves bursts.

    With one bank the bursts are tCCD_L apart. The last one goes out before the refresh is due, at most a gap before.
    """
    timing = Timing.of(technology("dram").override({"row_size": 512 << 20, "banks": 1, "bank_groups": 1}))
    assert timing.refresh is not None
    every, gap = timing.refresh.every, timing.gap("read", "read")
    command, refreshes, bursts = 16, 0, 200_000
    due = every
    for _ in range(bursts - 1):
        following = command + gap
        if following >= due:
            precharge = max(due, command + timing.gap("read", "precharge"))
            following = precharge + 16 + timing.refresh.cycles + 16
            refreshes, due = refreshes + 1, due + every
        command = following
    report = Controller(timing, one_by_one=True).stream_read(bursts * 8)
    assert report.cycles == command + 16 + 4
    assert report.commands["refresh"] == refreshes
    assert checks.refreshes(timing, report, command).deviation == 0


@pytest.mark.parametrize("name", ["dram", "dram/hbm2"])
def test_the_share_of_refresh_is_exact_over_a_long_run(name: str) -> None:
    timing = Timing.of(technology(name))
    assert timing.refresh is not None
    bursts = 10**6
    report = Controller(timing).stream_read(bursts * timing.burst_bits // 64)
    due = (report.cycles - timing.read_cycles - timing.burst_cycles) // timing.refresh.every
    assert report.commands["refresh"] == due
    share = Fraction(due * timing.refresh.cycles, report.cycles)
    assert report.refresh_share == pytest.approx(float(share), rel=1e-15)
    assert abs(share - timing.refresh_share) < Fraction(timing.refresh.cycles, report.cycles)


def test_a_memory_left_alone_is_refreshed_all_the_time() -> None:
    timing = Timing.of(technology("dram"))
    assert timing.refresh is not None
    late = 5.0  # seconds: 640,000 refreshes
    report = Controller(timing).simulate([Stream("read", 0, 8), Stream("read", 0, 8, at_s=late)])
    assert report.commands["refresh"] == timing.cycle(late) // timing.refresh.every
    assert report.rows == {"closed": 2}
    assert max(report.latency["read"].counts) <= 32 + 16 + timing.refresh.cycles


def test_rows_are_counted_by_what_the_buffer_held() -> None:
    """One bank, two rows, refresh off: a row opened once, left and entered again."""
    timing = Timing.of(technology("dram").override({"banks": 1, "bank_groups": 1}), refresh=False)
    row = timing.row_bursts * 8  # words
    order = [0, 1, row, row + 8, 3]
    streams = [Stream("read", word, 1, at_s=i * 1e-6) for i, word in enumerate(order)]
    report = Controller(timing).simulate(streams)
    assert report.rows == {"closed": 1, "hit": 2, "conflict": 2}
    assert report.commands == {"activate": 3, "precharge": 2, "read": 5}


def test_words_are_spread_over_banks_or_kept_in_one() -> None:
    timing = Timing.of(technology("dram"), refresh=False)
    spread = Controller(timing).stream_read(8 * 64)
    kept = Controller(timing, bursts_per_bank=64).stream_read(8 * 64)
    assert spread.bank_bursts == (4,) * 16
    assert kept.bank_bursts == (64, *(0,) * 15)
    assert spread.cycles == checks.stream_cycles(timing, 64).expected
    assert kept.cycles == 16 + 63 * 6 + 4 + 16  # bursts of one bank are tCCD_L apart


@pytest.mark.parametrize("name", ["dram", "dram/hbm2", "sram", "stt_mram"])
def test_energy_is_the_sum_of_the_counted_accesses(name: str) -> None:
    timing = Timing.of(technology(name))
    streams = [Stream("read", 0, 5000), Stream("write", 9000, 3000, every_s=20e-9), Stream("read", 77, 1, at_s=1e-5)]
    report = Controller(timing, bursts_per_bank=2).simulate(streams)
    assert report.commands["read"] == report.bursts["read"]
    assert report.commands["write"] == report.bursts["write"]
    expected = sum(report.commands[kind] * timing.energy_pj[kind] for kind in report.commands)
    background = timing.background_mw * report.time_s * 1e9
    assert report.energy_pj["background"] == background
    assert report.total_energy_pj == pytest.approx(expected + background, rel=1e-14)
    assert report.energy_pj["read"] == report.bursts["read"] * timing.energy_pj["read"]


def test_a_random_read_of_ddr4_costs_about_what_is_published_for_32_bits() -> None:
    """650 pJ for 32 bits (Horowitz): commands, data lines and a row for each burst come within a fifth of it."""
    timing = Timing.of(technology("dram"))
    burst = timing.energy_pj["activate"] + timing.energy_pj["read"]
    assert burst * 32 / timing.burst_bits == pytest.approx(technology("dram")["read_energy"].value, rel=0.2)


def test_a_burst_read_in_part_is_moved_in_full() -> None:
    report = Controller(Timing.of(technology("dram"))).simulate([Stream("read", 7, 2, word_bits=64)])
    assert report.bursts == {"read": 2}
    assert (report.bytes_requested, report.bytes_moved) == (16, 128)


def test_narrow_words_share_bursts() -> None:
    timing = Timing.of(technology("dram"))
    assert Controller(timing).stream_read(1000, word_bits=8).bursts == {"read": -(-8000 // 512)}


def test_a_write_with_tries_keeps_its_bank_for_all_of_them() -> None:
    """n tries of a write and a read back: n x (write + verify) cycles, and the energy of each."""
    timing = Timing.of(technology("stt_mram"))
    tries = np.array([1, 3, 2])
    report = Controller(timing).simulate([Stream("write", 0, 3, tries=tries)])
    pulse = timing.write_cycles + timing.verify_cycles
    waits = tries * pulse + [0, 1, 2]  # the port takes one a clock
    assert checks.expand(report.latency["write"]) == sorted(waits.tolist())
    assert report.commands == {"write": 3, "rewrite": 3, "verify": 6}
    assert report.bank_cycles[:3] == tuple((tries * pulse).tolist())
    assert report.energy_pj["verify"] == 6 * timing.energy_pj["read"]
    assert report.energy_pj["write"] + report.energy_pj["rewrite"] == 6 * timing.energy_pj["write"]


def test_a_read_behind_a_write_with_tries_waits_for_the_last_try() -> None:
    timing = Timing.of(technology("stt_mram"))
    report = Controller(timing).simulate([Stream("write", 0, 1, tries=4), Stream("read", 0, 1)])
    busy = 4 * (timing.write_cycles + timing.verify_cycles)
    assert report.latency["read"].counts == {busy + timing.read_cycles: 1}


@pytest.mark.parametrize("depth", [1, 3, 32])
@pytest.mark.parametrize("apart", [1, 2, 3, 5])
def test_a_burst_that_queues_has_waited_since_it_arrived(apart: int, depth: int) -> None:
    """Writes of W cycles to one bank, one arriving every A cycles: burst k ends after max(W, (k + 1) W - k A).

    Behind a queue of few places a burst waits outside, and that is part of its latency.
    """
    timing = replace(Timing.of(technology("stt_mram")), banks=1, queue_depth=depth)
    busy, bursts = timing.write_cycles, 50
    assert busy == 3
    report = Controller(timing).simulate([Stream("write", 0, bursts, every_s=apart * timing.clock_s)])
    expected = [max(busy, (k + 1) * busy - k * apart) for k in range(bursts)]
    assert checks.expand(report.latency["write"]) == sorted(expected)


@pytest.mark.parametrize(("rate", "most"), [(0.0, 3), (1.0, 3), (1e-3, 4), (0.05, 6), (0.3, 1)])
def test_tries_have_their_closed_form_mean(rate: float, most: int) -> None:
    """200,000 draws: the mean is within 5 standard errors, a chance of 6e-7 of failing by bad luck."""
    tries = write_tries(5, 200_000, 64, rate, most)
    assert tries.min() >= 1
    assert tries.max() <= most
    error = max(tries.std() / len(tries) ** 0.5, 1e-12)
    assert abs(tries.mean() - expected_tries(64, rate, most)) <= 5 * error


def test_tries_of_a_worse_write_are_never_fewer_and_a_longer_write_begins_the_same() -> None:
    good, bad = (write_tries(7, 10_000, 64, rate, 8) for rate in (1e-3, 1e-2))
    assert (bad >= good).all()
    assert (write_tries(7, 100, 64, 1e-3, 8) == good[:100]).all()


@pytest.mark.parametrize("write_back", [False, True])
def test_a_scrub_takes_its_share_of_the_bursts(write_back: bool) -> None:
    """A memory of 1,000 bursts scrubbed every 40,000 cycles: one burst in 40 cycles, a write for each read."""
    timing = Timing.of(technology("stt_mram"))
    scrub = Scrub(every_s=40e-6, words=1000, write_back=write_back)
    report = Controller(timing, scrub=scrub).simulate([Stream("read", 0, 100_000)])
    number = sum(report.scrub_bursts.values())
    expected = report.cycles / 40 * (2 if write_back else 1)
    assert abs(number - expected) <= 6  # those on their way when the run ends
    # Each takes a slot of the port, and a write holds its bank up for the rest of its cycles.
    held = (timing.write_cycles - 1) * report.scrub_bursts.get("write", 0)
    assert 100_000 <= report.cycles - number <= 100_000 + held + 12
    assert report.scrub_share == number / (100_000 + number)
    assert sum(report.bank_bursts) == 100_000 + number


def test_a_scrub_writes_back_what_it_has_read_and_not_before() -> None:
    """A scrub reads in cycle 1,000, for 20 cycles; a read that comes 5 cycles later is next, the write-back follows."""
    tech = technology("stt_mram").override({"read_latency": "20 ns"})
    timing = replace(Timing.of(tech), banks=1)
    assert (timing.clock_s, timing.read_cycles) == (1e-9, 20)
    words = timing.burst_bits // timing.word_bits
    report = Controller(timing, scrub=Scrub(1.0000001e-6, words)).simulate([Stream("read", 0, words, at_s=1.005e-6)])
    assert dict(report.latency["read"].counts) == {20 - 5 + 20: 1}


def test_a_scrub_that_writes_back_needs_twice_the_bandwidth() -> None:
    timing = sram()
    every_s = 1000 * timing.word_bits / 8 / timing.peak_bandwidth
    for write_back, least in ((False, every_s), (True, 2 * every_s)):
        Controller(timing, scrub=Scrub(1.001 * least, 1000, write_back))
        with pytest.raises(HwsimError, match=r"more than the .* bytes/s of the memory"):
            Controller(timing, scrub=Scrub(0.999 * least, 1000, write_back))


def test_a_scrub_leaves_less_bandwidth_and_costs_energy() -> None:
    timing = Timing.of(technology("dram"))
    plain = Controller(timing).stream_read(400_000)
    scrubbed = Controller(timing, scrub=Scrub(1e-3, 100_000)).stream_read(400_000)
    assert scrubbed.bandwidth < plain.bandwidth
    assert scrubbed.total_energy_pj > plain.total_energy_pj
    assert plain.scrub_bursts == {}


def test_a_report_prints_what_it_counted() -> None:
    text = str(Controller(Timing.of(technology("dram")), scrub=Scrub(1e-3, 100_000)).stream_read(400_000))
    for word in ("bandwidth", "reads", "rows", "refresh", "scrub", "banks", "energy", "activate", "background"):
        assert word in text
    assert "rows" not in str(Controller(Timing.of(technology("sram"))).stream_read(10))


def test_nothing_asked_takes_no_time() -> None:
    for streams in ([], [Stream("read", 5, 0)]):
        report = Controller(Timing.of(technology("dram"))).simulate(streams)
        assert (report.cycles, report.bandwidth, report.total_energy_pj) == (0, 0, 0)
        assert report.latency["read"].bursts == 0


def sram() -> Timing:
    return Timing.of(technology("sram"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Stream("fetch", 0, 1), "Unknown operation 'fetch'"),  # type: ignore[arg-type]
        (lambda: Stream("read", -1, 1), "first_word = -1 of a stream must not be negative"),
        (lambda: Stream("read", 0, 1, at_s=-1.0), "at_s = -1.0 of a stream must be a time of 0 s or more"),
        (lambda: Stream("read", 0, 1, tries=2), "Only writes have tries"),
        (lambda: Stream("write", 0, 1, tries=0), "A write is tried at least once"),
        (lambda: Stream("read", 0, 1, word_bits=0), "word_bits = 0 of a stream must be at least 1"),
        (lambda: Scrub(0.0, 10), "every_s = 0.0 of a scrub must be a time above 0 s"),
        (lambda: Scrub(1.0, 0), "words = 0 of a scrub must be at least 1"),
        (lambda: write_tries(1, 1, 1, 1.5, 2), "error_rate = 1.5 must be a probability"),
        (lambda: write_tries(1, 1, 1, 0.5, 0), "most = 0 must be 1 or more"),
        (lambda: Controller(sram(), bursts_per_bank=0), "bursts_per_bank = 0 must be at least 1"),
        (lambda: Controller(Timing.of(technology("dram")), bursts_per_bank=3), "must divide the 128 bursts of a row"),
        (lambda: Controller(sram(), words=10).stream_read(11), "ends with word 10 of 64 bit, beyond the 10 words"),
        (lambda: Controller(sram(), scrub=Scrub(1e-9, 1000)), "more than the 8e.09 bytes/s of the memory"),
        (
            lambda: Controller(Timing.of(technology("dram"))).simulate([Stream("write", 0, 8, tries=2)]),
            "dram writes without checking: leave out the tries",
        ),
        (
            lambda: Controller(sram()).simulate([Stream("write", 0, 8, tries=np.ones(3, int))]),
            r"tries has the shape \(3,\), but the stream has 8 bursts",
        ),
    ],
)
def test_wrong_input_ends_in_one_sentence(call: object, message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        call()  # type: ignore[operator]
