"""The fields of a change polygon, in one order and of one type whatever a run finds."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas

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
    "misregistration_risk": "float64",
    "date_before": "datetime64[D]",
    "date_after": "datetime64[D]",
    "cloud_risk": "float64",
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
    """Return name to numpy type of all fields: :data:`FIELDS`, then one ``delta_`` of each band.

    Examples
    --------
    >>> list(polygon_fields(["red"]))[-2:]
    ['cloud_risk', 'delta_red']
    """
    return FIELDS | dict.fromkeys(delta_fields(bands), "float64")


def delta_fields(bands: Iterable[str]) -> list[str]:
    """Return the field of each band's change, ``delta_<band>`` made unique.

    Examples
    --------
    >>> delta_fields(["red", "Red"])
    ['delta_red', 'delta_Red_2']
    """
    return unique_names([f"delta_{band}" for band in bands])


def unique_names(names: Iterable[str], length: int | None = None) -> list[str]:
    """Shorten names and number those that are taken; capitals make no difference, as in SQL.

    Examples
    --------
    >>> unique_names(["d_Reflectance_Blue", "d_Reflectance_Red"], length=10)
    ['d_Reflecta', 'd_Reflec_2']
    """
    found: dict[str, str] = {}
    for name in names:
        number, short = 1, name[:length]
        while short.lower() in found:
            number += 1
            ending = f"_{number}"
            short = f"{name[: length and length - len(ending)]}{ending}"
        found[short.lower()] = short
    return list(found.values())


def fields_of(frame: geopandas.GeoDataFrame) -> dict[str, str]:
    """Return name to numpy type of the columns of polygons that were read back.

    Examples
    --------
    >>> fields_of(geopandas.GeoDataFrame({"id": [1], "note": ["x"]}, geometry=[None]))
    {'id': 'int64', 'note': 'str'}
    """
    columns = frame.drop(columns=frame.geometry.name)
    kinds = {"i": "int64", "u": "int64", "b": "int64", "f": "float64", "M": "datetime64[D]"}
    return {
        name: FIELDS.get(name) or kinds.get(values.dtype.kind, "str")
        for name, values in columns.items()
    }
