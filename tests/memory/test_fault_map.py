"""Fault maps: to a file and back, onto the words of a network, and how they lie against chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwsim.errors import HwsimError
from hwsim.memory import BitFlips, Faults, Memory
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.fault_maps.fault_map import FAILS, FaultMap, Threshold
from hwsim.memory.fault_maps.fault_map_summary import summarise
from hwsim.memory.mechanisms.mechanism import FORCE_0, FORCE_1, OLD, TOGGLE, Upsets
from hwsim.words import get_format

SMALL = Geometry(banks=3, rows=10, columns=24, word_cells=8, interleave=2, block_rows=4, block_columns=8)


def measured(number: int = 200, seed: int = 0, geometry: Geometry = SMALL) -> FaultMap:
    generator = np.random.default_rng(seed)
    return FaultMap.of(
        geometry,
        generator.choice(geometry.cells, number, replace=False),
        generator.choice(list(FAILS.values()), number),
        threshold=generator.normal(0.5, 0.05, number),
        threshold_of=Threshold("V", "below"),
        technology="sram",
        conditions={"temperature": "25 degC", "pattern": "all ones"},
    )


# ---- Files


def test_a_file_gives_back_the_map_to_the_bit(tmp_path: Path) -> None:
    for found in (measured(), measured().at(0.52), FaultMap.of(SMALL, [])):
        found.to_csv(tmp_path / "map.csv")
        assert FaultMap.from_csv(tmp_path / "map.csv") == found
        assert FaultMap.from_csv(tmp_path / "map.csv", SMALL) == found
        assert not list(tmp_path.glob("*.part"))


def test_equal_maps_are_written_as_equal_bytes(tmp_path: Path) -> None:
    measured().to_csv(tmp_path / "a.csv")
    FaultMap.from_csv(tmp_path / "a.csv").to_csv(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


MEASURED = """# hwsim fault map, version 1
# geometry banks=2 rows=4 columns=8
# condition voltage = 0.54 V
column,row,bank,fails
7,3,1,0
0,0,1,1
2,1,0, flip
"""


def test_a_measured_map_needs_only_its_size_and_the_places_of_its_cells(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text(MEASURED)
    found = FaultMap.from_csv(tmp_path / "map.csv")
    assert found.cell.tolist() == [8, (1 * 2 + 0) * 8 + 2, 63]
    assert found.fails.tolist() == [FORCE_1, TOGGLE, FORCE_0]
    assert found.conditions == {"voltage": "0.54 V"}
    assert (found.geometry.block_rows, found.geometry.block_columns) == (4, 8)


def test_places_and_numbers_name_the_same_cells(tmp_path: Path) -> None:
    numbered = MEASURED.replace("column,row,bank,fails", "cell,fails")
    numbered = numbered.replace("7,3,1,0", "63,0").replace("0,0,1,1", "8,1").replace("2,1,0, flip", "18,flip")
    (tmp_path / "a.csv").write_text(MEASURED)
    (tmp_path / "b.csv").write_text(numbered)
    assert FaultMap.from_csv(tmp_path / "a.csv") == FaultMap.from_csv(tmp_path / "b.csv")


@pytest.mark.parametrize("change", [{"banks": 4}, {"rows": 11}, {"columns": 32}])
def test_a_map_of_another_size_is_refused_in_one_sentence(tmp_path: Path, change: dict[str, int]) -> None:
    measured().to_csv(tmp_path / "map.csv")
    numbers = {"banks": 3, "rows": 10, "columns": 24, "word_cells": 8} | change
    with pytest.raises(HwsimError) as error:
        FaultMap.from_csv(tmp_path / "map.csv", Geometry(**numbers))
    text = str(error.value)
    assert "map.csv' is of another memory: 3 banks of 10 rows of 24 cells, where this memory has" in text
    assert text.count(".") == text.count("map.csv") + 1


def test_the_words_and_blocks_of_the_memory_count_not_those_of_the_file(tmp_path: Path) -> None:
    measured().to_csv(tmp_path / "map.csv")
    other = Geometry(banks=3, rows=10, columns=24, word_cells=12, block_rows=5, block_columns=12)
    assert FaultMap.from_csv(tmp_path / "map.csv", other).geometry == other


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# hwsim fault map, version 1", "# something", "is not a fault map: its first line is not"),
        ("# geometry banks=2 rows=4 columns=8\n", "", "has no line such as '# geometry"),
        ("banks=2 ", "", "does not say how many banks there are"),
        ("banks=2", "banks=two", "banks is 'two': give a whole number from 1"),
        ("banks=2", "bank=2", "Unknown part of a geometry 'bank': did you mean 'banks'"),
        ("banks=2 rows=4", "banks=2 rows=0", "rows is '0': give a whole number from 1"),
        ("# condition voltage = 0.54 V", "# condition voltage", "must be like '# condition temperature = 25 degC'"),
        ("# condition", "# conditions", "Unknown key 'conditions': did you mean 'condition'"),
        ("7,3,1,0", "8,3,1,0", "Line 5 .* the column.* is '8': give a whole number from 0 to 7"),
        ("7,3,1,0", "7,3,2,0", "Line 5 .* the bank.* is '2': give a whole number from 0 to 1"),
        ("7,3,1,0", "7,-1,1,0", "Line 5 .* the row.* is '-1': give a whole number from 0 to 3"),
        ("7,3,1,0", "7,x,1,0", "Line 5 .* the row.* is 'x': give a whole number from 0 to 3"),
        ("7,3,1,0", "7,99999999999999999999,1,0", "Line 5 .* the row.* is '99999999999999999999'"),
        ("7,3,1,0", "7,3,1", "Line 5 .* has 3 of the 4 columns"),
        ("7,3,1,0", "7,3,1,2", "Line 5 .* fails as '2': give 0, 1 or flip"),
        ("7,3,1,0", "0,0,1,0", "Line 6 .* gives a cell that an earlier line gives"),
        ("column,row,bank,fails", "column,row,bank", "must name the columns, as in 'bank,row,column,fails'"),
        ("column,row,bank,fails", "column,row,bank,fail", "Unknown column 'fail': did you mean 'fails'"),
        ("column,row,bank,fails", "column,row,fails,threshold", "must name the columns"),
        ("# condition voltage = 0.54 V", "# threshold V, fails below", "but no column 'threshold'"),
        ("# condition voltage = 0.54 V", "# threshold V", "must be like '# threshold V, fails below'"),
        ("# condition voltage = 0.54 V", "# threshold Q, fails below", "Unknown unit 'Q'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MEASURED
    (tmp_path / "map.csv").write_text(MEASURED.replace(old, new))
    with pytest.raises(HwsimError, match=message):
        FaultMap.from_csv(tmp_path / "map.csv")


@pytest.mark.parametrize(
    ("value", "message"),
    [("nan", "'nan'"), ("", "''")],
)
def test_a_threshold_is_a_number(tmp_path: Path, value: str, message: str) -> None:
    text = MEASURED.replace("# condition voltage = 0.54 V", "# threshold V, fails below")
    text = text.replace("bank,fails", "bank,fails,threshold").replace("1,0\n", f"1,0,{value}\n")
    (tmp_path / "map.csv").write_text(text.replace("1,1\n", "1,1,0.5\n").replace("flip", "flip,0.5"))
    with pytest.raises(HwsimError, match=f"Line 5 .* threshold = {message} is not a number: give one"):
        FaultMap.from_csv(tmp_path / "map.csv")


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(HwsimError, match=r"none.csv cannot be read: No such file"):
        FaultMap.from_csv(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HwsimError, match="cannot be read: it is not text"):
        FaultMap.from_csv(tmp_path / "binary.csv")
    with pytest.raises(HwsimError, match="cannot be written"):
        measured().to_csv(tmp_path / "no folder" / "map.csv")


def test_a_map_that_makes_no_sense_is_refused() -> None:
    for call, message in (
        (lambda: FaultMap.of(SMALL, [SMALL.cells]), "Cell 720 is beyond the 720 cells"),
        (lambda: FaultMap.of(SMALL, [-1]), "Cell -1 is beyond"),
        (lambda: FaultMap(SMALL, np.array([3, 1]), np.zeros(2, np.uint8)), "sorted, each once"),
        (lambda: FaultMap.of(SMALL, [1], threshold=[0.5]), "Thresholds need to be named"),
        (lambda: FaultMap.of(SMALL, [1], conditions={"a=b": "c"}), "cannot stand in a fault map"),
        (lambda: FaultMap.of(SMALL, [1], technology="a\nb"), "cannot stand in a fault map"),
        (lambda: FaultMap.of(SMALL, [1], 7), "fails to 0, to 1 or flips"),
        (lambda: FaultMap.of_upsets(SMALL, Upsets.of([1], OLD)), "held before a write cannot stand"),
        (lambda: Threshold("V", "beside"), "Unknown side of a threshold 'beside'"),  # type: ignore[arg-type]
        (lambda: FaultMap.of(SMALL, [1]).at(0.5), "has no thresholds: all of its cells fail"),
        (lambda: measured().upsets(), "has thresholds: say at which level"),
    ):
        with pytest.raises(HwsimError, match=message):
            call()  # type: ignore[no-untyped-call]


# ---- Thresholds


def test_a_cell_fails_on_the_side_of_its_threshold_that_the_map_names() -> None:
    low = measured()
    high = FaultMap.of(SMALL, low.cell, low.fails, threshold=low.threshold, threshold_of=Threshold("s", "above"))
    assert low.threshold is not None
    assert low.at(0.5).cell.tolist() == low.cell[low.threshold > 0.5].tolist()
    assert high.at(0.5).cell.tolist() == low.cell[low.threshold < 0.5].tolist()
    assert low.at(0.5).conditions["level"] == "0.5 V"


@pytest.mark.parametrize(("side", "failing"), [("below", [3]), ("above", [1])])
def test_a_cell_at_its_threshold_works(side: str, failing: list[int]) -> None:
    at = FaultMap.of(SMALL, [1, 2, 3], threshold=[0.4, 0.5, 0.6], threshold_of=Threshold("V", side))  # type: ignore[arg-type]
    assert at.at(0.5).cell.tolist() == failing


@given(st.floats(0.3, 0.7), st.floats(0.3, 0.7))
def test_a_lower_voltage_fails_a_superset(one: float, other: float) -> None:
    found = measured()
    lower, higher = (set(found.at(level).cell.tolist()) for level in sorted((one, other)))
    assert higher <= lower
    assert set(found.upsets(one).cell.tolist()) == set(found.at(one).cell.tolist())


# ---- Words of a network


def bits_of(memory: Memory) -> list[int]:
    width = memory.format.width
    return [int(word) >> bit & 1 for word in memory.flat.tolist() for bit in range(width)]


def brute_force(found: FaultMap, memory: Memory) -> list[int]:
    """All bits of the words after the faults, cell by cell."""
    geometry, width = found.geometry, memory.format.width
    per_word = geometry.word_cells // width
    place = {}
    for word in range(memory.words):
        for bit in range(width):
            cell = geometry.cell(word // per_word, word % per_word * width + bit)
            place[int(cell)] = word * width + bit
    bits = bits_of(memory)
    for cell, fails in zip(found.cell.tolist(), found.fails.tolist(), strict=True):
        if cell in place:
            at = place[cell]
            bits[at] = {FORCE_0: 0, FORCE_1: 1, TOGGLE: 1 - bits[at]}[fails]
    return bits


@pytest.mark.parametrize(("name", "cells"), [("q2.5", 8), ("q2.5", 24), ("fp16", 16), ("q3.7", 24), ("fp8_e4m3", 11)])
def test_a_map_does_to_words_what_it_does_to_each_cell(name: str, cells: int) -> None:
    fmt = get_format(name)
    geometry = Geometry(banks=2, rows=9, columns=48, word_cells=cells, interleave=2, block_rows=3, block_columns=16)
    generator = np.random.default_rng(3)
    memory = Memory({"a": generator.integers(0, 1 << fmt.width, (5, 7)).astype(fmt.dtype)}, fmt)
    found = measured(300, 5, geometry)
    found = FaultMap.of(geometry, found.cell, found.fails)
    expected = brute_force(found, memory)
    faults = found.faults(memory)
    faults.apply(memory)
    assert bits_of(memory) == expected
    assert (np.diff(faults.address) > 0).all()
    assert (faults.before != faults.after).all()


@pytest.mark.parametrize("name", ["fp32", "bf16", "q3.7", "int8"])
@pytest.mark.parametrize("rate", [0.0, 2e-3, 0.1])
def test_a_run_is_saved_as_a_map_and_replayed_bit_for_bit(
    layers: Callable[..., Memory], tmp_path: Path, name: str, rate: float
) -> None:
    memory = layers(name)
    faults = BitFlips(rate).draw(memory, seed=2)
    spread = Geometry(banks=4, rows=400, columns=256, word_cells=64, interleave=2, block_rows=64, block_columns=32)
    for geometry in (None, spread):
        found = FaultMap.of_faults(faults, geometry)
        found.to_csv(tmp_path / "run.csv")
        again = FaultMap.from_csv(tmp_path / "run.csv").faults(memory)
        assert len(found) == faults.flips
        for field in ("address", "before", "after"):
            assert np.array_equal(getattr(again, field), getattr(faults, field))


def test_faults_beyond_a_network_do_nothing_to_it() -> None:
    fmt = get_format("int8")
    memory = Memory({"a": np.zeros(4, np.uint8)}, fmt)
    everything = FaultMap.of(SMALL, np.arange(SMALL.cells), FORCE_1)
    faults = everything.faults(memory)
    assert isinstance(faults, Faults)
    assert faults.after.tolist() == [255] * 4


def test_a_network_larger_than_the_map_is_refused() -> None:
    assert measured().at(0.5).faults(Memory({"a": np.zeros(60, np.uint8)}, get_format("int8"))).layout.words == 60
    memory = Memory({"a": np.zeros(61, np.uint8)}, get_format("int8"))
    with pytest.raises(HwsimError, match=r"61 words of int8 do not fit a memory of 3 banks .* room for 60"):
        measured().at(0.5).faults(memory)
    wide = Memory({"a": np.zeros(1, np.uint32)}, get_format("fp32"))
    with pytest.raises(HwsimError, match="A word of fp32 does not fit a memory word of 8 cells"):
        measured().at(0.5).faults(wide)


def test_a_map_of_upsets_gives_the_upsets_back() -> None:
    upsets = Upsets.of([5, 3, 100], [FORCE_0, FORCE_1, TOGGLE])
    again = FaultMap.of_upsets(SMALL, upsets).upsets()
    assert again.cell.tolist() == [3, 5, 100]
    assert again.becomes.tolist() == [FORCE_1, FORCE_0, TOGGLE]


def test_a_map_says_what_it_holds() -> None:
    text = repr(FaultMap.of(SMALL, [1, 2, 3], [FORCE_0, FORCE_0, TOGGLE]))
    assert "3 of 720 cells fail (2 to 0, 0 to 1, 1 flip), 3 banks of 10 rows of 24 cells" in text


# ---- How faults lie


def blocks_of(geometry: Geometry) -> list[list[tuple[int, int, int]]]:
    """The cells of each block as (bank, row, column), edges cut off: written without looking at the geometry's code."""
    blocks: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
    for bank in range(geometry.banks):
        for row in range(geometry.rows):
            for column in range(geometry.columns):
                key = (bank, row // geometry.block_rows, column // geometry.block_columns)
                blocks.setdefault(key, []).append((bank, row, column))
    return list(blocks.values())


def test_a_summary_counts_what_can_be_counted_by_hand() -> None:
    found = measured(150, 9)
    bank, _, row, column = (part.tolist() for part in SMALL.position(found.cell))
    faulty = set(zip(bank, row, column, strict=True))
    counts = [sum(cell in faulty for cell in block) for block in blocks_of(SMALL)]
    pairs = [list(combinations([cell for cell in block if cell in faulty], 2)) for block in blocks_of(SMALL)]
    summary = summarise(found)
    assert sorted(summary.per_block.tolist()) == sorted(counts)
    assert summary.fault_free == counts.count(0) / len(counts)
    assert summary.variance_over_mean == pytest.approx(np.var(counts) / np.mean(counts))
    assert summary.same_column_pairs == sum(a[2] == b[2] for block in pairs for a, b in block)
    assert summary.same_row_pairs == sum(a[1] == b[1] for block in pairs for a, b in block)
    assert (summary.faults, summary.rate, summary.blocks) == (150, 150 / 720, len(counts))
    assert summary.to_zero == int((found.fails == FORCE_0).sum())


@pytest.mark.parametrize("number", [1, 2, 7, 150, 700])
def test_chance_is_the_hypergeometric_distribution_of_each_block(number: int) -> None:
    """The oracle: scipy's distribution for each block, and all pairs of cells."""
    summary = summarise(measured(number))
    sizes = [len(block) for block in blocks_of(SMALL)]
    laws = [stats.hypergeom(SMALL.cells, number, size) for size in sizes]
    second = np.mean([law.var() + law.mean() ** 2 for law in laws])
    mean = number / len(sizes)
    assert summary.fault_free_by_chance == pytest.approx(np.mean([law.pmf(0) for law in laws]), rel=1e-9, abs=1e-300)
    assert summary.variance_over_mean_by_chance == pytest.approx((second - mean**2) / mean)
    both = math.comb(number, 2) / math.comb(SMALL.cells, 2)
    pairs = [list(combinations(block, 2)) for block in blocks_of(SMALL)]
    in_column = sum(a[2] == b[2] for block in pairs for a, b in block)
    in_row = sum(a[1] == b[1] for block in pairs for a, b in block)
    assert summary.same_column_by_chance == pytest.approx(both * in_column)
    assert summary.same_row_by_chance == pytest.approx(both * in_row)


LARGE = Geometry(banks=8, rows=8192, columns=64, word_cells=16, interleave=4, block_rows=512, block_columns=16)


def test_faults_thrown_at_random_lie_as_chance_says() -> None:
    """100 maps of 1,000 faults in 512 blocks: means within 5 standard errors of chance, 3e-6 of failing by bad luck.

    Power: a tenth more pairs in a column, or a variance a twentieth larger, is found with more than 99 %.
    """
    generator = np.random.default_rng(11)
    found = []
    for _ in range(100):
        summary = summarise(FaultMap.of(LARGE, generator.choice(LARGE.cells, 1000, replace=False)))
        found.append(
            (summary.variance_over_mean, summary.fault_free, summary.column_clustering, summary.row_clustering)
        )
    expected = (summary.variance_over_mean_by_chance, summary.fault_free_by_chance, 1.0, 1.0)
    means, errors = np.mean(found, axis=0), np.std(found, axis=0) / 10
    assert (np.abs(means - expected) <= 5 * errors).all()


def test_the_chance_of_a_fault_free_block_is_that_of_the_published_board() -> None:
    """KC705-B at 0.53 V: 2,274 faults in 1,780 blocks of 8,192 cells; 0.279 of the blocks are fault-free by chance."""
    board = Geometry(banks=1, rows=1780 * 512, columns=16, word_cells=16, block_rows=512, block_columns=16)
    assert board.cells == 14_581_760
    summary = summarise(FaultMap.of(board, np.linspace(0, board.cells - 1, 2274).astype(np.int64)))
    assert summary.fault_free_by_chance == pytest.approx(0.279, abs=5e-4)
    assert summary.variance_over_mean_by_chance == pytest.approx(1, abs=1e-3)


def test_clusters_show_in_the_numbers() -> None:
    """All faults in one column of one block."""
    cells = LARGE.members("column", 5, np.arange(100))
    summary = summarise(FaultMap.of(LARGE, cells))
    assert summary.variance_over_mean == pytest.approx(100 - 100 / summary.blocks)
    assert summary.fault_free == 1 - 1 / summary.blocks
    assert summary.same_column_pairs == 4950
    assert summary.column_clustering > 1000
    assert summary.same_row_pairs == 0


def test_a_map_without_faults_has_a_summary() -> None:
    summary = summarise(FaultMap.of(SMALL, []))
    assert (summary.faults, summary.fault_free, summary.fault_free_by_chance) == (0, 1, 1)
    assert math.isnan(summary.variance_over_mean)
    assert math.isnan(summary.column_clustering)
    assert "0 of 720 cells fail" in str(summary)


def test_a_summary_prints_each_number_beside_its_chance() -> None:
    text = str(summarise(measured()))
    for words in ("found", "by chance", "variance / mean", "blocks without a fault", "pairs in one column"):
        assert words in text


def test_more_blocks_than_can_be_counted_are_refused() -> None:
    geometry = Geometry(banks=1, rows=1 << 30, columns=8, word_cells=8, block_rows=1, block_columns=8)
    with pytest.raises(HwsimError, match="too many to count: give larger blocks"):
        summarise(FaultMap.of(geometry, [1]))


def test_a_summary_costs_what_the_faults_and_blocks_cost_not_the_cells() -> None:
    """10^12 cells."""
    geometry = Geometry(
        banks=16, rows=1 << 20, columns=1 << 16, word_cells=64, block_rows=1 << 13, block_columns=1 << 13
    )
    found = FaultMap.of(geometry, np.random.default_rng(1).integers(0, geometry.cells, 100_000))
    summary = summarise(found)
    assert summary.variance_over_mean == pytest.approx(1, abs=0.1)
    assert 0.0 < summary.fault_free_by_chance < 1e-2


HEADER = "# hwsim fault map, version 1\n# geometry banks=2 rows=4 columns=8\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "# geometry banks=2 rows=4 columns=8\ncell,fails\n", "Line 3 .* says the geometry again"),
        (HEADER.replace("rows=4", "rows=4 rows=5") + "cell,fails\n", "says rows twice"),
        (HEADER + "cell,bank,fails\n9,1,0\n9,0,1\n", "Line 5 .* gives a bank that its cell does not lie in"),
        (HEADER + "cell,row,fails\n9,1,0\n", "Line 4 .* gives a row that its cell does not lie in"),
        (HEADER + "cell,column,fails\n9,2,0\n", "Line 4 .* gives a column that its cell does not lie in"),
        (HEADER + f"cell,fails\n{'1' * 140_000},0\n", "Line 4 .* cannot be read: field larger"),
        (HEADER + f"cell,fails\n{'1' * 5000},0\n", "Line 4 .* the cell.*give a whole number from 0 to 63"),
        (HEADER + "cell,fails\n²,0\n", "Line 4 .* the cell.*give a whole number"),
        (HEADER.replace("banks=2", f"banks={'1' * 5000}") + "cell,fails\n", "banks is .*: give a whole number"),
        (HEADER.replace("banks=2 rows=4", "banks=4000000000 rows=4000000000") + "cell,fails\n", "have more cells than"),
    ],
)
def test_a_map_that_contradicts_itself_or_no_memory_can_have_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "map.csv").write_text(text, encoding="utf-8")
    with pytest.raises(HwsimError, match=message) as said:
        FaultMap.from_csv(tmp_path / "map.csv")
    assert len(str(said.value)) <= 300


def test_cells_may_be_given_by_number_and_by_place(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text(HEADER + "cell,row,bank,column,fails\n9,0,1,1,0\n17,1,0,1,1\n")
    assert FaultMap.from_csv(tmp_path / "map.csv").cell.tolist() == [9, 17]
