"""Traps of some versions of Python that the one running the tests may not have, found in the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("hwsim", "models", "scenarios", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef

SAFE = """
def rate(ber): return ber
def axis(rates):
    above = [ber for ber in rates if ber > 0]
    return {ber: rate(ber) for ber in rates}, above
"""
TRAP = SAFE.replace("ber for ber in rates if ber > 0", "rate for rate in rates if rate > 0")


def hidden_names(source: str) -> list[str]:
    """Variables of comprehensions that hide a name which the same function takes from outside: "line 4: rate".

    CPython 3.12 inlines comprehensions; its early releases (3.12.3 among them) then take every use of such a name in
    the function for the variable: UnboundLocalError.
    """
    tree = ast.parse(source)
    scopes = [node for node in ast.walk(tree) if isinstance(node, Scope)]
    return [line for scope in scopes for line in _hidden(scope)]


def _hidden(scope: Scope) -> Iterator[str]:
    bound: dict[str, int] = {}
    used: set[str] = set()
    own: set[str] = set()
    _read(scope, frozenset(), bound, used, own)
    yield from (f"line {line}: {name}" for name, line in bound.items() if name in used - own)


def _read(node: ast.AST, inside: frozenset[str], bound: dict[str, int], used: set[str], own: set[str]) -> None:
    """Sort the names below a node: variables of comprehensions, names used that are none here, the function's own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Scope):
            continue
        here = inside
        if isinstance(child, Comprehension):
            names = {n.id for g in child.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
            bound |= dict.fromkeys(names, child.lineno)
            here = inside | names
        elif isinstance(child, ast.arg):
            own.add(child.arg)
        elif isinstance(child, ast.Name) and child.id not in inside:
            (used if isinstance(child.ctx, ast.Load) else own).add(child.id)
        _read(child, here, bound, used, own)


def test_a_variable_that_hides_a_function_is_found() -> None:
    assert hidden_names(TRAP) == ["line 4: rate"]
    assert hidden_names(SAFE) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_comprehension_hides_a_name_that_its_function_uses(path: Path) -> None:
    assert hidden_names(path.read_text(encoding="utf-8")) == []
