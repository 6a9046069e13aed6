"""Tables of the manual that are made from the code, so that they cannot go stale.

A page says `<!-- generated: settings -->` where the table of that name is to stand; MkDocs calls `on_page_markdown`.
"""

from __future__ import annotations

import ast
import math
import re
import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

MARKER = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


TABLES: dict[str, Callable[[], str]] = {}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with every marker replaced by its table. A name that no table has is a KeyError."""
    return MARKER.sub(lambda marker: TABLES[marker[1]](), markdown)


def generated(function: Callable[[], str]) -> Callable[[], str]:
    """The function's result stands where a page has a marker with the function's name."""
    TABLES[function.__name__] = function
    return function


@generated
def house() -> str:
    """The rooms of hwsim and what they import."""
    return _drawing("hwsim")


@generated
def memory_house() -> str:
    """The rooms of the memory and what they import."""
    return _drawing("hwsim.memory")


@generated
def room_table() -> str:
    """Every room, and the first sentence of its docstring."""
    rows = []
    for room in _HOUSE["rooms"]():
        file = _HOUSE["ROOT"] / "hwsim" / room / "__init__.py"
        source = file if file.exists() else file.parent.with_suffix(".py")
        said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
        rows.append((f"`{room}`", " ".join(said.partition("\n\n")[0].split())))
    return _table(("room", "what it is"), rows)


_HOUSE = runpy.run_path(str(Path(__file__).with_name("house.py")))


def _drawing(package: str) -> str:
    return f"<div>{_HOUSE['drawing'](package)}</div>"


@generated
def settings() -> str:
    from hwsim.experiment.scenario.scenario import settings_table

    rows = []
    for row in settings_table():
        default = "required" if row.default is ... else _toml(row.default)
        rows.append((f"`{row.key}`", row.must, default, row.meaning))
    return _table(("key", "value", "default", "meaning"), rows)


@generated
def accuracy_columns() -> str:
    from hwsim.experiment.results import columns

    return _columns(columns.ACCURACY)


@generated
def count_columns() -> str:
    from hwsim.experiment.results import columns

    return _columns(columns.count_columns())


@generated
def bit_error_columns() -> str:
    from hwsim.experiment.results import columns

    return _columns(columns.BIT_ERRORS)


@generated
def lifetime_columns() -> str:
    from hwsim.experiment.results import columns

    return _columns(columns.LIFETIME)


@generated
def mechanism_columns() -> str:
    from hwsim.experiment.results import columns

    return _columns(columns.MECHANISMS)


@generated
def constant_columns() -> str:
    from hwsim.experiment.results import columns

    return _columns(columns.CONSTANTS)


@generated
def formats() -> str:
    from hwsim.words import format_names, get_format

    rows = []
    for fmt in map(get_format, format_names()):
        fields = ", ".join(f"{field.width} {field.name}" for field in fmt.fields)
        numbers = (f"{number:.9g}" for number in (fmt.lowest, fmt.largest, fmt.smallest, fmt.default_target))
        rows.append((f"`{fmt.name}`", str(fmt.width), fields, *numbers))
    heading = ("format", "bits", "fields", "lowest", "largest", "smallest positive", "default t")
    return _table(heading, rows)


@generated
def codes() -> str:
    """Every code on memory words of 64 bits: what it does, and its cost."""
    from hwsim.memory.ecc import code_names, get_code

    rows = []
    for name in code_names():
        code = get_code(name, 64, "q2.5" if name == "in_place_secded" else "fp16")
        cost = code.overhead()
        circuits = [
            f"{part.energy_pj:.3g} pJ, {part.area_um2:.3g} um2, {part.latency_ns:.2g} ns"
            for part in (cost.decode, cost.encode)
        ]
        shape = f"{code.codewords} x ({code.cells}, {code.data_bits})"
        rows.append((f"`{name}`", shape, code.guarantee, f"{cost.cells_per_bit:.4g}", *circuits))
    return _table(("code", "codewords (cells, data)", "what it does", "cells a bit", "decoder", "encoder"), rows)


@generated
def ways() -> str:
    from hwsim.datapath import WAYS

    return _meanings("`divide`", WAYS)


@generated
def guards() -> str:
    from hwsim.hardening import GUARDS

    return _meanings("guard", GUARDS)


@generated
def counters() -> str:
    from hwsim.datapath import COUNTERS

    return _meanings("counter", COUNTERS)


@generated
def division_costs() -> str:
    import csv

    with (Path(__file__).parent / "assets" / "divisions.csv").open(newline="", encoding="utf-8") as file:
        counted = {(row["network"].removeprefix("torchvision/"), row["way"]): row for row in csv.DictReader(file)}
    ways = ("per_weight", "per_layer", "logits", "absorbed", "planned")
    rows = [(name, *(_cost(counted[name, way]) for way in ways)) for name in dict.fromkeys(name for name, _ in counted)]
    return _table(("network", *ways), rows)


def _cost(row: Mapping[str, str]) -> str:
    """What one way of dividing costs on one network, in a cell."""
    if row["impossible"]:
        operation = re.search(r"aten[.](\w+)", row["impossible"])
        return f"needs {operation[1]}" if operation else "impossible"
    divided = sum(int(row[name]) for name in ("divisions", "reciprocal_multiplications", "shifts"))
    aligned = int(row["alignments"])
    if row["way"] == "logits":
        return f"{divided:,}" + (f" + {aligned:,} aligned" if aligned else "")
    return f"{divided + aligned:,}"


@generated
def choices() -> str:
    from hwsim.report.choices import CHOICES

    return "\n\n".join(f"**{subject}.** {text}" for subject, text in CHOICES)


@generated
def glossary() -> str:
    from hwsim.report.glossary import GLOSSARY

    def entry(term: Any) -> str:
        return f"{term.name}\n:   {term.text} " + ", ".join(f"[{title}]({page})" for title, page in term.pages) + "\n"

    return "\n".join(f"## {title}\n\n" + "\n".join(map(entry, terms)) for title, terms in GLOSSARY.items())


@generated
def networks() -> str:
    from hwsim.experiment.catalogue.catalogue import list_networks

    rows = []
    for fact in list_networks(torchvision=False):
        top1 = f"{fact.top1} %" if fact.top1 is not None else ""
        rows.append((f"`{fact.name}`", fact.title, f"{fact.parameters:,}", top1, f"`{fact.data}`", fact.licence))
    return _table(("network", "what it is", "parameters", "top-1", "data", "licence of the weights"), rows)


@generated
def scenarios() -> str:
    from hwsim.library import describe, scenario_library

    return _table(("scenario", "what it runs"), [(f"`{n}`", describe(p)) for n, p in scenario_library().items()])


@generated
def trust_levels() -> str:
    from hwsim.constants import TRUST

    return _meanings("trust", TRUST)


@generated
def trust_by_technology() -> str:
    """How many constants of each technology are published, derived and assumed, and which its mechanisms assume."""
    from hwsim.memory.technology.constants import technologies, technology

    rows = []
    for tech in map(technology, technologies()):
        counted = [str(sum(c.trust == trust for c in tech)) for trust in ("published", "derived", "assumed")]
        assumed = ", ".join(f"`{c.name}`" for c in tech.constants.values() if c.trust == "assumed")
        rows.append((f"`{tech.name}`", *counted, assumed))
    return _table(("technology", "published", "derived", "assumed", "assumed of its mechanisms"), rows)


@generated
def misfits() -> str:
    """Check points that the models miss, the worst first."""
    from hwsim.validation.check_points import check_points

    return _point_table(
        sorted((point for point in check_points() if point.misfit), key=lambda point: -abs(math.log(point.ratio)))
    )


@generated
def check_points_measured() -> str:
    return _check_points("measured")


@generated
def check_points_construction() -> str:
    return _check_points("construction")


@generated
def check_points_arithmetic() -> str:
    return _check_points("arithmetic")


@generated
def costs() -> str:
    from hwsim.datapath.costs import COSTS

    return _meanings("`cost`", COSTS)


@generated
def operation_costs() -> str:
    """Every entry of the table of operation costs, one format after the other."""
    from hwsim.constants import show
    from hwsim.datapath.costs import operation_costs

    rows = []
    for fmt, operations in operation_costs().items():
        for name, cost in operations.items():
            for quantity in ("energy", "area", "latency", "interval"):
                one = getattr(cost, quantity)
                rows.append((f"`{fmt} {name} {quantity}`", show(one.value), one.unit, one.trust, one.source, one.note))
    return _table(("entry", "value", "unit", "trust", "source", "note"), rows)


@generated
def device_points() -> str:
    """Published devices, and for a magnetic one the stability that its figures ask for."""
    from hwsim.memory.physics.stt_mram import stability_at, stability_for
    from hwsim.memory.technology.constants import device_points, technology

    tau0_s = technology("stt_mram")["tau0"].to("s")
    rows = []
    for point in device_points():
        stability = ""
        if (
            point.technology == "stt_mram"
            and point.retention_s
            and point.error_rate
            and point.temperature_c is not None
        ):
            hot = float(stability_for(point.retention_s, point.error_rate, tau0_s))
            cool = float(stability_at(25, hot, point.temperature_c))
            stability = f"Delta {hot:.1f} there, {cool:.1f} at 25 degC"
        kept = "" if point.retention_s is None else _duration(point.retention_s)
        hot_c = "" if point.temperature_c is None else f"{point.temperature_c:g}"
        rate, cycles = (f"{x:g}" if x is not None else "" for x in (point.error_rate, point.endurance))
        rows.append(
            (f"`{point.technology}`", point.name, kept, hot_c, rate, cycles, stability or point.note, point.source)
        )
    heading = ("technology", "device", "holds data for", "at, degC", "error rate", "cycles", "which means", "source")
    return _table(heading, rows)


@generated
def technology_constants() -> str:
    """Every constant of every technology and variant, with its source."""
    from hwsim.memory.technology.constants import GROUPS, technologies, technology

    parts = []
    for name in technologies():
        tech, base = technology(name), technology(name.partition("/")[0])
        entries = {group: list(getattr(tech, group).values()) for group in GROUPS}
        if "/" in name:  # a variant: only what differs
            entries = {group: [c for c in rows if c != base[c.name]] for group, rows in entries.items()}
        parts.append(
            f"## {tech.title}\n\n`{name}`: {', '.join(tech.mechanisms)}. {tech.note if '/' not in name else ''}"
        )
        for group, meaning in GROUPS.items():
            rows = [(f"`{c.name}`", str(c), c.trust, c.source, c.note) for c in entries[group]]
            if rows:
                parts += [
                    f"*{meaning[0].upper()}{meaning[1:]}*",
                    _table(("constant", "value", "trust", "source", "note"), rows),
                ]
    return "\n\n".join(parts)


@generated
def commands() -> str:
    """The help text of `hwsim` and of each of its commands."""
    from typer.testing import CliRunner

    from hwsim.cli import app

    def help_of(*command: str) -> str:
        shown = CliRunner().invoke(app, [*command, "--help"], prog_name="hwsim", terminal_width=90).stdout
        return f"```text\n{shown.strip()}\n```"

    def names_of(group: Any) -> list[str]:
        return [command.name or command.callback.__name__ for command in group.registered_commands if command.callback]

    names = [(name,) for name in names_of(app)]
    for group in app.registered_groups:
        one = group.typer_instance
        assert one is not None
        names += [(one.info.name,), *((one.info.name, name) for name in names_of(one))]
    return "\n\n".join([help_of(), *(f"## hwsim {' '.join(name)}\n\n{help_of(*name)}" for name in names)])


def _check_points(kind: str) -> str:
    from hwsim.validation.check_points import check_points

    return _point_table([point for point in check_points() if point.kind == kind])


def _point_table(points: Iterable[Any]) -> str:
    rows = []
    for point in points:
        verdict = f"**{point.misfit}**" if point.misfit else f"within {100 * point.tolerance:.2g} %"
        numbers = (f"{point.published:.7g}", f"{point.model:.7g}", f"{point.ratio:.4g}")
        rows.append((f"`{point.technology}`", point.what, *numbers, verdict))
    return _table(("constants of", "what", "published", "model", "model / published", "verdict"), rows)


def _duration(time_s: float) -> str:
    from hwsim.constants.units import quantity

    year_s = quantity("1 year", "s")
    return f"{time_s / year_s:g} years" if time_s >= year_s else f"{time_s:g} s"


def _columns(columns: Iterable[Any]) -> str:
    return _table(("column", "unit", "meaning"), [(f"`{c.name}`", c.unit, c.meaning) for c in columns])


def _meanings(heading: str, meanings: Mapping[str, str]) -> str:
    return _table((heading, "meaning"), [(f"`{name}`", meaning) for name, meaning in meanings.items()])


def _toml(value: Any) -> str:
    """A default as it would be written in a scenario file."""
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value == {}:
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(_toml(item).strip('`') for item in value)}]`"
    return f"`{value!r}`"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    escaped = ((cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
