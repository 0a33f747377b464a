"""``geochange annotate``."""

from __future__ import annotations

import getpass
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geochange.cli.options import (
    pair_options,
    register_option,
    split_settings,
    split_source,
    verbose_option,
)

if TYPE_CHECKING:
    from geochange.annotation.project import Project

DEFAULT = "labels.gcproj"


@click.command("annotate")
@click.argument("before", required=False, callback=split_source)
@click.argument("after", required=False, callback=split_source)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default=DEFAULT,
    show_default=True,
    help="Folder of the labels; made when it is not there, else gone on with.",
)
@click.option("--run", type=click.Path(), help="Take pair and pre-labels of a finished run.")
@click.option(
    "--method",
    help="Where pre-labels come from, see `geochange methods`; none: no pre-labels. Default for "
    "a new project: auto.",
)
@click.option("--model", help="A trained network for pre-labels: a name or a .safetensors file.")
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=split_settings,
    help="An option of the method; repeatable.",
)
@click.option("--threshold", help="Threshold of the pre-labels.")
@click.option("--classes", type=click.Path(), help="JSON file of the classes of a new project.")
@click.option(
    "--tile-size", default=512, show_default=True, help="Edge in px of what is gone through."
)
@click.option("--seed", default=0, show_default=True, help="Of the order of the tiles.")
@click.option(
    "--annotator",
    "annotators",
    multiple=True,
    help="Whose labels these are; repeat it for a link each. Default: your user name.",
)
@click.option(
    "--import",
    "files",
    multiple=True,
    type=click.Path(),
    help="Labels to take in: polygons, or a mask raster of classes; repeatable.",
)
@click.option(
    "--import-as",
    type=click.Choice(["pending", "accepted"]),
    default="pending",
    show_default=True,
    help="Whether they wait for a verdict.",
)
@click.option(
    "--copy-of",
    type=click.Path(),
    help="Make OUTPUT a blind copy of these labels: the same tiles and candidates, no verdicts.",
)
@click.option("--no-server", is_flag=True, help="Make or fill the folder, and show no page.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any free one.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option("--public-url", help="Address under which a proxy shows the tool.")
@register_option
@pair_options
@verbose_option
def command(
    before: str | list[str] | None,
    after: str | list[str] | None,
    output: str,
    run: str | None,
    method: str | None,
    model: str | None,
    options: dict[str, object],
    threshold: str | None,
    annotators: tuple[str, ...],
    files: tuple[str, ...],
    import_as: str,
    copy_of: str | None,
    no_server: bool,
    port: int,
    no_browser: bool,
    public_url: str | None,
    verbose: int,
    **making: Any,
) -> None:
    """Label change between BEFORE and AFTER in a browser, with pre-labels to accept or reject.

    Everything is saved at once in the folder OUTPUT; the same command goes on with it. The tool
    listens on this machine only, and only to who has the link.

    \b
    geochange annotate 2018.tif 2021.tif -o labels.gcproj
    geochange annotate --run out -o labels.gcproj
    geochange annotate -o labels.gcproj
    geochange annotate --copy-of labels.gcproj -o bob.gcproj
    """
    from geochange.annotation.serving import require_server, serve

    if not no_server:
        require_server()
    fresh = not Path(output).exists()
    if copy_of is not None:
        _copy(copy_of, output, before, run)
        fresh = False
    project = _open(output, before, after, run, making, fresh=fresh)
    try:
        for notice in project.describe()["notices"] if verbose else project.database.notices:
            click.echo(f"note: {notice}", err=True)
        for file in files:
            _import(project, file, import_as, annotators)
        if no_server:
            click.echo(output)
            return
        project.start_levels()
        wanted = method or model or (fresh and run is None)
        if wanted and method != "none":
            project.start_detection(
                method=method or "auto", model=model, options=options, threshold=threshold
            )

        def tell(links: dict[str, str]) -> None:
            for name, link in links.items():
                click.echo(f"{name}: {link}" if len(links) > 1 else link)
            click.echo("Ctrl-C ends it; everything is saved.", err=True)
            if not no_browser:
                webbrowser.open(next(iter(links.values())))

        names = annotators or (_user_name(),)
        with suppress(KeyboardInterrupt):
            serve(project, annotators=names, port=port, public_url=public_url, on_ready=tell)
    finally:
        project.close()


def _copy(source: str, output: str, before: str | list[str] | None, run: str | None) -> None:
    from geochange.annotation.copying import copy_project

    if before is not None or run is not None:
        msg = "--copy-of takes the images of the labels that it copies; give no others"
        raise click.UsageError(msg)
    copy_project(source, output)


def _import(project: Project, file: str, verdict: str, annotators: tuple[str, ...]) -> None:
    from geochange.annotation.importing import import_labels

    name = annotators[0] if annotators else _user_name()
    done = import_labels(project, file, annotator=name, verdict=verdict)
    facts = {
        "cut at the border": done.clipped,
        "outside": done.outside,
        "in tiles that were done, left out": done.in_done_tiles,
    }
    said = [f"{count} {what}" for what, count in facts.items() if count]
    said += [f"{done.tiles} tiles are done"] if done.tiles else []
    first = project.schema.classes[0].name
    said += [
        f"no class is called {word} ({count}): {first} now"
        for word, count in done.unknown_classes.items()
    ]
    click.echo("; ".join([f"{file}: {done.added} labels", *said]))


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "me"


def _open(
    output: str,
    before: str | list[str] | None,
    after: str | list[str] | None,
    run: str | None,
    making: dict[str, Any],
    *,
    fresh: bool,
) -> Project:
    from geochange.annotation.opening import create_project, open_project
    from geochange.labels.schema import read_schema

    if not fresh:
        project = open_project(output)
        if before is not None:
            project.require_same_pair(before, after)
        if run is not None and not project.has_run(run):
            project.add_run(run)
        return project
    classes = making.pop("classes")
    return create_project(
        output,
        before,
        after,
        run=run,
        schema=read_schema(classes) if classes else None,
        tile_size=making.pop("tile_size"),
        register_mode=making.pop("register"),
        seed=making.pop("seed"),
        pair_settings=making,
    )
