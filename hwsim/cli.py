"""The command line. What a command needs is imported inside it, so that help and errors come at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim import __version__
from hwsim.cli_memory import app as memory
from hwsim.errors import HwsimError, unknown

if TYPE_CHECKING:
    from hwsim.datapath.divisions import DivisionCost
    from hwsim.network import Network

WRONG_INPUT, INTERRUPTED = 2, 130

app = typer.Typer(
    name="hwsim",
    help="Neural-network weights in faulty memory: what bit flips do to accuracy, and what protection costs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(memory, short_help="Memory technologies: constants, sources, error rates.")


def main() -> None:
    """Run the command line. Wrong input ends in one line on stderr and exit code 2."""
    try:
        app()
    except HwsimError as error:
        print("hwsim: " + " ".join(str(error).split()), file=sys.stderr)
        sys.exit(WRONG_INPUT)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hwsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(short_help="Run a scenario and write its results.")
def run(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of one that comes with hwsim.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as in memory.ber=1e-3; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Results folder.", show_default="results/NAME")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard earlier results in that folder.")] = False,
) -> None:
    """Run a scenario: print its tables, and write tables, figures and a report to a folder.

    Finished trials are kept: running an interrupted scenario again goes on from them.
    """
    from hwsim.experiment.loading import load_scenario

    loaded = load_scenario(scenario, settings or ())
    folder = out or Path("results") / loaded.name
    from hwsim.report.console import progress_bar, stdout

    try:
        with progress_bar() as progress:
            from hwsim.experiment.run import run_scenario
            from hwsim.report.write import write_report

            results = run_scenario(loaded, out=folder, fresh=fresh, progress=progress)
            report = write_report(results, progress)
    except KeyboardInterrupt:
        from hwsim.experiment.store import finished_trials

        kept = finished_trials(folder)
        print(
            f"Interrupted. {kept} finished trials are kept in {folder}; the same command goes on from them."
            if kept
            else "Interrupted before the first trial was finished: nothing is kept.",
            file=sys.stderr,
        )
        raise typer.Exit(INTERRUPTED) from None
    from hwsim.report.terminal import print_results

    print_results(results, stdout())
    stdout().print(f"\nTables, figures and the report are in [bold]{folder}[/]; open {report}", highlight=False)


@app.command(short_help="Write the report of a finished run again.")
def report(folder: Annotated[Path, typer.Argument(help="The results folder of a finished run.")]) -> None:
    """Draw the figures and write the report of a finished run again."""
    from hwsim.report.console import progress_bar

    with progress_bar() as progress:
        from hwsim.experiment.results import Results
        from hwsim.report.write import write_report

        path = write_report(Results.load(folder), progress)
    print(path)


@app.command(
    short_help="Show one stored word and what flips do to it.", context_settings={"ignore_unknown_options": True}
)
def word(
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="A number such as 0.1 or -inf, or a word such as 0x3dcccccd.")
    ],
    format: Annotated[str, typer.Option(help="Word format; `hwsim formats` lists them.")] = "fp32",
    flip: Annotated[
        list[int] | None, typer.Option(metavar="BIT", help="Flip this bit, 0 is the least significant; repeatable.")
    ] = None,
) -> None:
    """Show one stored word: its fields, its value, and what flipping bits does to it."""
    from hwsim.report.console import stdout
    from hwsim.words import describe

    stdout().print(describe(value, format, flip or ()))


@app.command(short_help="List the word formats.")
def formats() -> None:
    """List the word formats: width, range, step, and the default target t of weight scaling."""
    from hwsim.report.console import stdout
    from hwsim.words import format_table

    console = stdout()
    console.print(format_table())
    console.print(
        "[dim]Any qM.N exists too: a sign, M integer and N fraction bits, 32 in all at most; "
        "qM.N_sm is the same in sign and magnitude.[/]",
        highlight=False,
    )


@app.command(short_help="List the networks.")
def networks(
    everything: Annotated[bool, typer.Option("--all", help="List torchvision's classifiers as well.")] = False,
) -> None:
    """List the networks that a scenario can name."""
    from hwsim.experiment.catalogue import list_networks
    from hwsim.report.console import new_table, plain, stdout

    table = new_table("network", ">parameters", ">top-1", "data", "weights here")
    for fact in list_networks(torchvision=everything):
        top1 = f"{fact.top1:.1f} %" if fact.top1 is not None else "-"
        table.add_row(fact.name, f"{fact.parameters:,}", top1, fact.data or "-", plain(fact.available))
    console = stdout()
    console.print(table)
    if not everything:
        console.print("[dim]Any torchvision classifier can be named as well: --all lists them.[/]", highlight=False)


@app.command(short_help="Count what every way of dividing costs.")
def divisions(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A network of `hwsim networks --all`; its weights are not needed.")
    ],
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the square images in pixels; the network's own if absent.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images that share one read of the weights.")] = 1,
    format: Annotated[str, typer.Option(help="Word format of the stored weights.")] = "fp32",
    divider: Annotated[str, typer.Option(help="exact, or reciprocal: multiply by 1/c.")] = "exact",
    power_of_two: Annotated[bool, typer.Option("--power-of-two", help="Constants are powers of two.")] = False,
    activations: Annotated[str, typer.Option(help="Number format of the tensors between operations.")] = "fp32",
    draw: Annotated[Path | None, typer.Option(help="SVG file to draw the network with one way's divisions to.")] = None,
    way: Annotated[str, typer.Option(help="The way that is drawn.")] = "planned",
    fold: Annotated[int, typer.Option(min=0, help="Module levels that the drawing keeps apart; 0 for all.")] = 0,
) -> None:
    """Count what every way of dividing costs on a network, for one batch of images."""
    from hwsim.report.console import plain, progress_bar, stdout

    with progress_bar() as progress:
        progress(f"capturing {network}", 0, 0)
        import torch

        from hwsim.datapath import division_table
        from hwsim.datapath.accelerator import DIVIDERS
        from hwsim.experiment.catalogue import load_network
        from hwsim.hardening import Scaling
        from hwsim.network import capture
        from hwsim.report.terminal import division_cost_table

        if divider not in DIVIDERS:
            raise unknown("divider", divider, DIVIDERS)
        loaded = load_network(network, "random")
        shape = loaded.input_shape if image_size is None else (loaded.input_shape[0], image_size, image_size)
        graph = capture(loaded.module, torch.zeros(2, *shape))
        progress(f"counting {network}", 0, 0)
        rows = division_table(graph, Scaling(power_of_two=power_of_two), format, batch, divider, activations)
        if draw is not None:
            _draw_plan(graph, rows, way, fold, draw)
    size = " x ".join(map(str, shape))
    console = stdout()
    console.print(f"[bold]{loaded.name}[/], {batch} image{'s' if batch > 1 else ''} of {size}", highlight=False)
    console.print(division_cost_table(rows))
    for row in rows:
        if row.impossible:
            console.print(plain(f"{row.way} is impossible: {row.impossible}"))
        if row.overflow:
            console.print(plain(f"{row.way} leaves the range of {activations} on noise, first in {row.overflow}"))
    if draw is not None:
        console.print(plain(f"{way} is drawn in {draw}"))


def _draw_plan(network: Network, rows: list[DivisionCost], way: str, fold: int, path: Path) -> None:
    from hwsim.report.plan_drawing import draw_plan

    found = next((row for row in rows if row.way == way), None)
    if found is None:
        raise unknown("way of dividing", way, [row.way for row in rows])
    if found.plan is None:
        raise HwsimError(f"{way} cannot be drawn. {found.impossible}")
    try:
        path.write_text(draw_plan(network, found.plan, fold), encoding="utf-8")
    except OSError as error:
        raise HwsimError(f"The drawing cannot be written to {path}: {error.strerror}.") from error


@app.command(short_help="List the scenarios that come with hwsim.")
def scenarios() -> None:
    """List the scenarios that come with hwsim."""
    from hwsim.experiment.loading import describe, scenario_library
    from hwsim.report.console import new_table, plain, stdout

    table = new_table("scenario", "what it runs")
    for name, path in scenario_library().items():
        table.add_row(name, plain(describe(path)))
    stdout().print(table)
