"""The picture of a fault map: every fault is in it, every bank has its place, and equal maps give equal files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.errors import HwsimError
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.fault_maps.fault_map_summary import summarise
from hwsim.report.map_figure import BINS_ACROSS, BINS_DOWN, _short, fault_map_figure
from hwsim.report.style import save, styled

SMALL = Geometry(banks=3, rows=300, columns=48, word_cells=16, interleave=2, block_rows=100, block_columns=16)
LARGE = Geometry(banks=16, rows=65536, columns=8192, word_cells=64, block_rows=512, block_columns=8192)


def scattered(geometry: Geometry, number: int = 500, **more: object) -> FaultMap:
    cells = np.random.default_rng(4).integers(0, geometry.cells, number)
    return FaultMap.of(geometry, cells, **more)


def drawn(found: FaultMap) -> Figure:
    with styled():
        return fault_map_figure(found)


def banks(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.axes if ax.get_visible() and ax.get_title(loc="left").startswith("bank")]


@pytest.mark.parametrize("geometry", [SMALL, LARGE], ids=["14 thousand", "8.6 billion"])
def test_every_fault_is_in_the_picture_of_its_bank(geometry: Geometry) -> None:
    found = scattered(geometry)
    panels = banks(drawn(found))
    assert [ax.get_title(loc="left") for ax in panels] == [f"bank {n}" for n in range(geometry.banks)]
    per_bank = np.bincount(geometry.position(found.cell).bank, minlength=geometry.banks)
    for ax, faults in zip(panels, per_bank.tolist(), strict=True):
        assert int(ax.images[0].get_array().filled(0).sum()) == faults  # type: ignore[union-attr]


def test_a_fault_is_drawn_where_its_cell_is() -> None:
    cell = (250 * 3 + 2) * 48 + 40  # bank 2, row 250, column 40
    ax = banks(drawn(FaultMap.of(SMALL, [cell])))[2]
    image = ax.images[0]
    bins = image.get_array().filled(0)  # type: ignore[union-attr]
    ((down, across),) = np.argwhere(bins)
    left, right, bottom, top = image.get_extent()
    assert left + across * (right - left) / bins.shape[1] <= 40 < left + (across + 1) * (right - left) / bins.shape[1]
    assert top + down * (bottom - top) / bins.shape[0] <= 250 < top + (down + 1) * (bottom - top) / bins.shape[0]
    lower, upper = ax.get_ylim()
    assert lower > upper  # row 0 is at the top


def test_bins_stay_large_enough_to_be_seen() -> None:
    for geometry in (SMALL, LARGE):
        shape = banks(drawn(scattered(geometry)))[0].images[0].get_array().shape  # type: ignore[union-attr]
        assert shape[0] <= BINS_DOWN
        assert shape[1] <= BINS_ACROSS


def test_the_chart_shows_the_share_of_blocks_and_what_chance_would_give() -> None:
    found = FaultMap.of(SMALL, SMALL.members("block", [0, 0, 0, 4], [1, 2, 3, 9]))
    chart = drawn(found).axes[-1]
    heights = [bar.get_height() for bar in chart.patches]
    blocks = SMALL.blocks
    assert heights == pytest.approx([(blocks - 2) / blocks, 1 / blocks, 0, 1 / blocks])
    mean = 4 / blocks
    line = chart.lines[0].get_ydata()
    assert line[:2] == pytest.approx([math.exp(-mean), mean * math.exp(-mean)])
    assert "variance / mean" in chart.get_title(loc="left")


@pytest.mark.parametrize("most", [0, 1, 24, 25, 100, 5000])
def test_the_bars_of_the_chart_add_up_to_all_blocks(most: int) -> None:
    cells = SMALL.members("block", 4, np.arange(most)) if most < 1600 else LARGE.members("block", 4, np.arange(most))
    chart = drawn(FaultMap.of(SMALL if most < 1600 else LARGE, cells)).axes[-1]
    assert sum(bar.get_height() for bar in chart.patches) == pytest.approx(1)
    assert len(chart.patches) == len(chart.get_xticklabels())


def test_the_heading_says_what_is_shown() -> None:
    found = scattered(SMALL, 10, technology="sram", conditions={"voltage": "0.54 V"})
    figure = drawn(found)
    assert (
        figure.get_suptitle() == f"sram, voltage 0.54 V: {len(found)} of 43,200 cells fail ({len(found) / 43200:.3g})"
    )
    with styled():
        assert fault_map_figure(found, "a chip").get_suptitle().startswith("a chip: ")


def test_equal_maps_give_equal_files_and_an_empty_one_can_be_drawn() -> None:
    with styled():
        one, other = (save(fault_map_figure(scattered(SMALL))) for _ in range(2))
        empty = save(fault_map_figure(FaultMap.of(SMALL, [])))
    assert one == other
    assert empty["png"][:8] == b"\x89PNG\r\n\x1a\n"


def test_no_title_leaves_the_figure() -> None:
    one_bank = Geometry(banks=1, rows=512, columns=64, word_cells=16, block_rows=128, block_columns=16)
    for geometry in (one_bank, SMALL, LARGE):
        with styled():
            figure = fault_map_figure(scattered(geometry, technology="sram", conditions={"voltage": "0.54 V"}))
            figure.draw_without_rendering()
            for ax in figure.axes:
                for text in (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label):  # type: ignore[attr-defined]
                    box = text.get_window_extent()
                    if text.get_text() and ax.get_visible():
                        assert box.x0 >= figure.bbox.x0 - 1
                        assert box.x1 <= figure.bbox.x1 + 1


def test_more_banks_than_fit_a_page_are_refused() -> None:
    geometry = Geometry(banks=65, rows=8, columns=8, word_cells=8)
    with pytest.raises(HwsimError, match="A picture has room for 64 banks, but this memory has 65"):
        fault_map_figure(FaultMap.of(geometry, []))


def test_the_bars_of_many_faults_are_named_by_the_numbers_they_hold() -> None:
    counts = [0, 1, 2, 3, 4, 5, 8, 9, 30]
    blocks = [np.full(n, block) for block, n in enumerate(counts)]
    members = [np.arange(n) for n in counts]
    chart = drawn(FaultMap.of(SMALL, SMALL.members("block", np.concatenate(blocks), np.concatenate(members)))).axes[-1]
    names = [label.get_text() for label in chart.get_xticklabels()]
    assert names == ["0", "1", "2", "3-4", "5-8", "9-16", "17-32"]
    heights = [round(bar.get_height() * SMALL.blocks) for bar in chart.patches]
    assert heights == [SMALL.blocks - 8, 1, 1, 2, 2, 1, 1]


def test_the_chart_says_how_the_map_differs_from_chance() -> None:
    found = scattered(SMALL)
    summary = summarise(found)
    title = drawn(found).axes[-1].get_title(loc="left").replace("\n", " ")
    assert title == (
        f"variance / mean {summary.variance_over_mean:.3g} (chance {summary.variance_over_mean_by_chance:.3g}), "
        f"blocks without a fault {summary.fault_free:.1%} (chance {summary.fault_free_by_chance:.1%}), "
        f"pairs in one column {summary.column_clustering:.3g} x chance"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (9999, "9999"), (65_536, "65.5k"), (2e6, "2M"), (8.6e9, "8.6G"), (1e4, "10k")]
)
def test_large_numbers_are_short(value: float, text: str) -> None:
    assert _short(value) == text


def test_the_bar_says_how_many_cells_a_bin_holds_rows_first() -> None:
    upper = next(ax for ax in drawn(scattered(LARGE)).axes if ax.get_ylabel().startswith("faults in"))
    assert upper.get_ylabel() == "faults in 683 x 128 cells"
