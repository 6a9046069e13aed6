"""The structure of the code, read in its imports: they run one way, and what must stay light stays light."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
house = importlib.import_module("house")
sys.path.pop(0)

# What a room may import, by contract; a room that is not named may import whatever lies below it.
KNOWS_NOTHING_OF = {
    "memory": {"network", "hardening", "datapath", "experiment", "report", "cli"},
    "network": {"memory", "hardening", "datapath", "experiment", "report", "cli"},
    "words": {"memory", "network", "hardening", "datapath", "experiment", "report", "cli"},
    "experiment": {"report", "cli"},
    "datapath": {"experiment", "report", "cli"},
    "report": {"cli"},
}


def test_a_circle_is_found() -> None:
    assert house.circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert house.circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_only_imports_that_no_chain_implies_are_drawn() -> None:
    assert house.direct({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert house.floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": 2, "b": 1, "c": 0}


def test_imports_run_one_way() -> None:
    assert house.circle(house.rooms("hwsim")) == []


@pytest.mark.parametrize("room", KNOWS_NOTHING_OF)
def test_a_room_knows_nothing_of_what_lies_above_or_beside_it(room: str) -> None:
    assert not house.rooms("hwsim")[room] & KNOWS_NOTHING_OF[room]


def test_a_late_import_counts_and_one_for_the_type_checker_does_not(tmp_path: Path) -> None:
    file = tmp_path / "room.py"
    file.write_text("if TYPE_CHECKING:\n    import a.b\ndef f():\n    from c import d\n")
    assert set(house.imported(file)) == {"c", "c.d"}


@pytest.mark.parametrize("module", ["hwsim", "hwsim.cli", "hwsim.words", "hwsim.memory"])
def test_what_needs_no_torch_does_not_import_it(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
