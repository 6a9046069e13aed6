"""Every scenario that comes with hwsim runs, made small; the Python ones as they are."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

from hwsim.experiment.scenario.loading import load_scenario
from hwsim.experiment.studies.run import run_scenario
from hwsim.library import library, scenario_library

needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None or importlib.util.find_spec("foolbox") is None,
    reason="EfficientNet-Lite0 comes with an extra: pip install hwsim[imagenet]",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_extra if "efficientnet" in name else ()) for name in scenario_library()]
)
def test_a_scenario_runs(name: str, tmp_path: Path) -> None:
    """One image, one map and the harshest rate, or the last read and what is swept last; every format and variant."""
    whole = load_scenario(name)
    settings = []
    if whole.study == "accuracy":
        settings = ["data.images=1", "data.crops=1", "trials.fault_maps=1", f"memory.ber={max(whole.memory.ber)}"]
    elif whole.mission is not None:
        settings = ["data.images=1", "trials.fault_maps=1", f"mission.read_at={whole.mission.read_at[-1]}"]
        swept = {"at": whole.mission.at, "voltage": whole.mission.voltage, "refresh_every": whole.mission.refresh_every}
        settings += [f"mission.{key}={values[-1]}" for key, values in swept.items() if len(values) > 1]
    results = run_scenario(name, settings, out=tmp_path)
    points = {(row["format"], row["variant"]) for row in results.rows}
    assert points == {
        (fmt, variant.name) for fmt in whole.memory.formats for variant in whole.variants if variant.runs_in(fmt)
    }


@pytest.mark.parametrize("path", sorted(library("scenarios").glob("*.py")), ids=lambda path: path.stem)
def test_a_script_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(path), run_name="__main__")
    assert "accuracy 9" in capsys.readouterr().out  # Q2.5 scaled keeps more than 90 % at a BER of 1e-4
