"""Mechanisms of no particular technology: rates, directions, clusters, replay."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import Memory
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Exposure, Phase
from hwsim.memory.mechanisms.generic import Clusters, Flips, Replay, StuckAt
from hwsim.memory.mechanisms.mechanism import FORCE_0, FORCE_1, TOGGLE, Mechanism, Situation
from hwsim.memory.random import Key
from hwsim.words import get_format

WORDS = 100_000


def device_of(word: int, *mechanisms: Mechanism, **more: object) -> Device:
    device = Device(mechanisms=mechanisms, seed=1, **more)  # type: ignore[arg-type]
    device.write(Memory({"w": np.full(WORDS, word, np.uint8)}, get_format("q2.5")))
    return device


def within(count: int, expected: float) -> bool:
    """Within 4.5 standard errors of a Poisson count."""
    return abs(count - expected) < 4.5 * max(expected, 1) ** 0.5


@pytest.mark.parametrize("per", ["write", "read"])
def test_flips_have_their_rate_in_each_direction(per: str) -> None:
    # 800,000 cells, rates 0.01 and 0.002: shows 5 % and 11 %.
    for word, rate in ((0, 0.01), (255, 0.002)):
        device = device_of(word, Flips((0.01, 0.002), per=per))  # type: ignore[arg-type]
        assert within(device.read().wrong_bits, rate * 8 * WORDS)


def test_traits_follow_from_rates() -> None:
    assert Flips((0.1, 0.0)).traits.direction == "0 to 1"
    assert Flips((0.0, 0.1)).traits.direction == "1 to 0"
    assert Flips(0.1).traits.direction == "both"
    assert Flips(0.1, per="read").traits.persistence == "one read"
    assert Clusters("bank", 0.1, kind="flip").traits.scope == "bank"


def test_a_hazard_saturates_at_one_half() -> None:
    device = device_of(0, Flips(1e-6, per="second"))
    device.advance(Phase(1e9))
    assert within(device.read().wrong_bits, 4 * WORDS)


def test_stuck_cells_have_their_shares_and_grow_with_them() -> None:
    # Shares of 800,000 cells: shows 5 % and 10 %.
    for word, share in ((0, 0.003), (255, 0.01)):
        assert within(device_of(word, StuckAt(0.01, 0.003)).read().wrong_bits, share * 8 * WORDS)
    few, many = (set(device_of(85, StuckAt(rate, rate)).read().cells.tolist()) for rate in (0.001, 0.01))
    assert few < many


@pytest.mark.parametrize("scope", ["word", "column", "row", "block", "bank"])
@pytest.mark.parametrize("density", [1.0, 0.25])
def test_clusters_fill_the_units_that_fail_and_no_others(scope: str, density: float) -> None:
    clusters = Clusters(scope, 0.2, density, "to 1")  # type: ignore[arg-type]
    device = device_of(0, clusters, banks=16, block_rows=8, block_columns=128, columns=512, interleave=2)
    readout = device.read()
    geometry = device.geometry
    every = geometry.cell(np.arange(WORDS // 8)[:, None], np.arange(64)).reshape(-1)
    units = np.unique(geometry.unit(scope, every))
    failing = np.unique(geometry.unit(scope, readout.cells))
    size = np.isin(geometry.unit(scope, every), failing).sum()
    if density == 1:
        assert readout.wrong_bits == size
        assert within(len(failing), 0.2 * len(units))
    elif scope != "column":  # of whose 8 cells often none fails
        assert abs(readout.wrong_bits / size - density) < 0.05


def test_clusters_spread_over_all_of_a_large_memory_one_unit_at_a_time() -> None:
    geometry = Geometry.for_words(10_000, word_bits=64, banks=4)
    situation = Situation(geometry, geometry.cells, Key(3))
    for scope in ("word", "column", "row", "block", "bank"):
        mild, harsh = (Clusters(scope, rate, 0.5).upsets(situation).cell for rate in (0.05, 0.5))  # type: ignore[arg-type]
        assert np.isin(mild, harsh).all()


def test_a_failing_column_hits_a_bit_of_many_words_and_a_failing_row_all_bits_of_some() -> None:
    column = device_of(0, Clusters("column", 0.001, kind="flip"), interleave=1).read()
    assert len(column.faults) == column.wrong_bits > 100
    row = device_of(0, Clusters("row", 0.01, kind="flip")).read()
    assert (row.faults.after == 255).all()


ROW = Geometry(banks=1, rows=1, columns=64, word_cells=64)


def test_a_map_is_replayed_bit_for_bit() -> None:
    first = device_of(85, StuckAt(1e-3, 2e-3), Flips(1e-3), Clusters("column", 1e-3))
    readout = first.read()
    held = 1 - np.unpackbits(np.full(WORDS, 85, np.uint8), bitorder="little")[readout.cells]
    values = np.where(held, FORCE_1, FORCE_0).astype(np.uint8)
    replay = Replay(readout.cells, values, of=first.geometry)
    again = device_of(85, replay).read()
    assert again.cells.tolist() == readout.cells.tolist()
    assert (again.faults.after == readout.faults.after).all()


def test_the_part_of_a_map_behind_what_is_written_is_left_out() -> None:
    geometry = Geometry.for_words(100, word_bits=64)
    situation = Situation(geometry, geometry.cells_for(50), Key(1), since_write=Exposure())
    cells = np.arange(geometry.cells)
    upsets = Replay(cells, np.full(len(cells), TOGGLE, np.uint8)).upsets(situation)
    assert upsets.cell.tolist() == cells[: situation.cells].tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Flips(1.5), "rate = 1.5 is not a probability"),
        (lambda: Flips((0.1, -1), per="second"), "rate = -1 per second is no hazard"),
        (lambda: Flips(0.1, per="sec"), "Unknown unit of a rate 'sec': did you mean 'second'"),  # type: ignore[arg-type]
        (lambda: StuckAt(2), "zero = 2 is not a probability"),
        (lambda: Clusters("colum", 0.1), "Unknown scope 'colum': did you mean 'column'"),  # type: ignore[arg-type]
        (lambda: Clusters("row", 0.1, kind="to 2"), "Unknown kind of fault 'to 2'"),  # type: ignore[arg-type]
        (lambda: Clusters("row", 0.1, 3), "density = 3 is not a probability"),
        (lambda: Replay(np.arange(2), np.zeros(1, np.uint8)), "fault map of 2 cells says of 1 what they become"),
        (lambda: Replay(np.arange(1), np.zeros(1, np.uint8), stage="x"), "Unknown stage 'x'"),  # type: ignore[arg-type]
        (
            lambda: device_of(0, Replay(np.arange(1), np.zeros(1, np.uint8), of=ROW)).read(),
            "fault map is of another memory: 1 banks of 1 rows of 64 cells, where this memory has",
        ),
        (
            lambda: device_of(0, Replay(np.array([1 << 40]), np.zeros(1, np.uint8))).read(),
            "names cells that a memory of",
        ),
    ],
)
def test_what_makes_no_mechanism_is_refused_in_one_sentence(make: object, message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        make()  # type: ignore[operator]
