"""``geochange export``."""

from __future__ import annotations

import click

from geochange.cli.options import overwrite_option, verbose_option


@click.command("export")
@click.argument("result")
@click.argument("output", type=click.Path(), required=False)
@click.option("-o", "--output", "named", type=click.Path(), help="The same as OUTPUT.")
@click.option("--crs", help="CRS of the output, e.g. EPSG:4326. Default: that of the run.")
@click.option("--min-score", type=float, default=0.0, help="Leave out less sure changes.")
@overwrite_option
@verbose_option
def command(
    result: str,
    output: str | None,
    named: str | None,
    crs: str | None,
    min_score: float,
    overwrite: bool,
    verbose: int,
) -> None:
    """Write the changes of RESULT, the output folder of a run, in another format.

    OUTPUT's suffix tells which: .gpkg .geojson .shp .fgb .kml .csv (with WKT) .parquet, or .png
    for a picture of the map. A checkpoint becomes .onnx, a network that other software runs.

    \b
    geochange export out changes.shp --crs EPSG:4326
    geochange export model.safetensors -o model.onnx
    """
    target = output or named
    if target is None or (output and named):
        msg = "give one output, as OUTPUT or with -o"
        raise click.UsageError(msg)
    from geochange.exports.conversion import export

    click.echo(export(result, target, crs=crs, min_score=min_score, overwrite=overwrite))
