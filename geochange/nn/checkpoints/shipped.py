"""Shipped networks: the shelf of those that come with geochange, found by name; no torch."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from geochange.errors import UsageError, suggest
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import read_card, read_header
from geochange.nn.checkpoints.integrity import require_whole

FOLDER = Path(__file__).parents[1] / "weights"
"""Where the shipped networks lie, one file each."""
SUFFIX = ".safetensors"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Tensors that are measured, not learned."""


@dataclass(frozen=True, slots=True)
class Model:
    """A trained network in a file.

    Attributes
    ----------
    name : str
        What ``geochange detect --model`` takes.
    path : Path
    card : Card
        What it was made for and how good it is.
    """

    name: str
    path: Path
    card: Card

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size

    @property
    def parameters(self) -> int:
        """Number of learned weights."""
        tensors = {k: v for k, v in read_header(self.path).items() if k != "__metadata__"}
        learned = [t for name, t in tensors.items() if name.rpartition(".")[2] not in STATISTICS]
        return sum(math.prod(tensor["shape"]) for tensor in learned)


def list_models(task: str = "") -> list[Model]:
    """Return the networks that come with geochange, in order of their names.

    Parameters
    ----------
    task : str
        ``pixels`` or ``image``; default all.

    Raises
    ------
    InputError
        A file of the installation is damaged.

    Examples
    --------
    >>> all(model.path.suffix == ".safetensors" for model in list_models())
    True
    """
    models = [Model(path.stem, path, read_card(path)) for path in _paths().values()]
    return [model for model in models if not task or model.card.task == task]


def open_model(name: str | os.PathLike[str]) -> Model:
    """Return a network by name or by path.

    Raises
    ------
    UsageError, InputNotFoundError, InputError
        No such network or file, not a checkpoint of geochange, or a damaged one.
    """
    path = find_model(name)
    model = Model(path.stem, path, read_card(path))
    require_whole(path, model.card)
    return model


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a network on the shelf, or the path that was given.

    A name on the shelf goes before a file of that name.

    Raises
    ------
    UsageError
        Neither a name on the shelf nor a path.

    Examples
    --------
    >>> str(find_model("runs/own.safetensors"))
    'runs/own.safetensors'
    """
    given = os.fspath(name_or_path)
    paths = _paths()
    if given in paths:
        return paths[given]
    path = Path(given)
    if path.suffix or len(path.parts) > 1 or path.is_file():
        return path
    known = suggest(given, paths) if paths else "; none is shipped"
    msg = f"'{given}' is neither a shipped model nor a {SUFFIX} file{known}"
    raise UsageError(msg)


def is_shipped(name_or_path: str | os.PathLike[str]) -> bool:
    """Tell whether a network is on the shelf under this name.

    Examples
    --------
    >>> is_shipped("runs/own.safetensors")
    False
    """
    return os.fspath(name_or_path) in _paths()


def locate_model(name_or_path: str | os.PathLike[str], folder: str | Path = "") -> str:
    """Return the whole path of a network: one on the shelf by its name, others from a folder on.

    Raises
    ------
    UsageError
        Neither a name on the shelf nor a path.

    Examples
    --------
    >>> locate_model("own.safetensors", "/runs"), Path(locate_model("building")).name
    ('/runs/own.safetensors', 'building.safetensors')
    """
    found = find_model(name_or_path)
    return str(found) if is_shipped(name_or_path) else os.path.abspath(folder / found.expanduser())


def _paths() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"), key=attrgetter("stem"))}
