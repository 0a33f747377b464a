"""``geochange threshold``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import (
    json_option,
    overwrite_option,
    quiet_option,
    split_numbers,
    threads_option,
    verbose_option,
)
from geochange.cli.progress import ProgressBars
from geochange.cli.summary import print_result


@click.command("threshold")
@click.argument("run", type=click.Path())
@click.option(
    "--labels",
    type=click.Path(),
    required=True,
    help="A mask (0 unchanged, 255 not looked at), labels.gpkg, or polygons of change.",
)
@click.option("--area", type=click.Path(), help="Polygons of what was looked at for the labels.")
@click.option("--precision", type=float, help="Wanted precision; the most recall at it.")
@click.option("--recall", type=float, help="Wanted recall. Default of both: the best F1.")
@click.option(
    "--changed",
    callback=split_numbers,
    help="Values or classes of labels that mean change. Default: not 0.",
)
@click.option(
    "--ignore", callback=split_numbers, help="Values or classes of labels that say nothing."
)
@click.option(
    "-o", "--output", type=click.Path(), help="Folder to create: the run with this threshold."
)
@click.option("--min-area", help="Smallest change kept. Default: as the run had it.")
@click.option("--max-hole", help="Largest hole that is filled. Default: as the run had it.")
@threads_option
@overwrite_option
@json_option
@quiet_option
@verbose_option
def command(
    run: str,
    labels: str,
    output: str | None,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> None:
    """Choose the threshold of a finished RUN on labels.

    Prints precision, recall and F1 at several thresholds with intervals of 95 %, the chosen one
    marked. With -o the run is written anew: the same score, another mask, other polygons.

    \b
    geochange threshold out --labels labels.tif
    geochange threshold out --labels labels.gpkg --precision 0.9 -o precise
    """
    from geochange.revision.tune import tune_threshold

    progress = ProgressBars(quiet=quiet)
    try:
        tuned = tune_threshold(run, labels, output, on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    if as_json:
        click.echo(json.dumps(tuned.to_dict(), indent=2))
        return
    click.echo(str(tuned))
    if tuned.result is not None:
        print_result(tuned.result)
