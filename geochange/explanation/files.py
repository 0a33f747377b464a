"""What an explanation leaves: a GeoTIFF of attributions, a picture, a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window as RasterioWindow

from geochange.alignment.pair import Pair
from geochange.blocks import FloatArray
from geochange.explanation.finding import Finding
from geochange.explanation.occlusion import ALL, DATES
from geochange.io.files.atomic import explain_failure
from geochange.io.files.outputs import write_json
from geochange.io.stores.score import decode_score
from geochange.maps.changemap import ChangeMap
from geochange.tiles import Window
from geochange.version import __version__
from geochange.viz.pictures import choose_display_bands, render_rgb, render_score, stretch_pair

ATTRIBUTION, PICTURE, FACTS = "attribution.tif", "explanation.png", "explanation.json"


def write_explanation(
    folder: Path,
    result: ChangeMap,
    pair: Pair,
    finding: Finding,
    *,
    bbox: str | Sequence[float],
    crs: str | None,
) -> None:
    """Write ``attribution.tif``, ``explanation.png`` and ``explanation.json``.

    Parameters
    ----------
    folder : Path
    result : ChangeMap
        The run that is explained.
    pair : Pair
    finding : Finding
        Cropped.
    bbox, crs
        As the user gave them.

    Raises
    ------
    OutputError, ResourceError
    """
    with explain_failure(folder / ATTRIBUTION):
        _write_raster(folder / ATTRIBUTION, pair, finding)
    facts = _describe(result, finding)
    given = bbox if isinstance(bbox, str) else [float(number) for number in bbox]
    write_json(folder / FACTS, facts | {"bbox": given, "bbox_crs": crs})
    with explain_failure(folder / PICTURE):
        (folder / PICTURE).write_bytes(_draw(result, pair, finding))


def _write_raster(path: Path, pair: Pair, finding: Finding) -> None:
    layers, core = finding.attributed.layers, finding.block.tile.core
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=core.height,
        width=core.width,
        count=len(layers),
        dtype="float32",
        nodata=np.nan,
        crs=None if pair.geobox.crs is None else pair.geobox.crs.to_wkt(),
        transform=pair.geobox.affine @ pair.geobox.affine.translation(core.col, core.row),
        compress="deflate",
    ) as dataset:
        for number, layer in enumerate(layers, 1):
            dataset.write(layer.values.astype(np.float32, copy=False), number)
            dataset.set_band_description(number, f"{layer.date} {layer.band}")
        dataset.update_tags(METHOD=finding.method)


def _describe(result: ChangeMap, finding: Finding) -> dict[str, Any]:
    run, core = result.run, finding.block.tile.core
    sums = {(layer.date, layer.band): _sum(layer.values) for layer in finding.attributed.layers}
    gradients = finding.method == "integrated-gradients"
    bands = [
        row | ({"attribution": sums.get((row["date"], row["band"]), 0.0)} if gradients else {})
        for row in finding.bands
        if row["band"] != ALL
    ]
    return {
        "geochange": __version__,
        "kind": "explain",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run["fingerprint"],
        "detector": {
            name: run["method"][name]
            for name in ("name", "model", "weights", "weights_sha256")
            if name in run["method"]
        },
        "window": {
            "row": core.row, "col": core.col, "height": core.height, "width": core.width,
        },
        "method": finding.method,
        "mean_score": finding.mean_score,
        "valid_pixels": int(np.isfinite(finding.score).sum()),
        "difference_from_run": _compare(result, core, finding.score),
        "attribution": finding.attributed.facts,
        "bands": bands,
        "dates": [row for row in finding.bands if row["band"] == ALL],
    }  # fmt: skip


def _sum(values: FloatArray) -> float:
    return float(np.nansum(values, dtype=np.float64))


def _compare(result: ChangeMap, core: Window, score: FloatArray) -> float | None:
    """Return the largest difference to the stored score; None where the run kept none."""
    if "score" not in result.layers:
        return None
    with rasterio.open(result.locate("score.tif", "score")) as dataset:
        place = RasterioWindow(core.col, core.row, core.width, core.height)
        stored = decode_score(dataset.read(1, window=place))
    both = np.isfinite(stored) & np.isfinite(score)
    return float(np.abs(stored - score)[both].max()) if both.any() else None


def _draw(result: ChangeMap, pair: Pair, finding: Finding) -> bytes:
    from geochange.viz.explanations import plot_explanation
    from geochange.viz.figures import figure_png

    block = finding.block
    count = min(len(block.before), len(block.after))
    shown = list(choose_display_bands(pair.traits.roles[:count]))
    before, after = block.before[shown], block.after[shown]
    first, second, _ = stretch_pair(before, after, block.valid)
    pictures = [
        (result.labels[0], render_rgb(before, block.valid, first)),
        (result.labels[1], render_rgb(after, block.valid, second)),
        (f"change score, mean {finding.mean_score:.3f}", render_score(finding.score)),
    ]
    maps = {
        date: np.sum([one.values for one in layers], axis=0)
        for date in (*DATES, "both")
        if (layers := [one for one in finding.attributed.layers if one.date == date])
    }
    rows = [(row["date"], row["band"], row["importance"]) for row in finding.bands]
    figure = plot_explanation(pictures, maps, rows, method=_name(finding))
    return figure_png(figure)


def _name(finding: Finding) -> str:
    stage = finding.attributed.facts.get("stage")
    return f"{finding.method}, {stage}" if stage else finding.method
