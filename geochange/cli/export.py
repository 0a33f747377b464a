"""``geochange export``."""

from __future__ import annotations

import click

from geochange.cli.options import overwrite_option, verbose_option


@click.command("export")
@click.argument("result")
@click.argument("output", type=click.Path())
@click.option("--crs", help="CRS of the output, e.g. EPSG:4326. Default: that of the run.")
@click.option("--min-score", type=float, default=0.0, help="Leave out less sure changes.")
@overwrite_option
@verbose_option
def command(
    result: str, output: str, crs: str | None, min_score: float, overwrite: bool, verbose: int
) -> None:
    """Write the changes of RESULT, the output folder of a run, in another format.

    OUTPUT's suffix tells which: .gpkg .geojson .shp .fgb .kml .csv (with WKT) .parquet, or .png
    for a picture of the map.
    """
    from geochange.exports.conversion import export

    click.echo(export(result, output, crs=crs, min_score=min_score, overwrite=overwrite))
