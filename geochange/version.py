"""The version of geochange and of what it stands on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__version__ = version("geochange")
REPORTED_PACKAGES = (
    "rasterio",
    "numpy",
    "scipy",
    "shapely",
    "pyproj",
    "geopandas",
    "dask",
    "torch",
)


def installed_versions() -> dict[str, str]:
    """Return name to version of the packages that a result depends on."""
    found = {}
    for name in REPORTED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
