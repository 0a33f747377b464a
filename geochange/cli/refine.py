"""``geochange refine``."""

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
    verbose_option,
)
from geochange.cli.progress import ProgressBars
from geochange.cli.summary import print_result, tell_result


@click.command("refine")
@click.argument("run", type=click.Path())
@output_option
@click.option(
    "--method", default="guided", show_default=True, help="guided, superpixels or contour."
)
@click.option(
    "--radius",
    type=int,
    metavar="PX",
    help="Of the filter, edge of a superpixel, reach of an outline. Default: 4, 6, 3.",
)
@revision_options
@run_options
@overwrite_option
@resume_option
@json_option
@quiet_option
@verbose_option
def command(run: str, as_json: bool, quiet: bool, verbose: int, **arguments: object) -> None:
    """Bring the borders of a finished RUN's changes to the edges of its images.

    OUTPUT holds what a run of `detect` leaves.

    \b
    geochange refine out -o fine
    geochange refine out -o fine --method superpixels --radius 8
    """
    from geochange.revision.refine import refine

    progress = ProgressBars(quiet=quiet)
    try:
        result = refine(run, on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    tell_result(result, print_result, as_json=as_json, verbose=bool(verbose))
