"""Defects found in other fault injectors that a memory can have. Each one is a rule here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwsim.memory import BitFlips, Faults, Memory
from hwsim.words import get_format
from tests.memory.conftest import SHAPES

Layers = Callable[..., Memory]


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape and 0 not in shape])
def test_a_logged_fault_is_where_the_log_says(layers: Layers, tmp_path: Path, name: str) -> None:
    """Elsewhere a convolution's fault asked for at (1, 2, 0, 0) lands at (1, 2, 2, 0), and the log hides it."""
    memory, sound = layers(), layers()
    shape = SHAPES[name]
    target = tuple(size - 1 if axis < 2 else 0 for axis, size in enumerate(shape))
    log = tmp_path / "log.csv"
    BitFlips(0.0).draw(memory, seed=1).to_csv(log)
    stored = int(memory.tensor(name)[target])
    index = int(np.ravel_multi_index(target, shape))
    log.write_text(log.read_text() + f"{name},{index},30,{stored:#x},{stored ^ 1 << 30:#x}\n")

    Faults.from_csv(log, memory).apply(memory)

    assert memory.tensor(name)[target] == stored ^ 1 << 30
    assert [tuple(map(int, where)) for where in np.argwhere(memory.tensor(name) != sound.tensor(name))] == [target]
    assert (memory.flat != sound.flat).sum() == 1


def test_a_log_replays_every_fault_of_every_tensor_to_the_bit(layers: Layers, tmp_path: Path) -> None:
    original, replayed = layers(), layers()
    faults = BitFlips(0.05).draw(original, seed=1)
    faults.to_csv(tmp_path / "log.csv")
    faults.apply(original)
    Faults.from_csv(tmp_path / "log.csv", replayed).apply(replayed)
    assert (original.flat == replayed.flat).all()
    assert {row["tensor"] for row in faults.log()} == {name for name, shape in SHAPES.items() if 0 not in shape}


def test_tiny_tensors_are_hit_in_proportion_and_their_counts_spread() -> None:
    """Elsewhere each tensor gets int(p n) faults: none in most of them, and the same number every time."""
    # 4,000 maps at 1e-4. Expected hits 13, 128, 1,280, 12,800, 128,000, each within 4.5 standard errors; the
    # variance of the count per map within 10 % of the binomial one where the count is not mostly 0.
    fmt = get_format("fp32")
    sizes = {f"{words} words": words for words in (1, 10, 100, 1000, 10_000)}
    memory = Memory({name: np.zeros(words, np.uint32) for name, words in sizes.items()}, fmt)
    maps, rate = 4000, 1e-4
    counts = {name: np.zeros(maps, int) for name in sizes}
    for seed in range(maps):
        for region, _, before, after in BitFlips(rate).draw(memory, seed).by_region():
            counts[region.name][seed] = np.bitwise_count(before ^ after).sum()
    for name, words in sizes.items():
        expected = 32 * words * rate
        assert abs(counts[name].mean() - expected) < 4.5 * np.sqrt(expected / maps)
        if words >= 1000:
            assert counts[name].var() == pytest.approx(expected * (1 - rate), rel=0.1)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_any_rate_from_0_to_1_is_possible_and_no_cell_is_drawn_twice(layers: Layers, rate: float) -> None:
    """Elsewhere a rate of 0.1 is an error, and positions drawn with replacement fall short of higher ones."""
    # 21,920 cells and 100 maps: shows a rate that is 1 % short.
    memory = layers()
    flips = np.array([BitFlips(rate).draw(memory, seed).flips for seed in range(100)])
    error = np.sqrt(memory.cells * rate * (1 - rate) / len(flips))
    assert abs(flips.mean() - memory.cells * rate) <= 4.5 * error


def test_faults_persist_over_reads_until_the_words_are_rewritten(layers: Layers) -> None:
    """Elsewhere each forward pass has new faults."""
    memory, mechanism = layers(), BitFlips(0.01)
    faults = mechanism.draw(memory, seed=1)
    faults.apply(memory)
    for _ in range(3):
        assert (memory.flat[faults.address] == faults.after).all()
        mechanism.draw(memory, seed=2)  # another draw leaves them alone
    rewritten = layers()
    assert (rewritten.flat[faults.address] == faults.before).all()
    assert (mechanism.draw(rewritten, seed=1).after == faults.after).all()


@pytest.mark.parametrize("name", ["q2.5", "q2.6", "int8_sm", "q3.7"])
def test_a_faulty_word_decodes_to_a_value_of_its_format(layers: Layers, name: str) -> None:
    """Elsewhere the sign flip of 0.5 in 8-bit Q2.6 gives -2.5, which no 8-bit word holds."""
    faults = BitFlips(0.3).draw(layers(name), seed=1)
    values = faults.format.decode(faults.after)
    assert (faults.format.encode(values) == faults.after).all()
    assert (np.abs(values) <= 2.0 ** (faults.format.width - 1)).all()
