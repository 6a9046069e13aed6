"""What a run gives back, and how it is read from its folder again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsim.errors import HwsimError
from hwsim.experiment.loading import load_scenario
from hwsim.experiment.scenario import Scenario
from hwsim.experiment.store import ENVIRONMENT, RESULTS_JSON, SCENARIO

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """The results of one scenario.

    Attributes:
        scenario: the scenario, with everything said.
        folder: where the files lie.
        facts: what the run found out about its network and images: `network`, `data`, `images`, `classes`,
            `parameters`, `accuracy` (of the FP32 network as it is, nothing stored), `causes` (what forces divisions, by
            format and variant) and what was not run and why.
        rows: one dict a point; their keys are the columns of `hwsim.experiment.columns`.
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
            HwsimError: if the folder holds none, or only those of a run that has not finished.
        """
        path = Path(folder)
        if not (path / SCENARIO).is_file():
            raise HwsimError(f"{path} holds no results of hwsim.")
        if not (path / RESULTS_JSON).is_file():
            raise HwsimError(f"The run in {path} has not finished: run its scenario again to go on from there.")
        try:
            tables = json.loads((path / RESULTS_JSON).read_text(encoding="utf-8"))
            environment = json.loads((path / ENVIRONMENT).read_text(encoding="utf-8"))
            scenario = load_scenario(path / SCENARIO)
            return cls(scenario, path, tables["facts"], tables["rows"], tables["counts"], environment)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HwsimError(f"The results in {path} are damaged ({error}): run the scenario again.") from None

    def row(self, **where: Any) -> Row:
        """The one row whose columns have these values, as in `results.row(variant="scaled", ber=1e-4)`.

        Raises:
            HwsimError: if no row or more than one has them.
        """
        found = [row for row in self.rows if all(row.get(key) == value for key, value in where.items())]
        if len(found) != 1:
            raise HwsimError(f"{len(found)} rows of the results have {where}: name the columns that tell them apart.")
        return found[0]

    def __str__(self) -> str:
        points = f"{len(self.rows)} points of {self.scenario.name!r} in {self.folder}"
        if self.scenario.study == "bit_errors":
            return points
        places = PLACES if self.scenario.study == "lifetime" else ("immune", "ber")
        heads = "".join(f"{'BER' if name == 'ber' else name:>17}" for name in places)
        lines = [points, f"{'format':<9}{'variant':<28}{heads}{'accuracy':>10}{'agreement':>11}"]
        for row in self.rows:
            where = "".join(f"{_short(row[name]):>17}" for name in places)
            lines.append(
                f"{row['format']:<9}{row['variant']:<28}{where}"
                f"{100 * row['accuracy']:>9.2f}%{100 * row['agreement']:>10.2f}%"
            )
        return "\n".join(lines)

    __repr__ = __str__


PLACES = ("temperature_c", "voltage_v", "refresh_every_s", "read_at_s")
"""The columns that tell the points of a lifetime study apart, beside format and variant."""


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value or "-")
