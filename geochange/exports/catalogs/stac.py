"""Results as SpatioTemporal Asset Catalogs hold them: an item a run, a collection a batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.exports.catalogs.assets import ASSETS, GEOJSON
from geochange.exports.catalogs.footprints import grid_footprint
from geochange.exports.paths import locate
from geochange.exports.vectors.wgs84 import Footprint
from geochange.io.files.outputs import write_json
from geochange.io.provenance import plain

STAC_VERSION = "1.1.0"
ITEM_NAME = "item.json"
COLLECTION_NAME = "collection.json"
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
]


def write_item(run: Mapping[str, Any], folder: Path, name: str) -> Path | None:
    """Write ``item.json`` into a run's folder, if there can be one; see :func:`describe_item`."""
    item = describe_item(run, folder, name)
    if item is None:
        return None
    write_json(folder / ITEM_NAME, item)
    return folder / ITEM_NAME


def describe_item(run: Mapping[str, Any], folder: Path, name: str) -> dict[str, Any] | None:
    """Return the STAC item of a run.

    Parameters
    ----------
    run : mapping
        What ``run.json`` holds or will hold.
    folder : Path
        Where the files of the run are; it or its sibling ``name`` will stay.
    name : str
        Id of the item: the name of the run's folder.

    Returns
    -------
    dict or None
        Plain enough for JSON; the same for the same findings. The footprint is null for a pair
        without CRS. None when neither date is known: an item must say when.

    References
    ----------
    SpatioTemporal Asset Catalog specification 1.1.0; projection, raster,
    processing and classification extensions.

    Examples
    --------
    >>> describe_item({"inputs": {"before": {"date": None}, "after": {"date": None}}}, Path(), "x")
    """
    span = date_span(run)
    if span is None:
        return None
    area = grid_footprint(grid_of(run))
    place: dict[str, Any] = {"geometry": None}
    if area is not None:
        place = {"geometry": plain(area), "bbox": _bbox([area])}
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": EXTENSIONS,
        "id": name,
        **place,
        "properties": {
            "datetime": None,
            "start_datetime": span[0],
            "end_datetime": span[1],
            **_describe_grid(run["grid"]),
            **_describe_findings(run),
        },
        "links": list(_link_inputs(run, folder)),
        "assets": {
            key: {"href": f"./{file}", **about}
            for key, (file, about) in ASSETS.items()
            if (folder / file).exists() or key == "run"
        },
    }


def describe_collection(name: str, items: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the STAC collection of items in folders beside it, each named as its id.

    Parameters
    ----------
    name : str
        Id of the collection.
    items : iterable of mapping
        As :func:`describe_item` returns them; one is held at a time.

    Returns
    -------
    dict or None
        None when no item has a footprint: a collection must say where.
    """
    links, starts, ends, extent = [], set(), set(), Footprint()
    for item in items:
        href = f"./{item['id']}/{ITEM_NAME}"
        links.append({"rel": "item", "href": href, "type": GEOJSON, "title": item["id"]})
        starts.add(item["properties"]["start_datetime"])
        ends.add(item["properties"]["end_datetime"])
        if item["geometry"] is not None:
            extent.add(np.array([shapely.geometry.shape(item["geometry"])]))
    if extent.bbox is None:
        return None
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": name,
        "description": "Changes on the ground between pairs of images, found by geochange.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [extent.bbox]},
            "temporal": {"interval": [[min(starts), max(ends)]]},
        },
        "links": [
            {"rel": "root", "href": f"./{COLLECTION_NAME}", "type": "application/json"},
            *links,
        ],
    }


def grid_of(run: Mapping[str, Any]) -> GeoBox:
    """Return the grid that a run notes."""
    grid = run["grid"]
    return GeoBox((grid["height"], grid["width"]), Affine(*grid["affine"]), grid["crs"])


def date_span(run: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return begin and end of the time of a run's dates; None when none is known.

    Examples
    --------
    >>> date_span({"inputs": {"before": {"date": "2021-06-05"}, "after": {"date": None}}})
    ('2021-06-05T00:00:00Z', '2021-06-05T00:00:00Z')
    """
    given = run["days"] if "days" in run else [one["date"] for _, one in _name_inputs(run)]
    days = sorted(day for day in given if day)
    return (f"{days[0]}T00:00:00Z", f"{days[-1]}T00:00:00Z") if days else None


def _name_inputs(run: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what each date is called, and its date and files: of a pair, or of a series."""
    inputs = run["inputs"]
    if isinstance(inputs, Mapping):
        return [(when, inputs[when]) for when in ("before", "after")]
    return [(str(one["date"]), one) for one in inputs]


def _bbox(areas: list[shapely.Geometry]) -> list[float] | None:
    extent = Footprint()
    extent.add(np.array(areas))
    return extent.bbox


def _describe_grid(grid: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the projection extension; a CRS without code comes as WKT."""
    crs = grid["crs"]
    has_code = crs is None or re.fullmatch(r"\w+:\w+", crs) is not None
    return {
        "proj:code": crs if has_code else None,
        **({} if has_code else {"proj:wkt2": crs}),
        "proj:shape": [grid["height"], grid["width"]],
        "proj:transform": list(grid["affine"]),
        **({"gsd": grid["gsd_m"]} if grid["gsd_m"] else {}),
    }


def _describe_findings(run: Mapping[str, Any]) -> dict[str, Any]:
    changes = run.get("changes")
    found = (
        {
            "geochange:changes": changes["count"],
            "geochange:changed_share": changes["share_of_valid"],
        }
        if changes
        else {}
    )
    return {
        "processing:software": {"geochange": run["geochange"]},
        "processing:lineage": f"{run['method']['name']}: {run['method']['reason']}",
        **found,
    }


def _link_inputs(run: Mapping[str, Any], folder: Path) -> Iterator[dict[str, str]]:
    for name, one in _name_inputs(run):
        for file in one["files"]:
            path = str(file["path"])
            href = path if "://" in path else locate(path, folder)
            yield {"rel": "derived_from", "href": href, "title": name}
