"""``geochange series``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from geochange.cli.options import (
    json_option,
    output_option,
    overwrite_option,
    parse_connectivity,
    quiet_option,
    resume_option,
    run_options,
    split_list,
    split_numbers,
    split_settings,
    split_source,
    verbose_option,
)
from geochange.cli.progress import ProgressBars
from geochange.cli.summary import tell_result

if TYPE_CHECKING:
    from geochange.series.result import SeriesMap

SOME_FAILED = 3
DESCRIPTIONS = {
    "date.tif": "when: decimal year of the first date that shows the change",
    "score.tif": "how surely: 0..1",
    "magnitude.tif": "how much: after minus before, a band a band",
    "mask.tif": "0 no change, 1 change, 255 no data",
    "changes.gpkg": "change polygons with date_start and date_end, styled for QGIS",
    "changes.geojson": "the same in WGS 84",
    "changes.qgz": "QGIS project whose temporal controller plays the dates",
    "animation.gif": "the dates, with the changes appearing",
    "animation.png": "the dates, with the changes appearing",
    "report.html": "report with a plot along time for each change",
    "item.json": "STAC item",
    "run.json": "how this was made",
}
AT_ADD = ("workers", "threads", "scheduler", "dates", "masks", "overwrite", "resume")
"""Options that mean something with ``--add``; all others are those of the state."""


@click.command("series")
@click.argument("images", nargs=-1)
@output_option
@click.option(
    "--method",
    default="auto",
    show_default=True,
    help="step, harmonic-break, cusum, ewma, bfast-monitor, network, or auto.",
)
@click.option(
    "--model", help="A trained network for series: a name of `geochange models`, or a file."
)
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=split_settings,
    help="An option of the method; repeatable.",
)
@click.option("--threshold", help="As in detect. Default: what suits the method, mostly 0.5.")
@click.option(
    "--dates", metavar="TABLE", help="CSV with path,date for images whose names tell no day."
)
@click.option(
    "--reference",
    default="first",
    show_default=True,
    help="Date whose grid counts: first, middle, last or a day.",
)
@click.option(
    "--bands", callback=split_list, help="Bands: names, roles or numbers of the reference."
)
@click.option("--aoi", help="Area of interest: vector file, or W,S,E,N in WGS 84.")
@click.option(
    "--masks",
    callback=split_list,
    help="One mask an image, comma-separated, in their order; - for none.",
)
@click.option("--mask-codes", callback=split_numbers, help="Codes that mask, e.g. 3,8,9.")
@click.option("--mask-clouds", is_flag=True, help="Leave out what looks like cloud or shadow.")
@click.option("--nodata", type=float, help="Value without data at all dates.")
@click.option("--resampling", default="cubic", show_default=True, help="Kernel where grids differ.")
@click.option(
    "--register",
    default="off",
    show_default=True,
    help="Correct shifts of each date against the reference: auto, off, global, local.",
)
@click.option(
    "--normalize",
    default="off",
    show_default=True,
    help="Bring each date's values to the reference's: auto, off, linear, irmad, histogram.",
)
@click.option(
    "--denoise", default="none", show_default=True, help="Along time: none, median, savgol."
)
@click.option(
    "--denoise-window", type=int, default=5, show_default=True, help="Dates that it looks at."
)
@click.option("--fill", default="none", show_default=True, help="Gaps: none, linear, previous.")
@click.option("--min-area", default="4px", show_default=True, help="Smallest change kept.")
@click.option("--max-hole", default="1px", show_default=True, help="Largest hole that is filled.")
@click.option("--connectivity", callback=parse_connectivity, default="8", show_default=True)
@click.option(
    "--animation", default="gif", show_default=True, help="gif, or apng: more colours, larger."
)
@click.option(
    "--state",
    type=click.Path(),
    help="Folder that keeps what the method knows of every pixel, for --add.",
)
@click.option(
    "--add",
    multiple=True,
    metavar="IMAGE",
    help="A new date for the state, which is updated without the archive; repeatable.",
)
@run_options
@overwrite_option
@resume_option
@json_option
@quiet_option
@verbose_option
@click.pass_context
def command(
    context: click.Context,
    /,
    images: tuple[str, ...],
    output: str,
    add: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> int:
    """Find when the ground changed over the dates IMAGES and write it to the folder OUTPUT.

    A date is a raster, a folder or comma-separated list of single-band files, or a STAC item;
    IMAGES may also be one CSV with path,date.

    \b
    geochange series 1985.tif 1990.tif 1995.tif 2000.tif -o out
    geochange series scenes.csv -o out --method harmonic-break --state state
    geochange series --state state --add 2024-07-27.tif -o out2

    Exit code 3: done, but parts of the input could not be read and are without data.
    """
    progress = ProgressBars(quiet=quiet)
    masks = arguments["masks"]
    arguments["masks"] = [None if name in ("", "-") else name for name in masks] if masks else None  # type: ignore[attr-defined]
    try:
        result = (
            _add(context, add, images, output, progress, arguments)
            if add
            else _detect(context, images, output, progress, arguments)
        )
    finally:
        progress.close()
    tell_result(result, _print, as_json=as_json, verbose=bool(verbose))
    return SOME_FAILED if result.run["quarantine"] else 0


def _detect(
    context: click.Context,
    images: tuple[str, ...],
    output: str,
    progress: ProgressBars,
    arguments: dict[str, object],
) -> SeriesMap:
    from geochange.timeline import detect_series

    sources = [split_source(context, context.command.params[0], name) for name in images]
    table = len(images) == 1 and images[0].lower().endswith(".csv")
    return detect_series(
        images[0] if table else sources,  # type: ignore[arg-type]
        output,
        on_progress=progress,
        **arguments,  # type: ignore[arg-type]
    )


def _add(
    context: click.Context,
    add: tuple[str, ...],
    images: tuple[str, ...],
    output: str,
    progress: ProgressBars,
    arguments: dict[str, object],
) -> SeriesMap:
    from geochange.timeline import update_series

    if images or not arguments["state"]:
        msg = "--add needs --state and no other images; give new dates as --add FILE"
        raise click.UsageError(msg)
    from click.core import ParameterSource

    for name in arguments:
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if given and name not in (*AT_ADD, "state"):
            option = "--set" if name == "options" else f"--{name.replace('_', '-')}"
            msg = f"{option} is settled by the state; leave it out with --add"
            raise click.UsageError(msg)
    sources = [split_source(context, context.command.params[0], name) for name in add]
    wanted = {name: value for name, value in arguments.items() if name in AT_ADD}
    return update_series(
        str(arguments["state"]),
        sources,  # type: ignore[arg-type]
        output,
        on_progress=progress,
        **wanted,  # type: ignore[arg-type]
    )


def _print(result: SeriesMap) -> None:
    """Print one screen about a finished run."""
    run = result.run
    click.echo(f"dates      {len(run['days'])} from {run['days'][0]} to {run['days'][-1]}")
    click.echo(f"method     {run['method']['name']}: {run['method']['reason']}")
    value = run["threshold"]["value"]
    number = "" if value is None else f"{value:.3f}: "
    click.echo(f"threshold  {number}{run['threshold']['reason']}")
    changes = run["changes"]
    size = "" if changes["area_m2"] is None else f", {changes['area_m2'] / 1e4:.2f} ha"
    share = changes["share_of_valid"]
    click.echo(f"changes    {changes['count']} polygons{size} ({share:.2%} of the judged pixels)")
    for day, found in changes["by_day"].items():
        click.echo(f"           {found['count']:>6} first seen {day}")
    click.echo(f"took       {sum(run['seconds'].values()):.1f} s")
    for name, what in DESCRIPTIONS.items():
        if (result.path / name).exists():
            click.echo(f"{result.path / name}  {what}")
