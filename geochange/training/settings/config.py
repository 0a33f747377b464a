"""Everything that a training run needs, as one frozen value."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geochange.errors import UsageError
from geochange.nn.checkpoints.shipped import locate_model
from geochange.training.settings.checks import require, require_one
from geochange.training.settings.chips import AugmentConfig, ChipConfig, SynthesisConfig
from geochange.training.settings.data import DataConfig
from geochange.training.settings.image import ImageConfig
from geochange.training.settings.learning import (
    DEFAULT_MODELS,
    CardConfig,
    ComputeConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    ValidationConfig,
)
from geochange.training.settings.presets import spread_preset, spread_setting
from geochange.training.settings.series import SeriesConfig
from geochange.training.settings.start import StartConfig
from geochange.training.settings.toml import build, override, read_toml, to_table, write_toml
from geochange.training.settings.unlabelled import UnlabelledConfig

TASKS = tuple(DEFAULT_MODELS)


@dataclass(frozen=True)
class TrainConfig:
    """One training run; see the parts for what they hold.

    Attributes
    ----------
    task : str
        What is learned: ``pixels``, change of each pixel between two dates; ``image``, whether
        each chip as a whole changed; or ``series``, when each pixel changed over many dates.
    output : str
        Folder to make; ``-o`` goes before it.
    steps : int
        Batches to learn from, unless training stops early.
    seed : int
        Of weights, batches and all else that is drawn.
    log_every : int
        Steps between rows of ``metrics.csv``.
    data, start, model, image, chips, augment, synthesis : dataclass
    series, unlabelled, loss, optimizer, validation, compute, card : dataclass
        Tables of settings.

    Examples
    --------
    >>> config = parse_config({"steps": 100, "chips": {"size_px": 64}})
    >>> config.chips.size_px, config.optimizer.schedule
    (64, 'cosine')
    """

    task: str = "pixels"
    output: str = ""
    steps: int = 4000
    seed: int = 0
    log_every: int = 20
    data: DataConfig = field(default_factory=DataConfig)
    start: StartConfig = field(default_factory=StartConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    chips: ChipConfig = field(default_factory=ChipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    series: SeriesConfig = field(default_factory=SeriesConfig)
    unlabelled: UnlabelledConfig = field(default_factory=UnlabelledConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    card: CardConfig = field(default_factory=CardConfig)

    def __post_init__(self) -> None:
        require_one("task", self.task, TASKS)
        require(self.steps >= 1, "steps", self.steps, "1 or more")
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        require(self.log_every >= 1, "log_every", self.log_every, "1 or more")
        processes = self.compute.processes
        sizes = {"chips.batch_size": self.chips.batch_size}
        if self.unlabelled.sources:
            sizes["unlabelled.batch_size"] = self.unlabelled.batch_size
        for name, size in sizes.items():
            require(size % processes == 0, name, size, f"a multiple of the {processes} processes")
        alone = self.task == "pixels" or not self.unlabelled.sources
        require(alone, "task", self.task, "'pixels' with unlabelled.sources")
        if not (self.model.name or self.start.checkpoint):
            named = dataclasses.replace(self.model, name=DEFAULT_MODELS[self.task])
            object.__setattr__(self, "model", named)

    def to_toml(self) -> str:
        """Return the whole config, defaults included, as TOML."""
        return write_toml(to_table(self))


def parse_config(table: Mapping[str, Any]) -> TrainConfig:
    """Build a config from nested tables.

    In the table ``augment``, ``preset`` stands for one of
    :data:`geochange.training.settings.presets.PRESETS`.

    Raises
    ------
    UsageError
        An unknown key or a value that cannot be.
    """
    return build(TrainConfig, spread_preset(table))


def read_config(
    path: str | os.PathLike[str], settings: Mapping[str, object] | None = None
) -> TrainConfig:
    """Read a config from a TOML file, with single settings replaced.

    Parameters
    ----------
    path : path
    settings : mapping of str to object, optional
        Dotted names to values: ``{"optimizer.learning_rate": 1e-3}``. Paths given here
        (``data.root``, ``start.checkpoint``) are relative to the working directory, those in the
        file to the file.

    Raises
    ------
    InputError, UsageError
        One line that names the file and the key.

    Examples
    --------
    >>> read_config("building.toml", {"data.root": "/data"}).steps  # doctest: +SKIP
    4700
    """
    settings = spread_setting(settings or {})
    try:
        for name, find in (("data.root", os.path.abspath), ("start.checkpoint", locate_model)):
            if isinstance(settings.get(name), str) and settings[name]:
                settings[name] = find(str(settings[name]))
        config = parse_config(override(read_toml(path), settings))
    except UsageError as error:
        msg = f"{os.fspath(path)}: {error}"
        raise UsageError(msg) from error
    data, start, folder = config.data, config.start, Path(path).parent
    root = os.path.abspath(folder / Path(data.root).expanduser())
    data = dataclasses.replace(data, root=root)
    if start.checkpoint:
        start = dataclasses.replace(start, checkpoint=locate_model(start.checkpoint, folder))
    return dataclasses.replace(config, data=data, start=start)


def load_config(
    config: TrainConfig | Mapping[str, Any] | str | os.PathLike[str],
    settings: Mapping[str, object] | None = None,
) -> TrainConfig:
    """Return the config that a value, nested tables or a TOML file stand for.

    Raises
    ------
    InputError, UsageError
        See :func:`read_config`.

    Examples
    --------
    >>> load_config({"steps": 9}, {"data.root": "/data"}).data.root
    '/data'
    """
    if isinstance(config, str | os.PathLike):
        return read_config(config, settings)
    table = to_table(config) if isinstance(config, TrainConfig) else config
    return parse_config(override(table, spread_setting(settings or {})))
