"""``geochange align``."""

from __future__ import annotations

import click

from geochange.cli.options import (
    denoise_options,
    normalize_option,
    output_option,
    overwrite_option,
    pair_options,
    quiet_option,
    register_option,
    split_source,
    threads_option,
    tile_option,
    verbose_option,
)
from geochange.cli.progress import ProgressBars


@click.command("align")
@click.argument("before", callback=split_source)
@click.argument("after", callback=split_source)
@output_option
@pair_options
@register_option
@normalize_option("off")
@denoise_options
@tile_option
@threads_option
@overwrite_option
@quiet_option
@verbose_option
def command(
    before: str | list[str],
    after: str | list[str],
    output: str,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> None:
    """Register AFTER to BEFORE: write both on one grid into OUTPUT, as before.tif and after.tif.

    Both are float32 with NaN where either date holds no data; scale and offset are applied. The
    after date is registered to the before date: shifts, rotation, smooth distortion. Where it
    lies is written as points (tie_points.gpkg) and drawn (displacements.png). With --normalize its
    values are brought to those of the before date.
    """
    from geochange.exports.aligned import align

    progress = ProgressBars(quiet=quiet)
    try:
        paths, notes = align(before, after, output, on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    for note in notes:
        click.echo(f"note: {note}", err=True)
    for path in paths:
        click.echo(path)
