"""``geochange explain``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import (
    json_option,
    output_option,
    overwrite_option,
    quiet_option,
    verbose_option,
)
from geochange.cli.progress import ProgressBars

DESCRIPTIONS = {
    "explanation.png": "both dates, score, what speaks for change, bands",
    "attribution.tif": "attributions, one band each",
    "explanation.json": "the numbers",
}


@click.command("explain")
@click.argument("result", type=click.Path())
@click.option(
    "--bbox",
    required=True,
    metavar="W,S,E,N",
    help="What to explain, in WGS 84 or --crs (columns and rows for a map without CRS).",
)
@click.option("--crs", help="CRS of the box, e.g. EPSG:32632.")
@click.option(
    "--method",
    help="integrated-gradients (default for networks), grad-cam, or occlusion (any method).",
)
@click.option("--stage", help="Part of the network for grad-cam. Default: a level of the decoder.")
@click.option(
    "--steps", type=int, default=32, show_default=True, help="Gradients that are taken per date."
)
@output_option
@overwrite_option
@json_option
@quiet_option
@verbose_option
def command(
    result: str,
    bbox: str,
    output: str,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> None:
    """Say which bands, dates and pixels made a part of RESULT, the folder of a run, change.

    \b
    geochange explain out --bbox 11.501,48.101,11.504,48.103 -o why
    """
    from geochange.explanation.explain import explain

    progress = ProgressBars(quiet=quiet)
    try:
        found = explain(result, bbox, output, on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    if as_json:
        click.echo(json.dumps(dict(found.facts), indent=2))
        return
    click.echo(str(found))
    for name, what in DESCRIPTIONS.items():
        click.echo(f"{found.path / name}  {what}")
