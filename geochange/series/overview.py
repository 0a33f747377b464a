"""What a series holds and how it would be looked at, from metadata alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geochange.io.rasters.scene import Source
from geochange.series.registry import choose_series_method
from geochange.series.stack import open_series


def describe_series(
    images: Sequence[Source] | str | os.PathLike[str], given: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Say what a series holds and how it would be looked at; reads metadata only.

    Parameters
    ----------
    images : sequence of sources, or path
        See :func:`geochange.open_series`.
    given : mapping
        Options of a pair; those that mean something for a series count: ``bands, aoi, mask_codes,
        resampling, nodata``.
    """
    names = ("bands", "aoi", "mask_codes", "resampling", "nodata")
    series = open_series(images, **{name: given[name] for name in names if name in given})
    method, reason = choose_series_method(series.ordinals)
    dates = [
        f"{day}: {', '.join(Path(file.path).name for file in scene.files)}, "
        f"{scene.files[0].geobox.shape[0]} x {scene.files[0].geobox.shape[1]} px, "
        f"{len(scene.bands)} bands"
        for day, scene in zip(series.days, series.scenes, strict=True)
    ]
    return {"series": list(series.notes), "dates": dates, "method": [f"{method}: {reason}"]}
