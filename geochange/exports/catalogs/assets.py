"""What the files of a run are, in the words of STAC: media types, roles, bands, classes."""

from __future__ import annotations

from collections.abc import Mapping

from geochange.io.stores.score import MASK_NODATA, SCORE_NODATA, SCORE_SCALE

GEOJSON = "application/geo+json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
SCORE_BAND = {
    "name": "score",
    "description": "change score, 0 to 1",
    "data_type": "uint16",
    "nodata": SCORE_NODATA,
    "raster:scale": SCORE_SCALE,
    "raster:offset": 0.0,
}
MASK_BAND = {
    "name": "mask",
    "data_type": "uint8",
    "nodata": MASK_NODATA,
    "classification:classes": [
        {"value": 0, "name": "no-change", "description": "no change"},
        {"value": 1, "name": "change", "description": "change"},
        {"value": MASK_NODATA, "name": "unknown", "description": "unknown", "nodata": True},
    ],
}
UNCERTAINTY_BAND = {
    **SCORE_BAND,
    "name": "uncertainty",
    "description": "entropy of the score as a probability, 0 to 1",
    "unit": "bit",
}
ASSETS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "score": ("score.tif", {"type": COG, "roles": ["data"], "bands": [SCORE_BAND]}),
    "mask": ("mask.tif", {"type": COG, "roles": ["data"], "bands": [MASK_BAND]}),
    "uncertainty": (
        "uncertainty.tif",
        {"type": COG, "roles": ["data", "uncertainty"], "bands": [UNCERTAINTY_BAND]},
    ),
    "date": (
        "date.tif",
        {"type": COG, "roles": ["data"], "title": "decimal year of each change"},
    ),
    "magnitude": (
        "magnitude.tif",
        {"type": COG, "roles": ["data"], "title": "after minus before, a band a band"},
    ),
    "changes": (
        "changes.gpkg",
        {"type": "application/geopackage+sqlite3", "roles": ["data"], "title": "change polygons"},
    ),
    "changes_wgs84": (
        "changes.geojson",
        {"type": GEOJSON, "roles": ["data"], "title": "change polygons in WGS 84"},
    ),
    "report": ("report.html", {"type": "text/html", "roles": ["metadata"], "title": "report"}),
    "run": (
        "run.json",
        {"type": "application/json", "roles": ["metadata"], "title": "how this was made"},
    ),
    "before": (
        "quicklook/before.png",
        {"type": "image/png", "roles": ["overview"], "title": "the date before"},
    ),
    "after": (
        "quicklook/after.png",
        {"type": "image/png", "roles": ["thumbnail", "overview"], "title": "the date after"},
    ),
    "animation": (
        "animation.gif",
        {"type": "image/gif", "roles": ["thumbnail", "overview"], "title": "all dates"},
    ),
    "animation_apng": (
        "animation.png",
        {"type": "image/apng", "roles": ["overview"], "title": "all dates, in all colours"},
    ),
}
"""Key to file and description; a run lists those that it has."""
