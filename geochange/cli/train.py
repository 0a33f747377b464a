"""``geochange train``."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping

import click

from geochange.cli.options import (
    F,
    json_option,
    overwrite_option,
    quiet_option,
    stack,
    verbose_option,
)
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


set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=split_overrides,
    help="Replace a setting, e.g. optimizer.learning_rate=1e-3; repeatable.",
)
training_options: Callable[[F], F] = stack(
    click.option(
        "-o", "--output", type=click.Path(), help="Folder to make. Default: the config's."
    ),
    set_option,
    click.option("--resume", is_flag=True, help="Go on where the folder's run stopped, exactly."),
    click.option(
        "--folds", is_flag=True, help="Train every fold by place and pool what they find."
    ),
    click.option(
        "--refit", is_flag=True, help="With --folds: then train on all scenes, into OUTPUT/all."
    ),
    overwrite_option,
    json_option,
    quiet_option,
    verbose_option,
)


def print_template(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print a config that explains itself, and end."""
    if asked and not context.resilient_parsing:
        from geochange.training.settings.template import write_template

        click.echo(write_template(), nl=False)
        context.exit()


@click.command("train")
@click.argument("config", type=click.Path())
@click.option(
    "--template",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_template,
    help="Print a config with every setting, its default and what it is for.",
)
@click.option(
    "--task", help="What is learned: pixels, image or series. Default: the config's `task`."
)
@training_options
def command(
    config: str,
    task: str | None,
    output: str | None,
    settings: dict[str, object],
    resume: bool,
    folds: bool,
    refit: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Train a network as CONFIG, a TOML file, says.

    The shortest CONFIG names the scenes: folders with before, after and label in them (GeoTIFF, or
    polygons as label), or A, B and label with images of equal names:

    \b
    [[data.train]]
    path = "scenes"

    \b
    geochange train --template > building.toml
    geochange train building.toml -o runs/building --set data.root=/data
    geochange train building.toml -o runs/building --resume
    """
    run_training(
        config,
        output,
        settings=settings | ({"task": task} if task else {}),
        resume=resume,
        overwrite=overwrite,
        folds=folds,
        refit=refit,
        as_json=as_json,
        quiet=quiet,
    )


def run_training(
    config: str,
    output: str | None,
    *,
    settings: Mapping[str, object],
    resume: bool,
    overwrite: bool,
    folds: bool,
    refit: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train once, or every fold, and print the result."""
    from geochange.training.crossvalidation import cross_validate
    from geochange.training.run import train

    if refit and not folds:
        msg = "--refit goes with --folds; without folds name all scenes as training data"
        raise click.UsageError(msg)
    progress = ProgressBars(quiet=quiet, unit="step")
    job = functools.partial(cross_validate, refit=refit) if folds else train
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
