"""Codes for stored words and what they cost: parity, SECDED, BCH, triplication, and codes inside the numbers.

A code's check bits lie in cells as faulty as the data's, and its decoder knows only what it reads. `get_code` makes
a code; `pack` and `unpack` move number words in and out of codewords; `outcome` counts what became of faulty ones.
"""

from __future__ import annotations

from hwsim.memory.ecc.chance import p_errors_at_least
from hwsim.memory.ecc.code import POLICIES, Code, Decoded, Outcome, Stored, outcome
from hwsim.memory.ecc.gates import Circuit, CircuitCost, Gates, GateTable, Overhead
from hwsim.memory.ecc.in_place import InPlaceParity, InPlaceSecded
from hwsim.memory.ecc.linear import LinearCode
from hwsim.memory.ecc.names import add_code, code_names, get_code, in_place_parity
from hwsim.memory.ecc.packing import pack, unpack
from hwsim.memory.ecc.rounding import Rounding, round_words
from hwsim.memory.ecc.triplication import Triplication

__all__ = [
    "POLICIES",
    "Circuit",
    "CircuitCost",
    "Code",
    "Decoded",
    "GateTable",
    "Gates",
    "InPlaceParity",
    "InPlaceSecded",
    "LinearCode",
    "Outcome",
    "Overhead",
    "Rounding",
    "Stored",
    "Triplication",
    "add_code",
    "code_names",
    "get_code",
    "in_place_parity",
    "outcome",
    "p_errors_at_least",
    "pack",
    "round_words",
    "unpack",
]
