"""``geochange train``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import json_option, overwrite_option, quiet_option, verbose_option
from geochange.cli.progress import ProgressBars


def split_overrides(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> dict[str, object]:
    """Turn ``chips.size_px=128`` words into a dictionary; values are read with the config."""
    settings: dict[str, object] = {}
    for word in values:
        name, equals, text = word.partition("=")
        if not equals:
            msg = f"'{word}' is not NAME=VALUE"
            raise click.BadParameter(msg)
        settings[name.strip()] = text.strip()
    return settings


@click.command("train")
@click.argument("config", type=click.Path())
@click.option("-o", "--output", type=click.Path(), help="Folder to make. Default: the config's.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=split_overrides,
    help="Replace a setting, e.g. optimizer.learning_rate=1e-3; repeatable.",
)
@click.option("--resume", is_flag=True, help="Go on where the folder's run stopped, exactly.")
@click.option("--folds", is_flag=True, help="Train every fold by place and pool what they find.")
@overwrite_option
@json_option
@quiet_option
@verbose_option
def command(
    config: str,
    output: str | None,
    settings: dict[str, object],
    resume: bool,
    folds: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Train a network as CONFIG, a TOML file, says.

    \b
    geochange train building.toml -o runs/building --set data.root=/data
    geochange train building.toml -o runs/building --resume
    """
    from geochange.training.crossvalidation import cross_validate
    from geochange.training.run import train

    progress = ProgressBars(quiet=quiet, unit="step")
    job = cross_validate if folds else train
    try:
        result = job(
            config,
            output,
            settings=settings,
            resume=resume,
            overwrite=overwrite,
            on_progress=progress,
        )
    finally:
        progress.close()
    click.echo(json.dumps(dict(result.run), indent=2) if as_json else str(result))
