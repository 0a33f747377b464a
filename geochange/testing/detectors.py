"""The contract of detectors, proved."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence

import numpy as np

from geochange.blocks import FloatArray
from geochange.detectors.base import Detector, plan_tiles
from geochange.testing.images import ArrayPair, synthetic_pair
from geochange.testing.rules import TOLERANCE, require, require_close, require_equal
from geochange.tiles import Window


def score_pair(
    detector: Detector, pair: ArrayPair, *, tile_size: int, batch_size: int = 1
) -> FloatArray:
    """Score a pair tile by tile with a fitted detector and put the cores together.

    Returns
    -------
    float32 (H, W)
    """
    out = np.full(pair.shape, -1.0, np.float32)
    plan = plan_tiles(detector, pair.shape, tile_size)
    for start in range(0, len(plan), batch_size):
        tiles = [plan[i] for i in range(start, min(start + batch_size, len(plan)))]
        blocks = [pair.read(tile) for tile in tiles]
        stacked = (np.stack([getattr(b, n) for b in blocks]) for n in ("before", "after", "valid"))
        for tile, score in zip(tiles, detector.score(*stacked), strict=True):
            out[tile.core.slices_in(Window(0, 0, *pair.shape))] = score[tile.core_in_read]
    return out


def check_detector(
    detector: Detector | Callable[[], Detector],
    *,
    bands: Sequence[int] = (1, 3),
    seed: int = 0,
    unchanged: float = TOLERANCE,
) -> None:
    """Prove that a detector keeps the contract of :class:`geochange.detectors.base.Detector`.

    Parameters
    ----------
    detector : Detector or callable
        A detector that is not fitted, or what builds one without arguments.
    bands : sequence of int
        Band counts to check with.
    seed : int
        Seed of the synthetic images.
    unchanged : float
        Highest score that an image may get against itself; trained detectors cannot promise 0.

    Raises
    ------
    AssertionError
        A rule is broken; the message says which.

    Examples
    --------
    >>> from geochange.detectors.methods.cva import CVA
    >>> check_detector(CVA)
    >>> check_detector(CVA(gain=True))
    """
    build = _builder(detector)
    _check_protocol(build())
    for count in bands:
        pair = synthetic_pair((45, 38), bands=count, seed=seed, invalid=0.2)
        pair.before[:, 30, 17] = np.nan
        reference = _check_whole(build, pair)
        _check_tilings(build, pair, reference)
        _check_pickle(build, pair, reference)
        _check_garbage(build, pair, reference)
        _check_needed(build, pair, reference)
        _check_unchanged(build, count, unchanged)
        _check_bad_pixel(build, count, seed)
    _check_empty_tile(build, bands[0])


def _builder(detector: Detector | Callable[[], Detector]) -> Callable[[], Detector]:
    if isinstance(detector, Detector) and not isinstance(detector, type):
        return lambda: copy.deepcopy(detector)
    return detector


def _fit(build: Callable[[], Detector], pair: ArrayPair, size: int) -> Detector:
    detector = build()
    plan = plan_tiles(detector, pair.shape, size)
    fitted = detector.fit(pair.blocks(plan))
    require(fitted is detector, "fit returns the detector itself")
    return detector


def _check_protocol(detector: Detector) -> None:
    require(isinstance(detector, Detector), "a detector has halo, threshold, fit and score")
    require(isinstance(detector.halo, int) and detector.halo >= 0, "halo is a number of pixels")
    learned = [name for name in vars(detector) if name.endswith("_")]
    require(not learned, f"nothing is learned before fit, found {learned}")


def _check_whole(build: Callable[[], Detector], pair: ArrayPair) -> FloatArray:
    """Check what one tile that holds all gives, and return it."""
    parameters = {name: pickle.dumps(value) for name, value in vars(build()).items()}
    detector = _fit(build, pair, max(pair.shape))
    score = score_pair(detector, pair, tile_size=max(pair.shape))
    kept = {n: pickle.dumps(value) for n, value in vars(detector).items() if n in parameters}
    require(kept == parameters, "fit and score leave parameters as __init__ got them")
    require(np.array_equal(np.isnan(score), ~pair.valid), "NaN exactly where a date is invalid")
    inside = score[pair.valid]
    require(bool((inside >= 0).all() and (inside <= 1).all()), "scores lie in [0, 1]")
    again = score_pair(_fit(build, pair, 999), pair, tile_size=max(pair.shape))
    require(np.array_equal(score, again, equal_nan=True), "the same input gives the same score")
    return score


def _check_tilings(build: Callable[[], Detector], pair: ArrayPair, reference: FloatArray) -> None:
    for size, batch in ((38, 1), (16, 3), (7, 50)):
        detector = _fit(build, pair, size)
        score = score_pair(detector, pair, tile_size=size, batch_size=batch)
        require_close(score, reference, f"tiles of {size} px in batches of {batch} change nothing")


def _check_pickle(build: Callable[[], Detector], pair: ArrayPair, reference: FloatArray) -> None:
    copied = pickle.loads(pickle.dumps(_fit(build, pair, 999)))
    score = score_pair(copied, pair, tile_size=max(pair.shape))
    require(np.array_equal(score, reference, equal_nan=True), "a pickled detector scores alike")


def _check_garbage(build: Callable[[], Detector], pair: ArrayPair, reference: FloatArray) -> None:
    """Whatever invalid pixels hold must not matter, and inputs must not be written to."""
    detector = _fit(build, pair, 999)
    block = pair.read(plan_tiles(detector, pair.shape, max(pair.shape))[0])
    for fill in (0.0, np.inf, -3.4e38):
        dates = (np.where(block.valid, date, fill) for date in (block.before, block.after))
        before, after = (date[None].astype(np.float32) for date in dates)
        kept = before.copy(), after.copy()
        score = detector.score(before, after, block.valid[None])[0][block.tile.core_in_read]
        require_close(score, reference, f"invalid pixels that hold {fill} do not count")
        require_equal((before, after), kept, "score leaves its inputs as they are")


def _check_needed(build: Callable[[], Detector], pair: ArrayPair, reference: FloatArray) -> None:
    """Check that bands which a detector does not look at have no say."""
    detector = build()
    if not hasattr(detector, "bands_needed"):
        return
    needed = detector.bands_needed(len(pair.before))
    spoilt = copy.deepcopy(pair)
    for date in (spoilt.before, spoilt.after):
        others = np.setdiff1d(np.arange(len(date)), needed)
        date[others] = np.float32(0)
    score = score_pair(_fit(build, spoilt, 999), spoilt, tile_size=max(pair.shape))
    require_close(score, reference, "bands that are not needed have no say")


def _check_unchanged(build: Callable[[], Detector], bands: int, limit: float) -> None:
    flat = np.full((bands, 20, 20), 50, np.float32)
    textured = synthetic_pair((20, 20), bands=bands).before
    for name, image in (("constant", flat), ("textured", textured)):
        pair = ArrayPair(image, image.copy())
        score = score_pair(_fit(build, pair, 20), pair, tile_size=20)
        worst = float(score.max())
        rule = f"a {name} image against itself scores at most {limit:g}, found {worst:g}"
        require(worst <= limit, rule)


def _check_bad_pixel(build: Callable[[], Detector], bands: int, seed: int) -> None:
    """One invalid pixel among good ones takes its own score only."""
    pair = synthetic_pair((30, 30), bands=bands, seed=seed)
    pair.after[-1, 14, 15] = np.nan
    score = score_pair(_fit(build, pair, 30), pair, tile_size=30)
    require(bool(np.isnan(score).sum() == 1), "one invalid pixel stays one pixel")


def _check_empty_tile(build: Callable[[], Detector], bands: int) -> None:
    pair = synthetic_pair((30, 30), bands=bands)
    detector = _fit(build, pair, 30)
    nothing = np.full((1, bands, 8, 8), np.nan, np.float32)
    score = detector.score(nothing, nothing, np.zeros((1, 8, 8), bool))
    require(score.shape == (1, 8, 8), "the score of (N, C, H, W) is (N, H, W)")
    require(score.dtype == np.float32, "scores are float32")
    require(bool(np.isnan(score).all()), "a tile without valid pixels is NaN")
