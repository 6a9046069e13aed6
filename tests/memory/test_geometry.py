"""Where cells lie: maps against plain enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import HwsimError
from hwsim.memory.cells.geometry import SCOPES, Geometry


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    small = st.integers(1, 5)
    word, interleave = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    return Geometry(
        banks=draw(small),
        rows=draw(small),
        columns=word * interleave * draw(st.integers(1, 3)) + draw(st.integers(0, 5)),
        word_cells=word,
        interleave=interleave,
        block_rows=draw(small),
        block_columns=draw(st.integers(1, 30)),
    )


@given(geometries())
def test_every_cell_holds_one_bit_or_is_spare(geometry: Geometry) -> None:
    words, bits = np.meshgrid(np.arange(geometry.words), np.arange(geometry.word_cells), indexing="ij")
    cells = geometry.cell(words, bits)
    assert len(np.unique(cells)) == cells.size
    word, bit = geometry.locate(cells)
    assert (word == words).all()
    assert (bit == bits).all()
    spare = np.setdiff1d(np.arange(geometry.cells), cells)
    assert (geometry.locate(spare)[0] == -1).all()
    assert (geometry.locate(spare)[1] == -1).all()


@given(geometries())
def test_words_fill_the_lines_of_all_banks_in_turn(geometry: Geometry) -> None:
    for words in range(1, geometry.words + 1):
        cells = geometry.cell(np.arange(words)[:, None], np.arange(geometry.word_cells))
        assert cells.max() < geometry.cells_for(words)
        assert geometry.cells_for(words) - cells.max() <= geometry.columns
    position = geometry.position(np.arange(geometry.cells))
    order = np.lexsort((position.column, position.bank, position.row))
    assert (order == np.arange(geometry.cells)).all()


@given(geometries(), st.sampled_from(SCOPES), st.data())
def test_units_and_their_members_are_inverse(geometry: Geometry, scope: str, data: st.DataObject) -> None:
    cells = np.arange(geometry.cells)
    unit = geometry.unit(scope, cells)
    size = geometry.unit_cells(scope)
    for number in np.unique(unit[unit >= 0]).tolist():
        members = geometry.members(scope, number, np.arange(size))
        assert np.sort(members[members >= 0]).tolist() == cells[unit == number].tolist()
    lines = data.draw(st.integers(1, geometry.rows * geometry.banks))
    used = unit[: lines * geometry.columns]
    assert geometry.units(scope, lines * geometry.columns) > used.max()
    if scope not in ("column", "block"):
        assert geometry.units(scope, lines * geometry.columns) == used.max() + 1


def test_few_lines_lie_in_few_banks() -> None:
    geometry = Geometry(banks=8, rows=4, columns=64, word_cells=64)
    assert [geometry.units("bank", lines * 64) for lines in (0, 1, 3, 8, 9, 32)] == [0, 1, 3, 8, 8, 8]


@pytest.mark.parametrize(("check_bits", "columns"), [(0, 500), (8, 7 * 72 + 52)])
def test_what_a_block_has_beyond_whole_words_stays_spare(check_bits: int, columns: int) -> None:
    # 500 columns hold 7 words of 64 bits and 52 cells more.
    geometry = Geometry.for_words(70, word_bits=64, check_bits=check_bits, block_columns=500)
    assert (geometry.columns, geometry.block_columns, geometry.words_per_row, geometry.rows) == (
        columns,
        columns,
        7,
        10,
    )


@given(geometries())
def test_a_block_is_a_rectangle_of_one_bank(geometry: Geometry) -> None:
    position = geometry.position(np.arange(geometry.cells))
    of_block: dict[tuple[int, int, int], set[int]] = {}
    for bank, block, row, column in zip(*(part.tolist() for part in position), strict=True):
        key = (bank, row // geometry.block_rows, column // geometry.block_columns)
        of_block.setdefault(key, set()).add(block)
    assert all(len(blocks) == 1 for blocks in of_block.values())
    assert len(set.union(*of_block.values())) == len(of_block) == geometry.blocks


def test_interleaving_puts_neighbouring_columns_into_different_words() -> None:
    geometry = Geometry.for_words(64, word_bits=64, check_bits=8, interleave=8, block_columns=512)
    assert (geometry.columns, geometry.words_per_row) == (576, 8)
    for start in (0, 100, 565):
        word, bit = geometry.locate(np.arange(start, start + 8))
        assert len(np.unique(word)) == 8
        assert bit.max() - bit.min() <= 1
    adjacent = Geometry.for_words(64, word_bits=64, check_bits=8, interleave=1, block_columns=512)
    assert len(np.unique(adjacent.locate(np.arange(8))[0])) == 1


def test_a_code_makes_rows_longer_and_leaves_their_words() -> None:
    for block_columns, interleave in ((512, 8), (16, 4), (131_072, 1), (500, 2)):
        plain = Geometry.for_words(10_000, word_bits=64, interleave=interleave, block_columns=block_columns)
        coded = Geometry.for_words(
            10_000, word_bits=64, check_bits=8, interleave=interleave, block_columns=block_columns
        )
        assert plain.words_per_row == coded.words_per_row
        assert plain.rows == coded.rows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Geometry.for_words(8, word_bits=64, check_bits=8, columns=64), "72 cells with its check bits"),
        (lambda: Geometry.for_words(8, word_bits=64, interleave=8, columns=500), "at least 512 columns"),
        (lambda: Geometry.for_words(8, word_bits=64, banks=0), "banks = 0 is no geometry"),
        (lambda: Geometry.for_words(8, word_bits=64).unit("lane", 0), "Unknown scope 'lane'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(make: object, message: str) -> None:
    with pytest.raises(HwsimError, match=message):
        make()  # type: ignore[operator]
