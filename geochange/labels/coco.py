"""Labels as COCO: an image for each tile that was gone through, polygons in its pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geochange.io.files.atomic import replace_atomically
from geochange.labels.content import Labels
from geochange.labels.crops import crop_name
from geochange.labels.fields import LOOKED
from geochange.labels.provenance import describe_labels
from geochange.tiles import Window

KEPT = ("source", "candidate", "weights_sha256", "schema_version", "annotator", "score")
"""Columns of the polygons that annotations keep."""


def write_coco(labels: Labels, path: Path) -> None:
    """Write labels in the format of COCO's instances.

    Images are the tiles that were gone through, named as the chips of
    :func:`~geochange.labels.chips.write_chips` are; one without change has no annotations. A
    polygon that reaches into several tiles is cut. COCO's polygons have no holes: those with any
    are run lengths, and so are those of an ignored class, which are marked ``iscrowd``.

    Parameters
    ----------
    labels : Labels
    path : Path

    Raises
    ------
    OutputError, ResourceError

    References
    ----------
    Lin et al. (2014), Microsoft COCO: Common Objects in Context, arXiv:1405.0312.
    """
    tiles = labels.tiles[labels.tiles["state"].isin(LOOKED)]
    images = [_image(labels, row) for _, row in tiles.iterrows()]
    facts = describe_labels(labels)
    content = {
        "info": {"description": "labels of change", "geochange": facts},
        "licenses": [],
        "images": images,
        "categories": [
            {"id": c.id, "name": c.name, "supercategory": "change"} for c in labels.schema.classes
        ],
        "annotations": list(_annotate(labels, images)),
    }
    with replace_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _image(labels: Labels, tile: pandas.Series) -> dict[str, Any]:
    window = Window(*(int(tile[name]) for name in ("row", "col", "height", "width")))
    name = crop_name(int(tile["id"]), window, by_tile=True)
    affine = labels.geobox.affine
    moved = affine @ affine.translation(window.col, window.row)
    return {
        "id": int(tile["id"]),
        "file_name": f"A/{name}.tif",
        "after_file_name": f"B/{name}.tif",
        "label_file_name": f"label/{name}.tif",
        "width": window.width,
        "height": window.height,
        "state": tile["state"],
        "annotator": tile["annotator"] or "",
        "col": window.col,
        "row": window.row,
        "transform": list(moved)[:6],
    }


def _annotate(labels: Labels, images: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    accepted = (labels.polygons["verdict"] == "accepted").to_numpy()
    rows, drawn = labels.polygons[accepted], labels.pixels[accepted]
    ignored = {c.id for c in labels.schema.classes if c.ignore}
    tree, number = shapely.STRtree(drawn), 0
    for image in images:
        left, top = image["col"], image["row"]
        box = shapely.box(left, top, left + image["width"], top + image["height"])
        for index in np.sort(tree.query(box, predicate="intersects")):
            part = shapely.intersection(drawn[index], box)
            part = shapely.transform(part, lambda xy, x=left, y=top: xy - (x, y))
            if part.area <= 0:
                continue
            number += 1
            row = rows.iloc[int(index)]
            crowd = int(row["class_id"]) in ignored
            x, y, right, bottom = part.bounds
            yield {
                "id": number,
                "image_id": image["id"],
                "category_id": int(row["class_id"]),
                "segmentation": _segment(part, image, crowd=crowd),
                "area": float(part.area),
                "bbox": [x, y, right - x, bottom - y],
                "iscrowd": int(crowd),
                "label_id": str(row["id"]),
                **{name: _plain(row[name]) for name in KEPT},
            }


def _segment(part: Any, image: dict[str, Any], *, crowd: bool) -> Any:
    polygons = [p for p in shapely.get_parts(shapely.get_parts(part)) if p.geom_type == "Polygon"]
    if not crowd and not any(len(p.interiors) for p in polygons):
        return [shapely.get_coordinates(p.exterior)[:-1].ravel().tolist() for p in polygons]
    shape = image["height"], image["width"]
    pixels = rasterize(polygons, out_shape=shape, transform=Affine.identity(), dtype="uint8")
    return {"size": list(shape), "counts": count_runs(pixels)}


def count_runs(pixels: NDArray[np.uint8]) -> list[int]:
    """Return lengths of runs of 0 and 1 in turn, from 0 on, down the columns (COCO's RLE).

    Examples
    --------
    >>> count_runs(np.array([[1, 0], [1, 1]], np.uint8))
    [0, 2, 1, 1]
    """
    flat = pixels.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs: list[int] = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs


def _plain(value: Any) -> Any:
    if pandas.isna(value):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    return value.item() if hasattr(value, "item") else value
