"""When to stop: one moment that everything which may take long is told, down to the solvers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


class OutOfTimeError(Exception):
    """The deadline passed before there was an answer."""


@dataclass(frozen=True)
class Deadline:
    """A moment on the clock of `time.monotonic`."""

    at: float = math.inf

    @classmethod
    def after(cls, seconds: float) -> Self:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 if it has passed."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return not self.left_s

    def check(self) -> None:
        """Check that time is left.

        Raises:
            OutOfTimeError: if none is.
        """
        if self.passed:
            raise OutOfTimeError

    @property
    def options(self) -> Mapping[str, float]:
        """As an option of HiGHS: a limit of the time that is left."""
        return {} if math.isinf(self.at) else {"time_limit": self.left_s}


NEVER = Deadline()
