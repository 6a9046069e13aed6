"""Where the reference networks and scenarios that come with hwsim lie, and what the scenarios are for."""

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


def scenario_library() -> dict[str, Path]:
    """The scenarios that come with hwsim: name -> file."""
    return {path.stem: path for path in sorted(library("scenarios").glob("*.toml"))}


def describe(path: Path) -> str:
    """The first paragraph of a scenario file's header comment, on one line."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or not line.strip("# "):
            break
        words.append(line.lstrip("# ").rstrip())
    return " ".join(words)
