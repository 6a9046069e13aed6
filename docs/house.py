"""The house as it stands: which rooms of a package import which others, read in the source, and its drawing.

A room is a sub-package or a module directly in the package. Imports inside functions count too: they are late, not
absent. Imports for the type checker alone (`if TYPE_CHECKING:`) do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
Rooms = dict[str, set[str]]

_WIDTH, _HEIGHT, _GAP, _FLOOR = 118, 30, 14, 74  # of a room, between two, and from floor to floor, in pixels


def rooms(package: str = "hwsim") -> Rooms:
    """Every room of a package, and the other rooms of it that it imports."""
    folder = ROOT / package.replace(".", "/")
    names = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    names -= {"__init__", "__main__", "__pycache__"}
    found: Rooms = {name: set() for name in sorted(names)}
    for name in found:
        for file in (folder / name).rglob("*.py") if (folder / name).is_dir() else [folder / f"{name}.py"]:
            for module in imported(file):
                room = module.removeprefix(f"{package}.").split(".")[0] if module.startswith(f"{package}.") else ""
                if room in names and room != name:
                    found[name].add(room)
    return found


def imported(file: Path) -> Iterator[str]:
    """The dotted names that a file imports: of `from a import b` both a and a.b."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def circle(found: Mapping[str, Iterable[str]]) -> list[str]:
    """Rooms that import each other in a circle, in order; empty if there is none."""
    done: set[str] = set()

    def walk(room: str, way: list[str]) -> list[str]:
        if room in way:
            return way[way.index(room) :]
        if room in done:
            return []
        below = next((turn for below in sorted(found[room]) if (turn := walk(below, [*way, room]))), [])
        done.add(room)
        return below

    return next((turn for room in sorted(found) if (turn := walk(room, []))), [])


def floors(found: Rooms) -> dict[str, int]:
    """The floor of each room: one above the highest that it imports. There must be no circle."""
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            heights[room] = 1 + max(map(height, found[room]), default=-1)
        return heights[room]

    return {room: height(room) for room in found}


def direct(found: Rooms) -> Rooms:
    """Only the imports that no chain of others implies."""

    def below(room: str) -> set[str]:
        return found[room].union(*(below(one) for one in found[room]))

    return {
        room: {one for one in down if not any(one in below(other) for other in down)} for room, down in found.items()
    }


def drawing(package: str = "hwsim") -> str:
    """The rooms of a package as an SVG picture: an arrow leads from a room to one below that it imports.

    Imports that follow from a chain of arrows have none of their own.
    """
    found = rooms(package)
    height = floors(found)
    by_floor = [[room for room in found if height[room] == floor] for floor in range(max(height.values()) + 1)]
    width = max(len(line) for line in by_floor) * (_WIDTH + _GAP) + _GAP
    total = len(by_floor) * _FLOOR + _GAP
    left: dict[str, float] = {}
    top: dict[str, float] = {}
    for floor, line in enumerate(by_floor):
        start = (width - len(line) * (_WIDTH + _GAP) + _GAP) / 2
        for place, room in enumerate(line):
            left[room], top[room] = (
                start + place * (_WIDTH + _GAP),
                total - (floor + 1) * _FLOOR + _FLOOR - _HEIGHT - _GAP,
            )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" role="img" '
        f'aria-label="Imports of {escape(package)}" style="max-width: {width}px; width: 100%; color: inherit">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="currentColor" opacity="0.6"/></marker></defs>',
    ]
    for room, down in direct(found).items():
        for one in sorted(down):
            x1, y1 = left[room] + _WIDTH / 2, top[room] + _HEIGHT
            x2, y2 = left[one] + _WIDTH / 2, top[one]
            parts.append(
                f'<path d="M{x1} {y1}C{x1} {y1 + 24} {x2} {y2 - 24} {x2} {y2}" fill="none" stroke="currentColor" '
                'stroke-opacity="0.4" marker-end="url(#tip)"/>'
            )
    for room in found:
        parts.append(
            f'<rect x="{left[room]}" y="{top[room]}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" '
            'fill="var(--md-code-bg-color, #f5f5f5)" stroke="currentColor" stroke-opacity="0.6"/>'
            f'<text x="{left[room] + _WIDTH / 2}" y="{top[room] + 20}" text-anchor="middle" font-size="14" '
            f'fill="currentColor">{escape(room)}</text>'
        )
    return "".join([*parts, "</svg>"])
