"""``geochange predict-image``."""

from __future__ import annotations

import click

from geochange.cli.options import (
    json_option,
    overwrite_option,
    quiet_option,
    split_list,
    threads_option,
    verbose_option,
)
from geochange.cli.progress import ProgressBars


@click.command("predict-image")
@click.argument("before")
@click.argument("after", required=False)
@click.option(
    "--model", required=True, help="A network trained with task image: a name, or a file."
)
@click.option(
    "-o", "--output", type=click.Path(), help="A .csv, .json or .gpkg file. Default: CSV on stdout."
)
@click.option(
    "--tiles", type=int, metavar="PX", help="Judge squares of so many pixels. Default: images."
)
@click.option("--threshold", type=float, help="Probability of change. Default: the network's.")
@click.option(
    "--recall", type=float, help="Instead: share of the changed pixels to keep, e.g. 0.99."
)
@click.option("--bands", callback=split_list, help="Bands to use: names, roles or numbers.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@threads_option
@overwrite_option
@json_option
@quiet_option
@verbose_option
def command(
    before: str,
    after: str | None,
    output: str | None,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> None:
    """Say of whole images whether they changed, and how surely.

    BEFORE and AFTER are two images, or two folders with images of equal names. BEFORE alone is
    a folder of scenes or a CSV table with columns before and after; for a network that looks at
    one date it is an image, a folder of images, or a table with a column image.

    \b
    geochange predict-image 2018.tif 2021.tif --model own.safetensors --tiles 256 -o tiles.gpkg
    geochange predict-image chips/before chips/after --model own.safetensors -o chips.csv
    """
    from geochange.judging.predict import predict_image

    progress = ProgressBars(quiet=quiet, unit="image")
    try:
        found = predict_image(
            before,
            after,
            output=output,
            on_progress=progress,
            **arguments,  # type: ignore[arg-type]
        )
    finally:
        progress.close()
    click.echo(str(found), err=True)
    if as_json:
        click.echo(found.to_json())
    else:
        click.echo(found.to_csv() if output is None else output, nl=output is not None)
