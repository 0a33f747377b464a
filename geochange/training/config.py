"""Everything that a training run needs, as one frozen value."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geochange.errors import UsageError
from geochange.training.checks import require
from geochange.training.chipsettings import AugmentConfig, ChipConfig, SynthesisConfig
from geochange.training.datasettings import DataConfig
from geochange.training.learnsettings import (
    CardConfig,
    ComputeConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    ValidationConfig,
)
from geochange.training.settings import build, override, read_toml, to_table, write_toml


@dataclass(frozen=True)
class TrainConfig:
    """One training run; see the parts for what they hold.

    Examples
    --------
    >>> config = parse_config({"steps": 100, "chips": {"size_px": 64}})
    >>> config.chips.size_px, config.optimizer.schedule
    (64, 'cosine')
    """

    output: str = ""
    steps: int = 4000
    seed: int = 0
    log_every: int = 20
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    chips: ChipConfig = field(default_factory=ChipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    card: CardConfig = field(default_factory=CardConfig)

    def __post_init__(self) -> None:
        require(self.steps >= 1, "steps", self.steps, "1 or more")
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        require(self.log_every >= 1, "log_every", self.log_every, "1 or more")
        size, processes = self.chips.batch_size, self.compute.processes
        fits = size % processes == 0
        require(fits, "chips.batch_size", size, f"a multiple of the {processes} processes")

    def to_toml(self) -> str:
        """Return the whole config, defaults included, as TOML."""
        return write_toml(to_table(self))


def parse_config(table: Mapping[str, Any]) -> TrainConfig:
    """Build a config from nested tables.

    Raises
    ------
    UsageError
        An unknown key or a value that cannot be.
    """
    return build(TrainConfig, table)


def read_config(
    path: str | os.PathLike[str], settings: Mapping[str, object] | None = None
) -> TrainConfig:
    """Read a config from a TOML file, with single settings replaced.

    Parameters
    ----------
    path : path
    settings : mapping of str to object, optional
        Dotted names to values: ``{"optimizer.learning_rate": 1e-3}``. A ``data.root`` given here
        is relative to the working directory, one in the file to the file.

    Raises
    ------
    InputError, UsageError
        One line that names the file and the key.

    Examples
    --------
    >>> read_config("building.toml", {"data.root": "/data"}).steps  # doctest: +SKIP
    4700
    """
    settings = dict(settings or {})
    if isinstance(settings.get("data.root"), str):
        settings["data.root"] = os.path.abspath(str(settings["data.root"]))
    try:
        config = parse_config(override(read_toml(path), settings))
    except UsageError as error:
        msg = f"{os.fspath(path)}: {error}"
        raise UsageError(msg) from error
    root = os.path.abspath(Path(path).parent / Path(config.data.root).expanduser())
    return dataclasses.replace(config, data=dataclasses.replace(config.data, root=root))


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
    return parse_config(override(table, settings or {}))
