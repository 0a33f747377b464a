"""``geochange methods``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from geochange.cli.options import json_option
from geochange.errors import UsageError, suggest

if TYPE_CHECKING:
    from geochange.detectors.registry import Method


@click.command("methods")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the change detectors by the kind of images, or show one with its options."""
    from geochange.detectors.registry import list_methods

    methods = {method.name: method for method in list_methods()}
    if name is not None and name not in methods:
        msg = f"unknown method '{name}'{suggest(name, methods)}"
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
        click.echo(json.dumps(rows, indent=2, default=str))
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
    click.echo("Without --method, `auto` picks one by bands, sensor and pixel size, and says why.")
