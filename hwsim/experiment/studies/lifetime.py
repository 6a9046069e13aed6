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
from hwsim.experiment.results.plans import cost_rows, plan_rows
from hwsim.experiment.results.record import TrialRecord
from hwsim.experiment.results.results import Results, Row
from hwsim.experiment.results.store import CONSTANTS, COUNTS, MECHANISMS, RESULTS, ResultsFolder
from hwsim.experiment.results.summary import count_rows, mechanism_rows, point_rows
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.points import LifePoint, Trial, all_trials, lives_of, prepared
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.experiment.studies.bench import Given, open_bench
from hwsim.experiment.studies.causes import cause_rows
from hwsim.experiment.studies.environment import load_captured
from hwsim.experiment.studies.life import check_constants, device_config
from hwsim.experiment.studies.progress import Progress
from hwsim.experiment.studies.ready import as_stored, prepare
from hwsim.experiment.studies.trials import named, one_thread, store_weights
from hwsim.memory import Device, Memory
from hwsim.memory.device.readout import Readout
from hwsim.memory.technology.constants import GROUPS, Technology


@one_thread()
def lifetime_study(
    scenario: Scenario, folder: ResultsFolder, progress: Progress, given: Given | None = None
) -> Results:
    """Let every device live that the folder does not hold all reads of, and make the tables.

    Raises:
        HwsimError: before the first trial, if the network or the images are not to be had, a combination that the
            scenario names cannot be run, a constant that it gives is of no use in it, or the weights do not fit the
            device.
    """
    assert scenario.mission is not None
    device_config(scenario, scenario.variants[0])  # a fault map that cannot be read is said before all else
    check_constants(scenario)
    bench, facts, environment = open_bench(scenario, progress, given)
    facts["constants"] = constant_rows(scenario.memory.cells())
    environment["inputs"] |= _files_read(scenario, facts["constants"])
    bench.plans.update(folder.plans(environment))
    facts["causes"] = []
    for at, (fmt, variant) in enumerate(prepared(scenario)):
        progress(f"trying {fmt}, {variant.name}", 0, 0)
        with named(fmt, variant):
            ready = prepare(bench, fmt, variant)
            ready.rehearse(live=at == 0)
        facts["causes"] += cause_rows(fmt, variant, ready.prepared)

    records = folder.begin(environment, bench.plans)
    if scenario.is_planned:
        facts["plans"] = plan_rows(scenario, bench.plans)
        facts["constants"] += cost_rows(scenario)
    todo = sum(trial not in records for trial in all_trials(scenario))
    done = 0

    def keep(trial: Trial, record: TrialRecord) -> None:
        nonlocal done
        records[trial] = record
        folder.append(trial, record)
        done += 1

    for fmt, variant in prepared(scenario):
        sound = Trial(LifePoint(fmt, variant.name), 0)
        lives = [life for life in lives_of(scenario, fmt, variant) if any(trial not in records for trial in life[2])]
        if sound in records and not lives:
            continue
        ready = prepare(bench, fmt, variant)
        if sound not in records:
            progress(f"{fmt}, {variant.name}, without faults", done, todo)
            keep(sound, ready.sound())
        for sweep, number, trials in lives:
            device = Device(ready.kind, seed=(scenario.seed, "device", number))
            readouts = device.follow(scenario.mission.mission(sweep), ready.prepared.memory)
            for trial, readout, text in zip(trials, readouts, scenario.mission.read_at, strict=True):
                if trial not in records:
                    progress(f"{fmt}, {variant.name}, device {number + 1} at {text}", done, todo)
                    keep(trial, ready.read(readout))
    progress("writing the results", done, todo)

    rows = point_rows(scenario, facts["images"], records)
    counts = count_rows(scenario, facts["images"], records)
    facts["mechanisms"] = mechanism_rows(scenario, records)
    folder.write_table(RESULTS, columns.LIFETIME, rows)
    folder.write_table(COUNTS, columns.count_columns(), counts)
    folder.write_table(MECHANISMS, columns.MECHANISMS, facts["mechanisms"])
    folder.write_table(CONSTANTS, columns.CONSTANTS, facts["constants"])
    return Results(scenario, folder.path, facts, rows, counts, environment)


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
    stored = as_stored(words, kind)[0]
    lived = Device(kind, seed=(scenario.seed, "device", device))
    return lived.follow(scenario.mission.mission(sweeps[sweep]), Memory(stored.words, stored.format))


def _files_read(scenario: Scenario, constants: list[Row]) -> dict[str, str]:
    """Fingerprints of what the cells depend on beside the scenario: tables of constants and fault maps are files."""
    found = {"the constants of the memory": json.dumps(constants).encode()}
    if scenario.memory.fault_map is not None:
        found["the fault map"] = Path(scenario.memory.fault_map.file).read_bytes()
    return {name: hashlib.sha256(data).hexdigest()[:16] for name, data in found.items()}


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
