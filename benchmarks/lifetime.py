"""Ten years of a scrubbed memory: all scrubs at once against the same scrubs event by event.

    python -m benchmarks.lifetime [--words 20000] [--technologies stt_mram dram pcm] [--every-hours 1 24] [--days 30]

The memory holds FP32 words under SECDED, 12 h at 25 degC and 12 h at 85 degC a day. Event by event is timed for some
days and scaled up to ten years: it costs the same every day. "write and read" is what two times in a life cost without
any scrub in between, so that the last column says what ten years of scrubs add to that.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.timing import Case, milliseconds, table, take_turns
from hwsim.memory import Condition, Device, Memory, Mission, Phase
from hwsim.words import get_format

HOUR, DAY = 3600.0, 86400.0
YEARS = 10 * 365.25 * DAY
PROFILE = (Phase(12 * HOUR, Condition(temperature_c=25)), Phase(12 * HOUR, Condition(temperature_c=85)))


def lived(technology: str, memory: Memory, every_s: float | None) -> int:
    """Wrong bits after ten years."""
    device = Device(technology, ecc="secded", seed=1)
    (readout,) = device.follow(Mission(PROFILE, YEARS, read_at_s=(YEARS,), scrub_every_s=every_s), memory)
    return readout.wrong_bits


def stepped(technology: str, memory: Memory, every_s: float, days: int) -> int:
    """Wrong bits after some days, scrub by scrub."""
    device = Device(technology, ecc="secded", seed=1)
    device.write(memory)
    for step in range(round(days * DAY / every_s)):
        half = int((step * every_s) // (12 * HOUR)) % 2
        device.advance(PROFILE[half] if every_s == DAY else Phase(every_s, PROFILE[half].condition))
        if every_s == DAY:
            device.advance(PROFILE[1 - half])
        device.scrub()
    return device.read().wrong_bits


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--technologies", nargs="+", default=["stt_mram", "dram", "pcm"])
    parser.add_argument("--every-hours", nargs="+", type=int, default=[1, 24], choices=[1, 2, 3, 4, 6, 12, 24])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    words = np.random.default_rng(0).integers(0, 1 << 32, options.words, np.uint32)
    memory = Memory({"w": words}, get_format("fp32"))
    rows = []
    for technology in options.technologies:
        for hours in options.every_hours:
            every = hours * HOUR
            once = Case("at once", lambda _, t=technology, e=every: lived(t, memory, e))
            never = Case("never", lambda _, t=technology: lived(t, memory, None))
            each = Case(
                "event by event",
                lambda _, t=technology, e=every: stepped(t, memory, e, options.days),
                every=options.rounds,
            )
            take_turns([once, never, each], options.rounds)
            stepping = each.median * YEARS / (options.days * DAY)
            rows.append(
                (
                    technology,
                    f"{hours} h",
                    f"{int(YEARS / every):,}",
                    milliseconds(once.median),
                    *map(milliseconds, once.spread),
                    milliseconds(stepping),
                    f"{stepping / once.median:,.0f}x",
                    f"{once.median / never.median:.1f}x",
                )
            )
    header = ("", "scrub", "scrubs", "at once ms", "quartiles", "", "events ms", "faster", "of write and read")
    print(table(header, rows))


if __name__ == "__main__":
    main()
