"""What a trial depends on, so that a finished one is taken where it belongs and nowhere else.

A trial follows from the settings of its variant, the seed, the network, the images, the versions, and its plan if it
has one. It does not follow from how many other trials there are: rates, formats, variants, swept conditions and fault
maps may be added and taken away, and what is finished stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hwsim.experiment.results.plans import KeptPlan, Plans, to_json
from hwsim.experiment.scenario.loading import as_data
from hwsim.experiment.scenario.memory_settings import CODES
from hwsim.experiment.scenario.points import LifePoint, Trial
from hwsim.experiment.scenario.scenario import HEEDED, Scenario, Variant

OF_TRIALS = {
    "assumptions",
    "memory.formats",
    "memory.ber",
    "memory.immune",
    "mission.read_at",
    "mission.at",
    "mission.voltage",
    "mission.refresh_every",
    "trials.fault_maps",
}
"""The keys that say which trials there are, or nothing that a trial follows from."""

_HEEDED_BY_SOME = {f"datapath.{key}" for keys in HEEDED.values() for key in keys}
_OF_CODES = {f"memory.{key}" for key in CODES}

Flat = dict[str, Any]


def common_settings(scenario: Scenario) -> Flat:
    """What every trial of a scenario depends on, by key."""
    data = as_data(scenario)
    del data["variants"]
    others = OF_TRIALS | _HEEDED_BY_SOME | {"name"} | (_OF_CODES if scenario.study == "accuracy" else set())
    return {key: value for key, value in _flat(data) if key not in others}


def variant_settings(scenario: Scenario, variant: Variant) -> Flat:
    """What the trials of one variant depend on besides, by key as `--set` takes it."""
    data = as_data(scenario)
    own = next(one for one in data["variants"] if one["name"] == variant.name)
    found = {f"variants.{variant.name}.{key}": value for key, value in _flat(own) if key != "formats"}
    for key in HEEDED.get(variant.divide or "", ()):
        found[f"datapath.{key}"] = data["datapath"].get(key)
    if scenario.study == "accuracy" and scenario.code_of(variant) != "none":
        found |= {f"memory.{key}": data["memory"].get(key) for key in CODES}
    return found


def differences(stored: Scenario, now: Scenario) -> Iterator[tuple[str, Any, Any]]:
    """The keys that forbid two scenarios one folder: each with the stored value and that of now, None if absent."""
    before, after = {"name": stored.name, **common_settings(stored)}, {"name": now.name, **common_settings(now)}
    names = {variant.name: variant for variant in stored.variants}
    for variant in now.variants:
        if variant.name in names:
            before |= variant_settings(stored, names[variant.name])
            after |= variant_settings(now, variant)
    for key in {**before, **after}:
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)


@dataclass(frozen=True)
class Seals:
    """Says of a record whether it is whole, and of a trial that this run would make.

    Attributes:
        scenario: of the run.
        depends: versions and fingerprints that its trials depend on.
        plans: of its planned variants.
    """

    scenario: Scenario
    depends: Mapping[str, str]
    plans: Plans = field(default_factory=dict)
    _known: dict[tuple[str, ...], str] = field(default_factory=dict)

    def of_variant(self, name: str) -> str:
        """The digest of all that a variant's plan follows from, and its trials but for the plan.

        Raises `LookupError` for a variant that the scenario does not have.
        """
        if (name,) not in self._known:
            settings = common_settings(self.scenario) | variant_settings(self.scenario, self.scenario.variant(name))
            self._known[name,] = digest([settings, dict(self.depends)])
        return self._known[name,]

    def of_trial(self, trial: Trial, body: Mapping[str, Any]) -> str:
        """The digest of a trial's record and of all that it follows from.

        Raises `LookupError` for a trial of a variant, or at a time to read, that the scenario does not have.
        """
        which = trial.point.format, trial.point.variant
        if which not in self._known:
            self._known[which] = digest([self.of_variant(which[1]), _what_it_does(self.plans.get(which))])
        return digest([self._known[which], self._reads(trial), body])

    def _reads(self, trial: Trial) -> list[float]:
        """When the device was read until then: reading wears and disturbs, so that a read depends on those before."""
        if not isinstance(trial.point, LifePoint) or trial.point.read_at_s is None:
            return []
        assert self.scenario.mission is not None
        times = self.scenario.mission.read_at_s
        if trial.point.read_at_s not in times:
            raise LookupError(trial.point.read_at_s)
        return [time for time in times if time <= trial.point.read_at_s]


def digest(value: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over plain data."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _what_it_does(plan: KeptPlan | None) -> Any:
    """A plan without what it costs, from which no trial follows."""
    if plan is None:
        return None
    (row,) = to_json({("", ""): plan})
    return {key: row[key] for key in ("scales", "rescalings", "multipliers", "constants")}


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested tables as keys with dots."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
