"""The manual's page on trust says what the tables and the models say."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from hwsim.memory.technology.constants import device_points, technologies, technology
from hwsim.validation.check_points import check_points

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    """A page of the manual with its generated tables, as MkDocs gets it."""
    spec = spec_from_file_location("manual_tables", DOCS / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    generated = module_from_spec(spec)
    spec.loader.exec_module(generated)
    source = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")
    return str(generated.on_page_markdown(source))


@pytest.fixture(scope="module")
def trust() -> str:
    return page("trust")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def test_every_check_point_is_on_the_page_and_every_misfit_in_bold(trust: str) -> None:
    rows = [cells(line) for line in trust.splitlines() if line.startswith("|")]
    for point in check_points():
        found = [row for row in rows if row[0] == f"`{point.technology}`" and row[1] == point.what]
        assert len(found) == (2 if point.misfit else 1)
        for _, _, published, model, ratio, verdict in found:
            assert float(published) == pytest.approx(point.published, rel=1e-6)
            assert float(model) == pytest.approx(point.model, rel=1e-6)
            assert float(ratio) == pytest.approx(float(model) / float(published), rel=1e-3)
            apart = abs(float(model) / float(published) - 1)
            assert (apart > point.tolerance) == verdict.startswith("**") == bool(point.misfit)


def test_misfits_stand_first_and_the_worst_of_them_first_of_all(trust: str) -> None:
    first = trust[: trust.index("## Degrees of trust")]
    rows = [cells(line) for line in first.splitlines() if line.startswith("| `")]
    assert len(rows) == sum(bool(point.misfit) for point in check_points()) > 10
    apart = [max(float(row[4]), 1 / float(row[4])) for row in rows]
    assert apart == sorted(apart, reverse=True)
    assert all(row[5].startswith("**") for row in rows)


def test_every_device_point_is_on_the_page(trust: str) -> None:
    for point in device_points():
        assert f"| `{point.technology}` | {point.name} |" in trust
    assert "Delta 54.8 there, 87.0 at 25 degC" in trust  # ln(10 years / 1 ns) - ln(5e-7) = 54.80, times 473.15 / 298.15


def test_constants_that_the_prose_names_exist(trust: str) -> None:
    prose = "\n".join(line for line in trust.splitlines() if not line.startswith(("|", "    ")))
    prose = re.sub(r"^```.*?^```$", "", prose, flags=re.M | re.S)
    names = set(re.findall(r"`([a-z_0-9/]+)`", prose))
    known = {constant.name for name in technologies() for constant in technology(name)} | set(technologies())
    assert names
    assert names <= known


def test_every_constant_is_listed_with_its_source() -> None:
    text = page("constants")
    for name in technologies():
        section = text[text.index(f"`{name}`:") :].split("\n## ", 1)[0]
        base = technology(name.partition("/")[0])
        for constant in technology(name):
            if "/" not in name or constant != base[constant.name]:
                assert f"| `{constant.name}` | {constant} | {constant.trust} | {constant.source} |" in section
