"""Ctrl-C in a command: one line on stderr and exit code 130, at every moment, also while a library loads.

The process ends at once, as one that is killed. Nothing is lost by that, since the results folder may be left at any
operation on it; and nothing that runs while a library is half loaded is torn down half way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

INTERRUPTED = 130

_CLEAR_LINE = b"\r\x1b[2K\x1b[?25h"  # away with the progress bar, and the cursor is shown again


def _interrupted() -> str:
    return "Interrupted."


_last_words: Callable[[], str] = _interrupted


def say_when_interrupted(words: Callable[[], str]) -> None:
    """What a command says when it is interrupted from now on. It is asked at any moment, so it must import nothing."""
    global _last_words
    _last_words = words


def end_at_once() -> None:
    """Lets Ctrl-C end the process from now on, unless whoever started it wants the signal to be ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextlib.contextmanager
def ends_at_once() -> Iterator[None]:
    """The same for a while, where the process may be somebody else's."""
    before = signal.getsignal(signal.SIGINT)
    end_at_once()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is impatient presses it twice
    with contextlib.suppress(Exception):  # a buffer that was being written to cannot be written to now
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, (_CLEAR_LINE if os.isatty(2) else b"") + f"{_last_words()}\n".encode())
    os._exit(INTERRUPTED)
