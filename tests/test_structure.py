"""The structure of the code, read in it: imports run one way, what is light stays light, a name has one meaning."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
house = importlib.import_module("house")
sys.path.pop(0)

# What a room may import, by contract; a room that is not named may import whatever lies below it.
ABOVE_THE_GROUND = {"memory", "network", "hardening", "datapath", "experiment", "report", "validation", "cli"}
KNOWS_NOTHING_OF = {
    "constants": {"words", "planner"} | ABOVE_THE_GROUND,
    "planner": {"words", "constants"} | ABOVE_THE_GROUND,
    "words": {"constants", "planner"} | ABOVE_THE_GROUND,
    "memory": {"network", "hardening", "datapath", "experiment", "report", "cli"},
    "network": {"memory", "hardening", "datapath", "experiment", "report", "cli"},
    "experiment": {"report", "cli"},
    "datapath": {"experiment", "report", "cli"},
    "report": {"cli"},
}

PACKAGES = ["hwsim", *(f"hwsim.{path.parent.name}" for path in sorted((ROOT / "hwsim").glob("*/__init__.py")))]
"""The whole, and every room of it that has rooms or modules of its own."""


def test_a_circle_is_found() -> None:
    assert house.circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert house.circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_only_imports_that_no_chain_implies_are_drawn() -> None:
    assert house.direct({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert house.floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": 2, "b": 1, "c": 0}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    assert house.circle(house.rooms(package)) == []


@pytest.mark.parametrize("room", KNOWS_NOTHING_OF)
def test_a_room_knows_nothing_of_what_lies_above_or_beside_it(room: str) -> None:
    assert not house.rooms("hwsim")[room] & KNOWS_NOTHING_OF[room]


def test_a_late_import_counts_and_one_for_the_type_checker_does_not(tmp_path: Path) -> None:
    file = tmp_path / "room.py"
    file.write_text("if TYPE_CHECKING:\n    import a.b\ndef f():\n    from c import d\n")
    assert set(house.imported(file)) == {"c", "c.d"}


LIGHT = {
    "hwsim": {"torch", "scipy", "numpy"},
    "hwsim.cli": {"torch", "scipy", "numpy"},
    "hwsim.constants": {"torch", "scipy", "numpy"},
    "hwsim.words": {"torch", "scipy"},
    "hwsim.memory": {"torch", "scipy", "numpy"},
    "hwsim.memory.technology.constants": {"torch", "scipy", "numpy"},
    "hwsim.memory.ecc.gates": {"torch", "scipy"},
    "hwsim.memory.controller": {"torch", "scipy"},
    "hwsim.planner": {"torch", "scipy", "numpy"},
    "hwsim.datapath.costs": {"torch", "scipy", "numpy"},
    "hwsim.experiment.scenario.loading": {"torch"},
}
"""What the import of a module must not bring along: reading a table or a scenario waits for no library."""


@pytest.mark.parametrize("module", LIGHT)
def test_what_must_stay_light_does_not_import_what_is_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({LIGHT[module]} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("package", ["hwsim", "hwsim.memory"])
def test_a_drawing_has_every_room_above_those_that_it_imports(package: str) -> None:
    found, names = house.rooms(package), {}
    for shape in ElementTree.fromstring(house.drawing(package)).iter("{http://www.w3.org/2000/svg}text"):
        names[shape.text] = float(shape.attrib["y"])
    assert names.keys() == found.keys()
    assert all(names[room] < names[below] for room, down in found.items() for below in down)


def test_constants_stand_on_next_to_nothing() -> None:
    assert house.rooms("hwsim")["constants"] == {"errors", "files", "numerals"}


def public_names() -> Iterator[tuple[str, str]]:
    """(name, what it is) of every public class, constant and type alias of the package."""
    for path in (ROOT / "hwsim").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, f"class of {path}"
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and target.id[0].isupper():
                    # A mapping that is only read is what a dictionary is.
                    yield target.id, ast.unparse(node.value).replace("Mapping[", "dict[")


def test_a_public_name_has_one_meaning() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for name, meaning in public_names():
        meanings[name].add(meaning)
    assert len(meanings) > 200
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
