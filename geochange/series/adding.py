"""New dates of a series whose state is known: brought onto its grid and into its bands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from geochange.alignment.grid import turn_to
from geochange.errors import BandError, GridError, InputError
from geochange.io.bands.matching import match_bands
from geochange.io.grids.pixelgrid import outline, pixel_to_pixel, touches
from geochange.io.rasters.scene import Source, describe_date, read_date
from geochange.series.listing import Dated, Days, describe_dates
from geochange.series.memory import StateFacts
from geochange.series.stack import Series


def open_more(
    images: Sequence[Source] | str | os.PathLike[str],
    facts: StateFacts,
    *,
    dates: Days | None = None,
    nodata: float | None = None,
    resampling: str = "cubic",
) -> tuple[Series, list[Dated]]:
    """Open dates that follow those of a state; metadata only.

    Parameters
    ----------
    images, dates, nodata, resampling
        See :func:`geochange.open_series`; one image is enough.
    facts : StateFacts

    Returns
    -------
    series : Series
        Of the new dates alone.
    found : list of Dated

    Raises
    ------
    InputError, GridError, BandError
        A date is not later than those of the state, lies elsewhere, or lacks bands.
    """
    found = describe_dates(images, dates, nodata)
    last = facts.dates[-1]
    for one in found:
        if one.day <= last:
            name = one.scene.files[0].path
            msg = (
                f"{name} is of {one.day} and the state has seen dates up to {last}; add later "
                "dates, or make the state anew from all of them"
            )
            raise InputError(msg)
    grid = facts.geobox
    readers, scenes = [], []
    for one in found:
        scene = turn_to(one.scene, grid)
        name = scene.files[0].path
        if (scene.geobox.crs is None) != (grid.crs is None) or not touches(
            pixel_to_pixel(scene.geobox, grid, outline(scene.geobox)), grid
        ):
            msg = f"{name} does not overlap the grid of the state; give a date of the same place"
            raise GridError(msg)
        match = match_bands(facts.bands, scene.bands, facts.roles, scene.roles)
        if match.before != list(range(len(facts.bands))):
            have, need = ", ".join(scene.bands), ", ".join(facts.bands)
            msg = f"{name} has the bands {have}, the state needs {need}; give a file with these"
            raise BandError(msg)
        readers.append(read_date(scene, match.after, grid, resampling))
        scenes.append(scene)
    days = tuple(one.day for one in found)
    notes = (f"{len(found)} dates added to {len(facts.days)} that were known",)
    return Series(tuple(readers), days, grid, 0, None, tuple(scenes), notes), found


def with_reference(series: Series, facts: StateFacts, resampling: str = "cubic") -> Series:
    """Return the new dates behind the reference date, to be brought to its place and values.

    Raises
    ------
    InputError
        The reference date's files are not there any more.
    """
    scene = describe_date(_as_source(facts.sources[facts.reference]))
    scene = turn_to(scene, facts.geobox)
    match = match_bands(facts.bands, scene.bands, facts.roles, scene.roles)
    reader = read_date(scene, match.after, facts.geobox, resampling)
    return replace(
        series,
        readers=(reader, *series.readers),
        days=(facts.dates[facts.reference], *series.days),
        scenes=(scene, *series.scenes),
        reference=0,
    )


def without_reference(series: Series) -> Series:
    """Return the dates behind the reference date."""
    return replace(
        series, readers=series.readers[1:], days=series.days[1:], scenes=series.scenes[1:]
    )


def reopen(facts: StateFacts, later: Series) -> Series | None:
    """Return all dates of a state and the later ones, for pictures; None where files are gone."""
    try:
        scenes = [describe_date(_as_source(source)) for source in facts.sources]
    except InputError:
        return None
    readers = []
    for scene in scenes:
        match = match_bands(facts.bands, scene.bands, facts.roles, scene.roles)
        readers.append(read_date(turn_to(scene, facts.geobox), match.after, facts.geobox))
    return replace(
        later,
        readers=(*readers, *later.readers),
        days=(*facts.dates, *later.days),
        scenes=(*scenes, *later.scenes),
    )


def _as_source(stored: Any) -> Source:
    return stored if isinstance(stored, str) else list(stored)


def absolute(source: Source) -> str | list[str]:
    """Return a source by absolute paths where they are local."""
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(source) if os.path.exists(source) else os.fspath(source)
    return [str(absolute(part)) for part in source]
