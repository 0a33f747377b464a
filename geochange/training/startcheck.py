"""Whether a checkpoint suits the scenes that training goes on with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from geochange.errors import DataWarning
from geochange.nn.checkpoints.card import Card
from geochange.nn.learning.freezing import require_modules
from geochange.nn.networks.registry import build_model
from geochange.training.scenes.scene import TrainingScene
from geochange.training.settings.config import TrainConfig
from geochange.training.start import Start, open_start

FAR_FACTOR = 1.5
"""How far pixels may lie outside the range of the checkpoint's before a warning."""


def check_start(config: TrainConfig, scenes: Sequence[TrainingScene]) -> dict[str, object]:
    """Refuse settings that do not fit the checkpoint and say what run.json tells; trains nothing.

    Raises
    ------
    InputError, UsageError
        A damaged file, unknown modules to freeze, more stages than there are.

    Warns
    -----
    DataWarning
        No band is known, new bands at a frozen layer, or other pixel sizes.
    """
    start = open_start(config.start, scenes[0])
    if start is None:
        return {}
    before, after = (len(names) for names in scenes[0].bands)
    with torch.random.fork_rng(devices=[]):
        network = build_model(config.model.name, (before, after), **config.model.options)
    require_modules(network, config.start.fresh)
    frozen, new = start.begin(network)
    _warn_of_bands(start, scenes[0], config)
    _warn_of_pixels(start.card, scenes)
    return {
        "checkpoint": config.start.checkpoint,
        "sha256": config.start.sha256,
        "title": start.card.title,
        "frozen": list(frozen),
        "new_weights": sorted(new),
    }


def _warn_of_bands(start: Start, scene: TrainingScene, config: TrainConfig) -> None:
    new = [name for m, names in zip(start.matches, scene.bands, strict=True)
           for row, name in zip(m, names, strict=True) if row is None]  # fmt: skip
    listed = ", ".join(dict.fromkeys(new))
    if all(set(match) == {None} for match in start.matches):
        known = ", ".join(band.name for band in start.card.bands_before)
        msg = (
            f"none of the bands {listed} is one of {known}, the bands of {start.config.checkpoint}"
            "; the first layer starts from their mean"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)
    elif new and config.start.frozen_stages:
        msg = (
            f"the bands {listed} are new and the first layer is frozen: their filters stay at "
            "the mean of the others; set start.frozen_stages to 0 to learn them"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)


def _warn_of_pixels(card: Card, scenes: Sequence[TrainingScene]) -> None:
    sizes = [s.pair.traits.gsd_m for s in scenes]
    known = [size for size in sizes if size is not None]
    if card.gsd_m is None or not known:
        return
    low, high = card.gsd_m
    if max(low / min(known), max(known) / high) > FAR_FACTOR:
        trained, now = _describe_range(low, high), _describe_range(min(known), max(known))
        msg = (
            f"'{card.title}' was trained on pixels of {trained} m, these scenes have {now} m; what "
            "it knows of shapes may not help"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)


def _describe_range(low: float, high: float) -> str:
    first, last = f"{low:.3g}", f"{high:.3g}"
    return first if first == last else f"{first} to {last}"
