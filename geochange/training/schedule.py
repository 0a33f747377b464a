"""The learning rate of each step, a function of the step alone."""

from __future__ import annotations

import math

from geochange.training.settings.learning import OptimizerConfig

LAST_SHARE = 0.01
"""Share of the learning rate that cosine and poly end at."""


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Return the learning rate of a step: linear warm-up, then cosine, poly or constant.

    Parameters
    ----------
    step : int
        From 0.
    steps : int
        Of the whole run.
    config : OptimizerConfig

    Examples
    --------
    >>> config = OptimizerConfig(learning_rate=1.0, warmup_steps=4)
    >>> [round(learning_rate(step, 104, config), 3) for step in (0, 3, 4, 54, 103)]
    [0.25, 1.0, 1.0, 0.505, 0.01]
    """
    peak, warmup = config.learning_rate, min(config.warmup_steps, steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "constant":
        return peak
    left = (1 + math.cos(math.pi * done)) / 2
    if config.schedule == "poly":
        left = (1 - done) ** config.power
    return peak * (LAST_SHARE + (1 - LAST_SHARE) * left)
