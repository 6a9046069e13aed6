"""The timing table: cycles from nanoseconds, and what each of its lines forbids."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from hwsim.errors import HwsimError
from hwsim.memory.controller import Commands, Refresh, Timing
from hwsim.memory.technology.constants import technologies, technology

# JEDEC DDR4-2400R, 8 Gb x8, in clocks; the same numbers stand in the presets of public DRAM simulators.
DDR4_2400R = {
    ("bank", "activate", "read", 1): 16,
    ("bank", "precharge", "activate", 1): 16,
    ("bank", "activate", "precharge", 1): 39,
    ("bank", "activate", "activate", 1): 55,
    ("bank", "read", "precharge", 1): 9,
    ("bank", "write", "precharge", 1): 12 + 4 + 18,
    ("channel", "read", "read", 1): 4,
    ("group", "read", "read", 1): 6,
    ("channel", "write", "write", 1): 4,
    ("group", "write", "write", 1): 6,
    ("channel", "write", "read", 1): 12 + 4 + 3,
    ("group", "write", "read", 1): 12 + 4 + 9,
    ("channel", "read", "write", 1): 16 + 4 + 2 - 12,
    ("channel", "activate", "activate", 1): 4,
    ("group", "activate", "activate", 1): 6,
    ("channel", "activate", "activate", 4): 26,
    ("channel", "refresh", "activate", 1): 420,
    ("channel", "precharge", "refresh", 1): 16,
}


def ddr4() -> Timing:
    return Timing.of(technology("dram"))


def table(timing: Timing) -> dict[tuple[str, str, str, int], int]:
    return {(c.scope, c.before, c.after, c.count): c.cycles for c in timing.constraints}


@pytest.mark.parametrize("line", DDR4_2400R, ids=lambda line: "-".join(map(str, line)))
def test_ddr4_2400_has_the_clocks_of_the_standard(line: tuple[str, str, str, int]) -> None:
    assert table(ddr4())[line] == DDR4_2400R[line]


def test_ddr4_is_refreshed_every_9360_clocks_and_twice_as_often_when_hot() -> None:
    assert ddr4().refresh == Refresh(9360, 420)
    assert Timing.of(technology("dram"), temperature_c=85).refresh == Refresh(9360, 420)
    assert Timing.of(technology("dram"), temperature_c=86).refresh == Refresh(4680, 420)
    assert Timing.of(technology("dram"), refresh=False).refresh is None


def test_rows_refreshed_half_as_often_need_half_the_commands() -> None:
    slow = technology("dram").override({"refresh_interval": "128 ms"})
    assert Timing.of(slow).refresh == Refresh(18720, 420)
    assert Timing.of(slow).refresh_share == Timing.of(technology("dram")).refresh_share / 2


class Device:
    """A channel of which a test asks: when may this command go out at the earliest?"""

    def __init__(self, timing: Timing) -> None:
        self.commands = Commands(timing)

    def issue(self, command: str, bank: int, cycle: int) -> None:
        self.commands.issue(command, bank, cycle)  # type: ignore[arg-type]

    def assert_earliest(self, command: str, bank: int, cycle: int) -> None:
        assert self.commands.probe(command, bank) == cycle  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="breaks a constraint"):
            self.commands.issue(command, bank, cycle - 1)  # type: ignore[arg-type]


def test_a_row_opens_is_read_and_closes_no_sooner_than_allowed() -> None:
    device = Device(ddr4())
    device.issue("activate", 0, 100)
    device.assert_earliest("read", 0, 116)
    device.assert_earliest("precharge", 0, 139)
    device.issue("read", 0, 135)
    device.assert_earliest("precharge", 0, 144)
    device.assert_earliest("read", 1, 139)  # another group
    device.assert_earliest("read", 4, 141)  # bank 4 is in the group of bank 0
    device.issue("precharge", 0, 144)
    device.assert_earliest("activate", 0, 160)


def test_a_fifth_row_waits_for_the_window_of_four() -> None:
    device = Device(ddr4())
    for bank, cycle in enumerate((100, 104, 108, 112)):
        device.issue("activate", bank, cycle)
    device.assert_earliest("activate", 5, 126)
    device.issue("activate", 5, 126)
    device.assert_earliest("activate", 6, 130)


def test_a_written_row_closes_only_after_write_recovery() -> None:
    device = Device(ddr4())
    device.issue("activate", 3, 0)
    device.issue("write", 3, 20)
    device.assert_earliest("precharge", 3, 54)
    device.assert_earliest("read", 3, 45)
    device.assert_earliest("read", 2, 39)


def test_a_bank_without_rows_is_busy_for_its_access_and_takes_one_access_a_clock() -> None:
    device = Device(Timing.of(technology("pcm")))
    device.issue("write", 0, 10)
    device.assert_earliest("read", 1, 11)
    device.assert_earliest("read", 0, 31)  # 20.4 ns at 1 GHz


def test_every_technology_has_a_timing_and_says_what_it_used() -> None:
    for name in technologies():
        timing = Timing.of(technology(name))
        assert timing.read_cycles >= 1
        assert all(constant.source for constant in timing.constants)
        used = {constant.name for constant in timing.constants}
        assert {"word_bits", "banks", "leakage"} <= used
        assert used >= ({"row_active", "data_rate"} if timing.has_rows else {"read_latency", "clock"})


def test_a_clock_of_twice_the_rate_has_twice_the_cycles() -> None:
    slow, fast = (Timing.of(technology("pcm"), clock_mhz=mhz) for mhz in (100, 1000))
    assert (slow.write_cycles, fast.write_cycles) == (3, 21)
    assert slow.cycle(1e-6) == 100
    assert fast.cycle(1e-6) == 1000
    assert fast.cycle(1.0001e-6) == 1001


def test_background_power_grows_with_capacity() -> None:
    one, two = (Timing.of(technology("sram"), capacity_bits=bits).background_mw for bits in (1 << 24, 1 << 25))
    assert (one, two) == (pytest.approx(56.3), pytest.approx(112.6))
    assert ddr4().background_mw == pytest.approx(8 * 41)


def test_an_overridden_constant_reaches_the_timing_and_is_named() -> None:
    timing = Timing.of(technology("dram").override({"row_active": "60 ns"}))
    assert timing.gap("activate", "precharge") == 72
    assert [constant.name for constant in timing.constants if constant.overridden] == ["row_active"]


def test_gaps_are_positive_so_that_bursts_keep_their_order() -> None:
    for name in technologies():
        timing = Timing.of(technology(name))
        for before, after in itertools.product(("read", "write"), repeat=2):
            assert timing.gap(before, after) >= 1  # type: ignore[arg-type]


def test_a_peak_without_rows_is_limited_by_the_port_or_by_the_banks() -> None:
    sram = technology("sram")
    assert Timing.of(sram).cycles_per_burst == 1
    assert Timing.of(sram.override({"banks": 2})).cycles_per_burst == Fraction(5, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Timing.of(technology("dram"), queue_depth=0), "queue_depth = 0 must be a whole number of at least 1"),
        (lambda: Timing.of(technology("dram"), clock_mhz=10), "the clock of dram is half its data_rate"),
        (lambda: Timing.of(technology("sram"), clock_mhz=-1), "clock_mhz = -1 must be above 0"),
        (lambda: Refresh(100, 100), "A refresh of 100 cycles does not fit into 100 cycles"),
        (lambda: Timing.of(technology("dram").override({"row_size": 1000})), "row_size = 1000 bit is not a multiple"),
        (lambda: ddr4().unloaded_read("open"), "Unknown row state 'open'"),  # type: ignore[arg-type]
        (
            lambda: Timing.of(technology({"name": "mine", "constants": {}})),
            "The table of 'mine' has no read_latency: no controller can be timed on it.",
        ),
    ],
)
def test_wrong_input_ends_in_one_sentence(call: object, message: str) -> None:
    with pytest.raises(HwsimError, match=message.replace("(", r"\(")):
        call()  # type: ignore[operator]
