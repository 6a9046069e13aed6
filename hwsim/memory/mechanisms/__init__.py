"""The fault mechanisms of each technology, and those of none (`generic`).

The module `hwsim.memory.mechanisms.<technology>` has a function `build(technology)`: a mapping from the names that a
table lists under `mechanisms` to mechanisms with the table's constants.
"""

from __future__ import annotations

from importlib import import_module, util

from hwsim.errors import HwsimError, unknown
from hwsim.memory.constants import Technology, technologies, technology
from hwsim.memory.mechanism import Mechanism

__all__ = ["mechanisms_of"]


def mechanisms_of(source: Technology) -> tuple[Mechanism, ...]:
    """The mechanisms that a technology's table lists, in its order.

    Raises `HwsimError` for a mechanism that the technology does not know.
    """
    if not source.mechanisms:
        return ()
    built = import_module(f"{__name__}.{_family(source)}").build(source)
    for name in source.mechanisms:
        if name not in built:
            raise unknown(f"mechanism of {source.name}", name, built)
    return tuple(built[name] for name in source.mechanisms)


def _family(source: Technology) -> str:
    """The technology whose constants a table has: its own name, or that of the table it is based on."""
    known = [name for name in technologies() if "/" not in name and util.find_spec(f"{__name__}.{name}")]
    named = source.name.partition("/")[0]
    if named in known:
        return named
    for name in known:
        if set(technology(name).constants) <= set(source.constants):
            return name
    raise HwsimError(
        f"No mechanisms are known for the constants of {source.name!r}: base the table on one of {', '.join(known)}, "
        "or give the device a list of mechanisms."
    )
