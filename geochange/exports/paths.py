"""How a file names another one so that both can move together."""

from __future__ import annotations

import os
from pathlib import Path

VIRTUAL = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}


def locate(path: str | Path, folder: str | Path) -> str:
    """Return the name that a file in ``folder`` should use for ``path``.

    Local files are named relative to the folder, remote ones as GDAL names them.

    Examples
    --------
    >>> locate("/data/in/a.tif", "/data/out")
    '../in/a.tif'
    >>> locate("https://example.org/a.tif", "/data/out")
    '/vsicurl/https://example.org/a.tif'
    """
    name = str(path)
    scheme, found, rest = name.partition("://")
    if name.startswith("/vsi"):
        return name
    if found:
        return f"{VIRTUAL[scheme]}{rest}" if scheme in VIRTUAL else f"/vsicurl/{name}"
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return Path(path).resolve().as_posix()
