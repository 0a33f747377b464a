"""Moving sums against a boundary with a known rate of false alarms."""

from __future__ import annotations

import numpy as np

from geochange.blocks import BoolArray
from geochange.errors import UsageError
from geochange.series.charts import Chart, Places, is_fresh
from geochange.series.protocol import State
from geochange.series.regression import Doubles, add


class MovingSum(Chart):
    """Moving sum of the deviations against a boundary that widens in time: BFAST monitor.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    window : float
        Observations in the sum, as a share of the history: 0.25, 0.5 or 1.
    false_alarms : float
        Share of unchanged pixels that ever cross the boundary, up to ten times the history: 0.05,
        0.01 or 0.001.

    References
    ----------
    Verbesselt, J., Zeileis, A. and Herold, M. (2012). Near real-time disturbance detection using
    satellite image time series. RSE 123, 98-108. Zeileis, A. et al. (2005). Monitoring structural
    change in dynamic econometric models. Journal of Applied Econometrics 20, 99-121.

    Notes
    -----
    Bands are summed as a vector whose length counts, over the square root of their number: for
    bands that go together that is the test of one of them. The history is taken as given, it is
    not searched for its stable end.

    Examples
    --------
    >>> from geochange.series.protocol import SeriesBlock
    >>> images = (np.arange(30) >= 20).astype(np.float32)[:, None, None, None]
    >>> images[::2] += 0.1
    >>> days, valid = 730_000 + 16 * np.arange(30), np.ones((30, 1, 1), bool)
    >>> block = SeriesBlock(images, valid, days)
    >>> found = MovingSum().fit([block]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[20]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    own = ("steps",)

    def __init__(
        self, *, history: int = 12, window: float = 0.5, false_alarms: float = 0.01
    ) -> None:
        super().__init__(history=history)
        if (window, false_alarms) not in BOUNDARIES:
            windows = sorted({width for width, _ in BOUNDARIES})
            rates = sorted({share for _, share in BOUNDARIES})
            msg = (
                f"boundaries are known for window {windows} and false_alarms {rates}, got "
                f"{window} and {false_alarms}"
            )
            raise UsageError(msg)
        self.window = window
        self.false_alarms = false_alarms

    @property
    def limit(self) -> float:
        """Height of the boundary at its beginning."""
        return BOUNDARIES[self.window, self.false_alarms]

    @property
    def width(self) -> int:
        """Observations in the sum."""
        return max(2, round(self.window * self.history))

    def start(self, pixels: int, bands: int) -> State:
        """Return the state of pixels of which nothing was seen yet."""
        ring = np.zeros((self.width, bands, pixels))
        return {**super().start(pixels, bands), "ring": ring}

    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Sum the last deviations; nothing is under way while the sum is small."""
        steps = state["steps"][where].astype(np.intp)
        state["ring"][steps % self.width, :, where] = units.T
        state["steps"][where] += 1
        total = add(state["ring"][:, :, where])
        length = np.sqrt(add(total**2) / self.history)
        ratio = 1 + (steps + 1) / self.history
        boundary = np.sqrt(np.where(ratio > np.e, np.log(ratio), 1.0))
        statistic: Doubles = length / boundary
        return statistic, statistic < self.limit / 4, is_fresh(total - units, units)


BOUNDARIES = {
    (0.25, 0.05): 1.86, (0.25, 0.01): 2.13, (0.25, 0.001): 2.32,
    (0.5, 0.05): 2.64, (0.5, 0.01): 3.14, (0.5, 0.001): 3.58,
    (1.0, 0.05): 3.85, (1.0, 0.01): 4.63, (1.0, 0.001): 5.80,
}  # fmt: skip
"""Critical values by window and share of false alarms, for histories of a level and a horizon of
ten histories: quantiles of 4 000 simulated series (see ``tests/series/test_charts.py``)."""
