"""Change that is made: parts of a stack that begin to look like other parts of it."""

from __future__ import annotations

import numpy as np

from geochange.blocks import BoolArray, FloatArray
from geochange.training.series.truth import NO_CHANGE, Truth

SIDES = (1, 2, 3, 4, 6, 9)
SIDE_CHANCES = (0.08, 0.25, 0.27, 0.2, 0.12, 0.08)
"""Edges of exchanged parts in pixels, and how often they are."""
LEAST_CONTRAST = 0.35
"""Mean difference of the medians of both parts, in deviations of the bands."""
FADING, MOVING, PLAIN = 0.25, 0.25, 0.5
"""Shares of the parts that change over some dates, that move, and that get a colour of no ground
around them."""
TRIES = 4


def exchange_ground(
    rng: np.random.Generator, images: FloatArray, valid: BoolArray, truth: Truth, density: float
) -> None:
    """Let parts of a chip change at a date, in place, where nothing is known to change.

    From a date on a part shows what another part of the chip shows, clouds, gaps and seasons
    included, or that in a colour of its own; at once, over some dates, or at one place when it
    leaves another.

    Parameters
    ----------
    rng : Generator
    images : float32 (T, C, H, W)
        Scaled.
    valid : bool (T, H, W)
    truth : int16 (H, W)
    density : float
        Parts for each 1000 px.
    """
    dates, _, height, width = images.shape
    taken = truth != NO_CHANGE
    for _ in range(rng.poisson(density * height * width / 1000)):
        size = tuple(int(min(rng.choice(SIDES, p=SIDE_CHANCES), e)) for e in (height, width))
        moves = rng.random() < MOVING
        here, from_where = (_place(rng, size, (height, width)) for _ in range(2))
        there = _place(rng, size, (height, width)) if moves else None
        shape = _draw_shape(rng, size)
        if (taken[here] & shape).any() or (there is not None and (taken[there] & shape).any()):
            continue
        look, known = images[:, :, *from_where].copy(), valid[:, *from_where].copy()
        if rng.random() < PLAIN:
            look += rng.normal(0, 0.5, (1, look.shape[1], 1, 1)) + rng.normal(0, 0.5)
        share = _draw_course(rng, dates)
        first = int(np.argmax(share >= 0.5))
        if not _stands_out(images[:, :, *here], valid[:, *here], look, known):
            continue
        _mix(images, valid, here, shape, look, known, share)
        truth[here][shape], taken[here] = first, True
        if there is not None and _stands_out(images[:, :, *there], valid[:, *there], look, known):
            _mix(images, valid, there, shape, look, known, 1 - share)
            truth[there][shape], taken[there] = first, True


def _place(
    rng: np.random.Generator, size: tuple[int, ...], shape: tuple[int, int]
) -> tuple[slice, slice]:
    row, col = (int(rng.integers(0, e - n + 1)) for e, n in zip(shape, size, strict=True))
    return np.s_[row : row + size[0], col : col + size[1]]


def _draw_shape(rng: np.random.Generator, size: tuple[int, ...]) -> BoolArray:
    """Return a rectangle or an ellipse, bool (h, w)."""
    if rng.random() < 0.7 or min(size) < 3:
        return np.ones(size, np.bool_)
    rows, cols = (np.linspace(-1, 1, n) for n in size)
    round_: BoolArray = np.hypot(rows[:, None], cols) <= 1.05
    return round_


def _draw_course(rng: np.random.Generator, dates: int) -> FloatArray:
    """Return how much of the new look each date shows, float32 (T,), from 0 to 1."""
    first = int(rng.integers(1, dates))
    length = int(rng.integers(2, 5)) if rng.random() < FADING else 1
    ramp = (np.arange(dates) - first + length / 2 + (length == 1) * 0.5) / length
    course: FloatArray = np.clip(ramp, 0, 1).astype(np.float32)
    return course


def _stands_out(old: FloatArray, seen: BoolArray, new: FloatArray, known: BoolArray) -> bool:
    """Tell whether two looks differ by more than seasons and noise."""
    if not seen.any() or not known.any():
        return False
    before, after = (
        np.median(np.moveaxis(part, 1, -1)[mask], axis=0)
        for part, mask in ((old, seen), (new, known))
    )
    return bool(np.abs(after - before).mean() > LEAST_CONTRAST)


def _mix(
    images: FloatArray,
    valid: BoolArray,
    place: tuple[slice, slice],
    shape: BoolArray,
    look: FloatArray,
    known: BoolArray,
    share: FloatArray,
) -> None:
    """Show ``share`` of a look at a place; where it was not seen it is not seen here."""
    weight = share[:, None, None, None] * shape
    old = images[:, :, *place]
    images[:, :, *place] = old * (1 - weight) + look * weight
    part = share[:, None, None] * shape
    valid[:, *place] &= known | (part == 0)
    valid[:, *place] |= known & (part == 1)
