"""What a person reads when a run is finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from geochange.maps.changemap import ChangeMap
    from geochange.series.result import SeriesMap

DESCRIPTIONS = {
    "score.tif": "change score 0..1, cloud-optimised GeoTIFF",
    "mask.tif": "0 no change, 1 change, 255 no data",
    "uncertainty.tif": "entropy of the score in bits, 0 sure to 1 unsure",
    "changes.gpkg": "change polygons, styled for QGIS",
    "changes.geojson": "the same in WGS 84",
    "changes.qgz": "QGIS project: both dates, score, mask, polygons",
    "report.html": "report to read and to send",
    "item.json": "STAC item",
    "run.json": "how this was made",
}


M = TypeVar("M", "ChangeMap", "SeriesMap")


def tell_result(result: M, show: Callable[[M], None], *, as_json: bool, verbose: bool) -> None:
    """Print a finished run, as JSON or for people; its notes go to stderr when asked for."""
    if verbose:
        for note in result.run["notes"]:
            click.echo(f"note: {note}", err=True)
    click.echo(json.dumps(dict(result.run), indent=2)) if as_json else show(result)


def print_result(result: ChangeMap) -> None:
    """Print one screen about a finished run: paths on stdout come first in each line."""
    run = result.run
    changes = run["changes"]
    click.echo(f"method     {run['method']['name']}: {run['method']['reason']}")
    if said := run.get("alignment", {}).get("said"):
        click.echo(f"register   {said.removeprefix('registration: ')}")
    if said := run.get("radiometry", {}).get("said"):
        click.echo(f"radiometry {said.removeprefix('radiometry: ').removeprefix('radiometry ')}")
    if said := run.get("denoising", {}).get("said"):
        click.echo(f"denoise    {said}")
    value = run["threshold"]["value"]
    number = "" if value is None else f"{value:.3f}: "
    click.echo(f"threshold  {number}{run['threshold']['reason']}")
    area = changes["area_m2"]
    size = "" if area is None else f", {area / 1e4:.2f} ha"
    share = changes["share_of_valid"]
    click.echo(f"changes    {changes['count']} polygons{size} ({share:.2%} of the valid pixels)")
    for name, count in changes["classes"].items():
        click.echo(f"           {count:>6} {name}")
    seconds = sum(run["seconds"].values())
    peak = run["peak_memory_bytes"]
    memory = "" if peak is None else f", at most {peak / 2**20:.0f} MiB in this process"
    click.echo(f"took       {seconds:.1f} s{memory}")
    for name, what in DESCRIPTIONS.items():
        if (result.path / name).exists():
            click.echo(f"{result.path / name}  {what}")
