"""How well the scores of a finished run agree with labelled tiles."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import rasterio
from rasterio.windows import Window as RasterioWindow

from geochange.evaluation.ranking import ScoreHistogram
from geochange.improvement.material import ReadLabel
from geochange.io.score import SCORE_LEVELS
from geochange.maps.changemap import ChangeMap
from geochange.tiles import Window


def count_run(
    result: ChangeMap, read_label: ReadLabel, windows: Iterable[Window]
) -> ScoreHistogram:
    """Count the stored scores of a run by label over windows of its grid.

    Parameters
    ----------
    result : ChangeMap
    read_label : callable
    windows : iterable of Window
    """
    nothing = np.zeros(SCORE_LEVELS, np.int64)
    total = ScoreHistogram(nothing, nothing)
    with rasterio.open(result.path / "score.tif") as dataset:
        for window in windows:
            place = RasterioWindow(window.col, window.row, window.width, window.height)
            total += ScoreHistogram.count(dataset.read(1, window=place), read_label(window))
    return total
