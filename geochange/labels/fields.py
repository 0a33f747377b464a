"""What is known of every polygon and of every tile, and what the states of tiles mean."""

from __future__ import annotations

from collections.abc import Mapping

POLYGON_FIELDS: Mapping[str, str] = {
    "id": "str",
    "class": "str",
    "class_id": "int64",
    "verdict": "str",
    "source": "str",
    "candidate": "int64",
    "run": "int64",
    "model": "str",
    "weights_sha256": "str",
    "score": "float64",
    "confidence": "int64",
    "note": "str",
    "annotator": "str",
    "created": "str",
    "updated": "str",
    "schema_version": "int64",
    "tile": "int64",
    "view_mode": "str",
    "seconds": "float64",
}
"""Columns of the polygons, name to numpy type: what each is, and where it comes from."""
TILE_FIELDS: Mapping[str, str] = {
    "id": "int64",
    "state": "str",
    "annotator": "str",
    "updated": "str",
    "note": "str",
    "flag": "int64",
    "col": "int64",
    "row": "int64",
    "width": "int64",
    "height": "int64",
    "uncertainty": "float64",
    "reason": "str",
    "stratum": "str",
}
"""Columns of the tiles."""
LOOKED = ("labelled", "no_change", "approved", "gold")
"""States of tiles in which every pixel outside the polygons is known not to have changed."""
SILENT = ("unsure", "unusable")
"""States of tiles in which nothing is known, whatever is drawn there."""
