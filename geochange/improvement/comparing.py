"""How well the scores of a finished run, or of a network, agree with labelled tiles."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window as RasterioWindow

from geochange.alignment.pair import Pair
from geochange.detectors.network import NetworkDetector
from geochange.errors import DataWarning
from geochange.evaluation.ranking import ScoreHistogram
from geochange.improvement.material import ReadLabel
from geochange.io.stores.score import SCORE_LEVELS, encode_score
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
    total = _empty()
    with rasterio.open(result.path / "score.tif") as dataset:
        for window in windows:
            place = RasterioWindow(window.col, window.row, window.width, window.height)
            total += ScoreHistogram.count(dataset.read(1, window=place), read_label(window))
    return total


def count_network(
    checkpoint: Path, pair: Pair, read_label: ReadLabel, windows: Sequence[Window]
) -> ScoreHistogram:
    """Score windows with a network, as detection does, and count them by label.

    Parameters
    ----------
    checkpoint : Path
    pair : Pair
    read_label : callable
    windows : sequence of Window
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the pixel size: it is measured here
        detector = NetworkDetector(checkpoint=str(checkpoint), roles=tuple(pair.before.roles))
    seen = [_around(window, detector.halo, detector.step) for window in windows]
    detector.fit(pair.read_window(window) for window in seen)
    total = _empty()
    for window, read in zip(windows, seen, strict=True):
        block = pair.read_window(read)
        score = detector.score(block.before[None], block.after[None], block.valid[None])[0]
        levels = encode_score(score[window.slices_in(read)])
        total += ScoreHistogram.count(levels, read_label(window))
    return total


def _around(window: Window, halo: int, step: int) -> Window:
    """Return a window with the context that a network looks at, its sides multiples of a step."""
    padded = window.pad(halo)
    height, width = (-(-side // step) * step for side in padded.shape)
    return Window(padded.row, padded.col, height, width)


def _empty() -> ScoreHistogram:
    nothing = np.zeros(SCORE_LEVELS, np.int64)
    return ScoreHistogram(nothing, nothing)
