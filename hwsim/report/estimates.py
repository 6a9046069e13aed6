"""What a row of the results says of a share, and how much of it faults cost: the one place where intervals are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hwsim.experiment.results.results import Results, Row


class Estimate(NamedTuple):
    """A mean over fault maps, or devices, and its 95 % interval; ends are None for a single map."""

    value: float
    low: float | None
    high: float | None

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None


def estimate(row: Row, measure: str = "accuracy") -> Estimate:
    """The share `measure` of a point, from 0 to 1."""
    return Estimate(row[measure], row[f"{measure}_maps_low"], row[f"{measure}_maps_high"])


def fault_free(row: Row) -> bool:
    """Whether it is the row of a memory without faults."""
    return bool(row["ber"] == 0 if "ber" in row else row["read_at_s"] is None)


def sound_rows(results: Results) -> dict[tuple[str, str], Row]:
    """The row without faults of each format and variant."""
    found: dict[tuple[str, str], Row] = {}
    for row in results.rows:
        if fault_free(row):  # the same words whatever bits are immune
            found.setdefault((row["format"], row["variant"]), row)
    return found


def lost(row: Row, sound: Mapping[tuple[str, str], Row], measure: str = "accuracy") -> Estimate:
    """How much of `measure` faults took, in points: below 0 where they happened to add.

    Args:
        sound: of `sound_rows`. What rounding to the format costs is in its rows already, and so is no loss to faults.
    """
    whole = sound[row["format"], row["variant"]][measure]
    found = estimate(row, measure)
    if found.low is None or found.high is None:
        return Estimate(100 * (whole - found.value), None, None)
    return Estimate(100 * (whole - found.value), 100 * (whole - found.high), 100 * (whole - found.low))
