"""Stacks of dates that train: opened, split, kept in memory where they fit."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.errors import BandError, InputError, InputNotFoundError
from geochange.series.stack import Series, open_series
from geochange.tiles import Window
from geochange.training.series.truth import NAMES, NO_CHANGE, UNKNOWN_DATE, Truth, read_truth
from geochange.training.settings.data import DataConfig, SourceConfig

SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2")
LEAST_DATES = 3


@dataclass(frozen=True)
class Stack:
    """A series to learn from.

    Attributes
    ----------
    name : str
    series : Series
    truth : int16 (H, W) or None
        See :func:`geochange.training.series.truth.read_truth`; None for a stack without labels.
    window : Window
        The part of the grid that is used.
    weight : float
        How often its pixels are drawn.
    """

    name: str
    series: Series
    truth: Truth | None
    window: Window
    weight: float = 1.0

    @property
    def pixels(self) -> int:
        """Pixels of the part that is used."""
        return self.window.height * self.window.width

    @cached_property
    def changed(self) -> NDArray[np.intp]:
        """Rows and columns in the window of pixels that are known to change, intp (n, 2)."""
        return np.argwhere(crop(self) >= 0)


@dataclass(frozen=True)
class StackPart:
    """Stacks of one purpose."""

    scenes: tuple[Stack, ...]

    def describe(self) -> dict[str, object]:
        """Return what ``run.json`` tells."""
        truths = [crop(stack) for stack in self.scenes if stack.truth is not None]
        return {
            "scenes": [stack.name for stack in self.scenes],
            "dates": sum(len(stack.series) for stack in self.scenes),
            "labelled_px": sum(int((truth != UNKNOWN_DATE).sum()) for truth in truths),
            "changed_px": sum(int((truth >= 0).sum()) for truth in truths),
        }


@dataclass(frozen=True)
class StackSplit:
    """Stacks to learn from and stacks to validate on.

    Attributes
    ----------
    training, validation : StackPart
    unlabelled : None
        Stacks without labels train beside the others, with exchanged ground.
    """

    training: StackPart
    validation: StackPart
    unlabelled: None = None

    @property
    def is_separate(self) -> bool:
        """Whether validation shows other ground."""
        trained = {(stack.name, stack.window) for stack in self.training.scenes}
        return not any((stack.name, stack.window) in trained for stack in self.validation.scenes)


def crop(stack: Stack, window: Window | None = None) -> Truth:
    """Return the truth of a window; unknown outside the grid and without labels."""
    part = window or stack.window
    found = np.full((part.height, part.width), UNKNOWN_DATE, np.int16)
    height, width = stack.series.shape
    inside = part.intersect(Window(0, 0, height, width))
    if inside is not None:
        here = np.s_[
            inside.row : inside.row + inside.height, inside.col : inside.col + inside.width
        ]
        there = inside.slices_in(part)
        found[there] = NO_CHANGE if stack.truth is None else stack.truth[here]
    return found


def open_stacks(data: DataConfig) -> StackSplit:
    """Open all stacks and split them: whole stacks by turns, a lone one by its rows.

    Raises
    ------
    InputError, BandError
        No stack, one of too few dates, or stacks with other bands.
    """
    if not data.train:
        msg = "the config names no training data; add a folder of dates as [[data.train]]"
        raise InputError(msg)
    training = _open_part(data.train, data)
    if data.validation:
        split = StackSplit(StackPart(training), StackPart(_open_part(data.validation, data)))
    elif data.fold < 0:
        split = StackSplit(StackPart(training), StackPart(training))
    else:
        split = _split(training, data.folds, data.fold)
    _require_bands([*split.training.scenes, *split.validation.scenes])
    return split


def _open_part(sources: Sequence[SourceConfig], data: DataConfig) -> tuple[Stack, ...]:
    stacks: list[Stack] = []
    for source in sources:
        root = Path(data.root, source.path).expanduser()
        for folder in _list_folders(root, source):
            stacks.append(_open(folder, source, data))  # noqa: PERF401
    if not stacks:
        msg = f"no folder of dates in {root}; name one with images like 2020-06-09.tif"
        raise InputError(msg)
    return tuple(stacks)


def _list_folders(root: Path, source: SourceConfig) -> list[Path]:
    """Return a folder of dates, or those in it."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        msg = f"no such folder: {root}; check data.root and path"
        raise InputNotFoundError(msg)
    if _list_dates(root, source):
        return [root]
    kept = source.scenes or ("*",)
    return [
        folder
        for folder in sorted(path for path in root.iterdir() if path.is_dir())
        if any(fnmatch.fnmatch(folder.name, pattern) for pattern in kept)
        and not any(fnmatch.fnmatch(folder.name, pattern) for pattern in source.exclude)
        and _list_dates(folder, source)
    ]


def _list_dates(folder: Path, source: SourceConfig) -> list[Path]:
    labels = {*NAMES, source.label}
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.name not in labels
    )


def _open(folder: Path, source: SourceConfig, data: DataConfig) -> Stack:
    table = folder.is_file()
    images: Any = folder if table else _list_dates(folder, source)
    series = open_series(images, bands=data.bands or None, resampling=data.resampling)
    if len(series) < LEAST_DATES:
        msg = f"{folder} has {len(series)} dates; a series to learn from has {LEAST_DATES} or more"
        raise InputError(msg)
    home = folder.parent if table else folder
    label = _find_label(home, source)
    height, width = series.shape
    (top, bottom), (left, right) = (
        (round(part[0] * size), round(part[1] * size))
        for part, size in ((source.rows, height), (source.cols, width))
    )
    return Stack(
        home.name,
        series,
        None if label is None else read_truth(label, series),
        Window(top, left, bottom - top, right - left),
        source.weight,
    )


def _find_label(folder: Path, source: SourceConfig) -> Path | None:
    if source.label:
        path = folder / source.label
        if not path.is_file():
            msg = f"no label {path}; check label, or leave it out to learn without labels"
            raise InputNotFoundError(msg)
        return path
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _split(stacks: tuple[Stack, ...], folds: int, fold: int) -> StackSplit:
    if len(stacks) > 1:
        kept = [stack for i, stack in enumerate(stacks) if i % folds == fold % len(stacks)]
        others = [stack for i, stack in enumerate(stacks) if i % folds != fold % len(stacks)]
        return StackSplit(StackPart(tuple(others)), StackPart(tuple(kept)))
    part = stacks[0].window
    first, last = (round(part.height * at / folds) for at in (fold, fold + 1))
    strips = (
        Window(part.row + top, part.col, bottom - top, part.width)
        for top, bottom in ((0, first), (first, last), (last, part.height))
    )
    above, own, below = strips
    others = [replace(stacks[0], window=strip) for strip in (above, below) if strip.height > 0]
    return StackSplit(StackPart(tuple(others)), StackPart((replace(stacks[0], window=own),)))


def _require_bands(stacks: Sequence[Stack]) -> None:
    first = stacks[0]
    for stack in stacks:
        if len(stack.series.bands) != len(first.series.bands):
            msg = (
                f"stack {stack.name} has the bands {', '.join(stack.series.bands)}, {first.name} "
                f"{', '.join(first.series.bands)}; name the bands to use in data.bands"
            )
            raise BandError(msg)
