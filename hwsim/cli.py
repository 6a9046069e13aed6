"""The command line. What a command needs is imported inside it, so that help and errors come at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim import __version__
from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hwsim.experiment.progress import Progress

WRONG_INPUT, INTERRUPTED = 2, 130

app = typer.Typer(
    name="hwsim",
    help="Neural-network weights in faulty memory: what bit flips do to accuracy, and what protection costs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
    try:
        with _progress() as progress:
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

    console = _console()
    print_results(results, console)
    console.print(f"\nTables, figures and the report are in [bold]{folder}[/]; open {report}", highlight=False)


@app.command(short_help="Write the report of a finished run again.")
def report(folder: Annotated[Path, typer.Argument(help="The results folder of a finished run.")]) -> None:
    """Draw the figures and write the report of a finished run again."""
    with _progress() as progress:
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
    from hwsim.words import describe

    _console().print(describe(value, format, flip or ()))


@app.command(short_help="List the word formats.")
def formats() -> None:
    """List the word formats: width, range, step, and the default target t of weight scaling."""
    from hwsim.words import format_table

    console = _console()
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

    table = _table("network", "parameters", "top-1", "data", "licence", "weights here")
    for fact in list_networks(torchvision=everything):
        top1 = f"{fact.top1:.1f} %" if fact.top1 is not None else "-"
        table.add_row(fact.name, f"{fact.parameters:,}", top1, fact.data or "-", fact.licence, fact.available)
    console = _console()
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
) -> None:
    """Count what every way of dividing costs on a network, for one batch of images."""
    with _progress() as progress:
        progress(f"capturing {network}", 0, 0)
        import torch

        from hwsim.datapath import division_table
        from hwsim.experiment.catalogue import load_network
        from hwsim.hardening import Scaling
        from hwsim.network import capture

        loaded = load_network(network, "random")
        shape = loaded.input_shape if image_size is None else (loaded.input_shape[0], image_size, image_size)
        graph = capture(loaded.module, torch.zeros(2, *shape))
        progress(f"counting {network}", 0, 0)
        rows = division_table(graph, Scaling(power_of_two=power_of_two), format, batch, divider)
    counters = {
        "divisions": "divisions",
        "reciprocal_multiplications": "reciprocal\nmultiplications",
        "shifts": "shifts",
        "alignments": "alignments",
        "words_read": "words read",
    }
    table = _table("dividing", *counters.values(), "bits of\nconstants")
    for row in rows:
        total = row.counts.total.as_dict() if row.counts is not None else {}
        counts = [f"{total[name]:,}" if total else "-" for name in counters]
        table.add_row(row.way, *counts, f"{row.constant_bits:,}")
    size = " x ".join(map(str, shape))
    console = _console()
    console.print(f"[bold]{loaded.name}[/], {batch} image{'s' if batch > 1 else ''} of {size}", highlight=False)
    console.print(table)
    for row in rows:
        if row.impossible:
            console.print(f"[yellow]{row.way} is impossible:[/] {row.impossible}", highlight=False)


@app.command(short_help="List the scenarios that come with hwsim.")
def scenarios() -> None:
    """List the scenarios that come with hwsim."""
    from hwsim.experiment.loading import describe, scenario_library

    table = _table("scenario", "what it runs")
    for name, path in scenario_library().items():
        table.add_row(name, describe(path))
    _console().print(table)


def _console() -> Console:
    from rich.console import Console

    return Console()


def _table(*columns: str) -> Table:
    """A table whose first column is text and whose columns of numbers stand to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    words = {"network", "scenario", "what it runs", "dividing", "data", "licence", "weights here"}
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right", overflow="fold")
    return table


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar with the time left, on stderr, gone when the work is done; silent where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        task = bars.add_task("starting", total=None)

        def progress(text: str, done: int, total: int) -> None:
            bars.update(task, description=text, completed=done, total=total or None)

        yield progress
