"""Train a network on labelled tiles and tell whether it is better than what is there."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geochange.alignment.pair import Pair
from geochange.engine.stages import Progress, report_nothing
from geochange.errors import BandError, OutputExistsError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.improvement.comparing import count_network, count_run
from geochange.improvement.material import ReadLabel, write_scenes
from geochange.improvement.places import (
    LabelledTile,
    read_roles,
    share_out,
    split,
    write_roles,
)
from geochange.improvement.recipe import Recipe, count_steps, make_config
from geochange.io.files.outputs import write_json
from geochange.maps.changemap import ChangeMap
from geochange.tiles import TilePlan, Window

if TYPE_CHECKING:
    from geochange.training.run import TrainResult

RESULT = "improvement.json"
MODEL = "model.safetensors"
OnFigures = Callable[[int, Mapping[str, float]], None]
"""Called with the step and the figures on the tiles that are held out."""


@dataclass(frozen=True)
class Labelled:
    """What people have labelled of a pair.

    Attributes
    ----------
    pair : Pair
        Registered.
    read_label : callable
        See :data:`geochange.improvement.material.ReadLabel`.
    plan : TilePlan
        The tiles that people go through.
    numbers : sequence of int
        Those they are done with, counted from 1.
    roles : Path
        File that keeps which places are held out.
    """

    pair: Pair
    read_label: ReadLabel
    plan: TilePlan
    numbers: Sequence[int]
    roles: Path

    def window(self, number: int) -> Window:
        """Return the window of a tile."""
        return self.plan[number - 1].core

    def survey(self) -> list[LabelledTile]:
        """Count the labels of the tiles; those without any are left out."""
        tiles = []
        for number in self.numbers:
            core = self.window(number)
            label = self.read_label(core)
            changed, unchanged = int((label == 1).sum()), int((label == 0).sum())
            row, col = core.row // self.plan.size, core.col // self.plan.size
            if changed or unchanged:
                tiles.append(LabelledTile(number, row, col, changed, unchanged))
        return tiles


@dataclass(frozen=True)
class Improvement:
    """A network that learned from labels, and how it compares.

    Attributes
    ----------
    checkpoint : str
    start : str
        What it started from; empty for random weights.
    steps : int
    seconds : float
    tiles, held_out : list of int
        Labelled tiles that it learned from, and that it was judged by.
    f1, average_precision : float
        On the tiles held out; F1 at the best threshold.
    learned : bool
        False where learning did not help: then the checkpoint is the one it started from.
    before_f1, before_average_precision : float or None
        The same of the run so far; None where there is none.
    """

    checkpoint: str
    start: str
    steps: int
    seconds: float
    tiles: list[int]
    held_out: list[int]
    f1: float
    average_precision: float
    learned: bool
    before_f1: float | None
    before_average_precision: float | None

    @property
    def better(self) -> bool:
        """True unless the run so far agrees better with the tiles that are held out."""
        return self.before_f1 is None or self.f1 >= self.before_f1

    def describe(self) -> dict[str, Any]:
        """Return it plain enough for JSON."""
        return asdict(self) | {"better": self.better}

    def __str__(self) -> str:
        said = f"F1 {self.f1:.3f}, average precision {self.average_precision:.3f}"
        said += f" on {len(self.held_out)} tiles held out; learned from {len(self.tiles)} tiles"
        if not self.learned:
            said += ", which did not help: this is the network that it started from"
        if self.before_f1 is not None:
            said += f"; the run so far has F1 {self.before_f1:.3f}"
        return f"{self.checkpoint}\n{said}"


def improve(
    labelled: Labelled,
    folder: Path,
    *,
    start: Path | None = None,
    present: ChangeMap | None = None,
    recipe: Recipe | None = None,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
    on_figures: OnFigures = lambda step, figures: None,
) -> Improvement:
    """Train a network on labelled tiles.

    Tiles are split by place, once and for good. The last weights are compared on the tiles that are
    held out with the network that they started from, of which the better one is kept, and with the
    run so far, each at its best threshold.

    Parameters
    ----------
    labelled : Labelled
    folder : Path
        To make; holds ``model.safetensors``, ``improvement.json`` and ``training/``.
    start : Path, optional
        Checkpoint to start from; random weights when None.
    present : ChangeMap, optional
        The run so far, on the grid of the pair.
    recipe : Recipe, optional
    overwrite : bool
    on_progress, on_figures : callable

    Raises
    ------
    InputError
        Too few labels; the message says what is missing.
    OutputExistsError, TrainingError

    Examples
    --------
    >>> found = improve(labelled, Path("better"))  # doctest: +SKIP
    >>> found.f1, found.before_f1, found.better  # doctest: +SKIP
    (0.71, 0.52, True)
    """
    recipe = recipe or Recipe()
    tiles, count = labelled.survey(), len(labelled.plan)
    roles = share_out(tiles, count, read_roles(labelled.roles))
    learning, held_out = split(tiles, count, roles)
    _make_room(folder, overwrite=overwrite)
    started = time.perf_counter()
    try:
        result = _train(
            labelled, (learning, held_out), folder, start, recipe, on_progress, on_figures
        )
        on_progress("comparing", 0, 1)
        windows = [labelled.window(tile.number) for tile in held_out]
        before = None if present is None else count_run(present, labelled.read_label, windows)
        kept, scores = _choose(result.checkpoint, start, labelled, windows)
        shutil.copyfile(kept, folder / MODEL)
        found = Improvement(
            checkpoint=str((folder / MODEL).absolute()),
            start="" if start is None else str(start),
            steps=int(result.run["steps"]),
            seconds=round(time.perf_counter() - started, 1),
            tiles=[tile.number for tile in learning],
            held_out=[tile.number for tile in held_out],
            f1=scores.best_f1,
            average_precision=scores.average_precision,
            learned=kept != start,
            before_f1=None if before is None else before.best_f1,
            before_average_precision=None if before is None else before.average_precision,
        )
        write_roles(labelled.roles, roles)
        write_json(folder / RESULT, found.describe())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return found


def _choose(
    learned: Path, start: Path | None, labelled: Labelled, windows: Sequence[Window]
) -> tuple[Path, ScoreHistogram]:
    """Return what was learned, or what it started from where that is better, and its scores."""
    found = count_network(learned, labelled.pair, labelled.read_label, windows)
    if start is None:
        return learned, found
    try:
        as_it_was = count_network(start, labelled.pair, labelled.read_label, windows)
    except BandError:  # it takes other bands: only what was learned fits the pair
        return learned, found
    return (start, as_it_was) if as_it_was.best_f1 > found.best_f1 else (learned, found)


def _train(
    labelled: Labelled, parts: tuple[list[LabelledTile], list[LabelledTile]], folder: Path,
    start: Path | None, recipe: Recipe, on_progress: Progress, on_figures: OnFigures,
) -> TrainResult:  # fmt: skip
    """Write the tiles of both parts as scenes and train on them."""
    from geochange.training.run import train

    def tell(step: int, scores: Mapping[str, float]) -> str:
        on_figures(step, scores)
        return ""

    sources, material = [], folder / "material"
    for name, part in zip(("learning", "held_out"), parts, strict=True):
        on_progress("reading labelled tiles", 0, 1)
        windows = [labelled.window(tile.number) for tile in part]
        written = write_scenes(labelled.pair, labelled.read_label, windows, material / name)
        sources.append([written])
    settled = dataclasses.replace(recipe, steps=_settle_steps(recipe, labelled.pair, start))
    config = make_config(sources[0], sources[1], settled, start=start)
    result = train(config, folder / "training", on_progress=on_progress, on_validation=tell)
    shutil.rmtree(material)
    return result


def _make_room(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and any(folder.iterdir()):
        known = (folder / RESULT).exists() or (folder / "training").exists()
        if not (overwrite and known):
            msg = f"{folder} is not empty; choose another folder"
            msg += ", or --overwrite" if known else ""
            raise OutputExistsError(msg)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _settle_steps(recipe: Recipe, pair: Pair, start: Path | None) -> int:
    from geochange.nn.checkpoints.cardfile import read_card
    from geochange.training.settings.learning import DEFAULT_MODELS

    bands = len(pair.before.bands), len(pair.after.bands)
    if start is None:
        return count_steps(recipe, bands, DEFAULT_MODELS["pixels"], {})
    card = read_card(start)
    return count_steps(recipe, bands, card.architecture, card.options)
