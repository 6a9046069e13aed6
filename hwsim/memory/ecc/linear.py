"""Linear codes with check bits of their own, decoded by syndrome: parity, SECDED, BCH, and no code at all.

The syndrome of a codeword is the sum modulo 2 of the columns of its wrong cells. The decoder looks it up among the
errors that it corrects and flips those data bits, right or wrong: an error of more cells with the same syndrome is
miscorrected as it would be in hardware. A syndrome that is none of them is uncorrectable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hwsim.memory.ecc import gf2
from hwsim.memory.ecc.code import Bits, Code, Decoded, Stored
from hwsim.memory.ecc.gates import Circuit, syndrome_decoder, xor_trees


@dataclass(frozen=True, kw_only=True)
class LinearCode(Code):
    """A systematic linear code, given by its parity-check matrix.

    Attributes:
        columns: for each data bit the checks that it takes part in, bit j for check j. Check j also covers check
            bit j and no other.
        corrects: errors in a codeword that are always corrected, and the most that the decoder tries to correct.
        detects: errors in a codeword that are always corrected or detected.
    """

    columns: tuple[int, ...]
    corrects: int
    detects: int

    @property
    def guarantee(self) -> str:
        if not self.detects:
            return "detects nothing"
        errors = f"detects {self.detects} error{'s' if self.detects > 1 else ''}"
        return f"corrects {self.corrects} and {errors}" if self.corrects else errors

    @property
    def can_detect(self) -> bool:
        return self.check_bits > 0

    @property
    def encoder(self) -> Circuit:
        return xor_trees([row.bit_count() for row in self._rows])

    @property
    def decoder(self) -> Circuit:
        return syndrome_decoder(
            covered=[row.bit_count() + 1 for row in self._rows],
            outputs=self.data_bits,
            cells=self.cells,
            corrects=self.corrects,
            zeroes=self.uncorrectable == "zero",
        )

    def _encode(self, data: Bits) -> Stored:
        return Stored(data, gf2.parities(data, self._rows))

    def _decode(self, data: Bits, check: Bits) -> Decoded:
        flips, corrected, detected = self._errors.look_up(gf2.parities(data, self._rows) ^ check)
        return Decoded(data ^ flips, corrected, detected)

    @cached_property
    def _rows(self) -> tuple[int, ...]:
        return gf2.rows(self.columns, self.check_bits)

    @cached_property
    def _errors(self) -> gf2.ErrorTable:
        units = tuple(1 << check for check in range(self.check_bits))
        flips = [1 << bit for bit in range(self.data_bits)] + [0] * self.check_bits
        return gf2.ErrorTable.of(self.columns + units, flips, self.check_bits, self.corrects)
