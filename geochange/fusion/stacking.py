"""Weights of maps learned from labels, and judged on places that they were not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.errors import InputError
from geochange.fusion.logistic import Logistic, fit_logistic, sigmoid

Array64 = NDArray[np.float64]

FOLDS = 5
BLOCK_PX = 64
"""Edge of the blocks of ground that stay together: neighbours are alike, so a pixel beside one that
was learned from proves nothing."""
MIN_PIXELS = 50
MIN_BLOCKS = 2
"""Least of either class: labelled pixels, and blocks that hold any."""
LOGIT_LIMIT = 7.0


@dataclass(frozen=True)
class LabelledPixels:
    """Bent scores of N labelled pixels in M maps.

    Attributes
    ----------
    scores : float64 (N, M)
        0.5 at each map's threshold; NaN without data.
    changed : bool (N,)
    blocks : int64 (N,)
        Block of ground that each lies in.
    weights : float64 (N,)
        How many pixels each stands for.
    """

    scores: Array64
    changed: NDArray[np.bool_]
    blocks: NDArray[np.int64]
    weights: Array64

    def take(self, which: NDArray[np.bool_]) -> LabelledPixels:
        """Return the pixels that are chosen."""
        return LabelledPixels(
            self.scores[which], self.changed[which], self.blocks[which], self.weights[which]
        )


@dataclass(frozen=True)
class Stacking:
    """What was learned.

    Attributes
    ----------
    model : Logistic
        Of :func:`to_logits` of the bent scores.
    threshold : float
        Probability of the best F1 on left-out places.
    f1, average_precision : float
        On left-out places, at that threshold; of the stack.
    singles : tuple of float
        Average precision of each map alone on the same pixels.
    pixels, blocks : int
    """

    model: Logistic
    threshold: float
    f1: float
    average_precision: float
    singles: tuple[float, ...]
    pixels: int
    blocks: int


def to_logits(score: Array64) -> Array64:
    """Turn bent scores into what the regression sees: 0 at the threshold, and where unknown.

    Examples
    --------
    >>> to_logits(np.array([0.0, 0.5, 0.9, np.nan])).round(1)
    array([-7. ,  0. ,  2.2,  0. ])
    """
    with np.errstate(divide="ignore"):
        logit = np.log(score) - np.log1p(-score)
    limited: Array64 = np.nan_to_num(np.clip(logit, -LOGIT_LIMIT, LOGIT_LIMIT), nan=0.0)
    return limited


def require_labels(changed: Sequence[int], unchanged: Sequence[int]) -> None:
    """Refuse labels that say too little; each is (pixels, blocks).

    Raises
    ------
    InputError
    """
    for name, (pixels, blocks) in (("changed", changed), ("unchanged", unchanged)):
        if pixels < MIN_PIXELS or blocks < MIN_BLOCKS:
            msg = (
                f"the labels hold {pixels} {name} pixels in {blocks} places of {BLOCK_PX} px; "
                f"stacking learns from {MIN_PIXELS} in {MIN_BLOCKS} places of either class: label "
                "more, or choose another rule"
            )
            raise InputError(msg)


def learn_stacking(pixels: LabelledPixels) -> Stacking:
    """Fit a logistic regression, and judge it by cross-validation over blocks of ground.

    Raises
    ------
    InputError
        Too few labels of a class.
    """
    sizes = [
        (int(which.sum()), np.unique(pixels.blocks[which]).size)
        for which in (pixels.changed, ~pixels.changed)
    ]
    require_labels(*sizes)
    features = to_logits(pixels.scores)
    foretold = _foretell(features, pixels)
    threshold, f1 = best_threshold(foretold, pixels.changed, pixels.weights)
    return Stacking(
        fit_logistic(features, pixels.changed, pixels.weights),
        threshold,
        f1,
        average_precision(foretold, pixels.changed, pixels.weights),
        tuple(
            average_precision(np.nan_to_num(one), pixels.changed, pixels.weights)
            for one in pixels.scores.T
        ),
        len(pixels.changed),
        int(np.unique(pixels.blocks).size),
    )


def _foretell(features: Array64, pixels: LabelledPixels) -> Array64:
    """Return the probability of each pixel by a model that has not seen its place."""
    folds = split_blocks(pixels.blocks, pixels.changed)
    foretold = np.empty(len(folds))
    for fold in np.unique(folds):
        out = folds == fold
        seen = ~out
        if pixels.changed[seen].all() or not pixels.changed[seen].any():
            share = np.average(pixels.changed[seen], weights=pixels.weights[seen])
            foretold[out] = share
            continue
        model = fit_logistic(features[seen], pixels.changed[seen], pixels.weights[seen])
        foretold[out] = sigmoid(model.intercept + features[out] @ model.coefficients)
    return foretold


def split_blocks(blocks: NDArray[np.int64], changed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a fold for each pixel; blocks stay whole and those with change are dealt out evenly.

    Examples
    --------
    >>> split_blocks(np.array([7, 7, 3, 9]), np.array([True, False, True, False]))
    array([1, 1, 0, 2])
    """
    numbers, which = np.unique(blocks, return_inverse=True)
    held = np.zeros(numbers.size, np.int64)
    np.add.at(held, which, changed)
    order = np.argsort(-held, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    folds: NDArray[np.int64] = _snake(rank)[which]
    return folds


def _snake(rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal out 0 1 2 3 4 4 3 2 1 0 0 1 ... so that no fold gets the best of every round."""
    turn, place = np.divmod(rank, FOLDS)
    return np.where(turn % 2 == 0, place, FOLDS - 1 - place)


def average_precision(score: Array64, changed: NDArray[np.bool_], weights: Array64) -> float:
    """Return the area under the precision-recall steps of weighted pixels."""
    true, found, last = _steps(score, changed, weights)
    recall = true[last] / true[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * true[last] / found[last]))


def best_threshold(
    score: Array64, changed: NDArray[np.bool_], weights: Array64
) -> tuple[float, float]:
    """Return the score from which on calling change gives the best F1, and that F1."""
    true, found, last = _steps(score, changed, weights)
    f1 = 2 * true[last] / (found[last] + true[-1])
    best = int(np.argmax(f1))
    ordered = np.sort(score)[::-1]
    return float(ordered[last[best]]), float(f1[best])


def _steps(
    score: Array64, changed: NDArray[np.bool_], weights: Array64
) -> tuple[Array64, Array64, NDArray[np.int64]]:
    """Return true and all weight from the highest score down, and the end of each tie."""
    order = np.argsort(-score, kind="stable")
    true = np.cumsum((weights * changed)[order])
    found = np.cumsum(weights[order])
    last = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    return true, found, last
