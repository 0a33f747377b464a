"""``geochange fuse``."""

from __future__ import annotations

import click

from geochange.cli.options import (
    json_option,
    output_option,
    overwrite_option,
    quiet_option,
    resume_option,
    revision_options,
    run_options,
    split_floats,
    verbose_option,
)
from geochange.cli.progress import ProgressBars
from geochange.cli.summary import print_result, tell_result


@click.command("fuse")
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@output_option
@click.option(
    "--rule",
    default="mean",
    show_default=True,
    help="mean, rank-mean, max, min, vote, or stacking, which learns from --labels.",
)
@click.option("--weights", callback=split_floats, help="Weight of each run, such as 2,1,1.")
@click.option("--votes", type=int, help="Masks that must say change. Default: more than half.")
@click.option(
    "--labels",
    type=click.Path(),
    help="For stacking: a mask (0 unchanged, 255 not looked at), or polygons of change.",
)
@click.option("--area", type=click.Path(), help="Polygons of what was looked at for the labels.")
@revision_options
@run_options
@overwrite_option
@resume_option
@json_option
@quiet_option
@verbose_option
def command(
    runs: tuple[str, ...], as_json: bool, quiet: bool, verbose: int, **arguments: object
) -> None:
    """Make one change map of several finished RUNS of one place.

    RUNS are output folders of `geochange detect` by other methods, networks or dates. The first
    gives grid, images and cleaning. OUTPUT holds what a run of `detect` leaves.

    \b
    geochange fuse by_network by_context -o both
    geochange fuse a b c -o agreed --rule vote --votes 2
    geochange fuse a b c -o learned --rule stacking --labels labels.tif
    """
    from geochange.revision.fuse import fuse

    progress = ProgressBars(quiet=quiet)
    try:
        result = fuse(list(runs), on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    tell_result(result, print_result, as_json=as_json, verbose=bool(verbose))
