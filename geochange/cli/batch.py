"""``geochange batch``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

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

SOME_FAILED = 3


@click.command("batch")
@click.argument("manifest", type=click.Path())
@output_option
@detect_options
@pair_options
@run_options
@click.option("--limit", type=click.IntRange(min=1), help="Run at most this many items.")
@click.option("--retry-failed/--no-retry-failed", default=True, show_default=True)
@click.option("--dry-run", is_flag=True, help="Check the manifest and list what would run.")
@overwrite_option
@json_option
@quiet_option
@verbose_option
def command(
    manifest: str,
    output: str,
    limit: int | None,
    retry_failed: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> int:
    """Run detect on every pair of MANIFEST, a CSV file with columns id, before, after.

    A date is a path, relative to the manifest; several files are separated by |. Optional
    columns: aoi, mask_before, mask_after. One failing pair does not stop the others
    (exit code 3); running the same batch again skips what is finished.
    """
    from geochange.batch import plan_batch, read_manifest, run_batch

    items = read_manifest(manifest)[:limit]
    failed = 0
    results = (
        plan_batch(items, arguments)
        if dry_run
        else run_batch(items, output, arguments, retry_failed=retry_failed)
    )
    for done, result in enumerate(results, 1):
        failed += result.status == "failed"
        if as_json:
            click.echo(json.dumps(asdict(result)))
        elif result.status == "done":
            click.echo(f"{result.id}: {result.changes} changes, {result.seconds} s")
        else:
            click.echo(f"{result.id}: {result.status}: {result.message}")
        if not quiet and sys.stderr.isatty():
            click.echo(f"{done}/{len(items)} done, {failed} failed", err=True)
    return SOME_FAILED if failed else 0
