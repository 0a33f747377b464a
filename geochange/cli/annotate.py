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
    from geochange.annotation.collection import Collection
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
@click.option(
    "--reviewer",
    "reviewers",
    multiple=True,
    metavar="NAME",
    help="Who approves tiles that others labelled, or sends them back; repeat it for a link each.",
)
@click.option(
    "--honeypots",
    type=click.FloatRange(0, 0.5),
    metavar="SHARE",
    help="Share of everybody's tiles that are checks: tiles whose answer is known, shown blindly. "
    "Kept with the labels; reviewers see the result.",
)
@click.option(
    "--truth",
    type=click.Path(),
    help="Vector file of known changes, the answer of honeypots besides the approved tiles.",
)
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
    reviewers: tuple[str, ...],
    honeypots: float | None,
    truth: str | None,
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
    geochange annotate pairs.csv -o labels.gcproj        # several pairs: id, before, after
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
    labels = _open(output, before, after, run, making, fresh=fresh)
    detect = (method or model or (fresh and run is None)) and method != "none"
    wanted = {"method": method or "auto", "model": model, "options": options,
              "threshold": threshold}  # fmt: skip
    try:
        _set_checks(labels, honeypots, truth)
        for file in files:
            _import(labels, file, import_as, annotators)
        if no_server:
            click.echo(output)
            return
        _begin(labels, wanted if detect else None, verbose=bool(verbose))

        def tell(links: dict[str, str]) -> None:
            for name, link in links.items():
                who = f"{name} (reviewer)" if name in reviewers else name
                click.echo(f"{who}: {link}" if len(links) > 1 else link)
            click.echo("Ctrl-C ends it; everything is saved.", err=True)
            if not no_browser:
                webbrowser.open(next(iter(links.values())))

        names = annotators or (_user_name(),)
        with suppress(KeyboardInterrupt):
            serve(
                labels,
                annotators=names,
                reviewers=reviewers,
                port=port,
                public_url=public_url,
                on_ready=tell,
            )
    finally:
        labels.close()


def _set_checks(labels: Project | Collection, honeypots: float | None, truth: str | None) -> None:
    from geochange.annotation.collection import Collection
    from geochange.annotation.probes import set_rate
    from geochange.annotation.truths import import_truth

    if honeypots is None and truth is None:
        return
    if isinstance(labels, Collection):
        projects = [labels.project(name) for name in labels.names]
    else:
        projects = [labels]
    for project in projects:
        if truth is not None:
            import_truth(project, truth)
        if honeypots is not None:
            set_rate(project.database, honeypots)


def _begin(
    labels: Project | Collection, detection: dict[str, Any] | None, *, verbose: bool
) -> None:
    """Say what there is to say, and start what works in the background."""
    from geochange.annotation.collection import Collection

    if isinstance(labels, Collection):
        if detection is not None:
            labels.start_detection(labels.names, **detection)
        return
    for notice in labels.describe()["notices"] if verbose else labels.database.notices:
        click.echo(f"note: {notice}", err=True)
    labels.start_levels()
    if detection is not None:
        labels.start_detection(**detection)


def _copy(source: str, output: str, before: str | list[str] | None, run: str | None) -> None:
    from geochange.annotation.copying import copy_project

    if before is not None or run is not None:
        msg = "--copy-of takes the images of the labels that it copies; give no others"
        raise click.UsageError(msg)
    copy_project(source, output)


def _import(
    project: Project | Collection, file: str, verdict: str, annotators: tuple[str, ...]
) -> None:
    from geochange.annotation.collection import Collection
    from geochange.annotation.importing import import_labels

    if isinstance(project, Collection):
        msg = "--import takes labels of one pair; give the folder of the pair with -o"
        raise click.UsageError(msg)
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
) -> Project | Collection:
    from geochange.annotation.collection import create_collection, is_collection, open_collection
    from geochange.annotation.opening import create_project, open_project
    from geochange.labels.schema import read_schema

    if not fresh and is_collection(output):
        return open_collection(output)
    if not fresh:
        project = open_project(output)
        if before is not None:
            project.require_same_pair(before, after)
        if run is not None and not project.has_run(run):
            project.add_run(run)
        return project
    classes = making.pop("classes")
    settings = {
        "schema": read_schema(classes) if classes else None,
        "tile_size": making.pop("tile_size"),
        "register_mode": making.pop("register"),
        "seed": making.pop("seed"),
    }
    if isinstance(before, str) and after is None and before.lower().endswith(".csv"):
        from geochange.batch import read_manifest

        return create_collection(output, read_manifest(before), **settings, pair_settings=making)
    return create_project(output, before, after, run=run, **settings, pair_settings=making)
