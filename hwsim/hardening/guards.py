"""Guards at the read port: cheap controls that see every word read and change the suspicious ones.

They stand beside weight scaling as honest baselines (no scaling but "too large -> 0", say) or add to it. A word as
stored passes every guard unchanged, so the simulation applies them to faulty words only, with the same result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError, unknown
from hwsim.words import WordFormat

GUARDS = {
    "mask_exponent_msb": "the exponent's most significant bit is read as 0",
    "nonfinite_to_zero": "NaN and infinities are read as 0",
    "out_of_range_to_zero": "whatever exceeds the largest magnitude stored in its tensor, NaN included, is read as 0",
    "clamp": "whatever exceeds the largest magnitude stored in its tensor is read as that magnitude; "
    "NaN too, since the comparator sees magnitude bits",
}
"""Every guard and what it does, in the order in which a read port applies them."""

COMPARING = ("nonfinite_to_zero", "out_of_range_to_zero", "clamp")
"""Guards that compare every word read; the others only drop a bit."""


@dataclass(frozen=True)
class Guards:
    """The guards of one read port, applied in the order of `GUARDS`.

    Raises:
        HwsimError: on an unknown guard.
    """

    names: tuple[str, ...] = ()

    def __init__(self, names: Iterable[str] = ()) -> None:
        chosen = tuple(names)
        for name in chosen:
            if name not in GUARDS:
                raise unknown("guard", name, GUARDS)
        object.__setattr__(self, "names", tuple(name for name in GUARDS if name in chosen))

    @property
    def comparisons(self) -> int:
        """Comparisons that each word read takes: with a limit, or of the exponent with all ones; a mask takes none."""
        return sum(name in COMPARING for name in self.names)

    def check(self, tensor: str, words: NDArray[Any], fmt: WordFormat) -> None:
        """Refuse guards that would change a word as stored.

        Raises:
            HwsimError: if the exponent's MSB is to be masked in a format without exponent, or where a stored
                value needs that bit.
        """
        if "mask_exponent_msb" not in self.names:
            return
        if fmt.exponent_msb is None:
            raise HwsimError(f"Guard mask_exponent_msb needs a floating-point format: {fmt.name} has no exponent.")
        if (words & words.dtype.type(1 << fmt.exponent_msb)).any():
            raise HwsimError(
                f"Guard mask_exponent_msb cannot be used: {tensor} stores values of magnitude 2 or more in {fmt.name}, "
                "which need the exponent's MSB; scale with t below 2."
            )

    def read(self, words: NDArray[Any], limit: float, fmt: WordFormat) -> tuple[NDArray[np.float32], int]:
        """What the datapath gets for `words`, and how many of them a guard changed.

        Args:
            words: faulty words of one tensor.
            limit: the largest magnitude stored in that tensor, as decoded.
            fmt: their format.
        """
        seen = words
        if "mask_exponent_msb" in self.names:
            assert fmt.exponent_msb is not None  # `check` has refused the others
            seen = words & words.dtype.type(~(1 << fmt.exponent_msb) & ((1 << fmt.width) - 1))
        values = fmt.decode(seen)
        changed = seen != words
        if "nonfinite_to_zero" in self.names:
            bad = ~np.isfinite(values)
            values[bad] = 0.0
            changed |= bad
        if "out_of_range_to_zero" in self.names:
            bad = ~(np.abs(values) <= limit)
            values[bad] = 0.0
            changed |= bad
        if "clamp" in self.names:
            bad = ~(np.abs(values) <= limit)
            values[bad] = np.copysign(np.float32(limit), values[bad])
            changed |= bad
        return values, int(changed.sum())
