"""How a long run says what it is doing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called before every step with a line of text and how many of how many steps are done (0 of 0: unknown)."""

    def __call__(self, text: str, done: int, total: int) -> None: ...


def silent(text: str, done: int, total: int) -> None:
    """Says nothing."""
