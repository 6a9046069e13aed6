"""Where the reference networks and scenarios that come with hwsim lie."""

from __future__ import annotations

from pathlib import Path

from hwsim.errors import HwsimError


def library(kind: str) -> Path:
    """The folder `models` or `scenarios`: inside an installed package, or at the root of a checkout.

    Raises:
        HwsimError: if neither exists, as with a copy of the bare package folder.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_library" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise HwsimError(f"This copy of hwsim has no {kind!r} folder: install it from a wheel or a checkout.")
