"""The folder of a tuning: made, refused or gone on with, by one process at a time."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from geochange.errors import OutputError, OutputExistsError, UsageError
from geochange.training.folder import CONFIG, require_same
from geochange.training.settings.config import TrainConfig
from geochange.training.settings.toml import write_toml
from geochange.training.tuning.campaign import JOURNAL
from geochange.training.tuning.space import Dimension
from geochange.training.tuning.table import BEST, PICTURE, TABLE

SPACE = "space.toml"
OWN_NAMES = (CONFIG, SPACE, JOURNAL, TABLE, PICTURE, BEST, "trial-*", ".*")


def make_tuning_folder(
    folder: Path, config: TrainConfig, dimensions: tuple[Dimension, ...], *, resume: bool
) -> Path:
    """Make the folder, or check that it is a tuning of the same config and space.

    Raises
    ------
    OutputExistsError
        The folder holds something and is not to be resumed, or something else.
    UsageError
        It was tuned with another config or over another space.
    OutputError
        It cannot be made.
    """
    text = write_toml({dimension.name: dimension.to_table() for dimension in dimensions})
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    foreign = [n for n in names if not any(fnmatch.fnmatch(n, own) for own in OWN_NAMES)]
    if folder.is_file() or foreign or (names and not resume):
        what = (
            f"holds {foreign[0]}; choose" if foreign else "exists; go on with --resume, or choose"
        )
        msg = f"{folder} {what} another output folder"
        raise OutputExistsError(msg)
    if (folder / SPACE).exists():
        require_same(folder / CONFIG, config)
        if (folder / SPACE).read_text(encoding="utf-8") != text:
            msg = f"{folder} was tuned over another space, see its {SPACE}; use that one"
            raise UsageError(msg)
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(config.to_toml(), encoding="utf-8")
        (folder / SPACE).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"cannot write {folder}: {error.strerror or error}; choose another output folder"
        raise OutputError(msg) from error
    return folder


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes out.

    Raises
    ------
    OutputExistsError
        One is at work here.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        msg = f"{folder} is being tuned by another process; wait for it, or choose another folder"
        raise OutputExistsError(msg) from error
