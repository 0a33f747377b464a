"""How a network learns from few labels: gentle steps, much augmentation, a budget in seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geochange.errors import UsageError
from geochange.nn.checkpoints.cardfile import read_card
from geochange.nn.checkpoints.shipped import FOLDER
from geochange.nn.normalization import FixedNormalization, SceneNormalization

LEAST_STEPS, MOST_STEPS = 20, 600

Source = Mapping[str, Any]
"""A table as ``[[data.train]]`` takes it."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a training on few labels; see :func:`make_config`.

    Attributes
    ----------
    seconds : float
        About how long it may learn, validation not counted; ``steps`` goes before it.
    steps : int
        0 for as many as fit into ``seconds``.
    chip_px, batch_size : int
    learning_rate : float
        Of weights that come from a checkpoint.
    fresh_rate : float
        Of a network that starts from random weights.
    frozen_stages : int
        Stages of a checkpoint's encoder that stay as they are.
    normalization : str
        As ``data.normalization``. Empty: a shipped network gets that of the labelled tiles, each
        date apart, by the measure that it is used to; another keeps its own.
    validations : int
        How often the figures are looked at.
    seed : int

    Examples
    --------
    >>> Recipe(seconds=30).batch_size
    8
    """

    seconds: float = 120.0
    steps: int = 0
    chip_px: int = 96
    batch_size: int = 8
    learning_rate: float = 1e-3
    fresh_rate: float = 4e-3
    frozen_stages: int = 1
    normalization: str = ""
    validations: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.steps < 0:
            msg = f"a training needs time: got {self.seconds:g} seconds and {self.steps} steps"
            raise UsageError(msg)


def make_config(
    learning: Sequence[Source],
    held_out: Sequence[Source],
    recipe: Recipe,
    *,
    start: str | os.PathLike[str] | None = None,
    bands: Sequence[str] = (),
    title: str = "Change, learned from the labels of a project",
) -> dict[str, Any]:
    """Return the tables of a training on few labels; ``steps`` must be settled.

    The last weights are kept, so that nothing but the threshold is chosen on the tiles that are
    held out.

    Parameters
    ----------
    learning, held_out : sequence of mapping
        Sources, with absolute paths.
    recipe : Recipe
    start : path, optional
        Checkpoint to start from; random weights when None.
    bands : sequence of str
        Bands to use; default all.
    title : str
        Of the checkpoint's card.

    Examples
    --------
    >>> config = make_config([{"path": "/a"}], [{"path": "/b"}], Recipe(steps=100))
    >>> config["steps"], config["validation"]["every_steps"], config["optimizer"]["warmup_steps"]
    (100, 25, 10)
    """
    steps = recipe.steps
    begin: dict[str, Any] = {}
    if start is not None:
        begin = {"checkpoint": str(Path(start).absolute()), "frozen_stages": recipe.frozen_stages}
        begin |= {"normalization": "keep"} if not recipe.normalization and _keeps(start) else {}
    rate = recipe.fresh_rate if start is None else recipe.learning_rate
    return {
        "steps": steps,
        "seed": recipe.seed,
        "data": {
            "root": "/",
            "train": [dict(source) for source in learning],
            "validation": [dict(source) for source in held_out],
            "bands": list(bands),
            "normalization": recipe.normalization or _used_to(start),
        },
        "start": begin,
        "chips": {"size_px": recipe.chip_px, "batch_size": recipe.batch_size},
        "augment": {"scale": 1.25, "gain": 0.15, "offset": 0.15, "noise": 0.05},
        "synthesis": {"copy_paste": 0.3},
        "optimizer": {
            "learning_rate": rate,
            "warmup_steps": max(1, steps // 10),
            "ema": min(0.99, 1 - 5 / max(steps, 10)),
        },
        "validation": {"every_steps": max(1, -(-steps // recipe.validations)), "keep": "last"},
        "compute": {"workers": 1, "threads": 1},
        "card": {"description": title, "automatic": False},
    }


def _keeps(start: str | os.PathLike[str] | None) -> bool:
    """Tell whether a checkpoint was made for such pixels: a fixed scaling, not shipped."""
    if start is None or Path(start).absolute().parent == FOLDER:
        return False
    return isinstance(read_card(Path(start)).normalization, FixedNormalization)


def _used_to(start: str | os.PathLike[str] | None) -> str:
    """Return how pixels are measured that a checkpoint takes."""
    if start is None:
        return "date"
    per_scene = isinstance(read_card(Path(start)).normalization, SceneNormalization)
    return "percentiles" if per_scene else "date"


def count_steps(
    recipe: Recipe, bands: tuple[int, int], model: str, options: Mapping[str, Any]
) -> int:
    """Return how many steps fit into the recipe's seconds on this machine, timed with a network.

    Parameters
    ----------
    recipe : Recipe
    bands : tuple of int
        Of the two dates.
    model : str
        Name of the architecture.
    options : mapping
        Of the architecture.
    """
    if recipe.steps:
        return recipe.steps
    from geochange.training.pace import measure_step

    seconds = measure_step(
        model, bands, options, size_px=recipe.chip_px, batch_size=recipe.batch_size
    )
    return int(min(max(recipe.seconds / max(seconds, 1e-3), LEAST_STEPS), MOST_STEPS))
