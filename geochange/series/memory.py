"""What is kept of a series so that a new acquisition can join it without the archive."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import InputError, InputNotFoundError, OutputExistsError, UsageError
from geochange.io.files.atomic import explain_failure
from geochange.io.files.outputs import write_json
from geochange.io.rasters.masks import VectorMask
from geochange.version import __version__

FACTS_NAME = "state.json"
FRAMES_NAME = "frames.npz"
TILES_NAME = "tiles"
KIND, FORMAT = "series-state", 1


@dataclass(frozen=True)
class StateFacts:
    """All of a state but its arrays, plain enough for JSON.

    Attributes
    ----------
    method : str
    options : mapping
        Of the method.
    learned : mapping
        What it learned of the scene.
    days : tuple of str
        ISO dates that it has seen, in order.
    sources : tuple
        Where each was read from.
    reference : int
    bands : tuple of str
    roles : tuple of str or None
    grid : mapping
        ``crs, affine, height, width``.
    tile_size : int
    settings : mapping
        Of the run, for the runs that follow.
    area : tuple of str
        Polygons of the area of interest in the CRS of the grid, as WKT; none where all counts.
    """

    method: str
    options: Mapping[str, Any]
    learned: Mapping[str, Any]
    days: tuple[str, ...]
    sources: tuple[Any, ...]
    reference: int
    bands: tuple[str, ...]
    roles: tuple[str | None, ...]
    grid: Mapping[str, Any]
    tile_size: int
    settings: Mapping[str, Any]
    area: tuple[str, ...] = ()

    @property
    def aoi(self) -> VectorMask | None:
        """The area of interest, on the grid."""
        polygons = tuple(shapely.from_wkt(text) for text in self.area)
        return VectorMask(polygons, self.geobox) if polygons else None

    @property
    def geobox(self) -> GeoBox:
        """Grid of the state."""
        shape = int(self.grid["height"]), int(self.grid["width"])
        return GeoBox(shape, Affine(*self.grid["affine"]), self.grid["crs"])

    @property
    def dates(self) -> tuple[date, ...]:
        """Days as dates."""
        return tuple(date.fromisoformat(day) for day in self.days)

    def extend(self, days: Sequence[date], sources: Sequence[Any]) -> StateFacts:
        """Return the facts once more dates were seen."""
        listed = (*self.days, *(day.isoformat() for day in days))
        return StateFacts(**{**self.store(), "days": listed, "sources": (*self.sources, *sources)})

    def store(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def read_facts(folder: str | os.PathLike[str]) -> StateFacts:
    """Read the facts of a state.

    Raises
    ------
    InputNotFoundError, InputError
        There is none, or it is damaged or of another version.
    """
    file = Path(folder) / FACTS_NAME
    if not file.is_file():
        msg = f"no state of a series in {folder}; make one: geochange series FILES --state {folder}"
        raise InputNotFoundError(msg)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("kind") != KIND or content.pop("format") != FORMAT:
            msg = f"{folder} was written by another version of geochange; make the state anew"
            raise InputError(msg)
        content.pop("geochange")
        for name in ("days", "sources", "bands", "roles", "area"):
            content[name] = tuple(content.get(name, ()))
        return StateFacts(**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        msg = f"{file} is damaged ({error}); make the state anew"
        raise InputError(msg) from error


def check_state_target(folder: str | os.PathLike[str], output: Path, *, overwrite: bool) -> None:
    """Refuse a place for a state that holds something else, or is to hold the output.

    Raises
    ------
    UsageError, OutputExistsError
    """
    target = Path(folder)
    if output.resolve().is_relative_to(target.resolve()):
        msg = f"the state {target} cannot hold the output {output}; give two folders"
        raise UsageError(msg)
    if not target.exists():
        return
    _require_state(target)
    if (target / FACTS_NAME).is_file() and not overwrite:
        msg = f"{target} holds a state; add to it (--add FILES), or replace it (--overwrite)"
        raise OutputExistsError(msg)


def _require_state(target: Path) -> None:
    """Refuse what is neither a state nor an empty folder."""
    is_state = (target / FACTS_NAME).is_file()
    if not is_state and (not target.is_dir() or any(target.iterdir())):
        msg = f"{target} exists and is no state of a series; choose another --state"
        raise OutputExistsError(msg)


def write_facts(folder: Path, facts: StateFacts) -> None:
    """Complete a state: without its facts a folder is none."""
    content = {"kind": KIND, "format": FORMAT, "geochange": __version__, **facts.store()}
    write_json(folder / FACTS_NAME, content)


def put_state(
    scratch: Path, target: str | os.PathLike[str], known: StateFacts | None = None
) -> None:
    """Move a complete state into place; an older one stays until then.

    Parameters
    ----------
    scratch : Path
        Of :func:`write_facts`; where it is no state, nothing is done.
    target : path
    known : StateFacts, optional
        What the older state must still be.

    Raises
    ------
    OutputExistsError
        Another run has changed the state meanwhile, or something else is there.
    OutputError, ResourceError
    """
    if not (scratch / FACTS_NAME).is_file():
        return
    place = Path(target).resolve()
    if known is not None and read_facts(place).days != known.days:
        msg = f"another run has added dates to {place} meanwhile; add those of this run again"
        raise OutputExistsError(msg)
    token = secrets.token_hex(6)
    fresh = place.with_name(f".{place.name}.{token}.new")
    old = place.with_name(f".{place.name}.{token}.old")
    with explain_failure(place):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(scratch, fresh)
            if place.exists():
                _require_state(place)
                place.replace(old)
            fresh.replace(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            if old.exists() and not place.exists():
                old.replace(place)
            shutil.rmtree(old, ignore_errors=True)
