"""The dumb way to simulate a device: every cell, every interval, one after the other. An oracle for small devices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwsim.memory import Memory
from hwsim.memory.cells.geometry import Geometry
from hwsim.memory.ecc import Code, pack
from hwsim.memory.life.mission import Condition, Exposure
from hwsim.memory.mechanisms.mechanism import OLD_FOR_0, OLD_FOR_1, STAGES, Mechanism, RandomEvents, Situation
from hwsim.memory.random import Key


class DenseDevice:
    """Holds one bit an array element, for every cell of every codeword: rows of data bits and then check bits."""

    def __init__(self, mechanisms: Sequence[Mechanism], geometry: Geometry, code: Code, seed: int) -> None:
        self.mechanisms = [one for stage in STAGES for one in mechanisms if one.stage == stage]
        self.geometry, self.code, self.seed = geometry, code, seed
        self.interval, self.cycles, self.reads, self.accesses = -1, 0, 0.0, 0
        self.life, self.since, self.now = Exposure(), Exposure(), Condition()
        self.held: NDArray[np.uint8] | None = None

    def write(self, memory: Memory) -> None:
        fmt, code = memory.format, self.code
        per_word = code.word_bits // fmt.width
        words = -(-memory.words // per_word)
        flat = np.zeros(words * per_word, fmt.dtype)
        flat[: memory.words] = memory.flat
        stored = code.encode(pack(flat.reshape(-1, code.data_bits // fmt.width), fmt, code))
        self.image = np.column_stack([_bits(stored.data, code.data_bits), _bits(stored.check, code.check_bits)])
        codeword, bit = np.divmod(np.arange(self.image.size), code.cells)
        word, within = np.divmod(codeword, code.codewords)
        check = code.word_bits + within * code.check_bits + bit - code.data_bits
        in_word = np.where(bit < code.data_bits, within * code.data_bits + bit, check)
        self.cell = self.geometry.cell(word, in_word)
        self.in_use = self.geometry.cells_for(words)
        self._write(self.image)
        self.written = self.interval

    def advance(self, seconds: float, condition: Condition) -> None:
        passed = Exposure({condition: seconds})
        self.life, self.since, self.now = self.life + passed, self.since + passed, condition

    def scrub(self) -> None:
        cells = self.read_cells(access=0)
        data, _, detected = self.decode(cells)
        stored = self.code.encode(data)
        fresh = np.column_stack([_bits(stored.data, self.code.data_bits), _bits(stored.check, self.code.check_bits)])
        self._write(np.where(detected[:, None], cells, fresh))

    def rewrite(self) -> None:
        self.read_cells(access=0)
        self._write(self.image)

    def read(self) -> NDArray[np.uint8]:
        self.accesses += 1
        cells = self.read_cells(self.accesses)
        self.reads += 1
        return cells

    def decode(self, cells: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_], NDArray[np.bool_]]:
        decoded = self.code.decode(_numbers(cells[:, : self.code.data_bits]), _numbers(cells[:, self.code.data_bits :]))
        return decoded.data, decoded.corrected, decoded.detected

    def read_cells(self, access: int) -> NDArray[np.uint8]:
        """What all cells read as now; sets `held`."""
        bits, old = self.target.reshape(-1).copy(), self.old.reshape(-1)
        self.held = None
        for mechanism in self.mechanisms:
            if mechanism.stage == "read" and self.held is None:
                self.held = bits.copy().reshape(self.target.shape)
            situation = self._situation(mechanism, access)
            if isinstance(mechanism, RandomEvents) and mechanism.keeps_old and self.interval != self.written:
                effect = self._failed_write_backs(mechanism, situation)
            else:
                upsets = mechanism.upsets(situation)
                effect = dict(zip(upsets.cell.tolist(), upsets.becomes.tolist(), strict=True))
            for index, cell in enumerate(self.cell.tolist()):
                if cell in effect:
                    becomes, bit = effect[cell], int(bits[index])
                    bits[index] = old[index] if becomes >> (2 + bit) & 1 else becomes >> bit & 1
        if self.held is None:
            self.held = bits.reshape(self.target.shape)
        return bits.reshape(self.target.shape)

    def _failed_write_backs(self, mechanism: RandomEvents, situation: Situation) -> dict[int, int]:
        """All cells that would keep their old value in an interval that a scrub or a rewrite began."""
        effect = dict.fromkeys(self.cell.tolist(), 0b10)
        for rate, becomes in zip(mechanism.rates(situation), (OLD_FOR_1, OLD_FOR_0), strict=True):
            fails = mechanism.fails_to_change(situation.key, self.cell, self.interval, rate)
            for cell in self.cell[fails].tolist():
                effect[cell] |= becomes
        return effect

    def _write(self, target: NDArray[np.uint8]) -> None:
        self.old = np.zeros_like(target) if self.held is None else self.held
        self.target, self.since, self.at_write = target.copy(), Exposure(), self.now
        self.interval += 1
        self.cycles += 1
        self.reads, self.accesses = 0.0, 0

    def _situation(self, mechanism: Mechanism, access: int) -> Situation:
        return Situation(
            geometry=self.geometry,
            cells=self.in_use,
            key=Key(self.seed, "device", mechanism.name),
            interval=self.interval,
            since_write=self.since,
            life=self.life,
            at_write=self.at_write,
            now=self.now,
            reads=self.reads + self.since.reads,
            cycles=self.cycles,
            access=access,
        )


def _bits(numbers: NDArray[np.uint64], width: int) -> NDArray[np.uint8]:
    return (numbers[:, None] >> np.arange(width, dtype=np.uint64) & np.uint64(1)).astype(np.uint8)


def _numbers(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return (bits.astype(np.uint64) << np.arange(bits.shape[1], dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
