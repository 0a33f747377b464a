"""Any detector behind a screen: cells that surely hold no change are not looked at."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock, PairTraits
from geochange.detectors.base import Detector
from geochange.detectors.imagenetwork import ImageNetwork, choose_screen, find_threshold
from geochange.detectors.wrappers.rectangles import cover_cells
from geochange.errors import UsageError
from geochange.io.stores.score import SCORE_SCALE
from geochange.nn.normalization import FixedNormalization

SCREENED = 0.0
"""Score of pixels that were screened out; all others score at least one stored level above."""
RECALL = 0.99
"""Share of the changed pixels that a screen keeps where nobody says otherwise."""
BATCH = 256
"""Cells that the network sees at a time."""


class Screened:
    """Score only the cells of a fixed lattice that a network for images does not rule out.

    Cells are squares of the size that the network was trained on, counted from the corner of the
    grid, so which ones are left out depends on no tile and no worker. What else the detector has,
    such as its threshold and device, this has too.

    Parameters
    ----------
    detector : Detector
        It is left as it is.
    network : ImageNetwork
        Normalised by its card, not by the scene.
    recall : float
        Share of the changed pixels to keep, as measured on the network's validation data.

    Attributes
    ----------
    cell_px : int
        Edge of a cell.
    limit : float
        Probability of change from which a cell is kept.
    halo, step : int
        Of the detector; ``step`` is a multiple of the cells too.

    Raises
    ------
    UsageError
        A network that is no screen, or that knows no threshold for the recall.
    """

    def __init__(self, detector: Detector, network: ImageNetwork, *, recall: float) -> None:
        self.detector = detector
        self.network = network
        self.recall = recall
        _require_screen(network)
        self.cell_px = network.card.image_px
        self.limit = find_threshold(network.card, recall)
        self.halo = detector.halo
        self.step = math.lcm(self.cell_px, int(getattr(detector, "step", 1)))
        self.fit_halo = int(getattr(detector, "fit_halo", detector.halo))
        self.threshold = detector.threshold

    def __getattr__(self, name: str) -> Any:
        """Return what else the detector has; names with an underscore are not passed on."""
        if name.startswith("_") or name in ("detector", "fitted_"):
            raise AttributeError(name)
        return getattr(self.__dict__.get("fitted_", self.detector), name)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Fit the detector on all pixels; the network only looks whether its bands are there."""
        stream = iter(blocks)
        first = list(islice(stream, 1))
        self.network_ = copy.copy(self.network).fit(first)
        self.fitted_ = copy.copy(self.detector).fit(chain(first, stream))
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        tiles = zip(before, after, valid, strict=True)
        return np.stack([self._score(*tile) for tile in tiles])

    def describe(self) -> dict[str, object]:
        """Return what a run records of the screen."""
        point = next(p for p in self.network.card.recalls if p.threshold == self.limit)
        return {
            **self.network.provenance,
            "recall": self.recall,
            "validated_recall": point.recall,
            "threshold": self.limit,
            "cell_px": self.cell_px,
            "screened_score": SCREENED,
        }

    def _score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        score = np.where(valid, np.float32(SCREENED), np.float32(np.nan))
        kept = self._choose_cells(before, after, valid)
        if not kept.any():
            return score
        step = int(getattr(self.detector, "step", 1))
        found = np.full(valid.shape, np.nan, np.float32)
        for part, inner in cover_cells(kept, self.cell_px, self.halo, step, valid.shape):
            first, second = (date[(None, slice(None), *part)] for date in (before, after))
            scored = self.fitted_.score(first, second, valid[part][None])[0]
            found[inner] = scored[_within(inner, part)]
        cells = np.kron(kept, np.ones((self.cell_px, self.cell_px), np.bool_))
        seen = cells[: valid.shape[0], : valid.shape[1]] & valid
        score[seen] = np.maximum(found[seen], np.float32(SCORE_SCALE))
        return score

    def _choose_cells(
        self, before: FloatArray, after: FloatArray, valid: BoolArray
    ) -> NDArray[np.bool_]:
        """Return which cells are kept, bool (rows, cols); those in the margin alone are not."""
        size = self.cell_px
        rows, cols = (-(-edge // size) for edge in valid.shape)
        low = self.halo // size
        high = [-(-max(edge - self.halo, 0) // size) for edge in valid.shape]
        kept = np.zeros((rows, cols), np.bool_)
        places = [
            (row, col)
            for row in range(low, min(rows, high[0]))
            for col in range(low, min(cols, high[1]))
            if valid[_cell(row, col, size)].any()
        ]
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            first, second = (_cut(date, batch, size) for date in (before, after))
            seen = _cut(valid[None], batch, size)[:, 0]
            rated = self.network_.rate(first, second, seen)
            for (row, col), probability in zip(batch, rated, strict=True):
                kept[row, col] = probability >= self.limit
        return kept


def _require_screen(network: ImageNetwork) -> None:
    if not isinstance(network.card.normalization, FixedNormalization):
        msg = (
            f"'{network.card.title}' is normalised by the scene and cannot screen; train it with "
            'data.normalization = "set"'
        )
        raise UsageError(msg)
    if network.dates != 2:
        msg = f"'{network.card.title}' looks at one date and cannot screen; name one for pairs"
        raise UsageError(msg)


def _cell(row: int, col: int, size: int) -> tuple[slice, slice]:
    return slice(row * size, (row + 1) * size), slice(col * size, (col + 1) * size)


def _cut(image: NDArray[Any], places: list[tuple[int, int]], size: int) -> NDArray[Any]:
    """Return cells of (C, H, W), (N, C, size, size); 0 beyond the image."""
    cells = np.zeros((len(places), len(image), size, size), image.dtype)
    for cell, place in zip(cells, places, strict=True):
        part = image[(slice(None), *_cell(*place, size))]
        cell[:, : part.shape[1], : part.shape[2]] = part
    return cells


def _within(inner: tuple[slice, slice], outer: tuple[slice, slice]) -> tuple[slice, slice]:
    """Return where a part lies in a larger one."""
    pairs = zip(inner, outer, strict=True)
    rows, cols = (slice(i.start - o.start, i.stop - o.start) for i, o in pairs)
    return rows, cols


def put_screen(
    detector: Detector, screen: str | None, recall: float | None, traits: PairTraits
) -> Detector:
    """Return the detector behind a screen; as it is without one.

    Parameters
    ----------
    detector : Detector
    screen : str, optional
        Name or file of a network for images, or ``auto``.
    recall : float, optional
        See :class:`Screened`; default :data:`RECALL`.
    traits : PairTraits

    Raises
    ------
    UsageError, InputError
        A recall without a screen, no such network, or one that does not fit.
    """
    if screen is None:
        if recall is not None:
            msg = f"a recall of {recall:g} is for screening; name a screen too, such as auto"
            raise UsageError(msg)
        return detector
    network = ImageNetwork(
        checkpoint=choose_screen(screen, traits),
        roles=traits.roles,
        gsd_m=traits.gsd_m,
        dtype=traits.dtype,
    )
    return Screened(detector, network, recall=RECALL if recall is None else recall)


def tell_screened(
    detector: Detector, histogram: NDArray[np.int64]
) -> tuple[NDArray[np.int64], dict[str, Any], list[str]]:
    """Part a histogram of stored scores into what was compared and what was screened out.

    Parameters
    ----------
    detector : Detector
    histogram : int64 (levels,)

    Returns
    -------
    compared : int64 (levels,)
        What a threshold is chosen on; everything where nothing passed the screen.
    facts : dict
        What ``run.json`` tells; empty without a screen.
    notes : list of str
    """
    if not isinstance(detector, Screened):
        return histogram, {}, []
    screened, total = int(histogram[0]), max(1, int(histogram.sum()))
    share = screened / total
    compared = histogram.copy()
    compared[0] = 0
    note = (
        f"{share:.1%} of the valid pixels were screened out as surely unchanged (score 0) by "
        f"'{detector.network.card.title}', which keeps {detector.recall:.4g} of the changed "
        "pixels of its validation data"
    )
    facts = {**detector.describe(), "screened_px": screened, "screened_share": round(share, 6)}
    return (compared if compared.any() else histogram), facts, [note]
