"""What a code costs beside its cells: encoder and decoder counted in 2-input gates, and gates in energy, area, time.

Counts follow from the parity-check matrix: a check over n cells is a tree of n - 1 XORs, no terms shared between
checks; a decoder matches the syndrome against every error that it corrects. That is a plain one-cycle circuit; a
synthesis tool finds a smaller one, by sharing and by wider gates, so counts are upper estimates and good for
comparing codes. Registers, wires, clock and glitches are left out. What a gate costs is in `gates.toml`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwsim.constants import Constant, load_table
from hwsim.errors import unknown

GATE_KINDS = ("xor2", "and2", "or2")


@dataclass(frozen=True)
class Gates:
    """Numbers of 2-input gates: of a circuit, or along a path through it."""

    xor2: int = 0
    and2: int = 0
    or2: int = 0

    @property
    def total(self) -> int:
        """Gates of all kinds."""
        return self.xor2 + self.and2 + self.or2

    def __add__(self, other: Gates) -> Gates:
        return Gates(self.xor2 + other.xor2, self.and2 + other.and2, self.or2 + other.or2)


@dataclass(frozen=True)
class Circuit:
    """A combinational circuit.

    Attributes:
        gates: all its gates, which take area.
        active: those that switch while codewords without errors pass, and so take energy.
        paths: the gates along each path through it that may be the slowest.
    """

    gates: Gates = Gates()
    active: Gates = Gates()
    paths: tuple[Gates, ...] = (Gates(),)


def xor_trees(inputs: Sequence[int]) -> Circuit:
    """Parities: a tree of XORs for each number of inputs."""
    gates = Gates(xor2=sum(max(count - 1, 0) for count in inputs))
    return Circuit(gates, gates, (Gates(xor2=_depth(max(inputs, default=0))),))


def syndrome_decoder(*, covered: Sequence[int], outputs: int, cells: int, corrects: int, zeroes: bool) -> Circuit:
    """A decoder that matches the syndrome against all errors of up to `corrects` cells.

    The syndrome is split in halves, again and again down to single bits, and every value of a half is decoded once
    (AND); an error is one AND of two such values. An output bit is flipped (XOR) by any of the errors that hit it
    (OR). A syndrome that is neither zero (OR) nor any of these errors (OR) is uncorrectable (AND). All this stays
    still as long as the syndrome is zero.

    Args:
        covered: cells under each check, check bits included.
        outputs: data bits that are read out.
        cells: cells that the code covers.
        corrects: errors in a codeword that are corrected.
        zeroes: whether an uncorrectable codeword reads as zero: one AND for each output.
    """
    checks = len(covered)
    if not checks:
        return Circuit()
    syndrome = xor_trees(covered)
    gating, gate = (Gates(and2=outputs), Gates(and2=1)) if zeroes else (Gates(), Gates())
    not_zero = Gates(or2=checks - 1)
    (path,) = syndrome.paths
    if not corrects:
        active = syndrome.gates + gating
        return Circuit(active + not_zero, active, (path + Gates(or2=_depth(checks)) + gate,))
    errors = sum(math.comb(cells, size) for size in range(1, corrects + 1))
    errors_of_a_cell = sum(math.comb(cells - 1, size - 1) for size in range(1, corrects + 1))
    match = Gates(and2=_half_decoders(checks) + errors, or2=outputs * (errors_of_a_cell - 1))
    uncorrectable = not_zero + Gates(or2=errors - 1, and2=1)
    active = syndrome.gates + Gates(xor2=outputs) + gating
    path += Gates(and2=_depth(checks))
    flip = path + Gates(or2=_depth(errors_of_a_cell), xor2=1) + gate
    flag = path + Gates(or2=_depth(errors), and2=1) + gate
    return Circuit(active + match + uncorrectable, active, (flip, flag))


def majority(bits: int) -> Circuit:
    """Votes of three, bit by bit: an AND of each pair, and their OR."""
    gates = Gates(and2=3 * bits, or2=2 * bits)
    return Circuit(gates, gates, (Gates(and2=1, or2=2),))


def _depth(inputs: int) -> int:
    """Levels of a balanced tree of 2-input gates."""
    return math.ceil(math.log2(inputs)) if inputs > 1 else 0


def _half_decoders(bits: int) -> int:
    """ANDs that decode all values of both halves of `bits` bits, each from its own halves."""
    halves = (bits // 2, bits - bits // 2)
    return sum(2**half + _half_decoders(half) for half in halves if half > 1)


@dataclass(frozen=True)
class CircuitCost:
    """What one operation of a circuit costs.

    Attributes:
        energy_pj: energy of one operation on codewords without errors, by far the most.
        area_um2: area of the circuit.
        latency_ns: time from input to output.
    """

    energy_pj: float
    area_um2: float
    latency_ns: float


@dataclass(frozen=True)
class Overhead:
    """What a code costs a memory word.

    Attributes:
        data_bits: data bits of the memory word.
        check_bits: cells that it needs beside them.
        encode: the encoder, used by a write.
        decode: the decoder, used by a read.
    """

    data_bits: int
    check_bits: int
    encode: CircuitCost
    decode: CircuitCost

    @property
    def cells_per_bit(self) -> float:
        """Cells per data bit: 1 without a code."""
        return (self.data_bits + self.check_bits) / self.data_bits


@dataclass(frozen=True)
class GateTable:
    """What a 2-input gate costs.

    Attributes:
        constants: the entries by name: "xor2_area", "xor2_energy", "xor2_delay", and the same of and2 and or2.
    """

    constants: Mapping[str, Constant]

    @classmethod
    def load(cls) -> GateTable:
        """The table `gates.toml` of this package: a 45 nm standard cell library."""
        return _table()

    def override(self, changes: Mapping[str, object]) -> GateTable:
        """This table with other values, by name: numbers in the table's unit, or texts such as "55 ps".

        Raises:
            HwsimError: for an unknown name, naming the nearest one, or a wrong unit.
        """
        for name in changes:
            if name not in self.constants:
                raise unknown("constant of gates", name, self.constants)
        changed = {name: self.constants[name].with_value(value) for name, value in changes.items()}
        return GateTable({**self.constants, **changed})

    def cost(self, circuit: Circuit, copies: int = 1) -> CircuitCost:
        """The cost of an operation of `copies` circuits side by side."""
        return CircuitCost(
            energy_pj=copies * self._total(circuit.active, "energy", "pJ"),
            area_um2=copies * self._total(circuit.gates, "area", "um2"),
            latency_ns=max(self._total(path, "delay", "ns") for path in circuit.paths),
        )

    def _total(self, gates: Gates, quantity: str, unit: str) -> float:
        return sum(getattr(gates, kind) * self.constants[f"{kind}_{quantity}"].to(unit) for kind in GATE_KINDS)


@functools.cache
def _table() -> GateTable:
    return GateTable(load_table(__package__, "gates.toml"))
