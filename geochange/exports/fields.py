"""The fields of a change polygon, in one order and of one type whatever a run finds."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas
import pandas

LAYER = "changes"
"""Name of the layer of change polygons."""

FIELDS = {
    "id": "int64",
    "class": "str",
    "score_mean": "float64",
    "score_max": "float64",
    "pixels": "int64",
    "area_m2": "float64",
    "perimeter_m": "float64",
    "date_before": "datetime64[D]",
    "date_after": "datetime64[D]",
}
"""Name to numpy type of the fields that every run has."""

STATUS = {
    "unreviewed": "#999999",
    "accepted": "#009e73",
    "rejected": "#d55e00",
    "unsure": "#f0e442",
}
"""Verdicts of a review and their colours; a run leaves everything unreviewed."""


def polygon_fields(bands: Iterable[str] = ()) -> dict[str, str]:
    """Return name to numpy type of all fields: :data:`FIELDS`, then ``delta_<band>`` of each band.

    Examples
    --------
    >>> list(polygon_fields(["red"]))[-2:]
    ['date_after', 'delta_red']
    """
    return FIELDS | {f"delta_{band}": "float64" for band in bands}


def best_changes(batches: Iterable[geopandas.GeoDataFrame], limit: int) -> geopandas.GeoDataFrame:
    """Return the ``limit`` features of the highest ``score_mean``, best first; memory is bounded.

    Examples
    --------
    >>> columns = {"id": [1, 2], "score_mean": [0.5, 0.9]}
    >>> batch = geopandas.GeoDataFrame(columns, geometry=[None, None])
    >>> list(best_changes([batch], limit=1)["id"])
    [2]
    """
    best = geopandas.GeoDataFrame({"id": [], "score_mean": []}, geometry=[])
    for batch in batches:
        both = pandas.concat([best, batch]) if len(best) else batch
        best = both.sort_values(["score_mean", "id"], ascending=[False, True]).head(limit)
    return best.reset_index(drop=True)
