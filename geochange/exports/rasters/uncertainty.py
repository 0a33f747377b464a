"""How unsure a probability is, made of the stored score while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray
from geochange.exports.rasters.cog import write_cog
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA, SCORE_SCALE, encode_score
from geochange.io.stores.tilestore import TileStore
from geochange.maps.sweep import Runner
from geochange.tiles import Window


@dataclass(frozen=True, slots=True)
class UncertaintyStore(TileStore):
    """The tiles of a score, read as entropy: nothing is stored twice."""

    def read(self, window: Window) -> NDArray[Any]:
        """Read any window of the uncertainty, uint16 (height, width)."""
        levels: NDArray[np.uint16] = entropy_levels()[TileStore.read(self, window)]
        return levels


def write_uncertainty(
    score: TileStore, path: str | Path, *, tags: Mapping[str, str], run: Runner = map
) -> Path:
    """Write ``uncertainty.tif``: the entropy of the score, stored as ``score.tif`` is.

    Parameters
    ----------
    score : TileStore
        Scores that are probabilities.
    path, tags, run
        See :func:`geochange.exports.rasters.cog.write_cog`.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full, a tile is damaged.
    """
    store = UncertaintyStore(*(getattr(score, field.name) for field in fields(TileStore)))
    what = "uncertainty in bits"
    return write_cog(store, path, description=what, scale=SCORE_SCALE, tags=tags, run=run)


def binary_entropy(probability: FloatArray) -> FloatArray:
    """Return the entropy of a yes-or-no answer in bits: 0 when sure, 1 at a half; NaN stays NaN.

    Shannon 1948, "A mathematical theory of communication", section 6.

    Examples
    --------
    >>> binary_entropy(np.array([0.0, 0.11, 0.5, 1.0], np.float32)).round(3)
    array([0. , 0.5, 1. , 0. ], dtype=float32)
    """
    p = np.asarray(probability, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = [np.where(q > 0, -q * np.log2(q), 0 * q) for q in (p, 1 - p)]
    return (bits[0] + bits[1]).astype(np.float32)


@cache
def entropy_levels() -> NDArray[np.uint16]:
    """Return the stored uncertainty of every stored score, uint16 (65536,)."""
    scores = (np.arange(SCORE_LEVELS, dtype=np.float64) * SCORE_SCALE).astype(np.float32)
    levels = np.append(encode_score(binary_entropy(scores)), np.uint16(SCORE_NODATA))
    levels.flags.writeable = False
    return levels
