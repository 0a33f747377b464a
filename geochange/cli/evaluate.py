"""``geochange evaluate``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import json_option, parse_connectivity, split_numbers, verbose_option


@click.command("evaluate")
@click.argument("result")
@click.argument("reference")
@click.option(
    "--changed",
    callback=split_numbers,
    help="Label values that mean change. Default: all but 0 and --ignore.",
)
@click.option(
    "--ignore",
    callback=split_numbers,
    help="Label values that say nothing. Default: nodata and 255.",
)
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help="For a score raster alone."
)
@click.option(
    "--iou", type=float, default=0.5, show_default=True, help="Overlap that makes objects match."
)
@click.option("--connectivity", callback=parse_connectivity, default="8", show_default=True)
@click.option(
    "--errors", type=click.Path(), help="Write a GeoTIFF of hits, misses and false alarms."
)
@json_option
@verbose_option
def command(
    result: str,
    reference: str,
    errors: str | None,
    as_json: bool,
    verbose: int,
    **arguments: object,
) -> None:
    """Measure RESULT against REFERENCE.

    RESULT is the output folder of a run, a mask or a score raster; REFERENCE a label raster or a
    file of polygons. Scores are of the change class.
    """
    from geochange.evaluation.assessment import evaluate
    from geochange.evaluation.confusion import map_confusion

    found = evaluate(result, reference, **arguments)  # type: ignore[arg-type]
    if errors is not None:
        kept = {name: arguments[name] for name in ("changed", "ignore", "threshold")}
        map_confusion(result, reference, errors, **kept)  # type: ignore[arg-type]
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
