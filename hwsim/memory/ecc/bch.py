"""The parity checks of double-error-correcting BCH codes, shortened to a memory word."""

from __future__ import annotations

# The primitive narrow-sense binary BCH codes of length 2**m - 1 that correct two errors, by m: the generator
# polynomial, bit i the coefficient of x**i. S. Lin and D. J. Costello, "Error Control Coding", table of binary
# primitive BCH codes.
_GENERATORS = {4: 0o721, 5: 0o3551, 6: 0o12471, 7: 0o41567}


def bch_generator(data_bits: int) -> int:
    """The generator polynomial of the shortest of these codes with at least `data_bits` (up to 113) data bits."""
    return next(
        polynomial for m, polynomial in _GENERATORS.items() if 2**m - 1 - (polynomial.bit_length() - 1) >= data_bits
    )


def bch_columns(data_bits: int, *, extended: bool) -> tuple[int, ...]:
    """The columns of the data bits; check bits have the unit columns.

    A codeword is `data(x) x**r + check(x)`, divisible by the generator of degree r; hence the column of data bit i
    is `x**(r + i)` modulo the generator. Leaving out the highest data bits (shortening) lowers no distance.

    Args:
        data_bits: data bits of a codeword.
        extended: whether one more check bit makes the number of ones in a codeword even. All columns then have
            odd weight, the distance grows from 5 to 6, and three errors are always detected.
    """
    generator = bch_generator(data_bits)
    checks = generator.bit_length() - 1
    columns, column = [], 1 << checks
    for _ in range(data_bits):
        column = min(column, column ^ generator)
        even = column.bit_count() % 2 == 0
        columns.append(column | 1 << checks if extended and even else column)
        column <<= 1
    return tuple(columns)


def bch_checks(data_bits: int, *, extended: bool) -> int:
    """Check bits of the code."""
    return bch_generator(data_bits).bit_length() - 1 + extended
