"""How long a run takes, said before it begins; what cannot end is refused."""

from __future__ import annotations

import logging
import os

from hwsim.errors import HwsimError
from hwsim.experiment.scenario.points import points_of, prepared
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.progress import Progress

LONGEST_S = 365.25 * 86_400
"""A year: nobody waits longer for one process."""

FASTEST_TRIAL_S = 1e-3
"""No network runs on an image, and no record is written, in less."""

RECORD_BYTES = 4_000
"""What a finished trial takes in memory until the tables are made: about this for a network of ten layers."""

WORTH_SAYING_S = 60.0
"""Shorter runs are over before they need to be announced."""

_log = logging.getLogger("hwsim")


def count_trials(scenario: Scenario) -> int:
    """How many trials a scenario has, without listing them."""
    return sum(
        1 if point.fault_free else scenario.trials.fault_maps
        for fmt, variant in prepared(scenario)
        for point in points_of(scenario, fmt, variant)
    )


def check_ends(scenario: Scenario, trial_s: float = FASTEST_TRIAL_S) -> None:
    """Raises `HwsimError` for more trials than a year is long, or than this machine has memory for their records."""
    count = count_trials(scenario)
    if count * trial_s > LONGEST_S:
        years = count * trial_s / LONGEST_S
        raise HwsimError(
            f"{count:,} trials of {trial_s:.2g} s would take {years:,.3g} years: lower `trials.fault_maps` = "
            f"{scenario.trials.fault_maps:,}, or leave out points."
        )
    memory = _memory_bytes()
    if memory and count * RECORD_BYTES > memory:
        raise HwsimError(
            f"The records of {count:,} trials would take {count * RECORD_BYTES / 2**30:,.0f} GiB of memory, where this "
            f"machine has {memory / 2**30:,.0f}: lower `trials.fault_maps` = {scenario.trials.fault_maps:,}."
        )


def announce(scenario: Scenario, pass_s: float, progress: Progress) -> None:
    """Say how many trials there are, and how long they take together.

    Args:
        scenario: what is run.
        pass_s: how long the plain network took for the images: a trial takes about as long.
        progress: told too.

    Raises `HwsimError` as `check_ends`.
    """
    check_ends(scenario, max(pass_s, FASTEST_TRIAL_S))
    count = count_trials(scenario)
    text = f"{count:,} trials, about {duration(count * pass_s)} in all"
    progress(text, 0, 0)
    if count * pass_s >= WORTH_SAYING_S:
        _log.info(text)


def duration(seconds: float) -> str:
    """A time as a person says it."""
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _memory_bytes() -> int | None:
    """Memory of this machine, if the system says."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
