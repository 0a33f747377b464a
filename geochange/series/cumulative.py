"""Control charts that remember: cumulative sums and weighted moving averages."""

from __future__ import annotations

import numpy as np

from geochange.blocks import BoolArray
from geochange.errors import UsageError
from geochange.series.charts import Chart, Places, is_fresh
from geochange.series.protocol import State
from geochange.series.regression import Doubles, add


class Cusum(Chart):
    """Multivariate cumulative sum: small persistent changes add up.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    slack : float
        Sigmas of every observation that do not count.
    limit_sigmas : float
        Sum from which on it is change.

    References
    ----------
    Page, E. S. (1954). Continuous inspection schemes. Biometrika 41, 100-115. Crosier, R. B.
    (1988). Multivariate generalizations of cumulative sum quality-control schemes. Technometrics
    30(3), 291-303.

    Examples
    --------
    >>> from geochange.series.protocol import SeriesBlock
    >>> images = (np.arange(30) >= 20).astype(np.float32)[:, None, None, None]
    >>> images[::2] += 0.1
    >>> days, valid = 730_000 + 16 * np.arange(30), np.ones((30, 1, 1), bool)
    >>> found = Cusum().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[20]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    own = ("band_sum",)

    def __init__(
        self, *, history: int = 12, slack: float = 0.75, limit_sigmas: float = 10.0
    ) -> None:
        super().__init__(history=history)
        if slack < 0 or limit_sigmas <= 0:
            msg = f"slack is 0 or more and limit_sigmas above 0, got {slack} and {limit_sigmas}"
            raise UsageError(msg)
        self.slack = slack
        self.limit_sigmas = limit_sigmas

    @property
    def limit(self) -> float:
        """Sum from which on it is change."""
        return self.limit_sigmas

    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Add up what exceeds the slack; nothing is under way where nothing does."""
        known = state["band_sum"][:, where]
        total = known + units
        length = np.sqrt(add(total**2))
        left = np.maximum(1 - self.slack / np.maximum(length, 1e-12), 0)
        state["band_sum"][:, where] = total * left
        return length * left, left <= 0, is_fresh(known, units)


class Ewma(Chart):
    """Multivariate exponentially weighted moving average of the deviations.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    weight : float
        Of the newest observation.
    limit_sigmas : float
        Average, in its own standard deviations, from which on it is change.

    References
    ----------
    Roberts, S. W. (1959). Control chart tests based on geometric moving averages. Technometrics 1,
    239-250. Lowry, C. A. et al. (1992). A multivariate exponentially weighted moving average
    control chart. Technometrics 34, 46-53. Brooks, E. B. et al. (2014). On-the-fly massively
    multitemporal change detection using statistical quality control charts and Landsat data. IEEE
    TGRS 52(6), 3316-3332.

    Examples
    --------
    >>> from geochange.series.protocol import SeriesBlock
    >>> images = (np.arange(30) >= 20).astype(np.float32)[:, None, None, None]
    >>> images[::2] += 0.1
    >>> days, valid = 730_000 + 16 * np.arange(30), np.ones((30, 1, 1), bool)
    >>> found = Ewma().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[20]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    own = ("band_mean", "steps")
    calm_sigmas = 1.5
    """An average below this tells that nothing is under way."""

    def __init__(
        self, *, history: int = 12, weight: float = 0.3, limit_sigmas: float = 6.0
    ) -> None:
        super().__init__(history=history)
        if not 0 < weight <= 1 or limit_sigmas <= 0:
            msg = f"weight is above 0 to 1 and limit_sigmas above 0, got {weight}, {limit_sigmas}"
            raise UsageError(msg)
        self.weight = weight
        self.limit_sigmas = limit_sigmas

    @property
    def limit(self) -> float:
        """Sigmas from which on it is change."""
        return self.limit_sigmas

    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Average the deviations; nothing is under way while the average is small."""
        keep = 1 - self.weight
        known = keep * state["band_mean"][:, where]
        mean = known + self.weight * units
        state["band_mean"][:, where] = mean
        state["steps"][where] += 1
        settled = self.weight / (1 + keep) * (1 - keep ** (2 * state["steps"][where]))
        statistic = np.sqrt(add(mean**2) / settled)
        return statistic, statistic < self.calm_sigmas, is_fresh(known, self.weight * units)
