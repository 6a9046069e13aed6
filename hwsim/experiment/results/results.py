"""What a run gives back, and how it is read from its folder again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsim.constants.units import duration, quantity
from hwsim.errors import HwsimError, unknown
from hwsim.experiment.results import columns
from hwsim.experiment.results.store import ENVIRONMENT, RESULTS_JSON, SCENARIO
from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.scenario.scenario import Scenario
from hwsim.tabular import Shown, Tabular

Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Results(Shown):
    """The results of one scenario.

    Attributes:
        scenario: the scenario, with everything said.
        folder: where the files lie.
        facts: what the run found out about its network and images: `network`, `data`, `images`, `classes`,
            `parameters`, `accuracy` (of the FP32 network as it is, nothing stored), `causes` (what forces divisions, by
            format and variant) and what was not run and why.
        rows: one dict a point; their keys are the columns of `hwsim.experiment.results.columns`.
        counts: one dict a format, variant and layer, and one for each total.
        environment: versions, seed, and fingerprints of the network and the images.
    """

    scenario: Scenario
    folder: Path
    facts: Row
    rows: list[Row]
    counts: list[Row]
    environment: Row

    @classmethod
    def load(cls, folder: str | Path) -> Results:
        """The results of a finished run.

        Raises:
            HwsimError: if the folder holds none, or only those of a run that has not finished, or has lost a file.
        """
        path = Path(folder)
        if not (path / SCENARIO).is_file():
            raise HwsimError(f"{path} holds no results of hwsim.")
        if not (path / RESULTS_JSON).is_file():
            raise HwsimError(f"The run in {path} has not finished: run its scenario again to go on from there.")
        if not (path / ENVIRONMENT).is_file():
            raise HwsimError(f"{path} has lost its {ENVIRONMENT}: run its scenario again, which goes on from there.")
        try:
            tables = json.loads((path / RESULTS_JSON).read_text(encoding="utf-8"))
            environment = json.loads((path / ENVIRONMENT).read_text(encoding="utf-8"))
            scenario = load_scenario(path / SCENARIO)
            return cls(scenario, path, tables["facts"], tables["rows"], tables["counts"], environment)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HwsimError(f"The results in {path} are damaged ({error}): run the scenario again.") from None

    def where(self, **values: Any) -> list[Row]:
        """The rows whose columns have these values.

        A column is named as in `hwsim.experiment.results.columns`, or without the unit at its end, and a value may be a
        text with a unit: `results.where(variant="scaled", read_at="10 years")`.

        Raises:
            HwsimError: if there is no such column, or a text is not a quantity of its unit.
        """
        wanted = dict(self._wanted(name, value) for name, value in values.items())
        return [row for row in self.rows if all(row[key] == value for key, value in wanted.items())]

    def row(self, **values: Any) -> Row:
        """The one row whose columns have these values, as in `results.row(variant="scaled", ber=1e-4)`: see `where`.

        Raises:
            HwsimError: if no row or more than one has them, and as `where`.
        """
        found = self.where(**values)
        if len(found) == 1:
            return found[0]
        said = ", ".join(f"{name}={value!r}" for name, value in values.items())
        if not found:
            raise HwsimError(f"No row of the results has {said}: {self._nearest(values)}.")
        asked = {self._wanted(*pair)[0] for pair in values.items()}
        apart = [name for name in self._places if name not in asked and len({row[name] for row in found}) > 1]
        raise HwsimError(f"{len(found)} rows of the results have {said}: say which {' and '.join(apart)}.")

    def _wanted(self, name: str, value: Any) -> tuple[str, Any]:
        """The column that a name means, and the value as that column has it."""
        units = {column.name: column.unit for column in columns.of_points(self.scenario)}
        suffixed = {f"{name}_{suffix}": unit for unit, suffix in _SUFFIXES.items()}
        full = next((key for key, unit in suffixed.items() if units.get(key) == unit), name)
        if full not in units:
            raise unknown("column of the results", name, units)
        with_unit = isinstance(value, str) and units[full] in _SUFFIXES
        return full, quantity(value, units[full], name) if with_unit else value

    def _nearest(self, values: dict[str, Any]) -> str:
        """Which values there are of the first column that no row has the wanted value of."""
        for name, value in values.items():
            key, wanted = self._wanted(name, value)
            there = list(dict.fromkeys(row[key] for row in self.rows))
            if wanted not in there:
                return f"its {key} is one of {', '.join(map(repr, there[:20]))}"
        return "each of these values is there, but not all together"

    @property
    def _places(self) -> tuple[str, ...]:
        """The columns that tell points apart."""
        return ("format", "variant", *columns.PLACES[self.scenario.study])

    def _table(self) -> Tabular:
        """Each point with its accuracy and agreement, and their intervals over fault maps."""
        heading = f"{len(self.rows)} points of {self.scenario.name!r} in {self.folder}"
        if self.scenario.study == "bit_errors":
            names = ("rms_error", "max_error")
            cells = [[_short(name, row[name]) for name in (*self._places, *names)] for row in self.rows]
            return Tabular(heading, (*self._places, *(f">{name}" for name in names)), cells)
        places = [name for name in self._places if any(row[name] not in (None, "") for row in self.rows)]
        draw = "device" if self.scenario.mission else "fault map"
        cells = [
            [
                *(_short(name, row[name]) for name in places),
                *(text for measure in ("accuracy", "agreement") for text in _share(row, measure)),
            ]
            for row in self.rows
        ]
        heads = [name if name in ("format", "variant", "immune") else f">{_HEADS.get(name, name)}" for name in places]
        maps = self.scenario.trials.fault_maps
        note = f"[low, high]: 95 % interval over {maps} {draw}s" if maps > 1 else f"one {draw} a point: no interval"
        return Tabular(heading, (*heads, ">accuracy", ">", ">agreement", ">"), cells, note)


_HEADS = {
    "ber": "BER",
    "temperature_c": "degC",
    "voltage_v": "V",
    "refresh_every_s": "refresh every",
    "read_at_s": "read at",
}
_SUFFIXES = {"s": "s", "degC": "c", "V": "v"}  # unit -> how the name of a column ends that has it


def _share(row: Row, measure: str) -> tuple[str, str]:
    """A share in percent, and its interval over fault maps."""
    low, high = row[f"{measure}_maps_low"], row[f"{measure}_maps_high"]
    return f"{100 * row[measure]:.2f} %", "" if low is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def _short(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if name in ("read_at_s", "refresh_every_s"):
        return duration(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
