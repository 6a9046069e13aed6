"""One format and variant made ready: its words, the memory that they are written to, and the accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hwsim.datapath import Accelerator
from hwsim.errors import HwsimError
from hwsim.experiment.results.record import CodedStorage, Storage
from hwsim.experiment.scenario.scenario import Scenario, Variant
from hwsim.hardening import Hardened, Scaling, harden
from hwsim.memory import DeviceConfig, Faults, Memory
from hwsim.memory.ecc import Code, round_words
from hwsim.network import Network


@dataclass(frozen=True, eq=False)
class Ready:
    """One format and variant, ready for its trials.

    Attributes:
        stored: the words, as a code stores them if there is one.
        memory: these words, written.
        accelerator: what runs on them.
        kind: what devices they are written to, or which codewords they lie in; None for bare words.
        rounded_words: words that the code cannot store as they were.
    """

    stored: Hardened
    memory: Memory
    accelerator: Accelerator
    kind: DeviceConfig | None
    rounded_words: int

    @property
    def code(self) -> Code | None:
        """The code of these words."""
        return self.accelerator.config.code

    @property
    def codewords(self) -> int:
        """How many of them the words take; none without a code."""
        return -(-self.stored.stored_bits // self.code.word_bits) * self.code.codewords if self.code else 0

    @property
    def storage(self) -> Storage:
        """What the words take, and what their code takes and costs."""
        plain = Storage(self.stored.stored_bits, self.stored.constant_bits, sum(self.stored.clipped.values()))
        if self.code is None:
            return plain
        overhead = self.code.overhead()
        return CodedStorage(
            **vars(plain),
            check_bits=self.codewords * self.code.check_bits,
            cells_per_bit=overhead.cells_per_bit,
            rounded_words=self.rounded_words,
            decode_energy_pj=overhead.decode.energy_pj,
            decode_area_um2=overhead.decode.area_um2,
            decode_latency_ns=overhead.decode.latency_ns,
        )

    def exponent_bits_set(self, faults: Faults | None) -> int | None:
        """Exponent bits stored as 0 and read as 1; None for a format without an exponent."""
        mask = sum(field.mask for field in self.stored.format.fields if field.name == "exponent")
        if not mask:
            return None
        return 0 if faults is None else faults.bits_set(mask)


@contextmanager
def named(fmt: str, variant: Variant) -> Iterator[None]:
    """What cannot be run is said with its name."""
    try:
        yield
    except HwsimError as error:
        raise HwsimError(f"Variant {variant.name!r} cannot be run in {fmt}: {error}") from None


def store_weights(network: Network, scenario: Scenario, fmt: str, variant: Variant) -> Hardened:
    """The words of one format and variant.

    Raises:
        HwsimError: if the format cannot hold the values, or the target is above its range; names the variant.
    """
    settings = variant.scaling
    scaling = None
    if settings is not None:
        target = None if variant.target == "default" else variant.target
        scaling = Scaling(target, settings.granularity, settings.power_of_two)
    return harden(network, fmt, scaling, scenario.memory.store)


def written(stored: Hardened, code: Code | None) -> tuple[Hardened, Memory, int]:
    """Words as a code stores them, the memory that they are written to, and how many the code changed."""
    memory = Memory(stored.words, stored.format)
    if code is None:
        return stored, memory, 0
    flat, rounding = round_words(memory.flat, stored.format, code)
    if not rounding.changed:
        return stored, memory, 0
    words = {
        region.name: flat[region.first_word : region.end].reshape(region.shape) for region in memory.layout.regions
    }
    return replace(stored, words=words), Memory(words, stored.format), rounding.changed
