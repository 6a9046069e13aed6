"""`hwsim divisions`: what every way of dividing costs on a network, what forces each division, and a drawing of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli.output import Json, print_json
from hwsim.errors import HwsimError, unknown

if TYPE_CHECKING:
    from hwsim.datapath import DatapathConfig, PlanOptions
    from hwsim.datapath.divisions import DivisionCost
    from hwsim.network import Network


def divisions(
    network: Annotated[
        str | None,
        typer.Argument(metavar="NETWORK", help="A network of `hwsim networks --all`; its weights are not needed."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the square images in pixels; the network's own if absent.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images that share one read of the weights.")] = 1,
    format: Annotated[str, typer.Option(help="Word format of the stored weights.")] = "fp32",
    divider: Annotated[str, typer.Option(help="exact, or reciprocal: multiply by 1/c.")] = "exact",
    power_of_two: Annotated[bool, typer.Option("--power-of-two", help="Constants are powers of two.")] = False,
    activations: Annotated[str, typer.Option(help="Number format of the tensors between operations.")] = "fp32",
    accumulators: Annotated[str, typer.Option(help="Number format of the MAC array's sums.")] = "fp32",
    inner_multipliers: Annotated[
        bool,
        typer.Option("--inner-multipliers", help="Constants inside units, such as GELU's 1/sqrt 2, take up scales."),
    ] = False,
    headroom_bits: Annotated[
        float, typer.Option(min=0, help="Bits by which tensors may grow beyond what was seen, in plans and repairs.")
    ] = 2.0,
    cost: Annotated[str, typer.Option(help="What planned and repairs minimise: count, energy or cycles.")] = "count",
    everywhere: Annotated[bool, typer.Option("--list", help="List every division of one way instead.")] = False,
    draw: Annotated[Path | None, typer.Option(help="SVG file to draw the network with one way's divisions to.")] = None,
    way: Annotated[str | None, typer.Option(help="The way that is listed or drawn; planned if absent.")] = None,
    fold: Annotated[
        int | None, typer.Option(min=0, help="Module levels that the drawing keeps apart; 0 or absent for all.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All torchvision classifiers, as CSV, instead of one network: half an hour.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count what every way of dividing costs on a network, for one batch of images, and say what forces each division.

    Images are noise. Where a way leaves the range of its number formats, the cheapest repair is shown.
    """
    if everything:
        if as_json:
            raise HwsimError("--json has no effect with --all, which prints CSV: leave it out.")
        of_one = {
            "a network": network,
            "--list": everywhere or None,
            "--draw": draw,
            "--way": way,
            "--fold": fold,
        }
        given = next((name for name, value in of_one.items() if value is not None), None)
        if given is not None:
            raise HwsimError(f"--all counts every network in every way, so {given} has no place beside it: drop one.")
        of_all = image_size, batch, format, divider, power_of_two, activations, accumulators
        return _survey(*of_all, inner_multipliers, headroom_bits, cost)
    if network is None:
        raise HwsimError("divisions needs a network, as in `hwsim divisions resnet18`, or --all.")
    if way is not None and not everywhere and draw is None:
        _check_way(way)
        raise HwsimError(f"--way {way} says which way is listed or drawn: add --list or --draw FILE, or leave it out.")
    if fold is not None and draw is None:
        raise HwsimError("--fold is for the drawing: add --draw FILE, or leave it out.")
    from hwsim.report.console import plain, progress_bar, stdout

    with progress_bar() as progress:
        progress(f"capturing {network}", 0, 0)
        import torch

        from hwsim.datapath import division_table
        from hwsim.experiment.catalogue.catalogue import load_network
        from hwsim.hardening import Scaling
        from hwsim.network import capture
        from hwsim.report import divisions as shown

        way = way or "planned"
        _check_way(way)
        options = _options(cost, activations, headroom_bits)
        loaded = load_network(network, "random")
        shape = loaded.input_shape if image_size is None else (loaded.input_shape[0], image_size, image_size)
        graph = capture(loaded.module, torch.zeros(2, *shape))
        progress(f"counting {network}", 0, 0)
        scaling = Scaling(power_of_two=power_of_two)
        config = _config(batch, divider, inner_multipliers, activations, accumulators)
        rows = division_table(graph, scaling, format, config, options)
        row = next(row for row in rows if row.way == way)
        if draw is not None:
            _draw_plan(graph, row, fold or 0, draw)
        if everywhere and row.impossible:
            raise HwsimError(f"{way} has no divisions to list. {row.impossible}")
    if as_json:
        about = {"network": loaded.name, "image_shape": shape, "images": batch}
        shown_ways = [_site_data(row)] if everywhere else [_row_data(one) for one in rows]
        print_json({**about, "ways": shown_ways})
        return
    console = stdout()
    images = f"{batch} image{'s' if batch > 1 else ''} of {' x '.join(map(str, shape))}"
    if everywhere:
        console.print(f"{loaded.name}, {way}, {images}", highlight=False)
        for line in shown.site_lines(row):
            console.print(plain(line), soft_wrap=True)
    else:
        words = next((row.counts.total.words_read for row in rows if row.counts is not None), 0)
        console.print(f"{loaded.name}, {images}, {words:,} words read", highlight=False)
        console.print(shown.cost_table(rows))
        if batch > 1:
            console.print(shown.cost_table(rows, each_image=True))
        console.print(shown.cause_table(rows, cost, options.prices if cost != "count" else None))
        for line in shown.remarks(rows, activations, accumulators, cost):
            console.print(plain(line))
    if draw is not None:
        console.print(plain(f"{way} is drawn in {draw}"))


def _config(batch: int, divider: str, inner_multipliers: bool, activations: str, accumulators: str) -> DatapathConfig:
    from hwsim.datapath import DatapathConfig

    return DatapathConfig(
        batch=batch,
        divider=divider,
        inner_multipliers=inner_multipliers,
        activations=activations,
        accumulators=accumulators,
    )


def _options(cost: str, activations: str, headroom_bits: float) -> PlanOptions:
    from hwsim.datapath import PlanOptions
    from hwsim.datapath.costs import prices

    priced = prices(cost, activations).values
    return PlanOptions(priced, headroom_bits=headroom_bits)


def _check_way(way: str) -> None:
    from hwsim.datapath import WAYS

    used = [name for name in WAYS if name != "none"]
    if way not in used:
        raise unknown("way of dividing", way, used)


def _row_data(row: DivisionCost) -> dict[str, object]:
    """A way as plain data; counts are of the whole batch, cost is of one image in the unit of `--cost`."""
    return {
        "way": row.way,
        "counts": None if row.counts is None else row.counts.total.as_dict(),
        "absorbed": row.absorbed,
        "constants": row.divisor_words,
        "constant_bits": row.divisor_bits,
        "cost": row.cost,
        "overflow": row.overflow,
        "impossible": row.impossible,
        "repairs": [{"repair": repair.text, "cost": repair.cost} for repair in row.repairs],
    }


def _site_data(row: DivisionCost) -> dict[str, object]:
    """Every division of a way as plain data."""
    return {
        "way": row.way,
        "sites": [
            {
                "tensor": site.tensor,
                "readers": site.readers,
                "kind": site.kind,
                "elements": site.elements,
                "by": site.by,
                "cause": str(site.cause),
            }
            for site in row.sites
        ],
    }


def _draw_plan(network: Network, row: DivisionCost, fold: int, path: Path) -> None:
    from hwsim.report.plan_drawing import draw_plan

    if row.plan is None:
        raise HwsimError(f"{row.way} cannot be drawn. {row.impossible}")
    try:
        path.write_text(draw_plan(network, row.plan, row.sites, fold), encoding="utf-8")
    except OSError as error:
        raise HwsimError(f"The drawing cannot be written to {path}: {error.strerror}.") from error


def _survey(
    image_size: int | None,
    batch: int,
    format: str,
    divider: str,
    power_of_two: bool,
    activations: str,
    accumulators: str,
    inner_multipliers: bool,
    headroom_bits: float,
    cost: str,
) -> None:
    """Row by row, so that what is finished is there if the rest is interrupted."""
    import csv

    from hwsim.experiment.catalogue.catalogue import list_networks
    from hwsim.experiment.studies.survey import SURVEY_COLUMNS, survey
    from hwsim.hardening import Scaling

    options = _options(cost, activations, headroom_bits)
    config = _config(batch, divider, inner_multipliers, activations, accumulators)
    names = [fact.name for fact in list_networks(torchvision=True) if fact.name.startswith("torchvision/")]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(SURVEY_COLUMNS)
    scaling = Scaling(power_of_two=power_of_two)
    for row in survey(names, scaling, format, config, options, image_size):
        writer.writerow(row)
        sys.stdout.flush()
