"""``geochange info``."""

from __future__ import annotations

import json

import click

from geochange.cli.options import json_option, pair_options, split_source, verbose_option


@click.command("info")
@click.argument("before", callback=split_source)
@click.argument("after", required=False, callback=split_source)
@click.argument("more", nargs=-1)
@pair_options
@json_option
@verbose_option
def command(
    before: str | list[str],
    after: str | list[str] | None,
    more: tuple[str, ...],
    as_json: bool,
    verbose: int,
    **pair_arguments: object,
) -> None:
    """Show what BEFORE (and AFTER) hold: grid, bands, dates; and how a pair would be aligned.

    Three dates or more, or a CSV with path,date, are shown as a series.
    """
    if more or str(before).lower().endswith(".csv"):
        from geochange.series.overview import describe_series

        dates = [before, *([after] if after else []), *more]
        facts = describe_series(before if len(dates) == 1 else dates, pair_arguments)
    else:
        from geochange.exports.info import describe

        facts = describe(before, after, **pair_arguments)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        click.echo(f"{name:<10} {lines[0] if lines else ''}")
        for line in lines[1:]:
            click.echo(f"{'':<10} {line}")
