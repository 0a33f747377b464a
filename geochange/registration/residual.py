"""What registration leaves: how far the dates lie apart, place by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from geochange.io.grids.displacement import STILL
from geochange.registration.result import Registration

NEIGHBOURS = 5
"""Windows that tell of a place."""

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class Residual:
    """Displacements that windows measured and that are not corrected.

    Attributes
    ----------
    points, vectors : float64 (N, 2)
        Middles of windows and what is left there, x and y in pixels.
    sigma : float64 (N,)
        Standard errors of ``vectors``.

    Examples
    --------
    >>> points = np.array([[10.0, 10.0], [30.0, 10.0]])
    >>> left = Residual(points, np.array([[0.4, 0.0], [0.2, 0.0]]), np.zeros(2))
    >>> mean, scatter = left.near(np.array([[20.0, 12.0]]))
    >>> mean.round(2).tolist(), scatter.round(2).tolist()
    ([[0.3, 0.0]], [0.1])
    """

    points: Vectors
    vectors: Vectors
    sigma: Vectors

    def near(self, places: Vectors) -> tuple[Vectors, Vectors]:
        """Return the mean displacement and its scatter around places, from the nearest windows.

        Parameters
        ----------
        places : float64 (M, 2)
            x and y in pixels.

        Returns
        -------
        mean : float64 (M, 2)
        scatter : float64 (M,)
            Root mean square about the mean beyond what errors of measurement explain.
        """
        count = min(NEIGHBOURS, len(self.points))
        _, nearest = KDTree(self.points).query(places, k=np.arange(1, count + 1))
        found = self.vectors[nearest]
        mean = found.mean(axis=1)
        spread = ((found - mean[:, None]) ** 2).sum(axis=2).mean(axis=1)
        noise = (self.sigma[nearest] ** 2).mean(axis=1)
        return mean, np.sqrt(np.maximum(spread - noise, 0))


def measure_residual(found: Registration) -> Residual | None:
    """Return what a registration leaves; None where it could not tell."""
    used = [tie for tie in found.ties if tie.is_used]
    if not used or not found.reliable:
        return None
    points = np.array([(tie.x, tie.y) for tie in used])
    moved = np.array([(tie.dx, tie.dy) for tie in used])
    corrected = found.displacement if found.applied else STILL
    sigma = np.array([tie.sigma_px for tie in used])
    return Residual(points, moved - corrected.at(points), sigma)
