"""How often a codeword has more errors than a code corrects, for independent errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from hwsim.errors import HwsimError


def p_errors_at_least(errors: int, cells: int, bit_error_rate: npt.ArrayLike) -> NDArray[np.float64]:
    """The probability that at least `errors` of `cells` cells are wrong.

    The upper tail of the binomial distribution, summed term by term: no difference of near numbers is formed, so
    it is accurate down to the smallest rates.

    Args:
        errors: at least so many.
        cells: cells of a codeword, the check bits included.
        bit_error_rate: probability that a cell is wrong, of any shape.

    Raises:
        HwsimError: for a rate outside [0, 1].
    """
    rate = np.asarray(bit_error_rate, np.float64)
    if not ((rate >= 0) & (rate <= 1)).all():
        raise HwsimError("A bit error rate lies between 0 and 1.")
    total = np.zeros(rate.shape)
    for wrong in range(cells, max(errors, 0) - 1, -1):
        total += math.comb(cells, wrong) * rate**wrong * (1 - rate) ** (cells - wrong)
    return np.minimum(total, 1.0)
