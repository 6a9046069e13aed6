"""The command line. What a command needs is imported inside it, so that help and errors come at once."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hwsim import __version__
from hwsim.cli.divisions import divisions
from hwsim.cli.memory import app as memory
from hwsim.cli.output import Json, close_stdout, open_streams, print_json
from hwsim.cli.scenarios import app as scenarios
from hwsim.errors import HwsimError
from hwsim.interruption import ends_at_once, say_when_interrupted

WRONG_INPUT = 2

app = typer.Typer(
    name="hwsim",
    help="Neural-network weights in faulty memory: what bit flips do to accuracy, and what protection costs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(memory, short_help="Memory technologies: constants, sources, error rates.")
app.add_typer(scenarios, short_help="The scenarios that come with hwsim: list them, or show one.")


def main() -> None:
    """Run the command line. Wrong input, and output that cannot be written, are one line on stderr, exit code 2."""
    open_streams()
    try:
        with ends_at_once():
            try:
                app()
            finally:
                sys.stdout.flush()  # here, where it can still be said that the disk is full
    except HwsimError as error:
        print(f"hwsim: {error}", file=sys.stderr)
        sys.exit(WRONG_INPUT)
    except OSError as error:
        if error.filename is not None:  # a file, which no one here has named: nothing that input explains
            raise
        close_stdout()
        print(f"hwsim: The output cannot be written: {error.strerror or error}.", file=sys.stderr)
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
    as_json: Json = False,
) -> None:
    """Run a scenario: print its tables, and write tables, figures and a report to a folder.

    Finished trials are kept: running an interrupted scenario again goes on from them.
    """
    from hwsim.experiment.results.trial_log import kept
    from hwsim.experiment.scenario.loading import load_scenario

    loaded = load_scenario(scenario, settings or ())
    folder = out or Path("results") / loaded.name
    say_when_interrupted(partial(kept, folder))
    from hwsim.report.console import plain, progress_bar, stdout

    with progress_bar() as progress:
        from hwsim.experiment.studies.run import run_scenario
        from hwsim.report.write import write_report

        results = run_scenario(loaded, out=folder, fresh=fresh, progress=progress)
        report = write_report(results, progress)
    if as_json:
        tables = {"facts": results.facts, "rows": results.rows, "counts": results.counts}
        print_json({"folder": str(folder), "report": str(report), **tables})
        return
    from hwsim.report.terminal import print_results

    print_results(results, stdout())
    stdout().print(
        plain(f"\nTables and figures are in {folder}\nThe report: {report}"), highlight=False, soft_wrap=True
    )


@app.command(short_help="Write the report of a finished run again.")
def report(folder: Annotated[Path, typer.Argument(help="The results folder of a finished run.")]) -> None:
    """Draw the figures and write the report of a finished run again."""
    from hwsim.report.console import progress_bar

    with progress_bar() as progress:
        from hwsim.experiment.results.results import Results
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
    as_json: Json = False,
) -> None:
    """Show one stored word: its fields, its value, and what flipping bits does to it."""
    from hwsim.words import describe

    view = describe(value, format, flip or ())
    if as_json:
        print_json(
            {
                "format": view.format.name,
                "given": view.given,
                "word": view.hex(),
                "value": view.value,
                "rounding_error": view.rounding_error,
                "fields": [
                    {"field": one.field.name, "bits": [one.field.msb, one.field.lsb], "content": one.bits}
                    for one in view.fields
                ],
                "flips": [
                    {"bits": flip.bits, "word": view.hex(flip.word), "value": flip.value, "error": flip.error}
                    for flip in view.flips
                ],
            }
        )
        return
    from hwsim.report.console import stdout

    stdout().print(view)


@app.command(short_help="List the word formats.")
def formats(as_json: Json = False) -> None:
    """List the word formats: width, range, step, and the default target t of weight scaling."""
    from hwsim.words import format_names, format_table, get_format

    if as_json:
        print_json(
            [
                {
                    "format": fmt.name,
                    "bits": fmt.width,
                    "fields": {field.name: field.width for field in fmt.fields},
                    "lowest": fmt.lowest,
                    "largest": fmt.largest,
                    "smallest": fmt.smallest,
                    "default_target": fmt.default_target,
                }
                for fmt in map(get_format, format_names())
            ]
        )
        return
    from hwsim.report.console import stdout

    console = stdout()
    console.print(format_table())
    console.print(
        "Any qM.N exists too: a sign, M integer and N fraction bits, 32 in all at most; "
        "qM.N_sm is the same in sign and magnitude.",
        highlight=False,
        style="dim",
    )


@app.command(short_help="List the networks.")
def networks(
    everything: Annotated[bool, typer.Option("--all", help="List torchvision's classifiers as well.")] = False,
    as_json: Json = False,
) -> None:
    """List the networks that a scenario can name."""
    from hwsim.experiment.catalogue.catalogue import list_networks

    found = list_networks(torchvision=everything)
    if as_json:
        print_json(found)
        return
    from hwsim.report.console import new_table, plain, stdout

    table = new_table("network", ">parameters", ">top-1", "data", "weights here")
    for fact in found:
        top1 = f"{fact.top1:.1f} %" if fact.top1 is not None else "-"
        table.add_row(fact.name, f"{fact.parameters:,}", top1, fact.data or "-", plain(fact.available))
    console = stdout()
    console.print(table)
    if not everything:
        console.print(
            "Any torchvision classifier can be named as well: --all lists them.", highlight=False, style="dim"
        )


app.command(short_help="Count what every way of dividing costs, and say why.")(divisions)
