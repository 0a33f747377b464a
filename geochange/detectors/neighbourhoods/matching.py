"""Dense matching of two images: what every displacement costs, and which one the ground shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.detectors.neighbourhoods.pieces import T, slide, trim

Displacement = tuple[int, int]
"""Rows and columns from a place in the before date to its match in the after date, in pixels."""

LEAN = 0.01
"""Share by which the cost of a displacement rises with each pixel, so that flat ground stays."""


def list_displacements(radius: int) -> list[Displacement]:
    """Return every displacement of up to ``radius`` px along rows and columns, nearest first.

    Examples
    --------
    >>> list_displacements(1)[:3]
    [(0, 0), (-1, 0), (0, -1)]
    """
    reach = range(-radius, radius + 1)
    every = ((row, col) for row in reach for col in reach)
    return sorted(every, key=lambda move: (move[0] ** 2 + move[1] ** 2, move))


def measure_costs(
    dates: tuple[FloatArray, FloatArray], known: BoolArray, radius: int, patch: int, stride: int
) -> FloatArray:
    """Return the mean squared difference of patches for every displacement.

    Parameters
    ----------
    dates : pair of float32 (V, L)
        Features of both dates, 0 where unknown; rows of ``stride`` pixels, end to end.
    known : bool (L,)
    radius : int
        Largest displacement in pixels, see :func:`list_displacements`.
    patch : int
        Odd edge of the patches in pixels.
    stride : int

    Returns
    -------
    float32 (displacements, L')
        Trimmed by ``radius + patch // 2``; infinite where the patches share no known pixel.

    Examples
    --------
    >>> image = np.arange(25, dtype=np.float32)
    >>> costs = measure_costs((image[None], image[None]), np.ones(25, bool), 1, 3, stride=5)
    >>> costs[:3, 0]
    array([ 0., 25.,  1.], dtype=float32)
    """
    here, known_here = trim(dates[0], radius, stride), trim(known, radius, stride)
    complete = bool(known.all())
    count: FloatArray = np.full(1, patch * patch, np.float32)
    costs: list[FloatArray] = []
    for move in list_displacements(radius):
        square = np.zeros_like(here[0])
        for feature, other in zip(here, _displace(dates[1], move, radius, stride), strict=True):
            difference = feature - other
            difference *= difference
            square += difference
        if not complete:
            both = known_here & _displace(known, move, radius, stride)
            square *= both
            count = slide(np.add, both.astype(np.float32), patch, stride)
        costs.append(_divide(slide(np.add, square, patch, stride), count))
    return np.stack(costs)


def settle_displacement(
    costs: FloatArray, around: int, radius: int, stride: int
) -> NDArray[np.intp]:
    """Return which displacement the surroundings of each pixel agree on.

    The one with the least mean of root costs, in which ground that has changed, and fits nowhere,
    weighs little.

    Parameters
    ----------
    costs : float32 (displacements, L)
        Of :func:`measure_costs`.
    around : int
        Odd edge of the surroundings in pixels.
    radius : int
        That of the costs.
    stride : int

    Returns
    -------
    int (L',)
        Places in :func:`list_displacements`, trimmed by ``around // 2``.
    """
    count: FloatArray = np.full(1, around * around, np.float32)
    for place, (move, cost) in enumerate(zip(list_displacements(radius), costs, strict=True)):
        root = np.sqrt(cost)
        known = np.isfinite(root)
        if not known.all():
            np.copyto(root, 0, where=~known)
            known_share = slide(np.add, known.astype(np.float32), around, stride)
        else:
            known_share = count
        mean = _divide(slide(np.add, root, around, stride), known_share)
        mean *= np.float32(1 + LEAN * np.hypot(*move))
        if place == 0:
            least, settled = mean, np.zeros(mean.size, np.intp)
            continue
        settled[mean < least] = place
        np.minimum(least, mean, out=least)
    return settled


def find_least(costs: FloatArray, settled: NDArray[np.intp], radius: int, slack: int) -> FloatArray:
    """Return the least cost of the displacements within ``slack`` px of the settled one, (L,).

    Parameters
    ----------
    costs : float32 (displacements, L)
    settled : int (L,)
        Of :func:`settle_displacement`.
    radius : int
        That of the costs.
    slack : int
        In pixels, along rows and columns.
    """
    moves = np.array(list_displacements(radius), np.int8)
    near = np.abs(moves[:, None] - moves[None]).max(axis=2) <= slack
    least = np.full(settled.size, np.inf, np.float32)
    for cost, close in zip(costs, near, strict=True):
        np.minimum(least, cost, out=least, where=close[settled])
    return least


def follow(
    values: FloatArray, settled: NDArray[np.intp], radius: int, margin: int, stride: int
) -> FloatArray:
    """Return what lies at the settled displacement from each pixel.

    Parameters
    ----------
    values : float32 (L,)
    settled : int (L',)
        Of the pixels of ``values`` without ``margin``.
    radius, margin, stride : int
        ``margin`` is at least ``radius``.
    """
    offsets = np.array([row * stride + col for row, col in list_displacements(radius)])
    places = np.arange(settled.size) + margin * (stride + 1)
    followed: FloatArray = values[places + offsets[settled]]
    return followed


def _displace(values: NDArray[T], move: Displacement, radius: int, stride: int) -> NDArray[T]:
    """Return what lies ``move`` on from each pixel without a margin of ``radius``."""
    edge = radius * (stride + 1)
    start = edge + move[0] * stride + move[1]
    return values[..., start : start + values.shape[-1] - 2 * edge]


def _divide(total: FloatArray, count: FloatArray) -> FloatArray:
    """Divide in place; infinite where nothing was counted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        total /= count
    if count.size > 1:
        np.copyto(total, np.inf, where=count == 0)
    return total
