"""From a scenario to the devices of a lifetime study: what their cells are, and what fails in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hwsim.errors import HwsimError
from hwsim.experiment.scenario.memory_settings import MemorySettings
from hwsim.experiment.scenario.scenario import Scenario, Variant
from hwsim.memory import DeviceConfig
from hwsim.memory.fault_maps.fault_map import FaultMap
from hwsim.memory.mechanisms.generic import Clusters, Flips, Replay, StuckAt
from hwsim.memory.mechanisms.mechanism import Mechanism


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


def check_constants(scenario: Scenario) -> None:
    """Raises `HwsimError` for a constant that the scenario gives and that nothing in its devices follows from.

    A table in a file is of a technology and not of one run: it may say more.
    """
    memory, mission = scenario.memory, scenario.mission
    cells = memory.cells()
    if cells is None or not memory.constants_given:
        return
    used = frozenset[str]().union(*(device_config(scenario, one).constants_used for one in scenario.variants))
    replaced = mission.replaced if mission is not None else {}
    for name in memory.constants_given:
        constant = f"The constant {name!r} of {cells.name!r} is not used by this run"
        if name in replaced:
            raise HwsimError(f"{constant}: every phase of the mission has its own `{replaced[name]}`; leave one out.")
        if name in ("banks", "interleave", "word_bits") and getattr(memory, name) is not None:
            raise HwsimError(f"{constant}: `memory.{name}` is given too; leave one out.")
        if name not in used:
            raise HwsimError(
                f"{constant}: neither what fails in its cells nor how they lie depends on it; leave it out of the "
                "scenario."
            )


def _mechanisms(memory: MemorySettings) -> Iterator[Mechanism]:
    """What fails in any technology, as far as the scenario says so."""
    if memory.flips is not None:
        yield Flips((memory.flips.zero_to_one, memory.flips.one_to_zero), memory.flips.per)
    if memory.stuck_at is not None:
        yield StuckAt(memory.stuck_at.zero, memory.stuck_at.one)
    for at, cluster in enumerate(memory.clusters):
        yield Clusters(cluster.scope, cluster.rate, cluster.density, cluster.kind, name=f"clusters[{at}]")
