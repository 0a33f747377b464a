"""``geochange demo``."""

from __future__ import annotations

from pathlib import Path

import click

from geochange.cli.options import overwrite_option, quiet_option, verbose_option
from geochange.cli.progress import ProgressBars
from geochange.cli.summary import print_result
from geochange.errors import InputNotFoundError

MODEL = "structures"
"""The shipped network for buildings, roads and ground works."""
MIN_AREA = "25m2"
"""Larger than a car: cars come and go."""


@click.command("demo")
@click.option(
    "--samples",
    type=click.Path(),
    default="data_samples",
    show_default=True,
    help="Folder of the sample scenes, as in the repository.",
)
@click.option("-o", "--output", type=click.Path(), default="geochange-demo", show_default=True)
@overwrite_option
@quiet_option
@verbose_option
def command(samples: str, output: str, overwrite: bool, quiet: bool, verbose: int) -> None:
    """Run the main job on the very-high-resolution sample pair and measure it against its truth.

    A shipped network finds what was built, torn down and dug; crops and cars are no change to it.
    """
    from geochange.evaluation.assessment import evaluate
    from geochange.pipeline import detect

    scene = Path(samples) / "vhr"
    if not (scene / "before.tif").exists():
        msg = f"no sample scene at {scene}; run from the repository or name its data_samples folder"
        raise InputNotFoundError(msg)
    progress = ProgressBars(quiet=quiet)
    try:
        result = detect(
            scene / "before.tif",
            scene / "after.tif",
            output,
            model=MODEL,
            mask_after=scene / "clouds_after.tif",
            min_area=MIN_AREA,
            overwrite=overwrite,
            on_progress=progress,
        )
    finally:
        progress.close()
    click.echo(f"ran        {result.run['command']}")
    print_result(result)
    found = evaluate(result.path, scene / "truth.tif", changed=[1], ignore=[255])
    scores = found.scores
    click.echo(
        f"against the known truth of structures: precision {scores['precision']:.2f}, recall "
        f"{scores['recall']:.2f}, F1 {scores['f1']:.2f}"
    )
    click.echo(
        f"\nOpen {result.path / 'report.html'} in a browser, or {output}/changes.qgz in QGIS."
    )
