"""Options that several verbs share; names are those of the Python functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def split_list(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    """Turn ``red,nir`` into a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if value else None


def split_source(
    _: click.Context, __: click.Parameter, value: str | None
) -> str | list[str] | None:
    """Turn ``B02.tif,B03.tif`` into a list of files; an existing path stays as it is."""
    if value is None or "," not in value or Path(value).exists():
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def split_numbers(_: click.Context, __: click.Parameter, value: str | None) -> list[int] | None:
    """Turn ``3,8,9`` into integers."""
    try:
        return [int(part) for part in value.split(",")] if value else None
    except ValueError as error:
        msg = f"'{value}' is not a comma-separated list of whole numbers"
        raise click.BadParameter(msg) from error


def split_floats(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    """Turn ``2,1,0.5`` into numbers."""
    try:
        return [float(part) for part in value.split(",")] if value else None
    except ValueError as error:
        msg = f"'{value}' is not a comma-separated list of numbers"
        raise click.BadParameter(msg) from error


def parse_connectivity(_: click.Context, __: click.Parameter, value: str) -> int:
    """Take 4 or 8."""
    if value not in ("4", "8"):
        msg = f"connectivity is 4 or 8, got '{value}'"
        raise click.BadParameter(msg)
    return int(value)


def split_settings(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> dict[str, object]:
    """Turn ``name=value`` words into a dictionary of numbers, truth values and strings."""
    settings: dict[str, object] = {}
    for word in values:
        name, equals, text = word.partition("=")
        if not equals:
            msg = f"'{word}' is not NAME=VALUE"
            raise click.BadParameter(msg)
        settings[name.strip().replace("-", "_")] = _value(text.strip())
    return settings


def _value(text: str) -> object:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


output_option = click.option(
    "-o", "--output", type=click.Path(), required=True, help="Output to create."
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace an existing output.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
verbose_option = click.option(
    "-v", "--verbose", count=True, help="Say more; -vv shows tracebacks of errors."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress.")

pair_options: Callable[[F], F] = stack(
    click.option(
        "--grid",
        default="before",
        show_default=True,
        help="Reference grid: before, after, finest, or a raster file.",
    ),
    click.option(
        "--bands",
        callback=split_list,
        help="Bands to compare: names, roles or numbers, e.g. red,nir or 4,3,2.",
    ),
    click.option(
        "--aoi",
        help="Area of interest: vector file, or W,S,E,N in WGS 84 (columns and rows without CRS).",
    ),
    click.option("--mask-before", help="Raster of codes or polygons to leave out, before date."),
    click.option(
        "--nodata", type=float, help="Value without data at both dates, for files that name none."
    ),
    click.option("--date-before", help="Day of the before date, YYYY-MM-DD, when no file tells."),
    click.option("--date-after", help="The same for the after date."),
    click.option("--mask-after", help="The same for the after date."),
    click.option(
        "--mask-codes",
        callback=split_numbers,
        help="Codes that mask, e.g. 3,8,9. Default: clouds and shadows of an SCL file, else any "
        "non-zero value.",
    ),
    click.option(
        "--resampling",
        default="auto",
        show_default=True,
        help="Kernel where grids differ: nearest, bilinear, cubic, lanczos, average; auto is "
        "cubic, and lanczos where registration moves pixels of one size.",
    ),
)
tile_option = click.option(
    "--tile-size", type=int, help="Edge of a tile in pixels. Default: chosen."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    help="Threads, of each worker where there are workers. Default: one per processor, one per "
    "worker.",
)
run_options: Callable[[F], F] = stack(
    tile_option,
    click.option(
        "--workers",
        type=click.IntRange(min=0),
        default=0,
        help="Worker processes on this machine. Default: none, threads do the work.",
    ),
    threads_option,
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Scheduler of a dask cluster, e.g. tcp://10.0.0.1:8786, or its scheduler file.",
    ),
    click.option(
        "--memory-limit",
        metavar="SIZE",
        help="Memory of all processes together, e.g. 1.5GiB; makes tiles small enough.",
    ),
)
resume_option = click.option(
    "--resume", is_flag=True, help="Go on with an unfinished run; do only what is missing."
)
register_option = click.option(
    "--register",
    default="auto",
    show_default=True,
    help="Correct shifts of the after date: auto (where it is sure and worth it), off, global (a "
    "shift or affine), local (a smooth field).",
)


def normalize_option(default: str) -> Callable[[F], F]:
    """Return the option ``--normalize`` with a default."""
    return click.option(
        "--normalize",
        default=default,
        show_default=True,
        help="Bring the after date's values to the before date's: auto (gain and offset where that "
        "helps), off, linear, irmad, histogram.",
    )


denoise_options: Callable[[F], F] = stack(
    click.option(
        "--denoise",
        default="none",
        show_default=True,
        help="Smooth both dates: none, median, nlm, bilateral; lee, refined-lee for speckle.",
    ),
    click.option(
        "--denoise-window", type=int, metavar="PX", help="Its odd window. Default: what suits it."
    ),
    click.option("--looks", type=float, help="Looks of the speckle. Default: measured."),
)
method_options: Callable[[F], F] = stack(
    click.option(
        "--method",
        default="auto",
        show_default=True,
        help="See `geochange methods`; several as one: context+irmad.",
    ),
    click.option(
        "--model", help="A trained network: a name of `geochange models`, or a .safetensors file."
    ),
    click.option(
        "--set",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        callback=split_settings,
        help="An option of the method; repeatable.",
    ),
    click.option(
        "--shift-tolerance",
        type=int,
        metavar="PX",
        help="Residual shift between the dates that is forgiven, with any method. Default: what "
        "suits the method.",
    ),
    click.option(
        "--threshold",
        help="auto, otsu, triangle, rosin, kapur, hysteresis, hysteresis:LOW,HIGH, p:0.001 "
        "(cva, mad, irmad, sfa) or a score such as 0.5. Default: what suits the method; for most "
        "auto, for context hysteresis.",
    ),
)
compare_options: Callable[[F], F] = stack(
    register_option,
    click.option(
        "--mask-clouds",
        is_flag=True,
        help="Leave out what looks like cloud, haze or cloud shadow. Default: it is only told.",
    ),
    normalize_option("auto"),
    click.option(
        "--features",
        default="bands",
        show_default=True,
        help="What a method compares: bands, ratios (band over the mean of all), gradients.",
    ),
)
detect_options: Callable[[F], F] = stack(
    compare_options,
    denoise_options,
    method_options,
    click.option(
        "--screen",
        metavar="MODEL",
        help="A network of the task image that spares the method what surely did not change: auto, "
        "a name of `geochange models`, or a .safetensors file. Default: none.",
    ),
    click.option(
        "--screen-recall",
        type=float,
        metavar="SHARE",
        help="Share of the changed pixels that the screen keeps. Default: 0.99.",
    ),
    click.option(
        "--min-area",
        default="4px",
        show_default=True,
        help="Smallest change kept, e.g. 50m2, 0.5ha or 20px; a plain number counts pixels.",
    ),
    click.option(
        "--connectivity",
        callback=parse_connectivity,
        default="8",
        show_default=True,
        help="Neighbours that make pixels one change: 4 or 8.",
    ),
    click.option("--opening", type=int, default=0, help="Radius in px of a morphological opening."),
    click.option("--closing", type=int, default=0, help="Radius in px of a morphological closing."),
    click.option(
        "--max-hole", default="4px", show_default=True, help="Largest hole that is filled."
    ),
    click.option("--smooth", is_flag=True, help="Round the polygons' borders; keeps their area."),
    click.option(
        "--uncertainty",
        is_flag=True,
        help="Write uncertainty.tif too: how unsure a network is, in bits.",
    ),
    click.option(
        "--sensitivity",
        is_flag=True,
        help="Measure how small and faint a change is found; see `geochange sensitivity`.",
    ),
)
revision_options: Callable[[F], F] = stack(
    click.option("--threshold", help="Rule or score, see `geochange detect`. Default: what fits."),
    click.option(
        "--min-area", help="Smallest change kept. Default of all these: as the first run."
    ),
    click.option("--max-hole", help="Largest hole that is filled."),
    click.option(
        "--connectivity",
        type=click.Choice(["4", "8"]),
        callback=lambda _, __, value: None if value is None else int(value),
        help="Neighbours that make pixels one change.",
    ),
    click.option("--opening", type=int, help="Radius in px of a morphological opening."),
    click.option("--closing", type=int, help="Radius in px of a morphological closing."),
    click.option("--smooth/--no-smooth", default=None, help="Round the polygons' borders."),
)
