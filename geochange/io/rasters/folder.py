"""Which files of a folder are the bands of one date."""

from __future__ import annotations

import re
from pathlib import Path

from geochange.errors import InputError, InputNotFoundError

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
PATTERNS = ("*", "R[126]0m/*", "IMG_DATA/*", "IMG_DATA/R*m/*", "GRANULE/*/IMG_DATA/**/*")
"""Where bands lie: in the folder itself, or where a Sentinel-2 product keeps them."""
_NOT_A_BAND = re.compile(
    r"(?<![A-Za-z0-9])(SCL|QA\d*|QA_?PIXEL|CLD|CLOUDS?|MASK|MSK|TCI|AOT|WVP|LABELS?|TRUTH)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """Return the paths of a folder's bands, and a note of the rasters that are none.

    Raises
    ------
    InputNotFoundError
        No raster in it.
    InputError
        A Sentinel-2 product of several granules.
    """
    granules = sorted(path.name for path in folder.glob("GRANULE/*") if path.is_dir())
    if len(granules) > 1:
        msg = f"{folder} holds {len(granules)} granules; give the IMG_DATA folder of one of them"
        raise InputError(msg)
    rasters = next(filter(None, (_list_rasters(folder, pattern) for pattern in PATTERNS)), [])
    bands = [p for p in rasters if not _NOT_A_BAND.search(p.stem)]
    if not bands:
        inner = sorted(f"{path.name}/" for path in folder.iterdir() if path.is_dir())[:4]
        hint = f"give one of its folders ({', '.join(inner)})" if inner else "give files"
        msg = f"folder {folder} holds no raster of bands ({', '.join(RASTER_SUFFIXES)}); {hint}"
        raise InputNotFoundError(msg)
    left = [p.name for p in rasters if p not in bands]
    return [str(p) for p in bands], [f"not read as bands: {', '.join(left)}"] if left else []


def _list_rasters(folder: Path, pattern: str) -> list[Path]:
    return sorted(
        path
        for path in folder.glob(pattern)
        if path.suffix.lower() in RASTER_SUFFIXES and not path.name.startswith(".")
    )
