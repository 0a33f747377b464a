"""``geochange agree``."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path

import click

from geochange.cli.options import json_option, overwrite_option, verbose_option


@click.command("agree")
@click.argument("projects", nargs=-1, required=True, metavar="A.gcproj B.gcproj [C.gcproj ...]")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="Folder to create: figures, where people differ, what most of them say.",
)
@click.option(
    "--least", default=2, show_default=True, help="People who must know a pixel of the consensus."
)
@click.option("--chips", is_flag=True, help="Write the consensus as chips to learn from, too.")
@click.option("--chip-size", type=int, default=0, help="Edge of them in px. Default: the tiles.")
@click.option("--resamples", default=1000, show_default=True, help="Of the tiles, for intervals.")
@click.option("--seed", default=0, show_default=True, help="Of the resamples.")
@json_option
@overwrite_option
@verbose_option
def command(
    projects: tuple[str, ...],
    output: str | None,
    least: int,
    chips: bool,
    chip_size: int,
    resamples: int,
    seed: int,
    as_json: bool,
    overwrite: bool,
    verbose: int,
) -> None:
    """Measure how well people agree who labelled copies of one project, without seeing each other.

    Pixels, objects and verdicts of tiles, pooled over all tiles, with intervals of 95 % that come
    from drawing tiles.

    \b
    geochange annotate --copy-of labels.gcproj -o bob.gcproj
    geochange agree labels.gcproj bob.gcproj -o agreement
    """
    from geochange.annotation.labels import read_labels
    from geochange.annotation.opening import open_project
    from geochange.labels.agreeing import write_agreement
    from geochange.labels.agreement import measure_agreement

    if len(projects) < 2:
        msg = "give the labels of two people or more"
        raise click.UsageError(msg)
    if chips and output is None:
        msg = "--chips needs a folder to write (-o)"
        raise click.UsageError(msg)
    names = _name(projects)
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(open_project(path))) for path in projects]
        people = dict(zip(names, map(read_labels, opened), strict=True))
        if output is None:
            found = measure_agreement(people, resamples=resamples, seed=seed)
        else:
            settings = {"size": chip_size} if chips else None
            found = write_agreement(
                people, output, least=least, chips=settings, resamples=resamples, seed=seed,
                overwrite=overwrite,
            )  # fmt: skip
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    if output is not None and not as_json:
        click.echo(output)


def _name(projects: tuple[str, ...]) -> list[str]:
    """Call people by their folders, with the folder above where two are called alike."""
    stems = [Path(path).stem for path in projects]
    if len(set(stems)) == len(stems):
        return stems
    paths = [Path(path).resolve() for path in projects]
    if len(set(paths)) < len(paths):
        msg = "the same labels are given twice; give those of different people"
        raise click.UsageError(msg)
    return [f"{path.parent.name}/{path.stem}" for path in paths]
