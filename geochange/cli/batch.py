"""``geochange batch``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geochange.cli.options import (
    detect_options,
    json_option,
    output_option,
    overwrite_option,
    pair_options,
    quiet_option,
    run_options,
    verbose_option,
)

if TYPE_CHECKING:
    from geochange.batch import ItemResult

SOME_FAILED = 3
BAD = ("failed", "incomplete", "refused")


@click.command("batch")
@click.argument("manifest", type=click.Path())
@output_option
@click.option("--shard", metavar="I/N", help="Run part I of N only; see above.")
@click.option(
    "--pairs-at-once",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Pairs that run at the same time and share the workers.",
)
@click.option(
    "--retry-failed/--no-retry-failed",
    default=True,
    show_default=True,
    help="Run pairs again that failed, or lost some tiles, in an earlier call.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Run at most this many pairs.")
@click.option("--dry-run", is_flag=True, help="Open every pair and say how it would be run.")
@overwrite_option
@detect_options
@pair_options
@run_options
@json_option
@quiet_option
@verbose_option
def command(
    manifest: str,
    output: str,
    shard: str | None,
    pairs_at_once: int,
    retry_failed: bool,
    limit: int | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> int:
    """Run detect on every pair of MANIFEST, a CSV file with columns id, before, after.

    A date is a path, relative to the manifest; several files are separated by |. Optional
    columns: aoi, mask_before, mask_after, date_before, date_after. The other options hold for
    all pairs.

    OUTPUT gets a folder for each pair, a log (batch.jsonl) and at the end a table (summary.csv),
    a map (summary.gpkg) and a STAC catalog (collection.json) of the results.

    \b
    geochange batch pairs.csv -o runs
    geochange batch pairs.csv -o runs --shard 2/8        # one of eight machines

    One failing pair does not stop the others. Run the same batch again after a failure, Ctrl-C
    or a crash: finished pairs are skipped, unfinished ones are gone on with. Shards may run at
    the same time into one folder; a call without --shard afterwards sums them up.

    Exit codes: 0 all done, 3 some pairs failed or lost tiles, 130 interrupted.
    """
    from geochange.batch import Shard, plan_batch, read_manifest, run_batch

    part = Shard.parse(shard)
    items = [item for item in read_manifest(manifest) if part.holds(item.id)][:limit]
    results = (
        plan_batch(items, arguments)
        if dry_run
        else run_batch(
            items,
            output,
            arguments,
            shard=shard,
            pairs_at_once=pairs_at_once,
            retry_failed=retry_failed,
        )
    )
    show = _print_json if as_json else _print_line
    with closing(results):
        counts = _follow(results, len(items), show, quiet=quiet or not sys.stderr.isatty())
    if not (dry_run or as_json):
        click.echo(f"{Path(output) / part.name('summary.csv')}  {_name_counts(counts)}")
        click.echo(f"{Path(output) / part.name('summary.gpkg')}  where the results lie")
    return SOME_FAILED if any(counts[status] for status in BAD) else 0


def _follow(
    results: Iterator[ItemResult], total: int, show: Callable[[ItemResult], None], *, quiet: bool
) -> Counter[str]:
    """Show results as they come; return how many there are of each status."""
    counts: Counter[str] = Counter()
    try:
        for result in results:
            counts[result.status] += 1
            show(result)
            if not quiet:
                click.echo(f"{counts.total()} of {total}: {_name_counts(counts)}", err=True)
    except KeyboardInterrupt as error:
        error.__notes__ = ["what is finished is kept; run the same batch again to go on"]
        raise
    return counts


def _name_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in counts.items()) or "no pairs"


def _print_json(result: ItemResult) -> None:
    click.echo(json.dumps(asdict(result)))


def _print_line(result: ItemResult) -> None:
    if result.status in ("done", "incomplete"):
        words = [f"{result.changes} changes, {result.seconds} s", result.message]
    else:
        words = [result.status, result.message]
    click.echo(f"{result.id}: {': '.join(filter(None, words))}")
