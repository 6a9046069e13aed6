"""The fault mechanisms of each technology, and those of none (`generic`).

The module of a technology has its name, or the first words of it (`nand` of `nand_tlc` and `nand_3d`). It has a
function `build(technology)`: a mapping from the names that a table lists under `mechanisms` to functions that make them
with the table's constants. A name may stand for several mechanisms that differ in what they strike. Only what a table
lists is made, so that no other constant is read: see `constants_used` of a `DeviceConfig`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hwsim.errors import HwsimError, unknown
from hwsim.memory.mechanisms.mechanism import Mechanism
from hwsim.memory.technology.constants import Technology, technologies, technology

__all__ = ["mechanisms_of"]


def mechanisms_of(source: Technology) -> tuple[Mechanism, ...]:
    """The mechanisms that a technology's table lists, in its order.

    Raises:
        HwsimError: for a mechanism that the technology does not know.
    """
    if not source.mechanisms:
        return ()
    built = _module(_family(source)).build(source)
    found: list[Mechanism] = []
    for name in source.mechanisms:
        if name not in built:
            raise unknown(f"mechanism of {source.name}", name, built)
        made = built[name]()
        found += [made] if isinstance(made, Mechanism) else made
    return tuple(found)


def _family(source: Technology) -> str:
    """The technology whose constants a table has: its own name, or that of the table it is based on."""
    known = [name for name in technologies() if "/" not in name]
    named = source.name.partition("/")[0]
    if named in known:
        return named
    for name in known:
        if set(technology(name).constants) <= set(source.constants):
            return name
    raise HwsimError(
        f"No mechanisms are known for the constants of {source.name!r}: base the table on one of "
        f"{', '.join(known)}, or give the device a list of mechanisms."
    )


@cache
def _module(name: str) -> Any:
    """The module with the mechanisms of a technology."""
    while find_spec(f"{__name__}.{name}") is None:
        name = name.rpartition("_")[0]
    return import_module(f"{__name__}.{name}")
