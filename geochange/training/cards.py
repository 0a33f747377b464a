"""What the checkpoint says of itself after training."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from geochange.nn.checkpoints.card import Band, Card, Metric, TrainingData
from geochange.nn.normalization import Normalization
from geochange.training.scenes.scene import TrainingScene
from geochange.training.scenes.split import Split
from geochange.training.settings.config import TrainConfig
from geochange.training.validation import Findings

WAVELENGTHS_NM = {
    "coastal": 443.0,
    "blue": 490.0,
    "green": 560.0,
    "red": 665.0,
    "rededge1": 705.0,
    "rededge2": 740.0,
    "rededge3": 783.0,
    "nir": 842.0,
    "nir08": 865.0,
    "watervapour": 945.0,
    "cirrus": 1375.0,
    "swir1": 1610.0,
    "swir2": 2190.0,
    "thermal": 10_900.0,
}
"""Centres of the bands with these roles, to the few nanometres by which sensors agree."""
LONGEST_TITLE = 300
SAME_GSD = 1.1
"""A network is at home up to this factor beyond the pixel sizes that it saw."""


def describe_network(
    config: TrainConfig, split: Split, normalization: Normalization, found: Findings
) -> Card:
    """Return the card of a trained network; what the weights tell is filled in when it is saved."""
    scene = split.training.scenes[0]
    names = sorted({s.name.partition(":")[0] for s in split.training.scenes})
    unlabelled = split.unlabelled.scenes if split.unlabelled else ()
    seen = sorted({*names, *(s.name.partition(":")[0] for s in unlabelled)})
    kind = "validation" if split.is_separate else "training"
    count = len(split.validation.scenes)
    scenes = f"1 {kind} scene" if count == 1 else f"{count} {kind} scenes"
    counted = "pixels" if config.task == "pixels" else f"images of {config.chips.size_px} px"
    where = f"{scenes}, threshold chosen on the same {counted}"
    terms = config.card.data_terms or "not stated"
    return Card(
        title=make_title(config, names),
        bands_before=describe_bands(scene.pair.before.bands, scene.pair.before.roles),
        bands_after=describe_bands(scene.pair.after.bands, scene.pair.after.roles),
        normalization=normalization,
        gsd_m=_gsd_range(split.training.scenes, config),
        threshold=limit_threshold(found.threshold),
        temperature=found.temperature,
        training=tuple(TrainingData(name, terms) for name in seen),
        metrics=list_metrics(found.scores, where),
        created=datetime.now(UTC).date().isoformat(),
        automatic=config.card.automatic,
        task=config.task,
        image_px=config.chips.size_px if config.task == "image" else 0,
        recalls=found.recalls,
    )


def make_title(config: TrainConfig, names: Sequence[str]) -> str:
    """Return the title that the config gives, or one that names the training data."""
    title = f"{config.model.name} trained on {', '.join(names)}"
    return config.card.description or shorten_title(title)


def shorten_title(title: str) -> str:
    """Return a title that a card can hold: the names of hundreds of scenes are too many.

    Examples
    --------
    >>> shorten_title("trained on a, b"), len(shorten_title("ab, " * 900)) <= LONGEST_TITLE
    ('trained on a, b', True)
    """
    return textwrap.shorten(title, LONGEST_TITLE, placeholder=" ...")


def list_metrics(scores: Mapping[str, float], where: str) -> tuple[Metric, ...]:
    """Return figures as a card holds them; those that are no numbers are left out."""
    return tuple(Metric(name, v, where) for name, v in scores.items() if math.isfinite(v))


def limit_threshold(threshold: float) -> float:
    """Return a threshold that a card can hold."""
    return min(max(threshold, 1e-6), 1 - 1e-6)


def describe_bands(names: Sequence[str], roles: Sequence[str | None]) -> tuple[Band, ...]:
    """Return bands by their roles, or their names where they have none."""
    return tuple(
        Band(role or name, WAVELENGTHS_NM.get(role or ""))
        for name, role in zip(names, roles, strict=True)
    )


def _gsd_range(scenes: Sequence[TrainingScene], config: TrainConfig) -> tuple[float, float] | None:
    """Least and greatest pixel size; None when nothing tells."""
    if config.card.gsd_m:
        return config.card.gsd_m[0], config.card.gsd_m[1]
    sizes = [scene.pair.traits.gsd_m for scene in scenes]
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes):
        return None
    reach = max(config.augment.scale, SAME_GSD)
    return min(known) / reach, max(known) * reach
