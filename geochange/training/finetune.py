"""``gc.finetune``: training that goes on from a checkpoint, with other scenes and other bands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import report_nothing
from geochange.nn.checkpoints.shipped import locate_model
from geochange.training.run import TrainResult, train
from geochange.training.settings.config import TrainConfig


def finetune(
    checkpoint: str | os.PathLike[str],
    config: TrainConfig | Mapping[str, Any] | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = report_nothing,
) -> TrainResult:
    """Train on from the weights of a checkpoint.

    The same as :func:`geochange.train` with the checkpoint in the config's table ``[start]``, where
    frozen parts, learning rates and normalisation are set too; see
    :class:`geochange.training.settings.start.StartConfig`.

    Parameters
    ----------
    checkpoint : path or str
        ``model.safetensors`` of an earlier training, or the name of a shipped network. Network and
        options are taken from it.
    config : path, mapping or TrainConfig
        Of the new scenes. Bands are found by their roles (``red``, ``nir``), or by name; filters
        of bands that the checkpoint knows stay what they are, each new one begins with the mean of
        theirs, divided by the number of new bands. Bands that are missing now are left out.
    output, settings, resume, overwrite, on_progress
        See :func:`geochange.train`.

    Returns
    -------
    TrainResult
        The checkpoint's card names the training data of both trainings and their terms.

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError, TrainingError
        One line: what came, what was expected, what to do.

    Warns
    -----
    DataWarning
        No band is known, new bands at a frozen layer, or pixels of quite another size.

    Examples
    --------
    >>> result = finetune(
    ...     "rgb.safetensors", "town.toml", "runs/town", settings={"start.frozen_stages": 1}
    ... )  # doctest: +SKIP
    >>> result.scores["f1"]  # doctest: +SKIP
    0.71
    """
    return train(
        config,
        output,
        settings={**(settings or {}), "start.checkpoint": locate_model(checkpoint)},
        resume=resume,
        overwrite=overwrite,
        on_progress=on_progress,
    )
