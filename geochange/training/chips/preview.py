"""A look at what a network would be trained on, before an hour is spent on training it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from geochange.training.chips.batches import ChipMaker
from geochange.training.chips.sampling import ChipSampler
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import measure, settle
from geochange.training.scenes.split import open_split
from geochange.training.settings.config import TrainConfig, load_config
from geochange.viz.pictures import choose_display_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def preview_chips(
    config: TrainConfig | Mapping[str, Any] | str | os.PathLike[str],
    count: int = 6,
    *,
    settings: Mapping[str, object] | None = None,
) -> Figure:
    """Draw the first chips that a training of this config would see, augmented as there.

    Parameters
    ----------
    config : path, mapping or TrainConfig
        As :func:`geochange.train` takes it.
    count : int
        Chips to draw.
    settings : mapping of str to object, optional
        Single settings to replace.

    Returns
    -------
    matplotlib.figure.Figure
        Before, after and label, one column a chip; red is change, grey is unknown.

    Raises
    ------
    InputError, UsageError
        What training itself would refuse about its data.

    Examples
    --------
    >>> preview_chips("building.toml").savefig("chips.png")  # doctest: +SKIP
    """
    from geochange.viz.chips import plot_chips

    config = load_config(config, settings)
    training = open_split(config.data).training
    cache = SceneCache(training.scenes, config.data.cache_mb)
    scalings = settle(cache, measure(cache, config.data.normalization, config.seed))
    maker = ChipMaker(
        cache, ChipSampler(training.scenes, training.surveys, config.chips), scalings, config
    )
    roles = training.scenes[0].pair.before.roles
    fewest = min(len(names) for names in training.scenes[0].bands)
    shown = list(choose_display_bands(roles[:fewest]))
    chips = [maker.make(0, index) for index in range(max(1, count))]
    return plot_chips([(c.before[shown], c.after[shown], c.label, c.valid) for c in chips])
