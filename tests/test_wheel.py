"""The wheel: what it holds, and that it works where no checkout is near. It is built from the sdist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import hwsim

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def files(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def away_from_the_checkout(installed: Path, folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_adds_one_top_level_name(files: set[str]) -> None:
    assert {name.split("/")[0] for name in files} == {"hwsim", f"hwsim-{hwsim.__version__}.dist-info"}


def test_the_wheel_holds_the_package_the_networks_and_the_scenarios(files: set[str]) -> None:
    homes = {"hwsim": "hwsim", "models": "hwsim/_library/models", "scenarios": "hwsim/_library/scenarios"}
    for folder, home in homes.items():
        here = {f"{home}/{path.relative_to(ROOT / folder).as_posix()}" for path in sources(ROOT / folder)}
        assert here
        assert here <= files


def test_the_wheel_holds_nothing_else(files: set[str]) -> None:
    known = sum(len(list(sources(ROOT / folder))) for folder in ("hwsim", "models", "scenarios"))
    assert len([name for name in files if ".dist-info/" not in name]) == known


def sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_an_installed_wheel_finds_its_own_networks(installed: Path, tmp_path: Path) -> None:
    program = "import hwsim, hwsim.library; print(hwsim.load_network('fashion_resnet')); print(hwsim.library.__file__)"
    *network, module = away_from_the_checkout(installed, tmp_path, "-c", program).splitlines()
    assert network[0].startswith("fashion_resnet:")
    assert Path(module).is_relative_to(installed)


def test_an_installed_wheel_finds_its_own_scenarios(installed: Path, tmp_path: Path) -> None:
    program = "from hwsim.experiment.scenario.loading import find_scenario; print(find_scenario('quickstart'))"
    scenario = away_from_the_checkout(installed, tmp_path, "-c", program).strip()
    assert Path(scenario).is_relative_to(installed)


@pytest.mark.parametrize(("command", "name"), [("networks", "lenet5"), ("scenarios", "quickstart")])
def test_the_command_line_of_an_installed_wheel_lists_them(
    installed: Path, tmp_path: Path, command: str, name: str
) -> None:
    assert name in away_from_the_checkout(installed, tmp_path, "-m", "hwsim", command)
