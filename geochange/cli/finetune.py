"""``geochange finetune``."""

from __future__ import annotations

import click

from geochange.cli.train import run_training, training_options


@click.command("finetune")
@click.argument("checkpoint", type=click.Path())
@click.argument("config", type=click.Path())
@training_options
def command(
    checkpoint: str,
    config: str,
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
    """Train on from CHECKPOINT as CONFIG, a TOML file, says.

    CHECKPOINT is a model.safetensors of `geochange train`, or the name of a shipped network.
    Architecture and options are the checkpoint's. Bands are found by their roles: filters of known
    bands stay, new bands begin with their mean. This is `geochange train` with the checkpoint in
    the config's table [start], which also holds:

    \b
    frozen_stages = 1            stages of the encoder that stay as they are
    frozen = ["fusions"]         other parts that stay, by name
    fresh = ["head"]             parts that begin with random weights after all
    learning_rate_factor = 0.1   of what comes from the checkpoint
    normalization = "keep"       the checkpoint's, for the bands that it knows; default "data"

    \b
    geochange finetune building town.toml -o runs/town
    geochange finetune rgb.safetensors town.toml -o runs/town --set start.frozen_stages=1
    """
    run_training(
        config,
        output,
        settings={**settings, "start.checkpoint": checkpoint},
        resume=resume,
        overwrite=overwrite,
        folds=folds,
        refit=refit,
        as_json=as_json,
        quiet=quiet,
    )
