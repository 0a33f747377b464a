"""``geochange finetune``."""

from __future__ import annotations

import click

from geochange.cli.train import run_training, training_options


@click.command("finetune")
@click.argument("checkpoint", type=click.Path(), required=False)
@click.argument("config", type=click.Path(), required=False)
@click.option(
    "--from-labels",
    "labels",
    type=click.Path(),
    help="Learn from a project of `geochange annotate` instead of CONFIG.",
)
@click.option(
    "-m",
    "--model",
    help="With --from-labels: start from this network, a name or a .safetensors file. Default: "
    "that of the project's newest run, else the nearest that is shipped.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help="With --from-labels: about how long to learn.  [default: 120]",
)
@click.option(
    "--piped",
    is_flag=True,
    help="With --from-labels: tell progress as lines of JSON, run at low priority, and end when "
    "stdin is closed.",
)
@training_options
def command(
    checkpoint: str | None,
    config: str | None,
    labels: str | None,
    model: str | None,
    seconds: float | None,
    piped: bool,
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
    geochange finetune --from-labels labels.gcproj -o better
    """
    if labels is not None:
        from geochange.cli.learning import learn_from_labels

        if checkpoint or settings or resume or folds or refit:
            msg = (
                "--from-labels takes the place of CHECKPOINT and CONFIG and of their settings; "
                "start from another network with -m"
            )
            raise click.UsageError(msg)
        learn_from_labels(
            labels,
            output,
            model=model,
            seconds=seconds,
            overwrite=overwrite,
            as_json=as_json,
            quiet=quiet,
            piped=piped,
        )
        return
    if not checkpoint or not config:
        msg = "give CHECKPOINT and CONFIG, or --from-labels with a project of labels"
        raise click.UsageError(msg)
    if model or seconds or piped:
        msg = "-m, --seconds and --piped go with --from-labels"
        raise click.UsageError(msg)
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
