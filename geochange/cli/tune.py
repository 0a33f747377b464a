"""``geochange tune``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from geochange.cli.options import json_option, output_option, quiet_option, verbose_option
from geochange.cli.progress import ProgressBars
from geochange.cli.train import set_option


@click.command("tune")
@click.argument("config", type=click.Path())
@click.argument("space", type=click.Path())
@click.option("--trials", type=click.IntRange(min=1), required=True, help="Trainings in all.")
@output_option
@set_option
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the choice."
)
@click.option("--resume", is_flag=True, help="Go on with the trials that the folder holds.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Trainings at once, each in a process of its own.",
)
@json_option
@quiet_option
@verbose_option
def command(
    config: str,
    space: str,
    trials: int,
    output: str,
    settings: dict[str, object],
    seed: int,
    resume: bool,
    jobs: int,
    as_json: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Try settings of CONFIG from SPACE, both TOML files, and keep the best.

    SPACE names settings and what they may be:

    \b
    "optimizer.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
    "chips.size_px" = { low = 64, high = 256, step = 32 }
    "loss.name" = { choices = ["bce+dice", "focal:2+dice"] }

    Trials that are worse than the median of the others are stopped early. OUTPUT gets best.toml, a
    whole config, trials.csv, trials.png, and a folder for each trial. Needs geochange[tune].

    \b
    geochange tune town.toml space.toml --trials 30 -o runs/tuned
    geochange tune town.toml space.toml --trials 60 -o runs/tuned --resume
    geochange train runs/tuned/best.toml -o runs/town
    """
    from geochange.training.tuning.study import tune

    progress = ProgressBars(quiet=quiet, unit="trial")
    try:
        result = tune(
            config,
            space,
            output,
            trials=trials,
            settings=settings,
            seed=seed,
            resume=resume,
            jobs=jobs,
            on_progress=progress,
        )
    finally:
        progress.close()
    if as_json:
        table = {"best": asdict(result.best), "trials": [asdict(row) for row in result.trials]}
        click.echo(json.dumps({"config": str(result.config), **table}, indent=2))
    else:
        click.echo(str(result))
