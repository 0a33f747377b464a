"""``geochange methods``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from geochange.cli.options import json_option
from geochange.errors import UsageError, suggest

if TYPE_CHECKING:
    from geochange.detectors.registry import Method

SERIES = "many dates (geochange series)"


@click.command("methods")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the methods by the kind of images, or show one with its options."""
    from geochange.detectors.registry import list_methods
    from geochange.series.registry import list_series_methods

    methods = {method.name: method for method in list_methods()}
    if name is not None and name not in methods:
        if name in list_series_methods():
            _tell_series(name, as_json=as_json)
            return
        msg = f"unknown method '{name}'{suggest(name, [*methods, *list_series_methods()])}"
        raise UsageError(msg)
    chosen = [methods[name]] if name else list(methods.values())
    if as_json:
        rows = [
            {
                "name": m.name,
                "images": m.images,
                "summary": m.summary,
                "reference": m.reference,
                "options": m.options,
            }
            for m in chosen
        ]
        click.echo(json.dumps(rows + _list_series() * (not name), indent=2, default=str))
        return
    if name:
        _show(methods[name])
    else:
        _show_all(chosen)


def _show(method: Method) -> None:
    lines = [method.summary, f"for {method.images}", method.reference]
    lines += [f"--set {option}={default}" for option, default in method.options.items()]
    blank = " " * len(method.name)
    for number, line in enumerate(lines):
        click.echo(f"{blank if number else method.name} {line}")


def _show_all(methods: list[Method]) -> None:
    from geochange.detectors.registry import KINDS

    width = max(len(method.name) for method in methods)
    for images in KINDS:
        click.echo(f"For {images}:")
        for method in methods:
            if method.images == images:
                click.echo(f"  {method.name:<{width}} {method.summary}")
    click.echo(f"For {SERIES}:")
    for row in _list_series():
        click.echo(f"  {row['name']:<{width}} {row['summary']}")
    click.echo(
        "Without --method, `auto` picks one by bands, sensor and pixel size, or by the dates,"
    )
    click.echo("and says why.")


def _list_series() -> list[dict[str, object]]:
    """Return what is known of the methods for series."""
    from geochange.series.registry import (
        list_series_methods,
        list_series_options,
        tell_series_method,
    )

    return [
        {
            "name": name,
            "images": SERIES,
            "summary": tell_series_method(name),
            "options": list_series_options(name),
        }
        for name in list_series_methods()
    ]


def _tell_series(name: str, *, as_json: bool) -> None:
    from geochange.series.registry import list_series_options, tell_series_method

    if as_json:
        rows = [row for row in _list_series() if row["name"] == name]
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    blank = " " * len(name)
    click.echo(f"{name} {tell_series_method(name)}")
    click.echo(f"{blank} for {SERIES}")
    for option, default in list_series_options(name).items():
        click.echo(f"{blank} --set {option}={default}")
