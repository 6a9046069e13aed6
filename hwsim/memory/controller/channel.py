"""One channel of a memory: its banks, their open rows, and the commands that a burst takes.

Bursts are served in the order in which they are accepted. The commands of a burst go out as early as the timing table
allows: while earlier bursts still transfer, the rows of later ones are closed and opened, so that banks overlap; but
commands of one kind keep the order of their bursts. So a burst's commands are all known when it is accepted, and one
event stands for the whole burst.

A refresh is due at every multiple of its interval. No burst whose read or write command could not go out before a
refresh is due starts before it; then all open banks are closed, and after the refresh every row must be opened again.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import NamedTuple

from hwsim.memory.controller.commands import Commands
from hwsim.memory.controller.stream import Access
from hwsim.memory.controller.timing import OPENING, Command, RowState, Timing


class Service(NamedTuple):
    """What a burst gets: cycles of its read or write command, of its first data (or of the write's end), of its end."""

    command: int
    answer: int
    end: int


class Skipped(NamedTuple):
    """Bursts served at once: how many, cycles from one acceptance to the next one's, answer after, and last end."""

    bursts: int
    cycles: int
    latency: int
    end: int


class Channel:
    """The state of a channel, and what has happened on it.

    Args:
        timing: of the memory.
        bursts_per_bank: bursts that lie in one bank before the next bank follows. 1 spreads a stream over all banks;
            a row's bursts keep it in one bank until the row is read.

    Attributes:
        commands: how many of each kind went out.
        rows: accesses by what the row buffer held.
        served: bursts of each bank.
        occupied: cycles for which each bank moved data or, without a row buffer, was busy.
    """

    def __init__(self, timing: Timing, bursts_per_bank: int = 1) -> None:
        self.timing = timing
        self.bursts_per_bank = bursts_per_bank
        self.commands: Counter[Command] = Counter()
        self.rows: Counter[RowState] = Counter()
        self.served = [0] * timing.banks
        self.occupied = [0] * timing.banks
        self._times = Commands(timing)
        self._open: dict[int, int] = {}
        self._refresh_due = timing.refresh.every if timing.refresh else None
        self._ends: list[int] = []  # of the bursts in the queue, a heap

    def place(self, burst: int) -> tuple[int, int]:
        """(bank, row) of a burst."""
        turn, banks = burst // self.bursts_per_bank, self.timing.banks
        if not self.timing.has_rows:
            return turn % banks, 0
        return turn % banks, burst // (self.timing.row_bursts * banks)

    def accepts_at(self, now: int) -> int:
        """First cycle from `now` on in which the queue has a place."""
        self._leave(now)
        return now if len(self._ends) < self.timing.queue_depth else self._ends[0]

    def serve(self, operation: Access, burst: int, now: int, tries: int | None = None) -> Service:
        """Accepts a burst in cycle `now` and sends out its commands.

        Args:
            operation: "read" or "write".
            burst: its number.
            now: not before the burst accepted last.
            tries: writes of it that are read back; None for one that is not.
        """
        self._leave(now)
        bank, row = self.place(burst)
        state, plan = self._plan(operation, bank, row, now)
        while self._refresh_due is not None and plan[-1][1] >= self._refresh_due:
            self._do_refresh(now)
            state, plan = self._plan(operation, bank, row, now)
        for command, cycle in plan:
            self._issue(command, bank, cycle)
        if self.timing.has_rows:
            self._open[bank] = row
            self.rows[state] += 1
        service = self._finish(operation, bank, plan[-1][1], tries)
        self.served[bank] += 1
        heapq.heappush(self._ends, service.end)
        return service

    def _plan(self, operation: Access, bank: int, row: int, now: int) -> tuple[RowState, list[tuple[Command, int]]]:
        """The commands of a burst, each in its earliest cycle."""
        state: RowState = "hit"
        if self.timing.has_rows:
            held = self._open.get(bank)
            state = "closed" if held is None else "hit" if held == row else "conflict"
        plan: list[tuple[Command, int]] = []
        for command in (*OPENING[state], operation):
            cycle = max(now, self._times.probe(command, bank))
            if plan:
                cycle = max(cycle, plan[-1][1] + self.timing.gap(plan[-1][0], command))
            plan.append((command, cycle))
        return state, plan

    def _issue(self, command: Command, bank: int, cycle: int, times: int = 1) -> None:
        self._times.issue(command, bank, cycle)
        self.commands[command] += times

    def _finish(self, operation: Access, bank: int, command: int, tries: int | None) -> Service:
        timing = self.timing
        if operation == "read":
            answer = command + timing.read_cycles
            self.occupied[bank] += self._occupation(operation)
            return Service(command, answer, answer + timing.burst_cycles)
        end = command + timing.write_cycles
        if tries is not None:  # write, verify, rewrite, verify ...: the bank is busy until the last verify ends
            pulse = timing.write_cycles + timing.verify_cycles
            end = command + tries * pulse
            if tries > 1:
                self._issue("rewrite", bank, end - pulse, times=tries - 1)
            self._issue("verify", bank, end - timing.verify_cycles, times=tries)
        self.occupied[bank] += self._occupation(operation) if tries is None else end - command
        return Service(command, end, end)

    def _do_refresh(self, now: int) -> None:
        refresh = self.timing.refresh
        assert refresh is not None
        assert self._refresh_due is not None
        due = self._refresh_due
        for bank in sorted(self._open):
            self._issue("precharge", bank, max(due, self._times.probe("precharge", bank)))
        self._open.clear()
        cycle = max(due, self._times.probe("refresh", 0))
        self._issue("refresh", 0, cycle)
        self._refresh_due += refresh.every
        # While nothing comes, a refresh follows another on time: no need to go through them one by one.
        idle = (now - self._refresh_due) // refresh.every
        if idle > 0 and cycle + refresh.cycles <= self._refresh_due:
            last = self._refresh_due + (idle - 1) * refresh.every
            self._issue("refresh", 0, last, times=idle)
            self._refresh_due = last + refresh.every

    def skip(self, operation: Access, burst: int, now: int, left: int) -> Skipped | None:
        """Serves at once the bursts from `burst` on that follow each other evenly, in whole turns of the banks.

        Only for bursts that come as soon as the queue has a place, with nothing else on the channel. What is left
        behind is what as many calls of `serve` would have left.

        Args:
            operation: of this burst and of those before it.
            burst: number of the next burst.
            now: the cycle in which it can be accepted.
            left: bursts of the stream from here on.

        Returns None where the next bursts may not come evenly: `serve` them.
        """
        timing, banks, step = self.timing, self.timing.banks, self.timing.burst_cycles
        self._leave(now)
        bank, row = self.place(burst)
        if self.bursts_per_bank != 1 or left < banks or len(self._ends) != timing.queue_depth - 1 or not self._ends:
            return None
        room = left
        if timing.has_rows:
            if any(self._open.get(other) != row for other in range(banks)):
                return None
            room = min(room, (row + 1) * timing.row_bursts * banks - burst)
        newest = self._times.last(operation, (bank - 1) % banks)
        if self._refresh_due is not None:
            room = min(room, (self._refresh_due - 1 - newest) // step)
        turns = room // banks
        wait = timing.read_cycles + step if operation == "read" else timing.write_cycles
        ends = sorted(self._ends)
        commands = [self._times.last(operation, (bank - 1 - n) % banks) for n in range(banks)]
        steady = (
            turns > 0
            and commands == [newest - n * step for n in range(banks)]
            and ends == [newest + wait - n * step for n in reversed(range(len(ends)))]
            and now == ends[0] - step
            and max(now, self._times.probe(operation, bank)) <= newest + step
        )
        if not steady:
            return None
        bursts = turns * banks
        cycles = bursts * step
        self._times.delay(operation, cycles, banks)
        self._ends = [end + cycles for end in ends]
        self.commands[operation] += bursts
        if timing.has_rows:
            self.rows["hit"] += bursts
        for each in range(banks):
            self.served[each] += turns
            self.occupied[each] += turns * self._occupation(operation)
        answer = newest + step + (timing.read_cycles if operation == "read" else timing.write_cycles)
        return Skipped(bursts, cycles, answer - now, self._ends[-1])

    def _occupation(self, operation: Access) -> int:
        """Cycles for which one access occupies its bank."""
        if self.timing.has_rows:
            return self.timing.burst_cycles
        return self.timing.read_cycles if operation == "read" else self.timing.write_cycles

    def _leave(self, now: int) -> None:
        """Takes the bursts that have ended out of the queue."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
