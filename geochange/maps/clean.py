"""From a stored score to a change mask: threshold, opening, closing, holes, minimum area.

Every step gives the result of the whole raster. Opening and closing see a halo. What depends on
whole components (hysteresis, holes, minimum area) is decided inside a tile for components that
touch no edge of it, and for the others once their parts have been joined: only those few labels
are ever held.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geochange.errors import UsageError
from geochange.io.stores.score import MASK_NODATA, SCORE_LEVELS, SCORE_NODATA
from geochange.io.stores.tilestore import TileStore
from geochange.maps.morphology import close_change, open_change
from geochange.maps.regions import (
    MaskArray,
    Read,
    Rule,
    apply_rule,
    drop_small,
    exhaust,
    fill_holes,
    link_seeds,
)
from geochange.maps.sweep import RasterSource, Runner
from geochange.tiles import Tile

LEVEL_TOLERANCE = 0.02
"""A threshold this near to a stored level, in levels, is that level: it went through float32."""


class Limits(Protocol):
    """A threshold: the score from which on a pixel is change.

    Attributes
    ----------
    value : float or None
        None says that nothing changed.
    low : float or None
        With hysteresis, the score that is enough in a component with a pixel of at least ``value``.
    """

    @property
    def value(self) -> float | None:
        """Score from which on a pixel is change."""
        ...

    @property
    def low(self) -> float | None:
        """Score that is enough beside change, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Cleaning:
    """How a thresholded score is cleaned; the steps run in the order of the fields.

    Attributes
    ----------
    opening_px, closing_px : int
        Radius in pixels of the disc; 0 leaves the step out.
    max_hole_px : int
        Largest hole, in pixels, that is filled; 0 fills none. A hole is a component of background
        that touches neither nodata nor the border of the raster; it has the other connectivity.
    min_area_px : int
        Smallest component, in pixels of the whole raster, that stays.
    connectivity : {4, 8}
        Whether pixels of change that share only a corner belong together.

    Raises
    ------
    UsageError
        A negative size or another connectivity.
    """

    opening_px: int = 0
    closing_px: int = 0
    max_hole_px: int = 0
    min_area_px: int = 1
    connectivity: int = 8

    def __post_init__(self) -> None:
        if self.connectivity not in {4, 8}:
            msg = f"connectivity is {self.connectivity}; it must be 4 or 8"
            raise UsageError(msg)
        for name in ("opening_px", "closing_px", "max_hole_px", "min_area_px"):
            if getattr(self, name) < 0:
                msg = f"{name} is {getattr(self, name)}; it must not be negative"
                raise UsageError(msg)

    @property
    def halo(self) -> int:
        """Pixels around a tile that opening and closing must see."""
        return 2 * (self.opening_px + self.closing_px)


def clean(
    score: RasterSource,
    mask: TileStore,
    threshold: Limits,
    cleaning: Cleaning | None = None,
    *,
    run: Runner = map,
) -> None:
    """Write the change mask of a stored score.

    Parameters
    ----------
    score : RasterSource
        uint16 levels of :func:`geochange.io.stores.score.encode_score`.
    mask : TileStore
        Of dtype uint8 on the same grid and tiling; every tile is written: 0 no change, 1 change,
        255 where the score is nodata. Until this returns, its tiles are not final.
    threshold : Limits
        Pixels of at least ``value`` are change; ``low`` adds the pixels connected to them.
    cleaning : Cleaning, optional
        By default nothing is removed.
    run : callable
        How the loops over tiles run; see :class:`~geochange.maps.sweep.Runner`.
    """
    value, low = threshold.value, threshold.low
    cleaning = Cleaning() if cleaning is None or value is None else cleaning
    if value is None or low is None or low >= value:
        _shape(score, lambda stored: binarize(stored, value), mask, cleaning, run)
        return
    linked = _beside(mask) if cleaning.halo else mask
    try:
        apply_rule(
            link_seeds(cleaning.connectivity),
            lambda tile: mark_seeds(score.read(tile.core), low, value),
            linked,
            run=run,
        )
        if linked is mask:
            _filter(None, mask, cleaning, run)
        else:
            _shape(linked, lambda pixels: pixels, mask, cleaning, run)
    finally:
        if linked is not mask:
            shutil.rmtree(linked.folder, ignore_errors=True)


def binarize(stored: NDArray[np.uint16], value: float | None) -> MaskArray:
    """Return 1 where the score is at least ``value``, 0 elsewhere, 255 where it is nodata.

    Examples
    --------
    >>> binarize(np.array([0, 32767, 65535], np.uint16), 0.5)
    array([  0,   1, 255], dtype=uint8)
    >>> binarize(np.array([0, 65534], np.uint16), None)
    array([0, 0], dtype=uint8)
    """
    pixels = (stored >= least_level(value)).view(np.uint8)
    pixels[stored == SCORE_NODATA] = MASK_NODATA
    return pixels


def mark_seeds(stored: NDArray[np.uint16], low: float, value: float) -> MaskArray:
    """Return 1 where the score is at least ``low``, 2 at least ``value``, 255 where nodata."""
    linked, sure = (stored >= least_level(score) for score in (low, value))
    pixels = linked.view(np.uint8) + sure.view(np.uint8)
    pixels[stored == SCORE_NODATA] = MASK_NODATA
    return pixels


def least_level(value: float | None) -> int:
    """Return the stored level from which on a pixel is change; none reaches that of None.

    Examples
    --------
    >>> least_level(0.5), least_level(None) == SCORE_LEVELS
    (32767, True)
    """
    if value is None:
        return SCORE_LEVELS
    return math.ceil(value * (SCORE_LEVELS - 1) - LEVEL_TOLERANCE)


def _beside(mask: TileStore) -> TileStore:
    return replace(mask, folder=mask.folder.with_name(f"{mask.folder.name}-linked"))


def _shape(
    source: RasterSource,
    binarized: Callable[[NDArray[Any]], MaskArray],
    mask: TileStore,
    cleaning: Cleaning,
    run: Runner,
) -> None:
    """Open and close, then filter what is left."""

    def read(tile: Tile) -> MaskArray:
        window = tile.core.pad(cleaning.halo)
        pixels = binarized(source.read(window))
        if cleaning.halo and (pixels == 1).any():
            pixels = smooth_change(pixels, cleaning)
        return pixels[tile.core.slices_in(window)]

    _filter(read, mask, cleaning, run)


def smooth_change(pixels: MaskArray, cleaning: Cleaning) -> MaskArray:
    """Open, then close a mask (H, W); right where at least ``cleaning.halo`` px from the edges."""
    known = pixels != MASK_NODATA
    change = pixels == 1
    if cleaning.opening_px:
        change = open_change(change, known, cleaning.opening_px)
    if cleaning.closing_px:
        change = close_change(change, known, cleaning.closing_px)
    return np.where(known, change, np.uint8(MASK_NODATA))


def _filter(read: Read | None, mask: TileStore, cleaning: Cleaning, run: Runner) -> None:
    """Fill holes, then remove small components of what ``read`` gives, else of the mask itself."""
    rules: list[Rule] = []
    if cleaning.max_hole_px:
        rules.append(fill_holes(cleaning.max_hole_px, cleaning.connectivity))
    if cleaning.min_area_px > 1:
        rules.append(drop_small(cleaning.min_area_px, cleaning.connectivity))
    if read is not None and not rules:
        copy = read
        exhaust(run(lambda tile: mask.write(tile, copy(tile)), mask.plan))
    for rule in rules:
        apply_rule(rule, read, mask, run=run)
        read = None
