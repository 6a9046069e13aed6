"""The parity checks of SECDED codes: Hsiao's odd-weight-column codes."""

from __future__ import annotations

import itertools


def hsiao_checks(data_bits: int) -> int:
    """Check bits of the code: the fewest with enough different columns of odd weight.

    `r` checks have `2**(r - 1)` columns of odd weight, of which the r of weight 1 belong to the check bits.
    """
    checks = 2
    while 2 ** (checks - 1) - checks < data_bits:
        checks += 1
    return checks


def hsiao_columns(data_bits: int) -> tuple[int, ...]:
    """The columns of the data bits, all different and of odd weight 3, 5, ...; check bits have the unit columns.

    Two errors give a sum of even weight, never a column: they are always told from one. Columns of low weight come
    first, so that the encoder is small, and each next one falls on the rows with the fewest ones so far, so that
    it is fast: the rows of (39, 32) and (72, 64) differ by at most a single one.

    M. Y. Hsiao, "A class of optimal minimum odd-weight-column SEC-DED codes", IBM J. Res. Dev. 14 (1970).
    """
    checks = hsiao_checks(data_bits)
    load = [0] * checks
    columns: list[int] = []
    for weight in range(3, checks + 1, 2):
        left = list(itertools.combinations(range(checks), weight))
        while left and len(columns) < data_bits:
            chosen = min(left, key=lambda ones: (sum(load[row] for row in ones), ones))
            left.remove(chosen)
            columns.append(sum(1 << row for row in chosen))
            for row in chosen:
                load[row] += 1
    return tuple(columns)
