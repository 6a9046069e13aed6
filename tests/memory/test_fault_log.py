"""The fault log: every flipped bit, and back again from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory import BitFlips, Faults, Memory
from hwsim.words import get_format

FORMATS = ["fp32", "bf16", "q3.7", "int8"]
Layers = Callable[..., Memory]


@pytest.mark.parametrize("name", FORMATS)
def test_the_log_has_a_row_for_each_flipped_bit(layers: Layers, name: str) -> None:
    memory = layers(name)
    faults = BitFlips(0.05).draw(memory, seed=1)
    expected = [
        (region.name, index, bit, before, after)
        for region, *columns in faults.by_region()
        for index, before, after in zip(*(column.tolist() for column in columns), strict=True)
        for bit in range(32)
        if (before ^ after) >> bit & 1
    ]
    log = faults.log()
    assert log.dtype.names == ("tensor", "index", "bit", "before", "after")
    assert log.tolist() == expected
    assert len(log) == faults.flips


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [0.0, 2e-3, 0.1, 1.0])
def test_a_log_file_gives_back_the_faults_to_the_bit(layers: Layers, tmp_path: Path, name: str, rate: float) -> None:
    faults = BitFlips(rate).draw(layers(name), seed=2)
    faults.to_csv(tmp_path / "log.csv")
    again = Faults.from_csv(tmp_path / "log.csv", layers(name))
    for column in ("address", "before", "after"):
        one, other = getattr(again, column), getattr(faults, column)
        assert one.dtype == other.dtype
        assert (one == other).all()
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_log_flips_the_same_bits_in_other_data(layers: Layers, tmp_path: Path) -> None:
    faults = BitFlips(0.02).draw(layers(seed=0), seed=3)
    faults.to_csv(tmp_path / "log.csv")
    other = layers(seed=1)
    replayed = Faults.from_csv(tmp_path / "log.csv", other)
    assert (replayed.before == other.flat[faults.address]).all()
    assert (replayed.before ^ replayed.after == faults.before ^ faults.after).all()


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    memory = Memory({"fc, the last": np.array([[0x3C00, 0x4000]], np.uint16)}, get_format("fp16"))
    faults = BitFlips(1.0, immune=0xBFFE).draw(memory, seed=1)
    faults.to_csv(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        "# hwsim fault log, version 1",
        "# format fp16",
        "# tensor 1x2 fc, the last",
        "tensor,index,bit,before,after",
        '"fc, the last",0,0,0x3c00,0x7c01',
        '"fc, the last",0,14,0x3c00,0x7c01',
        '"fc, the last",1,0,0x4000,0x0001',
        '"fc, the last",1,14,0x4000,0x0001',
    ]


def memory_of(shape: tuple[int, ...], name: str = "w", format_name: str = "fp16") -> Memory:
    fmt = get_format(format_name)
    return Memory({name: np.zeros(shape, fmt.dtype)}, fmt)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (memory_of((3, 2)), r"it says 'tensor 2x3 w' where this memory has 'tensor 3x2 w'\.$"),
        (memory_of((2, 3), "v"), r"it says 'tensor 2x3 w' where this memory has 'tensor 2x3 v'\.$"),
        (memory_of((2, 3), format_name="bf16"), r"it says 'format fp16' where this memory has 'format bf16'\.$"),
        (Memory({}, get_format("fp16")), r"it says 'tensor 2x3 w' where this memory has 'nothing'\.$"),
        (
            Memory({"w": np.zeros((2, 3), np.uint16), "b": np.zeros(5, np.uint16)}, get_format("fp16")),
            r"it has no tensor b \[5\]\.$",
        ),
    ],
)
def test_a_log_is_refused_by_a_memory_of_another_layout(memory: Memory, message: str, tmp_path: Path) -> None:
    BitFlips(0.5).draw(memory_of((2, 3)), seed=1).to_csv(tmp_path / "log.csv")
    with pytest.raises(HwsimError, match=r"log\.csv' belongs to another memory: " + message):
        Faults.from_csv(tmp_path / "log.csv", memory)


@pytest.mark.parametrize(
    "row",
    [
        "w,6,0,0x0000,0x0001",  # beyond the tensor
        "w,-1,0,0x0000,0x0001",
        "w,0,16,0x0000,0x10000",  # beyond the word
        "w,0,1,0x0000,0x0001",  # another bit than the one that differs
        "v,0,0,0x0000,0x0001",  # no such tensor
        "w,0,0,0x0000",  # cut off
        "w,0,0,0x0000,0x0001,1",
        "w,zero,0,0x0000,0x0001",
        "w,0,0,0.5,0x0001",
    ],
)
def test_a_row_that_is_no_flip_is_refused_with_its_line(row: str, tmp_path: Path) -> None:
    memory, path = memory_of((2, 3)), tmp_path / "log.csv"
    BitFlips(0.0).draw(memory, seed=1).to_csv(path)
    path.write_text(path.read_text() + "w,1,3,0x0000,0x0008\n\n" + row + "\n")
    with pytest.raises(HwsimError, match=r"^Line 7 of the fault log .* is no flip in this memory"):
        Faults.from_csv(path, memory)


def test_a_bit_that_flips_twice_is_refused(tmp_path: Path) -> None:
    memory, path = memory_of((2, 3)), tmp_path / "log.csv"
    BitFlips(0.0).draw(memory, seed=1).to_csv(path)
    path.write_text(path.read_text() + 2 * "w,1,3,0x0000,0x0008\n")
    with pytest.raises(HwsimError, match=r"^Line 6 .* flips a bit that an earlier line flips\.$"):
        Faults.from_csv(path, memory)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"tensor,index\n", r"is not a fault log: its first line is not '# hwsim fault log, version 1'\.$"),
        (b"", "is not a fault log"),
        (b"\xff\xfe\x00", r"cannot be read: it is not text\.$"),
        (
            b"# hwsim fault log, version 1\n# format fp16\n# tensor 2x3 w\n",
            "^Line 4 of the fault log .* is not 'tensor,",
        ),
        (None, r"cannot be read: No such file or directory\.$"),
    ],
)
def test_a_file_that_is_no_log_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HwsimError, match=message):
        Faults.from_csv(path, memory_of((2, 3)))


def test_a_log_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    faults = BitFlips(0.5).draw(memory_of((2, 3)), seed=1)
    with pytest.raises(HwsimError, match=r"absent/log\.csv' cannot be written: No such file or directory\.$"):
        faults.to_csv(tmp_path / "absent" / "log.csv")
    assert list(tmp_path.iterdir()) == []
