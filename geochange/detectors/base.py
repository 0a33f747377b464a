"""What a change detector is: fit once on blocks, then score any tile the same way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.tiles import Tile, TilePlan, Window

SIGMA_AT_HALF = 3.0
"""A score of 0.5 means a change of three standard deviations of the unchanged pixels."""


@runtime_checkable
class Detector(Protocol):
    """Anything that scores change tile by tile.

    Attributes
    ----------
    halo : int
        Pixels that :meth:`score` must see around the pixels it is asked for; known after
        ``__init__``.
    threshold : str
        The threshold rule that suits the scores when the user names none: ``"auto"`` or any other
        specification that :func:`geochange.threshold` takes (``"fixed:0.5"`` for methods that
        decide themselves).

    Notes
    -----
    A detector with strides also has ``step``: the first row and column of what :meth:`score` sees
    are then multiples of it, see :func:`plan_tiles`.

    A detector whose :meth:`fit` looks at single pixels says so by an attribute ``fit_halo = 0``:
    its blocks then need no margin, which saves much reading; without it they have ``halo``.
    One that needs few pixels to learn from says how many by ``fit_max_pixels``.

    A detector that looks at some bands alone says which by a method ``bands_needed(count)``: their
    positions among ``count`` bands. The others need not be read, and may then hold anything.

    A detector whose scores are probabilities of change says so by an attribute
    ``score_is_probability = True``.

    Parameters are keyword-only and kept untouched by ``__init__``; what :meth:`fit` learns ends in
    an underscore and pickles. ``geochange.testing.check_detector`` proves the contract.
    """

    @property
    def halo(self) -> int:
        """Margin in pixels."""
        ...

    @property
    def threshold(self) -> str:
        """Name or specification of a threshold rule."""
        ...

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn from a stream of blocks in one pass and bounded memory; count ``owned`` pixels."""
        ...

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score a batch of tiles.

        Parameters
        ----------
        before, after : float32 (N, C, H, W)
        valid : bool (N, H, W)

        Returns
        -------
        float32 (N, H, W)
            Change score in [0, 1], higher is surer; NaN where invalid. Values nearer than ``halo``
            to the border of the array need not be right.
        """
        ...


def plan_tiles(detector: Detector, shape: tuple[int, int], size: int) -> TilePlan:
    """Return the tiles of a grid as a detector wants to see them.

    Examples
    --------
    >>> from geochange.detectors.methods.cva import CVA
    >>> plan_tiles(CVA(), (100, 70), 64)[0].read
    Window(row=0, col=0, height=64, width=64)
    """
    return TilePlan(shape, size, detector.halo, getattr(detector, "step", 1))


def plan_tile(detector: Detector, core: Window, index: int = 0) -> Tile:
    """Return a tile of any window, which a detector sees in step with those of :func:`plan_tiles`.

    Examples
    --------
    >>> from geochange.detectors.methods.cva import CVA
    >>> plan_tile(CVA(), Window(5, 6, 7, 8)).read
    Window(row=5, col=6, height=7, width=8)
    """
    step = int(getattr(detector, "step", 1))
    outer = core.pad(detector.halo)
    row, col = outer.row // step * step, outer.col // step * step
    stop_row, stop_col = (-(-n // step) * step for n in (outer.stop_row, outer.stop_col))
    return Tile(index, core, Window(row, col, stop_row - row, stop_col - col))


def score_from_sigma(sigma: NDArray[np.floating]) -> FloatArray:
    """Map a magnitude in noise standard deviations to [0, 1): ``s / (s + 3)``.

    Monotone, without a tuning constant that depends on the scene, and compressive, so that a few
    extreme pixels do not use up the range.

    Examples
    --------
    >>> score_from_sigma(np.array([0.0, 3.0, 27.0]))
    array([0. , 0.5, 0.9], dtype=float32)
    """
    sigma = np.asarray(sigma, np.float32)
    return (sigma / (sigma + np.float32(SIGMA_AT_HALF))).astype(np.float32, copy=False)


def sigma_from_score(score: NDArray[np.floating]) -> NDArray[np.float64]:
    """Invert :func:`score_from_sigma`; 1 maps to infinity.

    Examples
    --------
    >>> sigma_from_score(np.array([0.0, 0.5, 0.9])).round(6)
    array([ 0.,  3., 27.])
    """
    score = np.asarray(score, np.float64)
    with np.errstate(divide="ignore"):
        return SIGMA_AT_HALF * score / (1.0 - score)
