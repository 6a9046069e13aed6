"""The lifetime study: devices that are written, live through a mission, and are read; the images run at each read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hwsim.constants import show
from hwsim.errors import HwsimError, unknown
from hwsim.experiment.results import columns
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Row
from hwsim.experiment.results.store import CONSTANTS, MECHANISMS
from hwsim.experiment.results.summary import mechanism_rows
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import LifePoint, Trial, lives_of, prepared
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.bench import Bench
from hwsim.experiment.studies.environment import load_captured
from hwsim.experiment.studies.job import Job
from hwsim.experiment.studies.life import check_constants, device_config
from hwsim.experiment.studies.ready import Ready, store_weights, written
from hwsim.experiment.studies.study import Beside, Records, Table, TrialStudy
from hwsim.experiment.studies.trials import run_faulty, run_sound
from hwsim.memory import Device
from hwsim.memory.device.readout import Readout
from hwsim.memory.technology.constants import GROUPS, Technology


class LifetimeStudy(TrialStudy):
    """Every device is a job; see `TrialStudy`."""

    def begin(self, scenario: Scenario) -> Beside:
        """The constants of its memory, and the files that its cells depend on: tables of constants and fault maps."""
        device_config(scenario, scenario.variants[0])  # a fault map that cannot be read is said before all else
        check_constants(scenario)
        constants = constant_rows(scenario.memory.cells())
        found = {"the constants of the memory": json.dumps(constants).encode()}
        if scenario.memory.fault_map is not None:
            found["the fault map"] = Path(scenario.memory.fault_map.file).read_bytes()
        inputs = {name: hashlib.sha256(data).hexdigest()[:16] for name, data in found.items()}
        return Beside({"constants": constants}, inputs)

    def rehearse(self, ready: Ready, scenario: Scenario, first: bool) -> None:
        """Writes to a device; the first lives too, under each of the conditions."""
        assert scenario.mission is not None
        assert ready.kind is not None
        if not first:
            Device(ready.kind, seed=(0, "rehearsal")).write(ready.memory)
            return
        for sweep in scenario.mission.sweeps:
            for _ in Device(ready.kind, seed=(0, "rehearsal")).follow(scenario.mission.mission(sweep), ready.memory):
                pass

    def jobs(self, scenario: Scenario) -> Iterator[Job]:
        """For each format and variant the memory without faults, and then one job for each device."""
        for fmt, variant in prepared(scenario):
            yield Job((Trial(LifePoint(fmt, variant.name), 0),))
            yield from map(Job, lives_of(scenario, fmt, variant))

    def run(self, job: Job, bench: Bench) -> Iterator[TrialRecord]:
        """A device is written, lives through the mission, and the images run at those of its reads that are asked."""
        ready, point, mission = bench.ready_for(job), job.point, bench.scenario.mission
        assert isinstance(point, LifePoint)
        assert mission is not None
        if point.fault_free:
            yield run_sound(bench, ready)
            return
        assert ready.kind is not None
        device = Device(ready.kind, seed=(bench.scenario.seed, "device", job.number))
        readouts = device.follow(mission.mission(point.sweep), ready.memory)
        for time, readout in zip(mission.read_at_s, readouts, strict=True):
            if Trial(point._replace(read_at_s=time), job.number) in job.trials:
                yield run_faulty(bench, ready, readout)

    def text(self, trial: Trial, scenario: Scenario) -> str:
        """The device, and when it is read."""
        assert isinstance(trial.point, LifePoint)
        assert scenario.mission is not None
        if trial.point.read_at_s is None:
            return "without faults"
        at = scenario.mission.read_at_s.index(trial.point.read_at_s)
        return f"device {trial.map + 1} at {scenario.mission.read_at[at]}"

    def findings(self, scenario: Scenario, records: Records) -> Row:
        """What failed how."""
        return {"mechanisms": mechanism_rows(scenario, records)}

    def tables(self, facts: Row) -> Iterator[Table]:
        """What failed how, and the constants that it rests on."""
        yield MECHANISMS, columns.MECHANISMS, facts["mechanisms"]
        yield CONSTANTS, columns.CONSTANTS, facts["constants"]


def readouts(
    source: str | Path | Mapping[str, Any] | Scenario,
    fmt: str,
    variant: str,
    device: int = 0,
    sweep: int = 0,
    settings: Iterable[str] = (),
) -> Iterator[Readout]:
    """What a device of a lifetime study gives at each read, cell by cell: the run keeps only what follows from it.

    Args:
        source: the scenario, as for `run_scenario`.
        fmt: a format of the scenario.
        variant: a variant's name.
        device: the device's number, from 0.
        sweep: which of the swept conditions, from 0, in the order of the results.
        settings: as for `run_scenario`.

    Raises `HwsimError` for what is not in the scenario.
    """
    scenario = load_scenario(source, settings)
    if scenario.mission is None:
        raise HwsimError(f"{scenario.name} has no [mission], and so no devices that are read.")
    ready = {(one, each.name): each for one, each in prepared(scenario)}
    if (fmt, variant) not in ready:
        raise unknown("format and variant", f"{fmt}, {variant}", (", ".join(names) for names in ready))
    sweeps = list(scenario.mission.sweeps)
    for name, number, count in (("device", device, scenario.trials.fault_maps), ("sweep", sweep, len(sweeps))):
        if not 0 <= number < count:
            raise HwsimError(f"{name} = {number} is not in this scenario: give from 0 to {count - 1}.")
    chosen = ready[fmt, variant]
    if chosen.scaling is not None and chosen.scaling.lowest_target is not None:
        raise HwsimError(
            f"The words of variant {variant!r} follow from its plan, because it has a `lowest_target`: only a run "
            "makes that."
        )
    kind = device_config(scenario, chosen)
    words = store_weights(load_captured(scenario)[1], scenario, fmt, chosen)
    memory = written(words, kind.code(words.format))[1]
    lived = Device(kind, seed=(scenario.seed, "device", device))
    return lived.follow(scenario.mission.mission(sweeps[sweep]), memory)


def constant_rows(technology: Technology | None) -> list[Row]:
    """One row for each constant that a run used; keys as in `columns.CONSTANTS`."""
    if technology is None:
        return []
    return [
        {
            "constant": constant.name,
            "group": group,
            "value": show(constant.value),
            "unit": constant.unit,
            "trust": constant.trust,
            "source": constant.source,
            "default": show(constant.default.value) if constant.default is not None else None,
            "note": constant.note,
        }
        for group in GROUPS
        for constant in getattr(technology, group).values()
    ]
