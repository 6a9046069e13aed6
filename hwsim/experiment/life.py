"""From a scenario to the devices of a lifetime study: what their cells are, and what fails in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hwsim.experiment.memory_settings import MemorySettings
from hwsim.experiment.scenario import Scenario, Variant
from hwsim.memory.constants import Technology
from hwsim.memory.device import Device
from hwsim.memory.fault_map import FaultMap
from hwsim.memory.geometry import Geometry
from hwsim.memory.mechanism import Mechanism
from hwsim.memory.mechanisms.generic import Clusters, Flips, Replay, StuckAt


@dataclass(frozen=True)
class DeviceKind:
    """What all devices of a scenario and a code have in common.

    Attributes:
        settings: the scenario's [memory].
        technology: with the scenario's own constants; None for mechanisms of no technology.
        mechanisms: those of no technology.
        geometry: where the cells lie, if a fault map says so.
        ecc: name of the code.
    """

    settings: MemorySettings
    technology: Technology | None
    mechanisms: tuple[Mechanism, ...]
    geometry: Geometry | None
    ecc: str

    @classmethod
    def of(cls, scenario: Scenario, variant: Variant) -> DeviceKind:
        """The kind of device that a variant's words are written to.

        Raises `HwsimError` for a fault map that cannot be read.
        """
        memory = scenario.memory
        geometry, mechanisms = None, list(_mechanisms(memory))
        if memory.fault_map is not None:
            found = FaultMap.from_csv(memory.fault_map.file)
            geometry = replace(found.geometry, interleave=memory.interleave or found.geometry.interleave)
            mechanisms.append(Replay(*found.upsets(memory.fault_map.level), of=geometry))
        return cls(memory, memory.cells(), tuple(mechanisms), geometry, variant.ecc or memory.ecc)

    @property
    def word_bits(self) -> int:
        """Data bits of a memory word."""
        return self.new(()).word_bits

    def new(self, seed: tuple[int | str, ...]) -> Device:
        """A new device."""
        settings = self.settings
        return Device(
            self.technology,
            self.mechanisms,
            capacity=settings.capacity,
            word_bits=settings.word_bits,
            banks=settings.banks,
            interleave=None if self.geometry else settings.interleave,
            geometry=self.geometry,
            ecc=self.ecc,
            uncorrectable=settings.uncorrectable,
            new=settings.new,
            cycles=settings.cycles,
            seed=seed,
        )


def _mechanisms(memory: MemorySettings) -> Iterator[Mechanism]:
    """What fails in any technology, as far as the scenario says so."""
    if memory.flips is not None:
        yield Flips((memory.flips.zero_to_one, memory.flips.one_to_zero), memory.flips.per)
    if memory.stuck_at is not None:
        yield StuckAt(memory.stuck_at.zero, memory.stuck_at.one)
    for at, cluster in enumerate(memory.clusters):
        yield Clusters(cluster.scope, cluster.rate, cluster.density, cluster.kind, name=f"clusters[{at}]")
