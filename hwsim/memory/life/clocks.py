"""The clocks of a device, and where they stand at the ends of many scrub intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim.memory.life.mission import TICKS_PER_S, Condition, Exposure, Lives, Mission, Ticks


class Moment(NamedTuple):
    """The clocks of a device at one time.

    Attributes:
        interval: number of the write or scrub since which its cells hold what they hold.
        cycles: how often it was written.
        since_write: conditions since that write or scrub.
        life: conditions since it was new.
        at_write: the condition at that write or scrub.
        now: the condition now.
        reads: how often each word was read since that write or scrub.
    """

    interval: int
    cycles: int
    since_write: Exposure
    life: Exposure
    at_write: Condition
    now: Condition
    reads: float


class Times:
    """The ends of neighbouring intervals, at moments of a mission, nanoseconds from its beginning.

    Attributes:
        rewritten: for each interval whether a rewrite ends it, or else a scrub.
        kind: for each a number that is the same for intervals under the same conditions.
    """

    def __init__(
        self, begin: Moment, mission: Mission, moments: Ticks, start: int, rewritten: NDArray[np.bool_]
    ) -> None:
        self.rewritten = rewritten
        self._begin, self._mission = begin, mission
        self._elapsed = mission.elapsed(np.concatenate([[start], moments]))
        self._now = mission.conditions_at(moments)
        rows = np.column_stack([np.diff(self._elapsed, axis=0), self._now, np.roll(self._now, 1)])
        rows[0] = -1  # the first interval began earlier, perhaps under other conditions
        self.kind = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)

    def moment(self, index: int) -> Moment:
        """The clocks at the end of an interval."""
        conditions = self._mission.conditions
        since, start = self._exposure(index, index + 1), self._begin
        return start._replace(
            interval=start.interval + index,
            cycles=start.cycles + index,
            since_write=start.since_write + since if index == 0 else since,
            life=start.life + self._exposure(0, index + 1),
            at_write=conditions[int(self._now[index - 1])] if index else start.at_write,
            now=conditions[int(self._now[index])],
            reads=since.reads + (start.reads if index == 0 else 0),
        )

    def lives(self) -> Lives:
        """What the memory had lived through at the beginning of the first interval and at the end of each."""
        before = self._begin.life
        conditions = tuple(dict.fromkeys([*self._mission.conditions, *before]))
        seconds = np.tile([before.get(condition, 0.0) for condition in conditions], (len(self.kind) + 1, 1))
        spent = (self._elapsed - self._elapsed[0]) / TICKS_PER_S
        seconds[:, : spent.shape[1]] += spent
        since = self._begin.since_write
        seconds[0] -= [since.get(condition, 0.0) for condition in conditions]
        return Lives(conditions, seconds)

    def _exposure(self, start: int, stop: int) -> Exposure:
        spent = (self._elapsed[stop] - self._elapsed[start]).tolist()
        return Exposure.of_ticks(zip(self._mission.conditions, spent, strict=True))


def period_of(kinds: NDArray[np.int64]) -> int:
    """The least number of steps after which a sequence repeats; its length if it does not (Knuth, Morris, Pratt)."""
    sequence, border = kinds.tolist(), [0]
    for item in sequence[1:]:
        length = border[-1]
        while length and item != sequence[length]:
            length = border[length - 1]
        border.append(length + 1 if item == sequence[length] else 0)
    return max(1, len(sequence) - border[-1])
