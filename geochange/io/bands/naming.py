"""Names of all bands of one date: numbered as their sensor does, and no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from geochange.io.bands.roles import SENSOR_ROLES, find_band_token, is_named, tell_sensor
from geochange.io.grids.pixelgrid import pixel_size
from geochange.io.rasters.rasterfile import RasterFile


def name_bands(files: Sequence[RasterFile]) -> tuple[list[RasterFile], list[str]]:
    """Name the bands of the files of one date together; returns them and notes.

    A file whose own name does not tell its sensor takes that of the whole date. Of the same
    Sentinel-2 band at several resolutions the finest is kept. Equal names get their file's stem in
    front; bands without a name are numbered through all files.
    """
    together = tell_sensor([n for f in files for n in f.bands], [t for f in files for t in f.texts])
    files = [file if file.sensor else file.named_by(together) for file in files]
    files, notes = _keep_finest(files)
    numbered = {n for f in files if f.sensor not in SENSOR_ROLES for n in f.bands}
    numbered = {name for name in numbered if find_band_token(name)}
    if numbered:
        listed = ", ".join(sorted(numbered))
        notes.append(f"sensor unknown: what bands {listed} show is not known; name them to tell")
    return _make_unique(files), notes


def _keep_finest(files: Sequence[RasterFile]) -> tuple[list[RasterFile], list[str]]:
    finest: dict[str, float] = {}
    for file in files:
        size = pixel_size(file.geobox)
        finest[file.bands[0]] = min(size, finest.get(file.bands[0], size))
    kept = [
        file
        for file in files
        if file.sensor != "Sentinel-2"
        or len(file.bands) > 1
        or pixel_size(file.geobox) == finest[file.bands[0]]
    ]
    left = [Path(file.path).name for file in files if file not in kept]
    note = f"coarser copies of bands not read: {', '.join(left)}"
    return kept, [note] if left else []


def _make_unique(files: Sequence[RasterFile]) -> list[RasterFile]:
    holders = Counter(name for file in files for name in {n.lower() for n in file.bands})
    positions, taken = count(1), set[str]()
    renamed = []
    for file in files:
        stem = Path(file.path).stem
        bands = []
        for name, position in zip(file.bands, positions, strict=False):
            own = f"{stem} {name}" if holders[name.lower()] > 1 else name
            bands.append(_number(own if is_named(name) else f"band {position}", taken))
        renamed.append(replace(file, bands=tuple(bands)))
    return renamed


def _number(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, with the next free number behind it; it is taken then."""
    tries = (f"{name} {n}" if n > 1 else name for n in count(1))
    unique = next(text for text in tries if text.lower() not in taken)
    taken.add(unique.lower())
    return unique
