"""Which model the tie points give evidence for, and whether they can be trusted at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import MAD_TO_SIGMA
from geochange.io.grids.displacement import STILL, Displacement
from geochange.registration.models import Model
from geochange.registration.ties import Tie

Array = NDArray[np.float64]
FOLDS = 5
CAP_PX = 1.5
"""Residuals count as no more than this: outliers must not choose the model."""
MIN_GAIN = 0.1
"""A richer model must leave a tenth less of the squared residual, and that beyond chance."""
NEGLIGIBLE_PX = 0.02
"""Residuals that are smaller than this do not ask for a richer model."""
MIN_SIGNIFICANCE = 2.0
"""Standard errors by which a richer model must be better."""
FEW_WINDOWS = 8
MIN_INLIERS_OF_FEW, MIN_INLIERS = 3, 5
"""Windows that must agree where less than ``FEW_WINDOWS`` have data, and where more have."""
MIN_AGREEMENT = 0.5
"""Share of the matched windows that must agree with one model."""
MIN_COVERAGE = 0.1
"""Share of the windows with data that must agree with it."""
LONE_CORRELATION, LONE_QUALITY = 0.6, 1.5
"""What one or two windows must show where a grid has no more."""


@dataclass(frozen=True)
class Evidence:
    """The model that was chosen.

    Attributes
    ----------
    model : Model
    displacement : Displacement
    ties : tuple of Tie
        With outliers marked.
    residual_px : float
        Root mean square distance of windows that agree from a model that was fitted without them.
    before_px : float
        That of the same windows from no displacement at all.
    reliable : bool
    """

    model: Model
    displacement: Displacement
    ties: tuple[Tie, ...]
    residual_px: float
    before_px: float
    reliable: bool


def weigh_models(ties: Sequence[Tie], models: Sequence[Model], *, earn: bool = True) -> Evidence:
    """Choose among models by how well they foretell windows that they were not fitted to.

    Parameters
    ----------
    ties : sequence of Tie
    models : sequence of Model
        Simple ones first.
    earn : bool
        A richer model must earn its place; else the best of the last kind is taken.

    Returns
    -------
    Evidence
        Not reliable when too few windows agree.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ties = [
    ...     Tie(x, y, "used", 0.5 + rng.normal(0, 0.02), -0.2 + rng.normal(0, 0.02))
    ...     for x in range(50, 500, 100) for y in range(50, 500, 100)
    ... ]
    >>> found = weigh_models(ties, [Model(n, (500, 500)) for n in ("none", "shift", "affine")])
    >>> found.model.name, found.reliable, found.residual_px < 0.05
    ('shift', True, True)
    """
    used = [tie for tie in ties if tie.is_used]
    fitting = [model for model in models if len(used) >= model.least_ties]
    if not used:
        return Evidence(models[0], STILL, tuple(ties), 0.0, 0.0, reliable=False)
    distances = [_foretell(model, used) for model in fitting]
    chosen = _choose(fitting, distances, earn=earn)
    inside = distances[chosen] <= _tolerance(distances[chosen])
    marks = iter(inside)
    marked = [t if not t.is_used or next(marks) else t.reject("outlier") for t in ties]
    inliers = [tie for tie in marked if tie.is_used]
    before = np.array([np.hypot(tie.dx, tie.dy) for tie in inliers])
    return Evidence(
        model=fitting[chosen],
        displacement=fitting[chosen].fit(inliers) if inliers else STILL,
        ties=tuple(marked),
        residual_px=_root_mean_square(distances[chosen][inside]),
        before_px=_root_mean_square(before),
        reliable=_is_reliable(marked, len(used)),
    )


def _foretell(model: Model, ties: list[Tie]) -> Array:
    """Distance of each tie point from a model that was fitted without it, in px, (N,)."""
    folds = min(FOLDS, len(ties))
    distances = np.zeros(len(ties))
    for fold in range(folds):
        held = [i for i in range(len(ties)) if i % folds == fold]
        others = [tie for i, tie in enumerate(ties) if i % folds != fold]
        fitted = model.fit(others or ties)
        points = np.array([(ties[i].x, ties[i].y) for i in held])
        moved = np.array([(ties[i].dx, ties[i].dy) for i in held])
        distances[held] = np.hypot(*(moved - fitted.at(points)).T)
    return distances


def _choose(models: Sequence[Model], distances: Sequence[Array], *, earn: bool) -> int:
    """Return the position of the simplest model that no richer one beats."""
    losses = [np.minimum(distance, CAP_PX) ** 2 for distance in distances]
    best = int(np.argmin([loss.mean() for loss in losses]))
    seen = distances[best] <= _tolerance(distances[best])
    if not seen.any():
        return best
    losses = [loss[seen] for loss in losses]
    if not earn:
        last = [i for i, model in enumerate(models) if model.name == models[-1].name]
        return min(last, key=lambda i: float(losses[i].mean()))
    chosen = 0
    for richer in range(1, len(models)):
        gained = losses[chosen] - losses[richer]
        error = float(gained.std()) / np.sqrt(max(len(gained), 1))
        share = MIN_GAIN * float(losses[chosen].mean())
        enough = max(share, NEGLIGIBLE_PX**2, MIN_SIGNIFICANCE * error)
        if float(gained.mean()) > enough:
            chosen = richer
    return chosen


def _tolerance(distances: Array) -> float:
    """Distance up to which a window agrees, in px."""
    return float(np.clip(3 * MAD_TO_SIGMA * np.median(distances), 0.1, CAP_PX))


def _root_mean_square(distances: Array) -> float:
    return float(np.sqrt(np.mean(distances**2))) if len(distances) else 0.0


def _is_reliable(ties: Sequence[Tie], matched: int) -> bool:
    inliers = [tie for tie in ties if tie.is_used]
    seen = [tie for tie in ties if tie.status not in ("no data", "unreadable")]
    if len(seen) < MIN_INLIERS_OF_FEW:
        sure = [t.correlation >= LONE_CORRELATION and t.quality >= LONE_QUALITY for t in inliers]
        return bool(sure) and all(sure) and len(inliers) == len(seen)
    least = MIN_INLIERS_OF_FEW if len(seen) < FEW_WINDOWS else MIN_INLIERS
    needed = max(least, MIN_AGREEMENT * matched, MIN_COVERAGE * len(seen))
    return len(inliers) >= needed
