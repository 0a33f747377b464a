"""What a score loses without a band: for any detector, from the outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.base import Detector

DATES = ("before", "after")
ALL = "all"


@dataclass(frozen=True, slots=True)
class Occlusion:
    """One band of one date, or all of them, replaced by what says nothing of change.

    Attributes
    ----------
    date : str
        ``before`` or ``after``.
    band : str
        Name, or ``all``.
    score : float
        Mean score of the region without it.
    importance : float
        How much lower that is than the mean score with it.
    drop : float32 (H, W)
        The same for each pixel of the block; NaN where invalid.
    """

    date: str
    band: str
    score: float
    importance: float
    drop: FloatArray


def occlude_bands(
    detector: Detector,
    block: PairBlock,
    region: BoolArray,
    names: tuple[Sequence[str], Sequence[str]],
    *,
    on_step: Callable[[int, int], None],
) -> tuple[FloatArray, list[Occlusion]]:
    """Replace each band of each date in turn and score again (Zeiler and Fergus 2014).

    A band is replaced by the same one of the other date, so that it shows no change; where the
    dates have different bands, by its mean in the block.

    Parameters
    ----------
    detector : Detector
        Fitted; it is not fitted anew.
    block : PairBlock
    region : bool (H, W)
        Pixels whose mean score counts.
    names : tuple of sequence of str
        Of the bands of both dates.
    on_step : callable
        Called with steps done and in all.

    Notes
    -----
    The importance is below 0 where a band that contradicts the others raises the score: methods
    that look at the relation of bands find change in a spectrum made of two dates.

    Returns
    -------
    score : float32 (H, W)
        With all bands.
    occlusions : list of Occlusion
        Band by band, then the whole date, first for before, then for after.
    """
    dates = block.before, block.after
    whole = _score(detector, dates, block.valid)
    counted = region & block.valid & np.isfinite(whole)
    level = float(whole[counted].mean(dtype=np.float64))
    found = []
    cases = list(_list_cases(names))
    for number, (which, band, name) in enumerate(cases):
        on_step(number, len(cases))
        score = _score(detector, _replace(dates, block.valid, which, band), block.valid)
        without = float(score[counted].mean(dtype=np.float64))
        found.append(Occlusion(DATES[which], name, without, level - without, whole - score))
    on_step(len(cases), len(cases))
    return whole, found


def _list_cases(
    names: tuple[Sequence[str], Sequence[str]],
) -> Iterator[tuple[int, int | None, str]]:
    for which, bands in enumerate(names):
        yield from ((which, band, name) for band, name in enumerate(bands))
        yield which, None, ALL


def _replace(
    dates: tuple[FloatArray, FloatArray], valid: BoolArray, which: int, band: int | None
) -> tuple[FloatArray, FloatArray]:
    changed, other = dates[which].copy(), dates[1 - which]
    chosen = slice(None) if band is None else slice(band, band + 1)
    if changed.shape == other.shape:
        changed[chosen] = other[chosen]
    else:
        means = changed[chosen][:, valid].mean(axis=1, dtype=np.float64)
        changed[chosen] = means.astype(np.float32)[:, None, None]
    return (changed, other) if which == 0 else (other, changed)


def _score(
    detector: Detector, dates: tuple[FloatArray, FloatArray], valid: BoolArray
) -> FloatArray:
    score: FloatArray = detector.score(dates[0][None], dates[1][None], valid[None])[0]
    return score
