"""`hwsim scenarios`: what comes with hwsim to be run."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.cli.output import Json, print_json
from hwsim.errors import HwsimError, unknown

app = typer.Typer(name="scenarios", invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def scenarios(context: typer.Context, as_json: Json = False) -> None:
    """List the scenarios that come with hwsim, or show one of them."""
    from hwsim.library import describe, scenario_library

    if context.invoked_subcommand is not None:
        if as_json:
            raise HwsimError(f"--json has no effect on `hwsim scenarios {context.invoked_subcommand}`: leave it out.")
        return
    found = {name: describe(path) for name, path in scenario_library().items()}
    if as_json:
        print_json([{"scenario": name, "what": what} for name, what in found.items()])
        return
    from hwsim.report.console import new_table, plain, stdout

    table = new_table("scenario", "what it runs")
    table.columns[0].no_wrap = True
    for name, what in found.items():
        table.add_row(name, plain(what))
    stdout().print(table)


@app.command(short_help="Print a scenario's file, to be read or copied.")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A scenario that comes with hwsim.")],
) -> None:
    """Print the file of a scenario; `hwsim scenarios show quickstart > mine.toml` makes it the start of one's own."""
    from hwsim.library import scenario_library

    found = scenario_library()
    if name not in found:
        raise unknown("scenario", name, found)
    print(found[name].read_text(encoding="utf-8"), end="")
