"""The one error that hwsim raises for wrong input, and the sentence for an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HwsimError(ValueError):
    """Wrong input. The message is one sentence: what is wrong, where, and what would be right."""


def unknown(kind: str, name: object, valid: Iterable[str]) -> HwsimError:
    """The error for a name that is not one of `valid`: names the nearest one, else lists them all."""
    names = sorted(valid)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}."
    return HwsimError(f"Unknown {kind} {name!r}: {hint}")
