"""New dates of a series whose state is known: brought onto its grid and into its bands."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from geochange.alignment.grid import turn_to
from geochange.errors import BandError, DataWarning, GridError, InputError
from geochange.io.bands.matching import match_bands
from geochange.io.grids.pixelgrid import outline, pixel_to_pixel, touches
from geochange.io.rasters.scene import DateReader, Scene, Source, describe_date, read_date
from geochange.series.listing import Dated, Days, describe_dates
from geochange.series.memory import StateFacts
from geochange.series.stack import MaskOf, Series, name_masks, open_own_mask, order_masks


def open_more(
    images: Sequence[Source] | str | os.PathLike[str],
    facts: StateFacts,
    *,
    dates: Days | None = None,
    masks: Sequence[MaskOf] | None = None,
) -> tuple[Series, list[Dated]]:
    """Open dates that follow those of a state; metadata only.

    Nodata, resampling, codes of masks and area of interest are those of the state.

    Parameters
    ----------
    images, dates, masks
        See :func:`geochange.open_series`; one image is enough.
    facts : StateFacts

    Returns
    -------
    series : Series
        Of the new dates alone, with the bands as the state calls them.
    found : list of Dated

    Raises
    ------
    UsageError, InputError, GridError, BandError
        A date is not later than those of the state, lies elsewhere, or lacks bands.
    """
    found = describe_dates(images, dates, facts.settings["nodata"])
    given = order_masks(images, found, masks)
    codes, resampling = facts.settings["mask_codes"], str(facts.settings["resampling"])
    grid = facts.geobox
    readers, scenes = [], []
    notes = [f"{len(found)} dates added to {len(facts.days)} that were known"]
    for one, mask in zip(found, given, strict=True):
        _check_day(one, facts)
        scene = turn_to(one.scene, grid)
        positions = _match(scene, facts)
        opened, said = open_own_mask(mask, one.day, scene, grid, codes)
        notes += [note for note in (one.said, *scene.notes, said) if note]
        readers.append(read_date(scene, positions, grid, resampling, opened))
        scenes.append(scene)
    days = tuple(one.day for one in found)
    series = Series(
        tuple(readers), days, grid, 0, facts.aoi, tuple(scenes), tuple(notes),
        tuple(zip(facts.bands, facts.roles, strict=True)), name_masks(given),
    )  # fmt: skip
    return series, found


def _check_day(one: Dated, facts: StateFacts) -> None:
    last = facts.dates[-1]
    if one.day <= last:
        msg = (
            f"{one.scene.files[0].path} is of {one.day} and the state has seen dates up to {last}; "
            "add later dates, or make the state anew from all of them"
        )
        raise InputError(msg)


def _match(scene: Scene, facts: StateFacts) -> list[int]:
    """Return the positions of the bands of the state; refuse what lies elsewhere or lacks one."""
    grid, name = facts.geobox, scene.files[0].path
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
    if match.doubtful and scene.bands != facts.bands:
        warnings.warn(f"{name}: {match.note}", DataWarning, stacklevel=4)
    return match.after


def with_reference(series: Series, facts: StateFacts) -> Series:
    """Return the new dates behind the reference date, to be brought to its place and values.

    Raises
    ------
    InputError
        The reference date's files are not there any more.
    """
    scene, reader = _read_known(facts.sources[facts.reference], facts)
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
        known = [_read_known(source, facts) for source in facts.sources]
    except InputError:
        return None
    scenes, readers = zip(*known, strict=True)
    return replace(
        later,
        readers=(*readers, *later.readers),
        days=(*facts.dates, *later.days),
        scenes=(*scenes, *later.scenes),
    )


def _read_known(stored: Any, facts: StateFacts) -> tuple[Scene, DateReader]:
    """Return the files of a date that the state has seen, and their reader."""
    source = stored if isinstance(stored, str) else list(stored)
    scene = turn_to(describe_date(source).amend(facts.settings["nodata"]), facts.geobox)
    match = match_bands(facts.bands, scene.bands, facts.roles, scene.roles)
    resampling = str(facts.settings["resampling"])
    return scene, read_date(scene, match.after, facts.geobox, resampling)


def absolute(source: Source) -> str | list[str]:
    """Return a source by absolute paths where they are local."""
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(source) if os.path.exists(source) else os.fspath(source)
    return [str(absolute(part)) for part in source]
