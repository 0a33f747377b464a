"""Which images are to be judged: one, a folder of them, or a table."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

from geochange.errors import InputError, InputNotFoundError
from geochange.training.scenes.layouts import list_images
from geochange.training.scenes.sources import list_scenes
from geochange.training.settings.data import SourceConfig

IMAGE_COLUMNS = ("image", "path", "after")
"""Columns that may name the image in a table of single ones; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Item:
    """A pair, or one image, to be judged.

    Attributes
    ----------
    name : str
    before, after : str
        Files, or folders of single-band files; the same for one image.
    """

    name: str
    before: str
    after: str


def list_items(
    before: str | os.PathLike[str], after: str | os.PathLike[str] | None, *, dates: int
) -> list[Item]:
    """List what is to be judged; reads names and tables only.

    Parameters
    ----------
    before, after : path
        Two images, or two folders with images of equal names; without ``after`` one image, a
        folder, or a CSV table (columns ``before`` and ``after``, or ``image``).
    dates : {1, 2}
        How many the network looks at.

    Raises
    ------
    InputNotFoundError, InputError
        Nothing there, names without a partner, or one image where two are needed.

    Examples
    --------
    >>> list_items("2018.tif", "2021.tif", dates=2)
    [Item(name='2021', before='2018.tif', after='2021.tif')]
    """
    first = Path(before)
    if after is not None:
        if dates == 1:
            msg = f"the network looks at one image, got {before} and {after}; give one"
            raise InputError(msg)
        second = Path(after)
        if first.is_dir() and second.is_dir() and (list_images(first) or list_images(second)):
            return _match(first, second)
        return [Item(second.stem, str(first), str(second))]
    if dates == 1:
        return _list_single(first)
    if not first.is_dir() and first.suffix.lower() != ".csv":
        msg = (
            f"the network compares two dates, got {before} alone; give two images, two folders, a "
            "folder of scenes, or a CSV table"
        )
        raise InputError(msg)
    scenes = list_scenes([SourceConfig(path=first.name)], first.parent)
    return [Item(s.name.partition(":")[2] or s.name, s.before, s.after) for s in scenes]


def _match(before: Path, after: Path) -> list[Item]:
    """Pair images of two folders by their names."""
    first, second = list_images(before), list_images(after)
    lone = sorted(first.keys() ^ second.keys())
    if lone:
        folder = after if lone[0] in first else before
        msg = f"{len(lone)} images have no partner: {folder} has no '{lone[0]}'; give equal names"
        raise InputNotFoundError(msg)
    return [Item(name, str(first[name]), str(second[name])) for name in sorted(first)]


def _list_single(path: Path) -> list[Item]:
    if path.suffix.lower() == ".csv":
        return _read_table(path)
    if not path.is_dir():
        return [Item(path.stem, str(path), str(path))]
    found = list_images(path)
    if not found:
        msg = f"{path} holds no image; give an image, a folder of images, or a CSV table"
        raise InputNotFoundError(msg)
    return [Item(name, str(image), str(image)) for name, image in sorted(found.items())]


def _read_table(path: Path) -> list[Item]:
    if not path.is_file():
        msg = f"no table at {path}; give a CSV file with a column image"
        raise InputNotFoundError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text (byte {error.start}); save it as CSV in UTF-8"
        raise InputError(msg) from error
    rows = list(csv.DictReader(io.StringIO(text)))
    column = next((c for c in IMAGE_COLUMNS if rows and c in rows[0]), None)
    if column is None or any(not row.get(column) for row in rows):
        msg = f"{path} needs a column image, filled in every row"
        raise InputError(msg)
    images = [path.parent / str(row[column]) for row in rows]
    names = [row.get("id") or image.stem for row, image in zip(rows, images, strict=True)]
    return [Item(n, str(image), str(image)) for n, image in zip(names, images, strict=True)]
