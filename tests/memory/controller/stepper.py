"""A memory channel stepped cycle by cycle: slow, and written without looking at the controller.

In every cycle each burst in the queue, the oldest first, sends its next command if

* every line of the timing table allows it, given all commands sent so far,
* no older burst still has to use the same bank,
* no older burst still has to send a command of the same kind (reads and writes are one kind, "access").

A refresh is due at multiples of its interval. Bursts that cannot send their access before it is due do not begin
before it: a first pass without the refresh finds them. When it is due, all open banks are closed, each as soon as it
may be, then the refresh is sent.
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim.memory.controller import Timing


class Ask(NamedTuple):
    operation: str
    burst: int
    arrival: int


class Step(NamedTuple):
    accepted: int
    access: int
    answer: int
    end: int


KIND = {"read": "access", "write": "access"}


class Stepper:
    def __init__(self, timing: Timing, bursts_per_bank: int = 1) -> None:
        self.timing = timing
        self.per_bank = bursts_per_bank
        self.log: list[tuple[int, str, int]] = []  # cycle, command, bank

    def run(self, asks: list[Ask]) -> list[Step]:
        """Serves the bursts, which are in order of arrival; as in a queue, none overtakes another."""
        timing = self.timing
        done: list[Step] = []
        open_rows: dict[int, int] = {}
        due = timing.refresh.every if timing.refresh else None
        while len(done) < len(asks):
            log, rows, steps = list(self.log), dict(open_rows), list(done)
            start = max([0, *(step.accepted for step in done[-1:])])
            self._serve(asks, len(asks), steps, rows, log, start, until=due)
            if due is None:
                done, open_rows, self.log = steps, rows, log
                break
            before = len([step for step in steps if step.access < due])
            log, rows, steps = list(self.log), dict(open_rows), list(done)
            self._serve(asks, before, steps, rows, log, start, until=due)
            self.log, open_rows, done = log, rows, steps
            if len(done) < len(asks):
                self._refresh(open_rows, due)
                due += timing.refresh.every
        return done

    def _serve(self, asks, stop, steps, rows, log, cycle, until) -> None:  # type: ignore[no-untyped-def]
        waiting: list[dict] = []  # bursts in the queue, oldest first
        virtual = dict(rows)  # rows as the accepted bursts will leave them
        at = len(steps)
        found: dict[int, Step] = {}
        while len(found) + len(steps) < stop:
            if until is not None and cycle >= until:
                break
            while at < stop and asks[at].arrival <= cycle:
                ends = [s.end for s in [*steps, *found.values()] if s.end > cycle]
                if len(ends) + len(waiting) >= self.timing.queue_depth:
                    break
                waiting.append(self._accept(asks[at], at, cycle, virtual))
                at += 1
            kinds: set[str] = set()
            banks: set[int] = set()
            for job in waiting:
                command = job["todo"][0]
                free = job["bank"] not in banks and KIND.get(command, command) not in kinds
                if free and self._allowed(command, job["bank"], cycle, log):
                    log.append((cycle, command, job["bank"]))
                    job["todo"].pop(0)
                    if not job["todo"]:
                        rows[job["bank"]] = job["row"]
                        found[job["number"]] = self._end(job, cycle)
                kinds.update(KIND.get(todo, todo) for todo in job["todo"])
                if job["todo"]:
                    banks.add(job["bank"])
            waiting = [job for job in waiting if job["todo"]]
            cycle += 1
        steps += [found[number] for number in sorted(found)]

    def _accept(self, ask: Ask, number: int, cycle: int, virtual: dict[int, int]) -> dict:
        timing = self.timing
        bank = ask.burst // self.per_bank % timing.banks
        row = ask.burst // (timing.row_bursts * timing.banks) if timing.row_bursts else 0
        todo = [ask.operation]
        if timing.row_bursts and virtual.get(bank) != row:
            todo = (["precharge"] if bank in virtual else []) + ["activate", *todo]
        virtual[bank] = row
        return {"number": number, "bank": bank, "row": row, "todo": todo, "ask": ask, "accepted": cycle}

    def _end(self, job: dict, cycle: int) -> Step:
        timing = self.timing
        if job["ask"].operation == "read":
            data = cycle + timing.read_cycles
            return Step(job["accepted"], cycle, data, data + timing.burst_cycles)
        end = cycle + timing.write_cycles
        return Step(job["accepted"], cycle, end, end)

    def _allowed(self, command: str, bank: int, cycle: int, log: list[tuple[int, str, int]]) -> bool:
        for line in self.timing.constraints:
            if line.after != command:
                continue
            near = {
                "channel": lambda other: True,
                "group": lambda other: other % self.timing.groups == bank % self.timing.groups,
                "bank": lambda other: other == bank,
            }[line.scope]
            times = sorted((t for t, name, other in log if name == line.before and near(other)), reverse=True)
            if len(times) >= line.count and cycle < times[line.count - 1] + line.cycles:
                return False
        return True

    def _refresh(self, rows: dict[int, int], due: int) -> None:
        cycle, waiting = due, set(rows)
        while True:
            for bank in sorted(waiting):
                if self._allowed("precharge", bank, cycle, self.log):
                    self.log.append((cycle, "precharge", bank))
                    waiting.remove(bank)
            if not waiting and self._allowed("refresh", 0, cycle, self.log):
                self.log.append((cycle, "refresh", 0))
                rows.clear()
                return
            cycle += 1
