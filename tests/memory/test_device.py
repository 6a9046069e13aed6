"""The device: writing, living, reading, and what is refused."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory import Memory
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.device.device import Device
from hwsim.memory.device.device_config import DeviceConfig
from hwsim.memory.ecc import Outcome, code_names, get_code, round_words
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms.generic import Clusters, Flips, Replay, StuckAt
from hwsim.memory.mechanisms.mechanism import (
    FORCE_0,
    FORCE_1,
    OLD,
    TOGGLE,
    Mechanism,
    Rates,
    Situation,
    Stage,
    Traits,
    Upsets,
)
from hwsim.words import get_format
from tests.memory.dense_device import DenseDevice
from tests.memory.test_scrub import Heat, Leaky, WearOut, WriteErrors, memory_of

HOUR, YEAR = 3600.0, 365.25 * 86400.0
HOT = Condition(temperature_c=85)


class Undervolted(Mechanism):
    """A user's own mechanism: cells that read as 1 below a voltage of their own, until it rises again."""

    name = "undervolted"
    traits = Traits("preferred value", "while the condition lasts", "cell", "none", "raising the voltage")
    stage = "stuck"

    def upsets(self, situation: Situation) -> Upsets:
        voltage = situation.now.voltage_v if situation.now.voltage_v is not None else 1.0
        return situation.weak(10 ** (-voltage / 0.1), becomes=FORCE_1)


def given_cells(cells: list[int], becomes: int, stage: Stage, name: str) -> Replay:
    return Replay(np.array(cells), np.full(len(cells), becomes, np.uint8), stage=stage, name=name)


def written(words: list[int], *mechanisms: Mechanism, before: list[int] | None = None, **device: object) -> Device:
    fmt = get_format("q2.5")
    made = Device(mechanisms=mechanisms, **device)  # type: ignore[arg-type]
    for image in ([before] if before else []) + [words]:
        made.write(Memory({"w": np.array(image, np.uint8)}, fmt))
    return made


def words_read(device: Device, words: list[int]) -> list[int]:
    faults = device.read().faults
    read = np.array(words, np.uint8)
    assert (read[faults.address] == faults.before).all()
    read[faults.address] = faults.after
    return read.tolist()


# Reading


@pytest.mark.parametrize("ecc", code_names())
@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
def test_a_read_gives_what_decoding_all_words_gives(ecc: str, uncorrectable: str) -> None:
    # 603 numbers, a few percent of their cells wrong in several ways.
    fmt = get_format("fp16" if ecc == "in_place_parity" else "q2.5")
    code = get_code(ecc, 64, fmt, uncorrectable)
    flat = memory_of(603, name=fmt.name).flat
    memory = Memory({"all": round_words(flat, fmt, code)[0]}, fmt)
    mechanisms = [StuckAt(0.01, 0.01), Heat(1e-7), Flips(0.01, per="read"), Clusters("column", 0.1, 0.2)]
    device = Device(
        mechanisms=mechanisms, ecc=ecc, uncorrectable=uncorrectable, banks=2, interleave=4, block_rows=4, seed=2
    )
    device.write(memory)
    device.advance(Phase(100 * HOUR))
    readout = device.read()

    dense = DenseDevice(mechanisms, device.geometry, code, 2)
    dense.write(memory)
    dense.advance(100 * HOUR, Condition())
    cells = dense.read()
    assert readout.wrong_bits == np.count_nonzero(cells != dense.image) > 100
    data, corrected, detected = dense.decode(cells)
    shifts = np.arange(0, code.data_bits, fmt.width, dtype=np.uint64)
    numbers = (data[:, None] >> shifts & np.uint64((1 << fmt.width) - 1)).reshape(-1)[: memory.words]
    copy = Memory({"all": memory.flat}, fmt)
    readout.faults.apply(copy)
    assert (copy.flat == numbers).all()
    right = dense.decode(dense.image)[0] == data
    assert readout.outcome == Outcome(
        clean=int((right & ~corrected & ~detected).sum()),
        corrected=int((right & corrected & ~detected).sum()),
        detected=int(detected.sum()),
        miscorrected=int((~right & corrected & ~detected).sum()),
        silent=int((~right & ~corrected & ~detected).sum()),
    )


@given(
    name=st.sampled_from(["q2.5", "fp32", "fp16", "int8", "q7.8"]),
    words=st.integers(0, 70),
    ecc=st.sampled_from(["none", "secded", "parity_zero", "bch_dec"]),
    banks=st.integers(1, 3),
    interleave=st.sampled_from([1, 2, 8]),
)
@settings(deadline=None)
def test_a_device_without_mechanisms_reads_what_was_written(
    name: str, words: int, ecc: str, banks: int, interleave: int
) -> None:
    device = Device(ecc=ecc, banks=banks, interleave=interleave)
    device.write(memory_of(words, name=name))
    device.advance(YEAR)
    readout = device.read()
    assert len(readout.faults) == readout.wrong_bits == 0
    assert readout.outcome == Outcome(clean=readout.outcome.codewords)


def test_reading_changes_nothing_and_what_is_written_later_to_the_arrays_either() -> None:
    memory = memory_of(4000)
    device = Device(mechanisms=[Heat(1e-8), StuckAt(1e-3)], seed=1)
    device.write(memory)
    device.advance(Phase(50 * HOUR, HOT))
    first = device.read()
    first.faults.apply(memory)
    second = device.read()
    assert first.cells.tolist() == second.cells.tolist()
    assert (first.faults.before == second.faults.before).all()


def test_the_order_of_reads_and_of_devices_does_not_matter() -> None:
    def live(reads: int) -> list[int]:
        device = Device(mechanisms=[Heat(1e-8), Leaky(), Flips(1e-3)], seed=9)
        device.write(memory_of(4000))
        for _ in range(reads):
            device.advance(Phase(10 * HOUR / reads, HOT))
            device.read()
        return device.read().cells.tolist()

    assert live(1) == live(5)


def test_the_order_of_conditions_does_not_matter() -> None:
    found = []
    for phases in ((Phase(HOUR, Condition(25)), Phase(HOUR, HOT)), (Phase(HOUR, HOT), Phase(HOUR, Condition(25)))):
        device = Device(mechanisms=[Heat(1e-6), Leaky()], seed=9)
        device.write(memory_of(4000))
        device.advance(Mission(phases, 100 * HOUR))
        found.append(device.read().cells.tolist())
    assert found[0] == found[1]
    assert len(found[0]) > 100


def test_a_larger_memory_has_the_wrong_cells_of_a_smaller_one() -> None:
    found = []
    for words in (4096, 20_000):
        device = Device(mechanisms=[StuckAt(1e-3), Flips(1e-3), Clusters("row", 0.1, 0.1)], capacity="64 KiB", seed=4)
        device.write(Memory({"w": memory_of(20_000).flat[:words]}, get_format("q2.5")))
        found.append(device.read().cells)
    shared = found[1][found[1] < 4096 * 8]
    assert found[0].tolist() == shared.tolist()


@pytest.mark.parametrize("ecc", ["none", "secded"])
def test_a_read_of_a_gibibyte_costs_memory_for_its_weak_cells_only(ecc: str) -> None:
    # All words are 0 and share one byte, so that the test itself needs no gibibyte; 1e-6 of the cells are weak.
    memory = Memory({"w": np.zeros(1, np.uint8)}, get_format("q2.5"))
    device = Device(mechanisms=[StuckAt(one=1e-6)], ecc=ecc, capacity="1 GiB", banks=16, block_columns=8192, seed=1)
    device.write(memory)
    object.__setattr__(device._image, "flat", np.broadcast_to(np.uint8(0), 2**30))
    tracemalloc.start()
    readout = device.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 8000 < readout.wrong_bits < 11_000
    assert peak < 1000 * readout.wrong_bits


# Harsher is worse


def test_older_hotter_and_lower_voltage_fail_a_superset() -> None:
    def cells(hours: float, temperature_c: float, voltage_v: float) -> set[int]:
        device = Device(mechanisms=[Heat(1e-7), WearOut(), Undervolted()], seed=3)
        device.write(memory_of(4000, seed=1))
        device.advance(Phase(hours * HOUR, Condition(temperature_c, voltage_v)))
        moved = (mechanism.upsets(device._situation(mechanism, device._moment(), 1)) for mechanism in device.mechanisms)
        return {int(cell) for upsets in moved for cell in upsets.cell}

    mild = cells(10, 25, 0.5)
    for harsh in (cells(100, 25, 0.5), cells(10, 65, 0.5), cells(10, 25, 0.3)):
        assert mild < harsh


def test_flips_of_a_hazard_are_as_frequent_as_the_closed_form_says() -> None:
    # 800,000 cells: 4.5 standard errors, which shows 5 %.
    from hwsim.memory.physics.common import two_state

    device = Device(mechanisms=[Flips((1e-6, 3e-6), per="second")], seed=1)
    memory = memory_of(100_000)
    device.write(memory)
    for hours in (10, 100, 1000):
        device.advance(hours * HOUR)
        log = device.read().faults.log()
        ones = int(np.bitwise_count(memory.flat).sum())
        for stored, count, rates in ((0, memory.cells - ones, (1e-6, 3e-6)), (1, ones, (3e-6, 1e-6))):
            expected = float(two_state(device.time_s, *rates)) * count
            assert abs(np.count_nonzero(log["before"] >> log["bit"] & 1 == stored) - expected) < 4.5 * expected**0.5


# Persistence and resets


def test_a_write_resets_what_happened_since_the_last_one_and_nothing_else() -> None:
    memory = memory_of(8000)
    device = Device(mechanisms=[Heat(1e-8), StuckAt(1e-3, 1e-3)], seed=1)
    device.write(memory)
    stuck = set(device.read().cells.tolist())
    device.advance(Phase(100 * HOUR, HOT))
    aged = set(device.read().cells.tolist())
    assert stuck < aged
    device.write(memory)
    assert set(device.read().cells.tolist()) == stuck
    device.advance(Phase(100 * HOUR, HOT))
    again = set(device.read().cells.tolist())
    assert len(again - stuck) > 50
    assert len((again & aged) - stuck) < len(aged - stuck) / 4  # other cells than the first time


def test_wear_survives_a_write_and_is_there_from_an_earlier_life() -> None:
    device = Device(mechanisms=[WearOut()], seed=1)
    device.advance(Phase(1000 * HOUR))
    device.write(memory_of(8000))
    worn = device.read().cells.tolist()
    device.write(memory_of(8000))
    assert device.read().cells.tolist() == worn
    assert len(worn) > 100
    assert (device.cycles, Device(cycles=500).cycles) == (2, 500)


def test_low_voltage_faults_go_when_the_voltage_rises() -> None:
    device = Device(mechanisms=[Undervolted()], seed=1)
    device.write(memory_of(8000))
    device.advance(Phase(1, Condition(voltage_v=0.2)))
    assert device.read().wrong_bits > 50
    device.advance(Phase(1, Condition(voltage_v=1.0)))
    assert device.read().wrong_bits == 0


def test_noise_is_new_at_each_read_and_stays_out_of_the_cells() -> None:
    device = Device(mechanisms=[Flips(0.01, per="read")], seed=1)
    device.write(memory_of(1000))
    one, other = device.read().cells.tolist(), device.read().cells.tolist()
    assert one
    assert one != other
    assert len(set(one) & set(other)) < len(one) / 4


def test_reads_disturb_later_reads_until_a_write() -> None:
    class Disturb(Flips):
        def rates(self, situation: Situation) -> Rates:
            return Rates.both(1 - 0.999**situation.reads)

    device = Device(mechanisms=[Disturb(0.0)], seed=1)
    memory = memory_of(1000)
    device.write(memory)
    assert device.read().wrong_bits == 0
    assert device.read().wrong_bits > 0
    device.count_reads(100)
    assert device.read().wrong_bits > 300
    device.advance(Phase(1, Condition(reads_per_s=100)))
    assert device.read().wrong_bits > 900
    device.write(memory)
    assert device.read().wrong_bits == 0


# Stages


def test_stuck_cells_win_over_flips_and_failed_writes_and_read_noise_comes_last() -> None:
    cells = [0, 1, 2, 3]
    stuck = given_cells(cells, FORCE_1, "stuck", "stuck")
    flips = given_cells(cells, TOGGLE, "retain", "flips")
    unwritten = given_cells(cells, OLD, "write", "unwritten")
    noise = given_cells(cells[:2], TOGGLE, "read", "noise")
    assert words_read(written([0b0101], stuck, flips, unwritten), [0b0101]) == [0b1111]
    assert words_read(written([0b0101], noise, stuck, flips), [0b0101]) == [0b1100]


def test_two_flips_cancel_and_what_forces_a_value_does_so_in_its_turn() -> None:
    one, two = (given_cells([0, 1], TOGGLE, "retain", name) for name in ("one", "two"))
    device = written([0b01], one, two)
    assert words_read(device, [0b01]) == [0b01]
    assert device.read().changed == {"one": 2, "two": 2}
    force = given_cells([0, 1], FORCE_0, "retain", "force")
    assert words_read(written([0b01], one, force), [0b01]) == [0b00]
    assert words_read(written([0b01], force, one), [0b01]) == [0b11]


def test_independent_flips_compose_as_the_closed_form_says() -> None:
    # p = (1 - prod(1 - 2 p_i)) / 2, 1.6 million cells: 4.5 standard errors show 1 %.
    rates = (0.03, 0.1, 0.25)
    device = Device(mechanisms=[Flips(rate, name=str(rate)) for rate in rates], seed=1)
    memory = memory_of(200_000)
    device.write(memory)
    expected = (1 - np.prod([1 - 2 * rate for rate in rates])) / 2
    error = np.sqrt(expected * (1 - expected) / memory.cells)
    assert abs(device.read().wrong_bits / memory.cells - expected) < 4.5 * error


def test_a_failed_write_keeps_the_old_bit_and_shows_only_where_old_and_new_differ() -> None:
    unwritten = given_cells(list(range(8)), OLD, "write", "unwritten")
    new = 0b1100
    assert words_read(written([new], unwritten), [new]) == [0]
    assert words_read(written([new], unwritten, new="ones"), [new]) == [0b11111111]
    device = written([new], unwritten, before=[0b1010])
    assert words_read(device, [new]) == [0]  # the write before failed as well
    # One of two writes fails: what the first one wrote is there.
    once = Flips(0.0)
    assert once.rates(device._situation(once, device._moment(), 0)) == (0, 0)
    fails = WriteErrors()
    device = Device(mechanisms=[fails], new="random", seed=1)
    first, second = memory_of(4000, seed=1), memory_of(4000, seed=2)
    device.write(first)
    failed_first = device.read().cells
    device.write(second)
    readout = device.read()
    changes = np.unpackbits((first.flat ^ second.flat)[:, None], axis=1, bitorder="little").reshape(-1)
    differs = np.setdiff1d(np.flatnonzero(changes), failed_first)
    same = np.setdiff1d(np.flatnonzero(changes == 0), failed_first)
    assert np.isin(readout.cells, same).sum() == 0
    up = np.unpackbits(second.flat[:, None], axis=1, bitorder="little").reshape(-1)[differs] == 1
    # Rates 0.2 (to 1) and 0.1 (to 0) of about 6,500 cells each: 4.5 standard errors.
    failed = np.isin(differs, readout.cells)
    for which, rate in ((up, 0.2), (~up, 0.1)):
        assert abs(failed[which].mean() - rate) < 4.5 * np.sqrt(rate * (1 - rate) / which.sum())


def test_rewriting_the_same_words_shows_no_write_errors() -> None:
    memory = memory_of(4000)
    device = Device(mechanisms=[WriteErrors()], seed=1)
    device.write(memory)
    before = device.read().wrong_bits
    for _ in range(8):
        device.write(memory)
    assert device.read().wrong_bits < before / 50  # 0.2**9 of the ones; a rewrite retries what failed


# Clusters and interleaving


@pytest.mark.parametrize(("interleave", "detected"), [(1, True), (8, False)])
def test_interleaving_spreads_a_cluster_over_words_that_a_code_corrects(interleave: int, detected: bool) -> None:
    neighbours = [row * 576 + column for row in (0, 7) for column in range(100, 104)]
    strike = given_cells(neighbours, TOGGLE, "retain", "strike")
    device = Device(mechanisms=[strike], ecc="secded", interleave=interleave)
    device.write(memory_of(8 * 8 * 10))
    outcome = device.read().outcome
    assert (outcome.corrected, outcome.detected) == ((0, 2) if detected else (8, 0))


# Missions


def test_a_mission_is_followed_from_write_to_read_to_read() -> None:
    mission = Mission(
        (Phase(HOUR, Condition(25)), Phase(HOUR, HOT)),
        repeat_for_s=40 * HOUR,
        write_at_s=3 * HOUR,
        read_at_s=(3 * HOUR, 10 * HOUR, 40 * HOUR),
    )
    device = Device(mechanisms=[Heat(1e-7)], seed=1)
    readouts = list(device.follow(mission, memory_of(4000)))
    assert [readout.time_s for readout in readouts] == [3 * HOUR, 10 * HOUR, 40 * HOUR]
    assert readouts[0].wrong_bits == 0 < readouts[1].wrong_bits < readouts[2].wrong_bits
    assert device.life == mission.exposure(0, 40 * HOUR)
    by_hand = Device(mechanisms=[Heat(1e-7)], seed=1)
    by_hand.write(memory_of(4000))
    by_hand.advance(Phase(18 * HOUR, Condition(25)))
    by_hand.advance(Phase(19 * HOUR, HOT))
    assert by_hand.read().cells.tolist() == readouts[2].cells.tolist()


def test_what_is_written_at_the_beginning_of_a_mission_is_written_under_its_first_condition() -> None:
    class ColdWrites(WriteErrors):
        def rates(self, situation: Situation) -> Rates:
            return Rates.both(0.0 if situation.at_write == HOT else 0.5)

    mission = Mission((Phase(HOUR, HOT), Phase(HOUR, Condition(25))), read_at_s=(0, 2 * HOUR))
    device = Device(mechanisms=[ColdWrites()], seed=1)
    readouts = device.follow(mission, memory_of(4000))
    assert next(readouts).wrong_bits == 0
    assert device.now == HOT
    assert next(readouts).wrong_bits == 0
    assert device.now == Condition(25)


def test_a_device_of_a_given_geometry_has_it_and_words_of_its_code() -> None:
    wide = Geometry(banks=2, rows=4, columns=100, word_cells=1, interleave=1, block_rows=2, block_columns=50)
    device = written([1, 2, 3], geometry=wide, ecc="secded")
    assert device.geometry == replace(wide, word_cells=72)


def test_a_configuration_makes_the_devices_that_its_settings_make() -> None:
    settings = {"ecc": "secded", "interleave": 4, "banks": 2, "cycles": 100, "new": "ones", "word_bits": 32}
    config = DeviceConfig.of("sram", [StuckAt(1e-3)], **settings)
    memory = memory_of(4000)
    cells = []
    for device in (Device(config, seed=3), Device("sram", [StuckAt(1e-3)], seed=3, **settings), Device(config, seed=4)):
        device.write(memory)
        assert device.geometry == config.placement(memory.format, memory.words).geometry
        assert (device.cycles, device.code.word_bits) == (101, 32)
        cells.append(device.read().cells.tolist())
    assert cells[0] == cells[1] != cells[2]


# What is refused

CHIP = Geometry(banks=1, rows=2, columns=64, word_cells=1)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Device().read(), "Nothing was written to this device before its read"),
        (lambda: Device().scrub(), "before its scrub"),
        (lambda: Device().geometry, "before its geometry"),
        (lambda: written([1]).advance(-1), "goes back in time"),
        (lambda: written([1]).count_reads(-1), "is no number of reads"),
        (
            lambda: written([1] * 1025, capacity="1 KiB"),
            "1,025 words of q2.5 need 1,025 bytes, but the device has 1,024",
        ),
        (
            lambda: written([1], ecc="secded", columns=64),
            "72 cells with its check bits, which does not fit a row of 64",
        ),
        (lambda: written([1], ecc="sec_ded"), "Unknown code 'sec_ded': did you mean 'secded'"),
        (lambda: written([1], word_bits=60), "do not hold whole words of q2.5"),
        (lambda: Device(capacity="3 bit"), "is not a whole number of memory words"),
        (lambda: Device(capacity="1 s"), "is a time"),
        (lambda: Device(cycles=-1), "is no number of writes"),
        (lambda: Device("stt_mramm"), "did you mean 'stt_mram'"),
        (lambda: Device(geometry=CHIP, banks=2), "a geometry or banks, not both"),
        (lambda: written([1] * 17, geometry=CHIP), "but the device has 16: give it a geometry of at least 17 B"),
        (lambda: written([1], geometry=CHIP, ecc="secded"), "72 cells with its check bits, which does not fit a row"),
        (lambda: Device("sram", bank=2), "Unknown setting of a memory device 'bank': did you mean 'banks'"),
        (lambda: Device(DeviceConfig(), ecc="secded"), "a configuration or ecc, not both"),
        (lambda: Device(DeviceConfig(), [StuckAt()]), "a configuration or mechanisms, not both"),
        (lambda: Device(mechanisms=[3]), "is no mechanism"),  # type: ignore[list-item]
        (lambda: Device(mechanisms=[StuckAt(), StuckAt()]), "Two mechanisms are called 'stuck-at'"),
        (lambda: written([1], new="noise"), "Unknown content of a new memory 'noise'"),
        (lambda: written([1]).write(memory_of(1, name="fp32")), "holds words of q2.5"),
        (lambda: written([1, 2]).write(memory_of(65)), "65 words of q2.5 need 65 bytes"),
        (lambda: written([0b01000000] * 8, ecc="in_place_secded"), "round them first"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(act: object, message: str) -> None:
    with pytest.raises(HwsimError, match=message.replace("(", r"\(")) as caught:
        act()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_a_device_says_what_it_is() -> None:
    device = written([1, 2, 3], StuckAt(1e-3))
    assert repr(device) == "<Device: no technology (stuck-at), 3 words of q2.5 written>"
    assert "0 wrong words" in repr(device.read())
