"""Which files make up a series and of which day each is: names, tags, STAC items, tables."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.io.rasters.scene import Scene, Source, describe_date

_MONTH = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?([01]\d)?(?!\d)")
_DATA_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")

Days = Mapping[str, str] | Sequence[str] | str | os.PathLike[str]
"""Days of acquisition: by path, in the order of the images, or a CSV with ``path,date``."""


@dataclass(frozen=True, slots=True)
class Dated:
    """One date of a series, described.

    Attributes
    ----------
    source : path or list of paths
        As it was given.
    scene : Scene
    day : datetime.date
    said : str
        What is doubtful about the day; empty where nothing is.
    """

    source: Source
    scene: Scene
    day: date
    said: str = ""


def list_dates(
    images: Sequence[Source] | str | os.PathLike[str],
    dates: Days | None = None,
    nodata: float | None = None,
) -> list[Dated]:
    """Describe the dates of a series, sorted by day: metadata only.

    A day comes from ``dates``, else from the table or the STAC item that names the image, else
    from its tags, else from its name or its folder's; a name with a year alone, or with year and
    month, stands for their first day.

    Parameters
    ----------
    images : sequence of sources, or path
        See :func:`geochange.open_series`.
    dates : mapping, sequence or path, optional
    nodata : float, optional

    Raises
    ------
    InputNotFoundError, InputError
        Fewer than two dates, an image without a day, or two of one day.
    UsageError
        Days that are none, or not as many as images.
    """
    found = describe_dates(images, dates, nodata)
    if len(found) < 2:
        given = ", ".join(_name(one.source) for one in found) or "none"
        more = _advise(found[0].source) if found else "give more images"
        msg = f"a series needs two dates or more, got {len(found)} ({given}); {more}"
        raise InputError(msg)
    return found


def describe_dates(
    images: Sequence[Source] | str | os.PathLike[str],
    dates: Days | None = None,
    nodata: float | None = None,
) -> list[Dated]:
    """Like :func:`list_dates`, one date is enough."""
    sources, known = _list_sources(images)
    known |= _read_days(dates, sources)
    found = [_describe(source, known.get(_name(source)), nodata) for source in sources]
    found.sort(key=lambda one: one.day)
    for first, second in pairwise(found):
        if first.day == second.day:
            if _same(first.source, second.source):
                msg = f"{_name(first.source)} is given twice; give each image once"
                raise InputError(msg)
            msg = (
                f"{_name(first.source)} and {_name(second.source)} are both of {first.day}; keep "
                "one of them, mosaic them (gdalbuildvrt), or give their days (--dates TABLE.csv)"
            )
            raise InputError(msg)
    return found


def _list_sources(
    images: Sequence[Source] | str | os.PathLike[str],
) -> tuple[list[Source], dict[str, str]]:
    """Return the images and what days are known of them so far."""
    if isinstance(images, str | os.PathLike):
        if str(images).lower().endswith(".csv"):
            table = read_table(images)
            return [path for path, _ in table], {path: day for path, day in table if day}
        msg = (
            f"a series needs several images or a CSV with path,date, got {os.fspath(images)}; "
            f"{_advise(images)}"
        )
        raise InputError(msg)
    sources: list[Source] = []
    known: dict[str, str] = {}
    for image in images:
        if isinstance(image, str | os.PathLike) and str(image).lower().endswith(".json"):
            source, day = read_item(image)
            known[_name(source)] = day
            sources.append(source)
        else:
            sources.append(image)
    return sources, known


def _read_days(dates: Days | None, sources: Sequence[Source]) -> dict[str, str]:
    if dates is None:
        return {}
    names = [_name(source) for source in sources]
    if isinstance(dates, str | os.PathLike):
        by_path = {path: day for path, day in read_table(dates) if day}
        by_name = {Path(path).name: day for path, day in by_path.items()}
        paths = {name: by_path.get(os.path.abspath(name)) for name in names}
        found = {name: day or by_name.get(Path(name).name) for name, day in paths.items()}
        return {name: day for name, day in found.items() if day}
    if isinstance(dates, Mapping):
        return {name: str(dates[name]) for name in names if name in dates}
    if len(dates) != len(names):
        msg = f"{len(dates)} dates for {len(names)} images; give one a date, in their order"
        raise UsageError(msg)
    return dict(zip(names, map(str, dates), strict=True))


def read_table(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Read a CSV with the columns ``path`` and ``date``; paths count from the table's folder.

    Raises
    ------
    InputNotFoundError, InputError
    """
    file = Path(path)
    if not file.is_file():
        msg = f"no such file: {file}; check the path"
        raise InputNotFoundError(msg)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{file} is not a table of text ({error}); write a CSV with the columns path,date"
        raise InputError(msg) from error
    if not rows or not {"path", "date"} <= set(rows[0]):
        columns = ", ".join(map(str, rows[0])) if rows else "nothing"
        msg = f"{file} has {columns}; a table of dates has the columns path,date and a row a date"
        raise InputError(msg)
    listed = []
    for row in rows:
        given = (row["path"] or "").strip()
        local = not re.match(r"/vsi|[A-Za-z][A-Za-z0-9_+]+:", given)
        absolute = os.path.abspath(file.parent / given) if local else given
        listed.append((absolute, (row["date"] or "").strip()))
    return listed


def name_table(images: Sequence[Source] | str | os.PathLike[str], dates: Days | None) -> str | None:
    """Return the path of the table that tells the days, None where there is none.

    Examples
    --------
    >>> name_table("scenes.csv", None), name_table(["a.tif", "b.tif"], ["2020-01-01", "2021-01-01"])
    ('scenes.csv', None)
    """
    for given in (dates, images):
        if isinstance(given, str | os.PathLike):
            return os.fspath(given)
    return None


def read_item(path: str | os.PathLike[str]) -> tuple[Source, str]:
    """Return the rasters of a STAC item and its day.

    Raises
    ------
    InputNotFoundError, InputError
        No STAC item, without a day, or without rasters.
    """
    file = Path(path)
    if not file.is_file():
        msg = f"no such file: {file}; check the path"
        raise InputNotFoundError(msg)
    try:
        item = json.loads(file.read_text(encoding="utf-8"))
        facts, assets = item["properties"], item["assets"].values()
        day = str(facts.get("datetime") or facts["start_datetime"])[:10]
        hrefs = [asset["href"] for asset in assets if _is_data(asset)]
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        msg = f"{file} is not a STAC item with a date and assets ({error}); give the rasters"
        raise InputError(msg) from error
    if not hrefs:
        msg = f"STAC item {file} names no raster of bands; give the rasters and --dates"
        raise InputError(msg)
    local = [href if "://" in href else os.path.abspath(file.parent / href) for href in hrefs]
    return (local[0] if len(local) == 1 else local), day


def _is_data(asset: Mapping[str, Any]) -> bool:
    roles = asset.get("roles") or []
    raster = str(asset.get("type", "")).startswith(_DATA_TYPES)
    return raster and ("data" in roles or not roles)


def _describe(source: Source, given: str | None, nodata: float | None) -> Dated:
    scene = describe_date(source).amend(nodata)
    if given is not None:
        return Dated(source, scene, _parse(given, _name(source)))
    if scene.date is not None:
        return Dated(source, scene, date.fromisoformat(scene.date))
    name = _name(source)
    path = Path(name).absolute()
    for text in (path.stem, path.parent.name):
        if day := _guess(text):
            said = f"{path.name}: taken as of {day}, no day is known"
            return Dated(source, scene, day, said)
    what = "name it by its day (2020-06-09.tif), give --dates TABLE.csv, or leave it out"
    if path.is_dir():
        what = f"if it holds a file a date, {_advise(source)}, else name it by its day"
    msg = f"the day of {name} is not known: neither tags nor name tell it; {what}"
    raise InputError(msg)


def _advise(source: Source) -> str:
    """Say how to give more dates; a folder may hold a file a date."""
    name = _name(source)
    return f"give its files ({Path(name)}/*.tif)" if Path(name).is_dir() else "give more images"


def _parse(text: str, name: str) -> date:
    whole = _MONTH.fullmatch(text)
    try:
        if whole:
            return date(int(whole[1]), int(whole[2] or 1), 1)
        return date.fromisoformat(text[:10])
    except ValueError as error:
        msg = f"'{text}' is not a day of {name}; write YYYY-MM-DD"
        raise UsageError(msg) from error


def _guess(text: str) -> date | None:
    """Return the first day of the year or month in a text; sooner a past one than one to come.

    Examples
    --------
    >>> _guess("2048px_1995"), _guess("2017-04_median"), _guess("scene 7")
    (datetime.date(1995, 1, 1), datetime.date(2017, 4, 1), None)
    """
    days = [
        date(int(year), int(month or 1), 1)
        for year, month in _MONTH.findall(text)
        if not month or 1 <= int(month) <= 12
    ]
    today = datetime.now(UTC).date()
    return next((day for day in days if day <= today), days[0] if days else None)


def _same(first: Source, second: Source) -> bool:
    return os.path.abspath(_name(first)) == os.path.abspath(_name(second))


def _name(source: Source) -> str:
    """Name an image for people and tables: its first file."""
    first = source if isinstance(source, str | os.PathLike) else next(iter(source), "")
    return os.fspath(first)
