"""Names of number formats."""

from __future__ import annotations

import functools
import re

from hwsim.errors import shown, unknown
from hwsim.numerals import whole
from hwsim.words.fixed import FixedFormat
from hwsim.words.floating import FloatFormat
from hwsim.words.format import WordFormat

_NAMED: dict[str, WordFormat] = {
    fmt.name: fmt
    for fmt in (
        FloatFormat("fp32", 8, 23),
        FloatFormat("fp16", 5, 10),
        FloatFormat("bf16", 8, 7),
        FloatFormat("fp8_e5m2", 5, 2),
        FloatFormat("fp8_e4m3", 4, 3, has_infinity=False),
        FixedFormat("q2.5", 2, 5),
        FixedFormat("q2.5_sm", 2, 5, sign_magnitude=True),
        FixedFormat("int8", 7, 0),
        FixedFormat("int8_sm", 7, 0, sign_magnitude=True),
    )
}


def format_names() -> list[str]:
    """The formats worth listing. Every other `qM.N` and `qM.N_sm` of 2 to 32 bits exists as well."""
    return list(_NAMED)


def get_format(name: str | WordFormat) -> WordFormat:
    """The number format called `name`; one object per name. A format is returned as it is.

    * `fp32`, `fp16`, `fp8_e5m2`: IEEE 754 binary32 and binary16, and the OCP 8-bit format built like them.
    * `bf16`: the upper half of an fp32 word.
    * `fp8_e4m3`: OCP; no infinities, one NaN magnitude, largest value 448 (elsewhere `e4m3fn`).
    * `qM.N`: two's complement with 1 sign, M integer and N fraction bits, for 1 <= M + N <= 31: `q2.5` has 8
      bits, steps of 1/32, and runs from -4 to 3.96875.
    * `int8`: `q7.0` under its usual name; with weight scaling it is the common symmetric 8-bit integer.
    * `qM.N_sm`, `int8_sm`: the same as sign and magnitude.

    Raises:
        HwsimError: for a name that is none of these.
    """
    return name if isinstance(name, WordFormat) else _by_name(str(name))


@functools.cache
def _by_name(name: str) -> WordFormat:
    if name in _NAMED:
        return _NAMED[name]
    if parts := re.fullmatch(r"q(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(_sm)?", name):
        integer, fraction, suffix = parts.groups()
        where = f"A number of bits in {shown(name)}"
        return FixedFormat(name, whole(integer, where), whole(fraction, where), sign_magnitude=bool(suffix))
    raise unknown("number format", name, [*_NAMED, "qM.N", "qM.N_sm"])
