"""``geochange methods``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import json_option
from geochange.errors import UsageError, suggest


@click.command("methods")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the change detectors, or show one of them with its options."""
    from geochange.detectors.registry import list_methods

    methods = {method.name: method for method in list_methods()}
    if name is not None and name not in methods:
        msg = f"unknown method '{name}'{suggest(name, methods)}"
        raise UsageError(msg)
    chosen = [methods[name]] if name else list(methods.values())
    if as_json:
        rows = [
            {"name": m.name, "summary": m.summary, "reference": m.reference, "options": m.options}
            for m in chosen
        ]
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    width = max(map(len, methods))
    for method in chosen:
        click.echo(f"{method.name:<{width}} {method.summary}")
        if name:
            click.echo(f"{'':<{width}} {method.reference}")
            for option, default in method.options.items():
                click.echo(f"{'':<{width}} --set {option}={default}")
    if not name:
        click.echo(
            f"{'auto':<{width}} Picks one of these by bands, sensor and resolution; says why."
        )
