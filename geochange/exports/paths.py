"""How a file names another one so that both can move together."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

VIRTUAL = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
ARCHIVES = {"zip": "/vsizip/", "tar": "/vsitar/", "gzip": "/vsigzip/"}
_DRIVER = re.compile(r"[A-Za-z][A-Za-z0-9_+]+:")
"""Begin of a name such as ``NETCDF:"cube.nc":red``; one letter would be a drive of Windows."""


def locate(path: str | Path, folder: str | Path) -> str:
    """Return the name that a file in ``folder`` should use for ``path``.

    Local files are named relative to the folder, links resolved; remote ones as GDAL names them.

    Examples
    --------
    >>> locate("/data/in/a.tif", "/data/out")
    '../in/a.tif'
    >>> locate("https://example.org/a.tif", "/data/out")
    '/vsicurl/https://example.org/a.tif'
    >>> locate("zip:///data/a.zip!in/b.tif", "/data/out")
    '/vsizip//data/a.zip/in/b.tif'
    """
    name = str(path)
    scheme, found, rest = name.partition("://")
    if found and scheme == "file":
        return _locate_local(unquote(rest), folder)
    if found:
        return _locate_url(scheme, rest, name)
    if name.startswith("/vsi") or (_DRIVER.match(name) and not Path(name).exists()):
        return name
    return _locate_local(name, folder)


def _locate_url(scheme: str, rest: str, name: str) -> str:
    """GDAL's name of a URL; ``zip+https://...!inner`` is an archive somewhere else."""
    archive, _, inside = scheme.partition("+")
    if archive in ARCHIVES:
        file, _, member = rest.partition("!")
        outer = str(Path(file).absolute())
        if inside not in ("", "file"):
            outer = _locate_url(inside, file, f"{inside}://{file}")
        return f"{ARCHIVES[archive]}{outer}/{member.lstrip('/')}".rstrip("/")
    return f"{VIRTUAL[scheme]}{rest}" if scheme in VIRTUAL else f"/vsicurl/{name}"


def _locate_local(name: str, folder: str | Path) -> str:
    real = os.path.realpath(name)
    try:
        return Path(os.path.relpath(real, os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive of Windows
        return Path(real).as_posix()
