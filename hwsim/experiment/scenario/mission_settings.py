"""The [mission] of a lifetime study: heat, voltage and activity over the years, and when the memory is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from hwsim.constants.units import quantity
from hwsim.errors import HwsimError
from hwsim.experiment.scenario.quantities import Duration, Temperature, Voltage, optional, seconds
from hwsim.experiment.scenario.settings import REQUIRED, Settings, one_or_many, setting
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.technology.technology import Technology

_SWEPT = ("at", "voltage", "refresh_every")
_OF_TECHNOLOGY = {"voltage": "nominal_voltage", "refresh_every": "refresh_interval"}  # key -> the constant it replaces


class Sweep(NamedTuple):
    """What the phases that do not say it for themselves are under; None where all do, or for the technology's own."""

    temperature_c: float | None
    voltage_v: float | None
    refresh_every_s: float | None


class PhaseSettings(Settings):
    for_: Duration = setting(REQUIRED, "a time such as '12 h'", "how long this phase lasts", key="for")
    at: Temperature | None = setting(
        None, "a temperature such as '85 degC'", "temperature of the cells; absent for `mission.at`"
    )
    voltage: Voltage | None = setting(
        None, "a voltage such as '0.6 V'", "supply voltage of the cells; absent for `mission.voltage`"
    )
    duty: Annotated[float, Field(ge=0, le=1)] = setting(
        1.0, "a number from 0 to 1", "share of the phase in which cells are under stress and age by it"
    )
    powered: bool = setting(True, "true or false", "without power nothing is refreshed or scrubbed")
    refresh_every: Duration | None = setting(
        None, "a time such as '64 ms'", "time between two refreshes; absent for `mission.refresh_every`"
    )
    reads_per_s: Annotated[float, Field(ge=0)] = setting(
        0.0, "a number, 0 or more", "how often each word is read, in 1/s: reads may disturb"
    )


Many = BeforeValidator(one_or_many)


class MissionSettings(Settings):
    profile: Annotated[tuple[PhaseSettings, ...], Many, Field(min_length=1)] = setting(
        REQUIRED, "a list of phases such as { for = '12 h', at = '85 degC' }", ""
    )
    repeat_for: Duration | None = setting(
        None, "a time such as '10 years'", "how long the profile is repeated; absent for once"
    )
    write_at: Duration = setting("0 s", "a time such as '0 s'", "when the weights are written")
    read_at: Annotated[tuple[Duration, ...], Many, Field(min_length=1)] = setting(
        ("0 s",), "a time such as '1 year', or a list of them in order", "when the weights are read and images run"
    )
    scrub_every: Duration | None = setting(
        None,
        "a time such as '1 day'",
        "time between scrubs: all is read, decoded and written back; absent for none",
    )
    rewrite_every: Duration | None = setting(
        None, "a time such as '1 month'", "time between two writes of the same weights, from elsewhere; absent for none"
    )
    at: Annotated[tuple[Temperature, ...], Many, Field(min_length=1)] = setting(
        ("25 degC",),
        "a temperature such as '85 degC', or a list of them",
        "of phases that do not say it; a list is swept",
    )
    voltage: Annotated[tuple[Voltage, ...], Many] = setting(
        (),
        "a voltage such as '0.6 V', or a list of them",
        "of phases that do not say it; absent for the technology's nominal one; a list is swept",
    )
    refresh_every: Annotated[tuple[Duration, ...], Many] = setting(
        (),
        "a time such as '64 ms', or a list of them",
        "of phases that do not say it; absent for the technology's own; a list is swept",
    )

    @model_validator(mode="after")
    def _can_be_lived(self) -> MissionSettings:
        for key in _SWEPT:
            said = getattr(self, key) != type(self).model_fields[key].default
            if said and not self._inherited(key):
                raise HwsimError(f"every phase says its own `{key}`, so the mission's has no effect: leave it out")
        sweeps = list(self.sweeps)
        if len(set(sweeps)) < len(sweeps) or len(set(self.read_at_s)) < len(self.read_at_s):
            raise HwsimError("a time to read at, or a value that is swept, is there twice: leave one out")
        for sweep in sweeps:
            self.mission(sweep)
        return self

    def check_used_by(self, technology: Technology | None) -> None:
        """Refuse a voltage or a refresh where the cells know none: nothing would follow from it.

        Raises:
            HwsimError: for it.
        """
        for key, constant in _OF_TECHNOLOGY.items():
            if technology is not None and constant in technology:
                continue
            places = [f"mission.{key}"] if getattr(self, key) else []
            places += [f"mission.profile[{n}].{key}" for n, one in enumerate(self.profile) if getattr(one, key)]
            if places:
                cells = f"the cells of {technology.name!r}" if technology else "cells of no technology"
                raise HwsimError(f"`{places[0]}` has no effect on {cells}: leave it out")

    @property
    def replaced(self) -> dict[str, str]:
        """Constants of the technology that no phase leaves to it, and the key that says them instead."""
        return {
            constant: key for key, constant in _OF_TECHNOLOGY.items() if getattr(self, key) or not self._inherited(key)
        }

    def _inherited(self, key: str) -> bool:
        """Whether any phase leaves `key` to the mission."""
        return any(getattr(phase, key) is None for phase in self.profile)

    @property
    def sweeps(self) -> Iterator[Sweep]:
        """All combinations of the values that are swept."""
        values = [getattr(self, key) if self._inherited(key) else () for key in _SWEPT]
        for at, voltage, refresh in product(*(column or (None,) for column in values)):
            yield Sweep(optional(at, "degC"), optional(voltage, "V"), optional(refresh, "s"))

    @property
    def read_at_s(self) -> tuple[float, ...]:
        """When the weights are read, s."""
        return tuple(map(seconds, self.read_at))

    def mission(self, sweep: Sweep) -> Mission:
        """What a device lives through.

        Raises:
            HwsimError: for what no device can live through: see `Mission`.
        """
        return Mission(
            phases=tuple(_phase(phase, sweep) for phase in self.profile),
            repeat_for_s=optional(self.repeat_for, "s"),
            write_at_s=seconds(self.write_at),
            read_at_s=self.read_at_s,
            scrub_every_s=optional(self.scrub_every, "s"),
            rewrite_every_s=optional(self.rewrite_every, "s"),
        )


def _phase(phase: PhaseSettings, sweep: Sweep) -> Phase:
    def either(text: str | None, unit: str, otherwise: float | None) -> float | None:
        return otherwise if text is None else quantity(text, unit)

    temperature_c = either(phase.at, "degC", sweep.temperature_c)
    assert temperature_c is not None  # a phase has its own temperature, or the sweep has one
    condition = Condition(
        temperature_c=temperature_c,
        voltage_v=either(phase.voltage, "V", sweep.voltage_v),
        duty=phase.duty,
        powered=phase.powered,
        refresh_every_s=either(phase.refresh_every, "s", sweep.refresh_every_s),
        reads_per_s=phase.reads_per_s,
    )
    return Phase(seconds(phase.for_), condition)
