"""Change polygons with their fields, in batches that a writer can append."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.maps.components import Measures, summarize
from geochange.maps.evidence import Evidence, PairSource, RiskSource, common_bands
from geochange.maps.geodesy import measure_ground
from geochange.maps.kept import Kept
from geochange.maps.polygons import outline, to_world
from geochange.maps.rings import GeometryArray
from geochange.maps.runs import Runs
from geochange.maps.smooth import smooth
from geochange.maps.sweep import RasterSource, Runner, sweep

Columns = dict[str, NDArray[Any]]

NDVI_STEP = 0.15
"""Change of a polygon's NDVI from which on it is a gain or a loss of vegetation."""
BRIGHTNESS_STEP = 0.05
"""Change of the mean over all bands, relative to before, that counts as brighter or darker."""


def change_features(
    mask: RasterSource,
    score: RasterSource | None = None,
    pair: PairSource | None = None,
    *,
    kept: Kept | None = None,
    risk: RiskSource | None = None,
    connectivity: int = 8,
    smoothed: bool = False,
    seen: Callable[[Runs], None] | None = None,
    run: Runner = map,
) -> Iterator[geopandas.GeoDataFrame]:
    """Yield the change polygons of a mask in one sweep over it.

    Parameters
    ----------
    mask : RasterSource
        Pixels that are 1 are change; any size, memory does not grow with its height.
    score : RasterSource, optional
        uint16 levels of the score on the same grid.
    pair : PairSource, optional
        Both dates on the same grid; used only with a score.
    kept : Kept, optional
        What of score and pair was kept; saves reading them.
    risk : RiskSource, optional
        Likelihood of clouds; unknown without.
    connectivity : {4, 8}
    smoothed : bool
        Round the outlines with :func:`~geochange.maps.smooth.smooth`.
    seen : callable, optional
        Called with all runs of change; see :func:`~geochange.maps.sweep.sweep`.
    run : callable
        How the loop over tiles runs; see :class:`~geochange.maps.sweep.Runner`.

    Yields
    ------
    GeoDataFrame
        At least one batch per row of tiles that completes any polygon: valid Polygons and
        MultiPolygons in the CRS of the grid (pixel coordinates without CRS) with the columns ``id``
        (1, 2, ... by the last pixel of each, as in
        :func:`~geochange.maps.polygons.polygonize`, so the same for any tile size), ``class``
        (see :func:`classify`), ``score_mean``, ``score_max``, ``pixels``, ``area_m2`` and
        ``perimeter_m`` (of the geometry on the ellipsoid; NaN without CRS), ``date_before``,
        ``date_after``, ``cloud_risk`` (mean over the pixels) and ``delta_<band>`` (mean of after -
        before). Scores are left out without ``score``; dates, risk and deltas without ``pair``.
    """
    describe = None if score is None else Evidence(score, pair, kept, risk).describe
    number = 0
    for components in sweep(mask, connectivity, describe, seen=seen, run=run):
        geometry = outline(components)
        if smoothed:
            geometry[:] = [smooth(one) for one in geometry]
        measures = summarize(components.totals)
        columns = {"id": np.arange(number + 1, number + 1 + len(measures))}
        columns |= _judge(measures, pair) | _size(measures, geometry, mask.geobox)
        columns |= _compare(measures, pair)
        number += len(measures)
        crs = None if mask.geobox.crs is None else mask.geobox.crs.to_wkt()
        world = to_world(geometry, mask.geobox)
        yield geopandas.GeoDataFrame(columns, geometry=world, crs=crs)


def _judge(measures: Measures, pair: PairSource | None) -> Columns:
    """Return the class and, where known, the scores."""
    columns: Columns = {"class": np.full(len(measures), "change", np.object_)}
    if pair is not None and measures.before is not None and measures.delta is not None:
        columns["class"] = classify(measures.before, measures.delta, pair.traits.roles)
    if measures.score_mean is not None and measures.score_max is not None:
        columns |= {"score_mean": measures.score_mean, "score_max": measures.score_max}
    return columns


def _size(measures: Measures, geometry: GeometryArray, geobox: GeoBox) -> Columns:
    area, perimeter = measure_ground(geometry, geobox)
    return {"pixels": measures.pixels, "area_m2": area, "perimeter_m": perimeter}


def _compare(measures: Measures, pair: PairSource | None) -> Columns:
    """Return the two dates and the difference of every band."""
    if pair is None:
        return {}
    names = "date_before", "date_after"
    columns: Columns = {
        name: np.full(len(measures), date, np.object_)
        for name, date in zip(names, pair.dates, strict=True)
    }
    if measures.cloud_risk is not None:
        columns["cloud_risk"] = measures.cloud_risk
    if measures.delta is not None:
        bands = [f"delta_{band}" for band in common_bands(pair.traits)]
        columns |= dict(zip(bands, measures.delta.T, strict=True))
    return columns


def classify(
    before: NDArray[np.float64], delta: NDArray[np.float64], roles: Sequence[str | None]
) -> NDArray[np.object_]:
    """Name the kind of change of each polygon from its mean spectrum.

    The first that holds: NDVI of the means fell or rose by ``NDVI_STEP`` (needs a ``red`` and a
    ``nir`` band): ``vegetation_loss``, ``vegetation_gain``; the mean of all bands changed by
    ``BRIGHTNESS_STEP`` of what it was: ``brighter``, ``darker``; else, or without data, ``change``.

    Parameters
    ----------
    before, delta : float64 (N, C)
        Mean of the before date and of after - before.
    roles : sequence of str or None
        Role of each band.

    Examples
    --------
    >>> before = np.array([[500.0, 4000.0], [1000.0, 1000.0], [1000.0, 1000.0]])
    >>> delta = np.array([[1500.0, -1500.0], [400.0, 400.0], [1.0, 2.0]])
    >>> classify(before, delta, ["red", "nir"]).tolist()
    ['vegetation_loss', 'brighter', 'change']
    """
    brightness = _relative(delta.mean(axis=1), np.abs(before).mean(axis=1))
    choices = [
        (brightness >= BRIGHTNESS_STEP, "brighter"),
        (brightness <= -BRIGHTNESS_STEP, "darker"),
    ]
    if "red" in roles and "nir" in roles:
        bands = [roles.index("red"), roles.index("nir")]
        step = _ndvi((before + delta)[:, bands]) - _ndvi(before[:, bands])
        green = [(step <= -NDVI_STEP, "vegetation_loss"), (step >= NDVI_STEP, "vegetation_gain")]
        choices = green + choices
    named = np.full(len(before), "change", np.object_)
    for holds, name in reversed(choices):
        named[holds] = name
    return named


def _ndvi(means: NDArray[np.float64]) -> NDArray[np.float64]:
    red, nir = means.T
    return _relative(nir - red, nir + red)


def _relative(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; NaN where the divisor is not positive."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
