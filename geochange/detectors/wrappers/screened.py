"""Any detector behind a screen: cells that surely hold no change are not looked at."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

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
TRIAL_MAX_PIXELS = 500_000
"""How much of a scene is looked at to find out whether a screen saves anything."""
MOST_SEEN = 0.6
"""A screen after which more of the sample has to be looked at, halos included, is not used."""
FINE = 4
"""Parts of a cell along each axis in which the reach of a halo is counted."""


class Screened:
    """Score only the cells of a fixed lattice that a network for images does not rule out.

    Cells are squares of the size that the network was trained on, counted from the corner of the
    grid, so which ones are left out depends on no tile and no worker. What else the detector has,
    such as its threshold and device, this has too.

    Fitting looks at a sample of the scene: where most pixels would be looked at all the same, the
    screen could only cost time and is left out for the whole scene.

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
        Of the detector, in whole cells where the screen is used.
    seen_share_ : float
        Share of the pixels of the sample that the detector would have to see, its halo included.
    screening_ : bool
        Whether that is little enough for the screen to be used.

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
        self.fit_halo = int(getattr(detector, "fit_halo", detector.halo))
        self.threshold = detector.threshold
        self.halo, self.step = self._choose_margins(screening=True)
        if hasattr(detector, "fit_max_pixels"):
            self.fit_max_pixels = max(TRIAL_MAX_PIXELS, int(detector.fit_max_pixels))

    def __getattr__(self, name: str) -> Any:
        """Return what else the detector has; names with an underscore are not passed on."""
        if name.startswith("_") or name in ("detector", "fitted_"):
            raise AttributeError(name)
        return getattr(self.__dict__.get("fitted_", self.detector), name)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Fit the detector on all pixels, and find out whether the screen saves anything."""
        stream = iter(blocks)
        first = list(islice(stream, 1))
        self.network_ = copy.copy(self.network).fit(first)
        shares: list[tuple[int, int]] = []
        seen = self._watch(chain(first, stream), shares)
        self.fitted_ = copy.copy(self.detector).fit(seen)
        for _ in seen:  # what the detector did not ask for
            pass
        needed, total = np.sum(shares, axis=0) if shares else (0, 0)
        self.seen_share_ = float(needed / max(1, total))
        self.screening_ = self.seen_share_ <= MOST_SEEN
        self.halo, self.step = self._choose_margins(screening=self.screening_)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        if not self.screening_:
            return self.fitted_.score(before, after, valid)
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
            "used": self.screening_,
            "sample_seen_share": round(self.seen_share_, 4),
        }

    def _choose_margins(self, *, screening: bool) -> tuple[int, int]:
        """Return halo and step: of the detector and, with the screen, in whole cells."""
        halo, step = self.detector.halo, int(getattr(self.detector, "step", 1))
        if not screening:
            return halo, step
        return -(-halo // self.cell_px) * self.cell_px, math.lcm(self.cell_px, step)

    def _watch(
        self, blocks: Iterable[PairBlock], shares: list[tuple[int, int]]
    ) -> Iterator[PairBlock]:
        """Pass blocks on and note how many pixels of each would be looked at, and of how many."""
        pixels = 0
        for block in blocks:
            if pixels < TRIAL_MAX_PIXELS:
                shares.append(self._try_block(block))
                pixels += block.tile.core.size
            yield block

    def _try_block(self, block: PairBlock) -> tuple[int, int]:
        """Return how many owned pixels lie near kept cells, and how many there are."""
        kept = self._rate(block.before, block.after, block.valid) >= self.limit
        reach = 2 * -(-self.detector.halo * FINE // self.cell_px) + 1
        near = maximum_filter(_enlarge(kept, FINE), reach)
        seen = _enlarge(near, self.cell_px // FINE)
        owned = block.owned
        height, width = owned.shape
        return int(np.count_nonzero(owned & seen[:height, :width])), int(np.count_nonzero(owned))

    def _score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        score = np.where(valid, np.float32(SCREENED), np.float32(np.nan))
        kept = self._choose_cells(before, after, valid)
        if not kept.any():
            return score
        step = int(getattr(self.detector, "step", 1))
        halo = self.detector.halo
        for part, inner in cover_cells(kept, self.cell_px, halo, step, valid.shape):
            first, second = (date[(None, slice(None), *part)] for date in (before, after))
            found = self.fitted_.score(first, second, valid[part][None])[0][_within(inner, part)]
            cells = kept[inner[0].start // self.cell_px :, inner[1].start // self.cell_px :]
            seen = _enlarge(cells, self.cell_px)[: found.shape[0], : found.shape[1]] & valid[inner]
            np.maximum(found, np.float32(SCORE_SCALE), out=score[inner], where=seen)
        return score

    def _choose_cells(
        self, before: FloatArray, after: FloatArray, valid: BoolArray
    ) -> NDArray[np.bool_]:
        """Return which cells are kept, bool (rows, cols); those in the margin alone are not."""
        size = self.cell_px
        rows, cols = (-(-edge // size) for edge in valid.shape)
        inner = tuple(
            slice(self.halo // size, max(self.halo // size, -(-(edge - self.halo) // size)))
            for edge in valid.shape
        )
        part = tuple(slice(cells.start * size, cells.stop * size) for cells in inner)
        kept = np.zeros((rows, cols), np.bool_)
        rated = self._rate(before[:, *part], after[:, *part], valid[part])
        kept[inner] = rated >= self.limit
        return kept

    def _rate(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Return the probability of every cell, NaN without data; the last ones may be cut."""
        margins = [(0, -edge % self.cell_px) for edge in valid.shape]
        if any(after for _, after in margins):
            before, after = (np.pad(date, ((0, 0), *margins)) for date in (before, after))
            valid = np.pad(valid, margins)
        return self.network_.rate_squares(before, after, valid, self.cell_px)


def _require_screen(network: ImageNetwork) -> None:
    if not isinstance(network.card.normalization, FixedNormalization):
        msg = (
            f"'{network.card.title}' is normalised by the scene and cannot screen; train it with "
            'data.normalization = "set"'
        )
        raise UsageError(msg)
    if network.card.image_px % math.lcm(network.card.stride, FINE):
        msg = (
            f"'{network.card.title}' was trained on squares of {network.card.image_px} px, no "
            f"multiple of its stride and of {FINE} px, and cannot screen; change chips.size_px"
        )
        raise UsageError(msg)
    if network.dates != 2:
        msg = f"'{network.card.title}' looks at one date and cannot screen; name one for pairs"
        raise UsageError(msg)


def _enlarge(cells: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    return cells.repeat(times, axis=0).repeat(times, axis=1)


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
    facts = {**detector.describe(), "screened_px": 0, "screened_share": 0.0}
    if not detector.screening_:
        note = (
            f"the screen '{detector.network.card.title}' was not used: in a sample of this scene "
            f"{detector.seen_share_:.0%} of the pixels would have been looked at all the same"
        )
        return histogram, facts, [note]
    share = screened / total
    compared = histogram.copy()
    compared[0] = 0
    note = (
        f"{share:.1%} of the valid pixels were screened out as surely unchanged (score 0) by "
        f"'{detector.network.card.title}', which keeps {detector.recall:.4g} of the changed "
        "pixels of its validation data"
    )
    facts |= {"screened_px": screened, "screened_share": round(share, 6)}
    return (compared if compared.any() else histogram), facts, [note]
