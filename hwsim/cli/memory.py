"""`hwsim memory`: technologies, their constants, how many of their cells are wrong when; and fault maps of a chip."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli.output import Json, print_json
from hwsim.errors import HwsimError, cut
from hwsim.numerals import NUMBER, real

if TYPE_CHECKING:
    from hwsim.constants import Constant
    from hwsim.memory.fault_maps.fault_map import FaultMap
    from hwsim.memory.technology.technology import Technology

AGES = ("0 s", "1 day", "1 year", "10 years")
TEMPERATURES = ("25 degC", "55 degC", "85 degC", "125 degC")
VOLTAGES = ("1 V", "0.9 V", "0.8 V", "0.7 V", "0.6 V", "0.55 V", "0.5 V")
"""Where `hwsim memory show` gives rates."""

app = typer.Typer(
    name="memory",
    help="The memory technologies: their constants, and how many of their cells are wrong when.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

TechnologyName = Annotated[
    str, typer.Argument(metavar="TECHNOLOGY", help="A technology of `hwsim memory list`, or a table of one's own.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="CONSTANT=VALUE", help="Change a constant, as in delta=45; repeatable."),
]


@app.command("list", short_help="List the technologies.")
def list_technologies(as_json: Json = False) -> None:
    """List the technologies and their variants, each with the mechanisms by which its cells fail."""
    from hwsim.memory.technology.constants import technologies, technology

    all_of_them = [technology(name) for name in technologies()]
    if as_json:
        print_json([{"technology": one.name, "title": one.title, "mechanisms": one.mechanisms} for one in all_of_them])
        return
    from hwsim.report.console import new_table, stdout

    table = new_table("technology", "what it is", "how its cells fail")
    for found in all_of_them:
        table.add_row(found.name, found.title, ", ".join(found.mechanisms))
    stdout().print(table)


@app.command(short_help="Show a technology's constants, their sources, and rates at a glance.")
def show(name: TechnologyName, changes: Changes = None, as_json: Json = False) -> None:
    """Show every constant of a technology with its source and how far to trust it, and rates at a glance."""
    from hwsim.memory.technology.constants import GROUPS

    found = _technology(name, changes)
    swept = {"temperature": TEMPERATURES} | ({"voltage": VOLTAGES} if "nominal_voltage" in found else {})
    rates = {name: {age: _rates(found, age, name, columns) for age in AGES} for name, columns in swept.items()}
    if as_json:
        groups = {group: [_constant(one) for one in getattr(found, group).values()] for group in GROUPS}
        about = {"technology": found.name, "title": found.title, "mechanisms": found.mechanisms, "note": found.note}
        print_json({**about, **groups, "share_of_wrong_cells": rates})
        return
    from hwsim.report.console import new_table, plain, stdout

    console = stdout()
    console.print(f"{found.title} ({found.name}); its cells fail by {', '.join(found.mechanisms)}")
    if found.note:
        console.print(plain(found.note))
    for group, meaning in GROUPS.items():
        entries = getattr(found, group).values()
        if entries:
            table = new_table("constant", "value", "trust", "source", title=f"{group}: {meaning}")
            table.columns[0].no_wrap = True
            for constant in entries:
                table.add_row(constant.name, plain(str(constant)), constant.trust, plain(constant.source))
            console.print(table)
    for swept_by, columns in swept.items():
        heading = "age" if swept_by == "temperature" else "age, at 25 degC"
        table = new_table(heading, *(f">{column}" for column in columns), title="Share of wrong cells after that time")
        for age, shares in rates[swept_by].items():
            table.add_row(age, *(f"{share:.1e}" for share in shares.values()))
        console.print(table)


def _constant(constant: Constant) -> dict[str, object]:
    default = constant.default
    return {
        "constant": constant.name,
        "value": constant.value,
        "unit": constant.unit,
        "trust": constant.trust,
        "source": constant.source,
        "default": None if default is None else default.value,
    }


def _rates(found: Technology, age: str, swept: str, values: tuple[str, ...]) -> dict[str, float]:
    """The share of wrong cells after a time, at each temperature or voltage."""
    from hwsim.constants.units import quantity
    from hwsim.memory.device.error_rate import error_rate
    from hwsim.memory.life.mission import Condition

    conditions = {
        text: Condition(quantity(text, "degC")) if swept == "temperature" else Condition(voltage_v=quantity(text, "V"))
        for text in values
    }
    return {text: error_rate(found, one, quantity(age, "s")).total for text, one in conditions.items()}


@app.command(short_help="How many cells are wrong: one number with its parts.")
def rate(
    name: TechnologyName,
    age: Annotated[str, typer.Option(help="Time since the write, as in 10y or '64 ms'.")] = "0 s",
    temperature: Annotated[str, typer.Option(help="Temperature of the cells, as in 85C.")] = "25 degC",
    voltage: Annotated[str | None, typer.Option(help="Supply voltage, as in 0.6V.", show_default="nominal")] = None,
    refresh: Annotated[
        str | None, typer.Option(help="Time between refreshes, as in 64ms.", show_default="the technology's")
    ] = None,
    cycles: Annotated[int, typer.Option(min=0, help="How often the cells were written before.")] = 0,
    reads: Annotated[float, typer.Option(min=0, help="How often each word is read, in 1/s.")] = 0.0,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """How many cells read wrong that were written, lived under one condition, and are read: one number with its parts.

    The cells hold random data, and held other random data before. Parts are what each mechanism does alone.
    """
    from hwsim.constants.units import duration, quantity
    from hwsim.memory.device.error_rate import error_rate
    from hwsim.memory.life.mission import Condition
    from hwsim.report.console import new_table, plain, stdout

    found = _technology(name, changes)
    for option, given, needed in (
        ("--voltage", voltage, "nominal_voltage"),
        ("--refresh", refresh, "refresh_interval"),
    ):
        if given is not None and needed not in found:
            raise HwsimError(f"{option} has no effect on the cells of {found.name!r}: leave it out.")
    condition = Condition(
        temperature_c=quantity(temperature, "degC", "temperature"),
        voltage_v=None if voltage is None else quantity(voltage, "V", "voltage"),
        refresh_every_s=None if refresh is None else quantity(refresh, "s", "refresh"),
        reads_per_s=reads,
    )
    age_s = quantity(age, "s", "age")
    result = error_rate(found, condition, age_s, cycles)
    idle = []  # options that were given and change nothing: that is said
    if reads and error_rate(found, replace(condition, reads_per_s=0.0), age_s, cycles) == result:
        idle.append("--reads")
    if cycles and error_rate(found, condition, age_s) == result:
        idle.append("--cycles")
    if as_json:
        changed = [_constant(one) for one in found.overridden]
        about = {"technology": found.name, "age_s": age_s, "condition": condition, "cycles": cycles}
        print_json({**about, "share": result.total, "parts": result.parts, "without_effect": idle, "changed": changed})
        return
    console = stdout()
    lived = f"after {duration(age_s)} at {condition}" + (f", {cycles:,} cycles before" if cycles else "")
    console.print(f"{result.total:.3e} of the cells are wrong: {found.title}, {lived}", highlight=False)
    table = new_table("by", ">share of cells")
    for mechanism, part in result.parts.items():
        table.add_row(mechanism, "not known" if part is None else f"{part:.3e}")
    console.print(table)
    for constant in found.overridden:
        console.print(plain(f"{constant.name} = {constant}"), highlight=False)
    for option in idle:
        console.print(plain(f"{option} makes no difference to these cells."), highlight=False)


@app.command("map", short_help="Inspect a fault map, and draw it bank by bank.")
def fault_map(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A fault map, as `FaultMap.to_csv` writes it.")],
    at: Annotated[str | None, typer.Option(help="Level for a map with thresholds, as in 0.55V.")] = None,
    draw: Annotated[Path | None, typer.Option(help="PNG or SVG file for a picture of every bank.")] = None,
    as_json: Json = False,
) -> None:
    """Say how the faults of a map lie, each number beside the one by chance, and draw them bank by bank."""
    from hwsim.constants.units import quantity
    from hwsim.memory.fault_maps.fault_map import FaultMap
    from hwsim.memory.fault_maps.fault_map_summary import summarise
    from hwsim.report.console import plain, stdout

    found = FaultMap.from_csv(file)
    if at is not None and found.threshold_of is not None:
        found = found.at(quantity(at, found.threshold_of.unit, "at"))
    elif at is not None:
        raise HwsimError(f"--at has no effect: the cells of {str(file)!r} have no thresholds, all of them fail.")
    summary = summarise(found)
    if draw is not None:
        _draw(found, draw)
    if as_json:
        print_json({name: getattr(summary, name) for name in _OF_A_MAP} | {"geometry": summary.geometry})
        return
    console = stdout()
    console.print(plain(f"{found.geometry}"), highlight=False)
    console.print(plain(str(summary)), highlight=False)
    if draw is not None:
        console.print(plain(f"drawn in {draw}"), highlight=False)


_OF_A_MAP = (
    "faults",
    "to_zero",
    "to_one",
    "rate",
    "blocks",
    "mean_per_block",
    "variance_over_mean",
    "variance_over_mean_by_chance",
    "fault_free",
    "fault_free_by_chance",
    "same_column_pairs",
    "same_column_by_chance",
    "same_row_pairs",
    "same_row_by_chance",
)
"""What `--json` says of a map: attributes of `FaultMapSummary`."""


def _draw(found: FaultMap, target: Path) -> None:
    from hwsim.report.map_figure import fault_map_figure
    from hwsim.report.style import save, styled

    kind = target.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise HwsimError(f"--draw {target}: give a file that ends in .png or .svg.")
    with styled():
        picture = save(fault_map_figure(found))[kind]
    try:
        target.write_bytes(picture)
    except OSError as error:
        raise HwsimError(f"The picture {str(target)!r} cannot be written: {error.strerror}.") from None


def _technology(name: str, changes: list[str] | None) -> Technology:
    from hwsim.memory.technology.constants import technology

    values: dict[str, object] = {}
    for text in changes or ():
        constant, equals, value = text.partition("=")
        if not equals or not constant.strip():
            raise HwsimError(f"`--set {cut(text, 60)}` is not a constant: write it as constant=value, as in delta=45.")
        plain = re.fullmatch(NUMBER, value.strip())
        values[constant.strip()] = real(value, constant.strip()) if plain else value.strip()
    return technology(name).override(values)
