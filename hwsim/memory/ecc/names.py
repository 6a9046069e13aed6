"""Names of codes, and what each is for a memory word and a number format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from hwsim.errors import HwsimError, unknown
from hwsim.memory.ecc.bch import bch_checks, bch_columns
from hwsim.memory.ecc.code import MAX_BITS, Code
from hwsim.memory.ecc.hsiao import hsiao_checks, hsiao_columns
from hwsim.memory.ecc.in_place import InPlaceParity, InPlaceSecded
from hwsim.memory.ecc.linear import LinearCode
from hwsim.memory.ecc.triplication import Triplication
from hwsim.words import WordFormat, get_format

Builder: TypeAlias = Callable[[str, int, WordFormat], Code]


def code_names() -> list[str]:
    """The codes that `get_code` knows."""
    return list(_BUILDERS)


def add_code(name: str, build: Builder) -> None:
    """Make a code of one's own known by a name, to devices and scenarios too.

    Args:
        name: what to call it.
        build: one codeword of it, from its name, the data bits of a memory word, and the format of the numbers there.

    Raises:
        HwsimError: for a name that is taken.
    """
    if name in _BUILDERS:
        raise HwsimError(f"There is a code called {name!r} already: choose another name.")
    _BUILDERS[name] = build


def get_code(name: str, word_bits: int, fmt: WordFormat | str, uncorrectable: str = "zero") -> Code:
    """The code called `name` for memory words of `word_bits` data bits that hold numbers of format `fmt`.

    A codeword is a memory word of up to 64 bits:

    * `secded`: single error correction, double error detection: (39, 32), (72, 64), ..., odd-weight columns.
    * `bch_dec`: double error correction, a shortened BCH code: (44, 32), (78, 64), ...
    * `bch_dec_ted`: the same with one more parity bit, which detects three errors: (45, 32), (79, 64), ...
    * `in_place_secded`: SECDED (64, 57) inside eight 8-bit two's complement numbers; no further cells.

    or a number word, so that a memory word has `Code.codewords` of them:

    * `none`: the numbers alone.
    * `parity_zero`: one even parity bit; a number that fails it reads as zero.
    * `tmr_exponent`: the bits above the fraction (sign and exponent, or sign and integer) in three copies, majority
      vote.
    * `in_place_parity`: the lowest fraction bit is the parity of the bits above the fraction; no further cells.

    Args:
        name: one of these, or of `add_code`.
        word_bits: data bits of a memory word.
        fmt: the number format, or its name.
        uncorrectable: "zero" or "as_read": what a codeword reads as that is found wrong and cannot be corrected.

    Raises:
        HwsimError: for an unknown name, a width that does not divide `word_bits`, or a code that does not exist for
            such words or numbers.
    """
    fmt = get_format(fmt)
    if name not in _BUILDERS:
        raise unknown("code", name, _BUILDERS)
    if word_bits < 1 or word_bits % fmt.width:
        raise HwsimError(
            f"Memory words of {word_bits} bits do not hold whole words of {fmt.name}: choose a multiple of {fmt.width}."
        )
    code = _BUILDERS[name](name, word_bits, fmt)
    return replace(code, codewords=word_bits // code.data_bits, uncorrectable=uncorrectable)


def _none(name: str, word_bits: int, fmt: WordFormat) -> Code:
    return _linear(name, fmt.width, 0, (0,) * fmt.width, corrects=0, detects=0)


def _parity(name: str, word_bits: int, fmt: WordFormat) -> Code:
    return _linear(name, fmt.width, 1, (1,) * fmt.width, corrects=0, detects=1)


def _secded(name: str, word_bits: int, fmt: WordFormat) -> Code:
    bits = _single_codeword(name, word_bits)
    return _linear(name, bits, hsiao_checks(bits), hsiao_columns(bits), corrects=1, detects=2)


def _bch(name: str, word_bits: int, fmt: WordFormat, *, extended: bool) -> Code:
    bits = _single_codeword(name, word_bits)
    checks, columns = bch_checks(bits, extended=extended), bch_columns(bits, extended=extended)
    return _linear(name, bits, checks, columns, corrects=2, detects=2 + extended)


def _triplication(name: str, word_bits: int, fmt: WordFormat) -> Code:
    head = fmt.width - _fraction_bits(fmt)
    return Triplication(name=name, data_bits=fmt.width, check_bits=2 * head, copied_bits=head)


def in_place_parity(fmt: WordFormat, parity_bits: int = 1, uncorrectable: str = "zero") -> InPlaceParity:
    """The code `in_place_parity` for one number word, with a choice of parity bits.

    Args:
        fmt: the number format.
        parity_bits: lowest bits of the fraction that hold parity: 1 to one fewer than the fraction has.
        uncorrectable: "zero" or "as_read".

    Raises:
        HwsimError: if the fraction is too short for that.
    """
    fraction = _fraction_bits(fmt)
    if not 1 <= parity_bits < fraction:
        raise HwsimError(
            f"in_place_parity uses {parity_bits} of the fraction bits and keeps others, but {fmt.name} has {fraction} "
            "in all: choose a format with a longer fraction, or another code."
        )
    return InPlaceParity(
        name="in_place_parity",
        data_bits=fmt.width,
        uncorrectable=uncorrectable,
        fraction_bits=fraction,
        parity_bits=parity_bits,
        nan_above_largest=int(fmt.encode([fmt.largest])[0]) == (1 << fmt.width - 1) - 2,
    )


def _linear(
    name: str, data_bits: int, check_bits: int, columns: tuple[int, ...], *, corrects: int, detects: int
) -> LinearCode:
    return LinearCode(
        name=name, data_bits=data_bits, check_bits=check_bits, columns=columns, corrects=corrects, detects=detects
    )


def _single_codeword(name: str, word_bits: int) -> int:
    if word_bits > MAX_BITS:
        raise HwsimError(f"{name} does not exist for memory words of {word_bits} bits: up to {MAX_BITS} are possible.")
    return word_bits


def _in_place_secded(name: str, word_bits: int, fmt: WordFormat) -> Code:
    code = InPlaceSecded(name=name)
    twos_complement = not fmt.is_floating and fmt.lowest < -fmt.largest
    if fmt.width != 8 or not twos_complement:
        raise HwsimError(f"{name} is for 8-bit two's complement numbers such as int8 or q2.5, not for {fmt.name}.")
    if word_bits % code.data_bits:
        raise HwsimError(
            f"{name} does not exist for memory words of {word_bits} bits: choose a multiple of {code.data_bits}."
        )
    return code


def _fraction_bits(fmt: WordFormat) -> int:
    return sum(field.width for field in fmt.fields if field.name == "fraction")


_BUILDERS: dict[str, Builder] = {
    "none": _none,
    "parity_zero": _parity,
    "secded": _secded,
    "bch_dec": partial(_bch, extended=False),
    "bch_dec_ted": partial(_bch, extended=True),
    "tmr_exponent": _triplication,
    "in_place_parity": lambda name, word_bits, fmt: in_place_parity(fmt),
    "in_place_secded": _in_place_secded,
}
"""Name of a code -> one codeword of it, from the name, the data bits of a memory word, and the number format."""
