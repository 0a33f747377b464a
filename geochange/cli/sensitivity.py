"""``geochange sensitivity``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import (
    compare_options,
    json_option,
    method_options,
    output_option,
    overwrite_option,
    pair_options,
    quiet_option,
    run_options,
    split_source,
    verbose_option,
)
from geochange.cli.progress import ProgressBars

DESCRIPTIONS = {
    "sensitivity.png": "probability of detection by size and contrast",
    "sensitivity.csv": "the same as a table, with 95 % intervals",
    "sensitivity.json": "the same with thresholds, noise, limits",
}


def split_sizes(
    _: click.Context, __: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Turn ``0.5,1,2`` into numbers."""
    try:
        return tuple(float(part) for part in value.split(",")) if value else None
    except ValueError as error:
        msg = f"'{value}' is not a comma-separated list of numbers"
        raise click.BadParameter(msg) from error


@click.command("sensitivity")
@click.argument("before", callback=split_source)
@click.argument("after", callback=split_source)
@output_option
@method_options
@click.option(
    "--false-alarms",
    type=float,
    default=1e-4,
    show_default=True,
    help="Share of the pixels of the pair as it is that reach the threshold.",
)
@click.option(
    "--sizes", callback=split_sizes, help="Sizes in px, e.g. 1,3,8. Default: 0.5 to 16 px."
)
@click.option(
    "--contrasts",
    callback=split_sizes,
    help="Contrasts in noise sigmas, e.g. 1,2,4. Default: 0.5 to 40.",
)
@click.option("--trials", type=int, default=100, show_default=True, help="Places of each size.")
@click.option("--shape", type=click.Choice(["square", "disc"]), default="square", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of places and directions.")
@compare_options
@pair_options
@run_options
@overwrite_option
@json_option
@quiet_option
@verbose_option
def command(
    before: str | list[str],
    after: str | list[str],
    output: str,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> None:
    """Measure how small and how faint a change a method finds between BEFORE and AFTER.

    Changes of known size and contrast are put into the after date and scored as `detect` would;
    OUTPUT gets the probability of detection as a table, a picture and JSON.

    \b
    geochange sensitivity 2018.tif 2021.tif -o limits
    geochange sensitivity 2018.tif 2021.tif -o limits --method irmad --sizes 1,3 --trials 300
    """
    from geochange.detectability.job import sensitivity

    given = {name: value for name, value in arguments.items() if value is not None}
    progress = ProgressBars(quiet=quiet)
    try:
        found = sensitivity(before, after, output, on_progress=progress, **given)  # type: ignore[arg-type]
    finally:
        progress.close()
    if verbose:
        for note in found.facts["notes"]:
            click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(dict(found.facts), indent=2))
        return
    click.echo(str(found))
    for name, what in DESCRIPTIONS.items():
        click.echo(f"{found.path / name}  {what}")
