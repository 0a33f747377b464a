"""``geochange vectorize``."""

from __future__ import annotations

import click

from geochange.cli.options import (
    output_option,
    overwrite_option,
    parse_connectivity,
    quiet_option,
    threads_option,
    tile_option,
    verbose_option,
)
from geochange.cli.progress import ProgressBars


@click.command("vectorize")
@click.argument("mask")
@output_option
@click.option(
    "--threshold",
    type=float,
    help="Score from which a pixel is change; needed for a score raster, not for a mask.",
)
@click.option("--min-area", default="1px", show_default=True, help="Smallest polygon kept.")
@click.option("--connectivity", callback=parse_connectivity, default="8", show_default=True)
@click.option("--smooth", is_flag=True, help="Round the polygons' borders; keeps their area.")
@tile_option
@threads_option
@overwrite_option
@quiet_option
@verbose_option
def command(mask: str, output: str, quiet: bool, verbose: int, **arguments: object) -> None:
    """Turn MASK, a raster whose change is not 0 (or a score raster), into polygons.

    OUTPUT is a GeoPackage (.gpkg) or GeoJSON (.geojson) file.
    """
    from geochange.exports.vectorized import vectorize

    progress = ProgressBars(quiet=quiet)
    try:
        path, count = vectorize(mask, output, on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    click.echo(f"{path}  {count} polygons")
