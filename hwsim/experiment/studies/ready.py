"""One format and variant in a memory with a code: what its trials are, and what the decoder did in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwsim.experiment.results.record import CodedStorage, DecoderCounts, TrialRecord
from hwsim.experiment.results.summary import OUTCOMES
from hwsim.experiment.scenario.points import Trial
from hwsim.experiment.scenario.scenario import Variant
from hwsim.experiment.studies.life import device_config
from hwsim.experiment.studies.trials import Bench, Prepared
from hwsim.hardening import Hardened
from hwsim.memory import Device, DeviceConfig, Faults, Memory
from hwsim.memory.device.coded_flips import read_coded
from hwsim.memory.device.readout import Readout
from hwsim.memory.ecc import Code, round_words


@dataclass(frozen=True, eq=False)
class Ready:
    """One format and variant, ready to be written to devices, or to coded words that flip at a rate.

    Attributes:
        prepared: the memory and the accelerator.
        kind: what devices it is written to.
        code: their code.
        rounded_words: words that the code cannot store as they were.
    """

    prepared: Prepared
    kind: DeviceConfig
    code: Code
    rounded_words: int

    def rehearse(self, live: bool) -> None:
        """Writes to a device, and lets it live if asked to, so that what is wrong is said before a run begins."""
        scenario = self.prepared.bench.scenario
        assert scenario.mission is not None
        Device(self.kind, seed=(0, "rehearsal")).write(self.prepared.memory)
        for sweep in scenario.mission.sweeps if live else ():
            rehearsed = Device(self.kind, seed=(0, "rehearsal"))
            for _ in rehearsed.follow(scenario.mission.mission(sweep), self.prepared.memory):
                pass

    def trial(self, trial: Trial) -> TrialRecord:
        """What a trial of an accuracy study gives: see `Prepared.trial`."""
        flips = self.prepared.flips(trial)
        if flips is None:
            return self.sound()
        return self.read(read_coded(flips, self.prepared.memory, self.kind, self.prepared.seed(trial)))

    def sound(self) -> TrialRecord:
        """The run on a memory without faults."""
        record = self.prepared.run(None)
        assert record.storage is not None
        codewords = -(-self.prepared.stored.stored_bits // self.code.word_bits) * self.code.codewords
        overhead = self.code.overhead()
        storage = CodedStorage(
            **vars(record.storage),
            check_bits=codewords * self.code.check_bits,
            cells_per_bit=overhead.cells_per_bit,
            rounded_words=self.rounded_words,
            decode_energy_pj=overhead.decode.energy_pj,
            decode_area_um2=overhead.decode.area_um2,
            decode_latency_ns=overhead.decode.latency_ns,
        )
        decoded = DecoderCounts(codewords * self.code.cells, 0, self._exponent_bits_set(None))
        return replace(record, storage=storage, decoded=decoded)

    def read(self, readout: Readout) -> TrialRecord:
        """The run on the words that a decoder gave."""
        outcome = readout.outcome
        decoded = DecoderCounts(
            outcome.codewords * self.code.cells,
            readout.wrong_bits,
            self._exponent_bits_set(readout.faults),
            **{name: getattr(outcome, name) for name in OUTCOMES},
            changed=dict(readout.changed),
        )
        return replace(self.prepared.run(readout.faults), decoded=decoded)

    def _exponent_bits_set(self, faults: Faults | None) -> int | None:
        """Exponent bits stored as 0 and read as 1; None for a format without an exponent."""
        mask = sum(field.mask for field in self.prepared.stored.format.fields if field.name == "exponent")
        if not mask:
            return None
        return 0 if faults is None else faults.bits_set(mask)


def prepare(bench: Bench, fmt: str, variant: Variant) -> Ready:
    """One format and variant made ready."""
    kind = device_config(bench.scenario, variant)
    stored, changed, code = as_stored(bench.store(fmt, variant), kind)
    return Ready(bench.run_on(stored, variant, code), kind, code, changed)


def as_stored(stored: Hardened, kind: DeviceConfig) -> tuple[Hardened, int, Code]:
    """Words as a device's code stores them, how many that changes, and the code."""
    code = kind.code(stored.format)
    return (*_rounded(stored, code), code)


def _rounded(stored: Hardened, code: Code) -> tuple[Hardened, int]:
    """The words as the code gives them back from a memory without faults, and how many that changes."""
    memory = Memory(stored.words, stored.format)
    flat, rounding = round_words(memory.flat, stored.format, code)
    if not rounding.changed:
        return stored, 0
    words = {
        region.name: flat[region.first_word : region.end].reshape(region.shape) for region in memory.layout.regions
    }
    return replace(stored, words=words), rounding.changed
