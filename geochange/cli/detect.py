"""``geochange detect``."""

from __future__ import annotations

import click

from geochange.cli.options import (
    detect_options,
    json_option,
    output_option,
    overwrite_option,
    pair_options,
    quiet_option,
    resume_option,
    run_options,
    split_source,
    verbose_option,
)
from geochange.cli.progress import ProgressBars
from geochange.cli.summary import print_result, tell_result

SOME_FAILED = 3


@click.command("detect")
@click.argument("before", callback=split_source)
@click.argument("after", callback=split_source)
@output_option
@detect_options
@pair_options
@run_options
@overwrite_option
@resume_option
@json_option
@quiet_option
@verbose_option
def command(
    before: str | list[str],
    after: str | list[str],
    output: str,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **arguments: object,
) -> int:
    """Find what changed between BEFORE and AFTER and write it to the folder OUTPUT.

    A date is one raster, a folder of single-band files, or a comma-separated list of files.

    \b
    geochange detect 2018.tif 2021.tif -o out
    geochange detect S2A_before/ S2A_after/ -o out --mask-after S2A_after/SCL.tif
    geochange detect 2018.tif 2021.tif -o out --resume --workers 8 --memory-limit 6GiB

    Exit code 3: done, but parts of the input could not be read and are without data.
    """
    from geochange.pipeline import detect

    progress = ProgressBars(quiet=quiet)
    try:
        result = detect(before, after, output, on_progress=progress, **arguments)  # type: ignore[arg-type]
    finally:
        progress.close()
    tell_result(result, print_result, as_json=as_json, verbose=bool(verbose))
    return SOME_FAILED if result.run["quarantine"] else 0
