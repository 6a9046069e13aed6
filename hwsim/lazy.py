"""Packages whose names are loaded when first used, so that importing one loads no library that computes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` of such a package, and its `__dir__`: what `__all__` lists.

    Args:
        package: its name.
        homes: name -> the module that has it.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return get, lambda: list(sys.modules[package].__all__)
