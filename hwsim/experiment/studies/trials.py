"""One trial: the images run on what a memory gives, and what came out written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from hwsim.experiment.results.record import DecoderCounts, TrialRecord
from hwsim.experiment.results.summary import OUTCOMES
from hwsim.experiment.studies.bench import Bench
from hwsim.experiment.studies.ready import Ready
from hwsim.memory import Faults
from hwsim.memory.device.readout import Readout


def run_sound(bench: Bench, ready: Ready) -> TrialRecord:
    """The run on a memory without faults: what its layers do, and what its words take."""
    record = _run(bench, ready, None)
    if ready.code is None:
        return record
    return replace(record, decoded=DecoderCounts(ready.codewords * ready.code.cells, 0, ready.exponent_bits_set(None)))


def run_faulty(bench: Bench, ready: Ready, read: Faults | Readout) -> TrialRecord:
    """The run on bare words with faults, or on the words that a decoder gave."""
    if isinstance(read, Faults):
        return _run(bench, ready, read)
    assert ready.code is not None
    decoded = DecoderCounts(
        read.outcome.codewords * ready.code.cells,
        read.wrong_bits,
        ready.exponent_bits_set(read.faults),
        **{name: getattr(read.outcome, name) for name in OUTCOMES},
        changed=dict(read.changed),
    )
    return replace(_run(bench, ready, read.faults), decoded=decoded)


def _run(bench: Bench, ready: Ready, faults: Faults | None) -> TrialRecord:
    """What the images gave under some faults."""
    run = ready.accelerator.run(bench.images, faults, bench.scenario.data.batch)
    return TrialRecord(
        correct=int((run.predictions == bench.labels).sum()),
        agree=int((run.predictions == bench.predictions).sum()),
        invalid=int(run.invalid.sum()),
        logit_error=_logit_error(run.logits, bench.logits),
        flips=faults.by_field() if faults is not None else {field.name: 0 for field in ready.stored.format.fields},
        faulty_words=len(faults) if faults is not None else 0,
        overflows=run.nonfinite,
        counts=run.counts.total,
        layers=dict(run.counts) if faults is None else {},
        storage=ready.storage if faults is None else None,
    )


def _logit_error(logits: Tensor, reference: Tensor) -> float | None:
    """Mean absolute difference over the images whose logits are all finite; None if there are none."""
    finite = logits.isfinite().all(dim=1)
    if not finite.any():
        return None
    return float((logits[finite].double() - reference[finite].double()).abs().mean())


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, so that a result does not depend on how many processors a machine has.

    It also keeps small networks fast on a busy machine, where threads that wait for each other cost more than
    they bring.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
