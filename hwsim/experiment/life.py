"""From a scenario to the devices of a lifetime study: what their cells are, and what fails in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hwsim.experiment.memory_settings import MemorySettings
from hwsim.experiment.scenario import Scenario, Variant
from hwsim.memory import DeviceConfig
from hwsim.memory.fault_map import FaultMap
from hwsim.memory.mechanism import Mechanism
from hwsim.memory.mechanisms.generic import Clusters, Flips, Replay, StuckAt


def device_config(scenario: Scenario, variant: Variant) -> DeviceConfig:
    """The kind of device that a variant's words are written to.

    Raises `HwsimError` for a fault map that cannot be read.
    """
    memory = scenario.memory
    geometry, mechanisms = None, list(_mechanisms(memory))
    if memory.fault_map is not None:
        found = FaultMap.from_csv(memory.fault_map.file)
        geometry = replace(found.geometry, interleave=memory.interleave or found.geometry.interleave)
        mechanisms.append(Replay(*found.upsets(memory.fault_map.level), of=geometry))
    return DeviceConfig(
        technology=memory.cells(),
        further=tuple(mechanisms),
        capacity=memory.capacity,
        word_bits=memory.word_bits,
        banks=memory.banks,
        interleave=None if geometry else memory.interleave,
        geometry=geometry,
        ecc=scenario.code_of(variant),
        uncorrectable=memory.uncorrectable,
        new=memory.new,
        cycles=memory.cycles,
    )


def _mechanisms(memory: MemorySettings) -> Iterator[Mechanism]:
    """What fails in any technology, as far as the scenario says so."""
    if memory.flips is not None:
        yield Flips((memory.flips.zero_to_one, memory.flips.one_to_zero), memory.flips.per)
    if memory.stuck_at is not None:
        yield StuckAt(memory.stuck_at.zero, memory.stuck_at.one)
    for at, cluster in enumerate(memory.clusters):
        yield Clusters(cluster.scope, cluster.rate, cluster.density, cluster.kind, name=f"clusters[{at}]")
