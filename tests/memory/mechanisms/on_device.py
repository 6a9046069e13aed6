"""Devices of a technology, their faults counted by the value that was written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwsim.memory import Memory
from hwsim.memory.device.device import Device
from hwsim.memory.device.readout import Readout
from hwsim.memory.life.mission import Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.mechanism import Mechanism, Situation
from hwsim.memory.technology.constants import technology
from hwsim.words import get_format

HOUR, DAY, YEAR = 3600.0, 86400.0, 365.25 * 86400.0
SIGMAS = 4.5  # of a count, beyond which a test fails: one right program in 150,000 would


def image(words: int, pattern: int | None, seed: int = 0) -> Memory:
    """Bytes that are all `pattern`, or random ones."""
    if pattern is None:
        return Memory({"w": np.random.default_rng(seed).integers(0, 256, words, np.uint8)}, get_format("q2.5"))
    return Memory({"w": np.full(words, pattern, np.uint8)}, get_format("q2.5"))


def made(
    name: str,
    mechanisms: str | tuple[str, ...],
    changes: Mapping[str, object] | None = None,
    *,
    words: int = 100_000,
    pattern: int | None = None,
    before: Phase | None = None,
    **more: object,
) -> Device:
    """A device of a technology, with some of its mechanisms and constants changed, that was written once.

    `before` is what it lived through until then.
    """
    device = Device({"name": name + "_part", "based_on": name, "constants": changes or {},
                     "mechanisms": [mechanisms] if isinstance(mechanisms, str) else list(mechanisms)},
                    **{"seed": 1, **more})  # type: ignore[arg-type]  # fmt: skip
    if before is not None:
        device.advance(before)
    device.write(image(words, pattern))
    return device


def mechanism(name: str, which: str, changes: Mapping[str, object] | None = None) -> Mechanism:
    """One mechanism of a technology, the first that a name stands for."""
    part = {"name": name + "_part", "based_on": name, "mechanisms": [which], "constants": changes or {}}
    return mechanisms_of(technology(part))[0]


def situation(device: Device, one: Mechanism) -> Situation:
    """What a mechanism of a device sees now."""
    return device._situation(one, device._moment(), 1)


def counts(device: Device, readout: Readout) -> tuple[tuple[int, int], tuple[int, int]]:
    """(faults, cells) of the cells that hold 0, and of those that hold 1; without spare cells."""
    log = readout.faults.log()
    held = log["before"] >> log["bit"] & 1
    ones = int(np.bitwise_count(device._image.flat).sum())
    cells = 8 * len(device._image.flat)
    return (int((held == 0).sum()), cells - ones), (int((held == 1).sum()), ones)


def agrees(count: int, cells: int, rate: float, sigmas: float = SIGMAS) -> bool:
    """Whether a count of independent faults is within `sigmas` standard errors of a rate."""
    return abs(count - rate * cells) <= sigmas * np.sqrt(max(rate * (1 - rate) * cells, 1.0))


def cells_of(device: Device) -> set[int]:
    """The physical addresses of all cells that read wrong."""
    return set(device.read().cells.tolist())
