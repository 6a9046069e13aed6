"""When each command was last issued, and from when on the next one may be: the timing table at work."""

from __future__ import annotations

from hwsim.memory.controller.timing import Command, Timing

_NEVER = -(1 << 62)  # long before cycle 0


class Commands:
    """The commands issued so far on a channel of `timing`."""

    def __init__(self, timing: Timing) -> None:
        # One place for each node (the channel, its groups, its banks), command and age (0: the last one issued).
        kinds = sorted({c.before for c in timing.constraints} | {c.after for c in timing.constraints})
        nodes = 1 + timing.groups + timing.banks
        ages = max((c.count for c in timing.constraints), default=1)
        self._times = [_NEVER] * (len(kinds) * nodes * ages)
        self._places: dict[Command, list[list[list[int]]]] = {}
        self._rules: dict[Command, list[list[tuple[int, int]]]] = {}

        def place(command: Command, node: int, age: int) -> int:
            return (kinds.index(command) * nodes + node) * ages + age

        for command in kinds:
            oldest = max((c.count for c in timing.constraints if c.before == command), default=1)
            self._places[command] = []
            self._rules[command] = []
            for bank in range(timing.banks):
                node = {"channel": 0, "group": 1 + bank % timing.groups, "bank": 1 + timing.groups + bank}
                self._places[command].append([[place(command, n, age) for age in range(oldest)] for n in node.values()])
                self._rules[command].append(
                    [
                        (place(c.before, node[c.scope], c.count - 1), c.cycles)
                        for c in timing.constraints
                        if c.after == command
                    ]
                )

    def probe(self, command: Command, bank: int) -> int:
        """First cycle in which the commands issued so far allow this one."""
        times = self._times
        earliest = 0
        for place, cycles in self._rules[command][bank]:
            at = times[place] + cycles
            if at > earliest:
                earliest = at
        return earliest

    def issue(self, command: Command, bank: int, cycle: int) -> None:
        """Issues a command in a cycle; it must be allowed then."""
        assert cycle >= self.probe(command, bank), f"{command} to bank {bank} in cycle {cycle} breaks a constraint"
        times = self._times
        for places in self._places[command][bank]:
            for place in range(len(places) - 1, 0, -1):
                times[places[place]] = times[places[place - 1]]
            times[places[0]] = max(times[places[0]], cycle)  # rows of different banks may close in any order

    def last(self, command: Command, bank: int) -> int:
        """Cycle of the bank's last command of this kind; far below 0 if there was none."""
        return self._times[self._places[command][bank][2][0]]

    def delay(self, command: Command, cycles: int, banks: int) -> None:
        """Moves the last command of this kind to every bank by `cycles`: as many more were issued in between."""
        for place in {places[0] for bank in range(banks) for places in self._places[command][bank]}:
            self._times[place] += cycles
