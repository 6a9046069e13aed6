"""How much of a run is finished, without loading what a run needs."""

from __future__ import annotations

from pathlib import Path

TRIALS = "trials.jsonl"
"""The log of finished trials in a results folder."""


def finished_trials(folder: Path) -> int:
    """How many finished trials a results folder holds."""
    try:
        return (folder / TRIALS).read_bytes().count(b"\n")
    except OSError:
        return 0


def kept(folder: Path) -> str:
    """What a run says that is interrupted."""
    count = finished_trials(folder)
    if not count:
        return "Interrupted before the first trial was finished: nothing is kept."
    return f"Interrupted. {count} finished trials are kept in {folder}; the same command goes on from them."
