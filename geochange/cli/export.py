"""``geochange export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geochange.cli.options import overwrite_option, verbose_option

MARKS = ("project.db", "collection.json")
"""Files by which a folder is known as labels of one pair, or of several."""


@click.command("export")
@click.argument("result")
@click.argument("output", type=click.Path(), required=False)
@click.option("-o", "--output", "named", type=click.Path(), help="The same as OUTPUT.")
@click.option("--crs", help="CRS of the output, e.g. EPSG:4326. Default: that of the run.")
@click.option("--min-score", type=float, default=0.0, help="Leave out less sure changes.")
@click.option(
    "--verdicts",
    default="accepted",
    show_default=True,
    help="Labels: which polygons vector files hold, of accepted, pending, rejected.",
)
@click.option("--binary", is_flag=True, help="Labels: masks hold 1 for every class.")
@click.option(
    "--chip-size", type=int, help="Labels: edge of chips in px. Default: a chip for each tile."
)
@click.option("--chip-format", type=click.Choice(["tif", "png"]), help="Labels: files of chips.")
@click.option(
    "--split", help="Labels: percent of chips for train/val/test, by place. Default: 70/15/15."
)
@click.option("--gap", type=float, help="Labels: chips nearer than this, in m, stay in one part.")
@click.option(
    "--augment",
    type=click.Choice(["none", "flips", "light", "strong"]),
    help="Labels: add copies of the chips to train on, turned, shifted, in another light.",
)
@click.option("--copies", type=int, help="Labels: how many of each. Default: 1.")
@click.option("--seed", type=int, help="Labels: of what is drawn for them. Default: 0.")
@overwrite_option
@verbose_option
def command(
    result: str,
    output: str | None,
    named: str | None,
    crs: str | None,
    min_score: float,
    verdicts: str,
    binary: bool,
    overwrite: bool,
    verbose: int,
    **chips: Any,
) -> None:
    """Write the changes of RESULT, the output folder of a run, in another format; or labels.

    OUTPUT's suffix tells which: .gpkg .geojson .shp .fgb .kml .csv (with WKT) .parquet, or .png
    for a picture of the map. A checkpoint becomes .onnx, a network that other software runs.

    Where RESULT holds labels (geochange annotate): .gpkg .geojson, .tif for a mask, .json for
    COCO, and a folder for chips to learn from.

    \b
    geochange export out changes.shp --crs EPSG:4326
    geochange export model.safetensors -o model.onnx
    geochange export labels.gcproj labels.gpkg
    geochange export labels.gcproj chips --chip-size 256
    """
    target = output or named
    if target is None or (output and named):
        msg = "give one output, as OUTPUT or with -o"
        raise click.UsageError(msg)
    if any((Path(result) / mark).is_file() for mark in MARKS):
        if crs is not None or min_score:
            msg = "--crs and --min-score are for the changes of a run; labels keep their CRS"
            raise click.UsageError(msg)
        words = [word.strip() for word in verdicts.split(",")]
        names = {"chip_size": "size", "chip_format": "suffix", "gap": "gap_m"}
        given = {names.get(key, key): value for key, value in chips.items() if value is not None}
        click.echo(_export_labels(result, target, words, given, binary, overwrite))
        return
    from geochange.exports.conversion import export

    click.echo(export(result, target, crs=crs, min_score=min_score, overwrite=overwrite))


def _export_labels(
    folder: str,
    target: str,
    verdicts: list[str],
    chips: dict[str, Any],
    binary: bool,
    overwrite: bool,
) -> Path:
    from geochange.annotation.labels import read_labels
    from geochange.annotation.opening import open_project
    from geochange.labels.conversion import export

    project = open_project(folder)
    try:
        labels = read_labels(project)
        return export(
            labels, target, verdicts=verdicts, binary=binary, overwrite=overwrite, chips=chips
        )
    finally:
        project.close()
