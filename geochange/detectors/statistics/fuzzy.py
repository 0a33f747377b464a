"""Fuzzy c-means with two clusters, and how surely a vector belongs to the upper one."""

from __future__ import annotations

import numpy as np

from geochange.blocks import FloatArray
from geochange.detectors.statistics.samples import Vector

MAX_ITERATIONS = 100
CLOSE = 1e-6
"""Centres that move by less have settled."""


def find_centres(features: FloatArray, start: float = 0.99) -> Vector:
    """Return the centres of two fuzzy clusters, the one of smaller values first.

    Parameters
    ----------
    features : float32 (vectors, features)
    start : float
        Quantile of the mean feature at which the upper centre starts; the lower at the median.

    Returns
    -------
    float64 (2, features)

    Notes
    -----
    Fuzzy c-means of Bezdek 1981 with the exponent 2.

    Examples
    --------
    >>> values = np.array([[0.0], [0.1], [0.2], [0.8], [1.0]], np.float32)
    >>> find_centres(values).round(1)
    array([[0.1],
           [0.9]])
    """
    order = np.argsort(features.mean(axis=1), kind="stable")
    ends = order[[len(order) // 2, int(start * (len(order) - 1))]]
    centres = features[ends].astype(np.float64)
    for _ in range(MAX_ITERATIONS):
        distance = np.stack([((features - centre) ** 2).sum(axis=1) for centre in centres])
        weights = (distance[::-1] + 1e-12) / (distance.sum(axis=0) + 2e-12)
        weights **= 2
        moved = (weights @ features) / weights.sum(axis=1, keepdims=True)
        settled = float(np.abs(moved - centres).max()) < CLOSE
        centres = moved
        if settled:
            break
    return centres[np.argsort(centres.sum(axis=1), kind="stable")]


def part_centres(centres: Vector, least: float) -> Vector:
    """Raise the upper centre as far as the middle between both needs to reach ``least``.

    Examples
    --------
    >>> part_centres(np.array([[0.0], [0.1]]), 0.2)
    array([[0. ],
           [0.4]])
    """
    low, high = centres
    return np.stack([low, np.maximum(high, 2 * least - low)])


def belong(position: FloatArray) -> FloatArray:
    """Return the membership in the upper cluster of places on the line from centre to centre.

    Parameters
    ----------
    position : float32 (...)
        0 at the lower centre, 1 at the upper one; beyond them membership stays 0 and 1.

    Examples
    --------
    >>> belong(np.array([-1, 0.25, 0.5, 2], np.float32))
    array([0. , 0.1, 0.5, 1. ], dtype=float32)
    """
    place = np.clip(position, np.float32(0), np.float32(1))
    square = place * place
    rest = np.square(1 - place)
    membership: FloatArray = square / (square + rest)
    return membership
