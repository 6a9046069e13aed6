"""Where a text becomes a number: everything that a user types, or that stands in a file, goes through here.

`int` and `float` alone take more than a person means (digits of any script, underscores), and end in errors of their
own for others (a superscript two, more than 4,300 digits, more than a double holds).
"""

from __future__ import annotations

import math
import re

from hwsim.errors import HwsimError, shown

MOST = 2**63 - 1
"""The largest whole number that is read: what a signed word of 64 bits holds."""

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A number in decimal digits, as a regular expression without groups."""

_WHOLE = re.compile(r"([+-]?)0*([0-9]{1,19})", re.ASCII)
_NUMBER = re.compile(NUMBER)
_WITHOUT_END = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)


def whole(text: str, name: str, least: int = 0, most: int = MOST) -> int:
    """The whole number that a text says in decimal digits.

    Args:
        text: what was written; spaces around it do not count.
        name: what it is, for the error.
        least: the smallest number that is meant.
        most: the largest one.

    Raises:
        HwsimError: for anything else, and for a number that is out of these bounds.
    """
    found = _WHOLE.fullmatch(text.strip())
    number = int(found[1] + found[2]) if found else None
    if number is None or not least <= number <= most:
        raise HwsimError(f"{name} is {shown(text)}: give a whole number from {least} to {most}.")
    return number


def real(value: object, name: str, *, finite: bool = True) -> float:
    """The double that a number or a text in decimal digits stands for.

    Args:
        value: a number, or its text.
        name: what it is, for the error.
        finite: whether infinities and NaN are refused, and numbers too large for a double with them.

    Raises:
        HwsimError: for anything else.
    """
    number = math.nan
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str):
        text = value.strip()
        known = bool(_NUMBER.fullmatch(text) or (not finite and _WITHOUT_END.fullmatch(text)))
    if known:
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:  # a whole number that no double holds
            finite = True
    if not known or (finite and not math.isfinite(number)):
        what = "not finite: give a number that a double holds" if known else "not a number: give one such as 0.1"
        raise HwsimError(f"{name} = {shown(value)} is {what}.")
    return number
