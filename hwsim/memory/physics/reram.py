"""Resistive memory: levels that broaden while a cell relaxes, and cells that are stuck.

Level statistics are those of NVMExplorer (Pentecost et al., HPCA 2022): normalised conductances, read against the
thresholds that make the fewest errors. `hwsim.memory.physics.levels` turns them into read errors and errors of bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hwsim.errors import HwsimError
from hwsim.memory.physics.checks import Array, equation, positive, time, within
from hwsim.memory.physics.levels import likeliest_thresholds, read_errors


@equation
def relaxation(time_s: ArrayLike, *, start_s: float, end_s: float, growth: float) -> Array:
    """By what factor the spread of a level has grown: it grows with the logarithm of time.

    1 + (growth - 1) ln(t / t_start) / ln(t_end / t_start), and 1 before t_start

    Args:
        time_s: time since programming, s.
        start_s: when the spread was measured first, s.
        end_s: when it was measured again, s.
        growth: its growth in between.

    Raises:
        HwsimError: unless the second measurement is the later one.
    """
    start, end = positive("start_s", start_s), positive("end_s", end_s)
    if not start < end:
        raise HwsimError(f"end_s = {float(end):g} must be later than start_s = {float(start):g}.")
    more = within("growth", growth, 1, np.finfo(float).max, "a growth") - 1
    return 1 + more * np.log(np.maximum(time("time_s", time_s), start) / start) / np.log(end / start)


@equation
def relaxed_read_errors(
    means: ArrayLike,
    sigmas: ArrayLike,
    time_s: float,
    *,
    start_s: float,
    end_s: float,
    growth: float,
) -> Array:
    """Probability that a relaxed cell of one level is read as another: rows are stored levels, columns are read ones.

    Thresholds are set once, where the levels are equally likely when fresh, and stay.

    Args:
        means: what each level reads on average, rising; shape (levels,).
        sigmas: standard deviation of each level when fresh; shape (levels,).
        time_s: time since programming, s.
        start_s: see `relaxation`.
        end_s: see `relaxation`.
        growth: see `relaxation`.
    """
    broad = positive("sigmas", sigmas) * relaxation(time_s, start_s=start_s, end_s=end_s, growth=growth)
    return read_errors(means, broad, likeliest_thresholds(means, sigmas))
