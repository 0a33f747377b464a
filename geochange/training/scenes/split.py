"""The scenes of a run: opened, surveyed, split by place, checked for leaks."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

from geochange.errors import BandError, DataWarning, InputError
from geochange.training.scenes.places import assign_folds, check_leakage, find_shared_ground
from geochange.training.scenes.scene import TrainingScene, open_scene
from geochange.training.scenes.sources import list_scenes
from geochange.training.scenes.survey import (
    THREADS,
    Survey,
    choose_changed,
    require_classes,
    survey_scenes,
)
from geochange.training.settings.data import DataConfig, SourceConfig


@dataclass(frozen=True)
class Part:
    """Scenes of one purpose and what their labels hold.

    Attributes
    ----------
    scenes : tuple of TrainingScene
    surveys : tuple of Survey
        One per scene.
    """

    scenes: tuple[TrainingScene, ...]
    surveys: tuple[Survey, ...]

    @property
    def changed(self) -> int:
        """Number of changed pixels."""
        return sum(int(survey.changed.sum()) for survey in self.surveys)

    @property
    def known(self) -> int:
        """Number of pixels whose label says anything."""
        labelled = zip(self.scenes, self.surveys, strict=True)
        return sum(int(s.known.sum()) for scene, s in labelled if scene.label is not None)

    def take(self, indexes: Sequence[int]) -> Part:
        """Keep some scenes."""
        return Part(tuple(self.scenes[i] for i in indexes), tuple(self.surveys[i] for i in indexes))

    def describe(self) -> dict[str, object]:
        """Return what ``run.json`` tells."""
        return {
            "scenes": [scene.name for scene in self.scenes],
            "labelled_px": self.known,
            "changed_px": self.changed,
        }


@dataclass(frozen=True)
class Split:
    """Scenes to learn from and scenes to validate on, which share no ground or are the same.

    Attributes
    ----------
    training, validation : Part
    unlabelled : Part or None
        Scenes whose labels, if there are any, were not opened.
    """

    training: Part
    validation: Part
    unlabelled: Part | None = None

    @property
    def is_separate(self) -> bool:
        """Validation scenes are others than those that train."""
        trained = {id(scene) for scene in self.training.scenes}
        return not any(id(scene) in trained for scene in self.validation.scenes)


def open_split(data: DataConfig, unlabelled: Sequence[SourceConfig] = ()) -> Split:
    """Open all scenes and split them; reads metadata and labels, no image.

    Parameters
    ----------
    data : DataConfig
    unlabelled : sequence of SourceConfig
        Of scenes to learn from without labels.

    Raises
    ------
    InputError, UsageError
        Files that are missing or do not fit, labels of one class, ground that is on both sides.

    Warns
    -----
    DataWarning
        Scenes without labels show ground that is validated on.
    """
    if not data.train:
        msg = "the config names no training data; add a source as [[data.train]]"
        raise InputError(msg)
    training = _open_part(data.train, data)
    if data.validation:
        split = Split(training, _open_part(data.validation, data))
    elif data.fold < 0:
        split = Split(training, _take_labelled(training))
    else:
        split = _split_by_place(training, data)
    if unlabelled:
        split = replace(split, unlabelled=_open_part(unlabelled, data, labelled=False))
    more = split.unlabelled.scenes if split.unlabelled else ()
    _require_bands([*split.training.scenes, *split.validation.scenes, *more])
    if split.is_separate:
        check_leakage(split.training.scenes, split.validation.scenes)
    if any(scene.label is not None for scene in split.training.scenes):
        require_classes(split.training.scenes, split.training.surveys, "training")
    require_classes(split.validation.scenes, split.validation.surveys, "validation")
    if split.unlabelled is not None:
        _warn_of_shared_ground(split.validation.scenes, split.unlabelled.scenes)
    return split


def _open_part(sources: Sequence[SourceConfig], data: DataConfig, *, labelled: bool = True) -> Part:
    scenes: list[TrainingScene] = []
    if not labelled:
        sources = [replace(source, label="", changed=(), ignore=()) for source in sources]
    for _, group in groupby(list_scenes(sources, data.root), key=lambda files: id(files.source)):
        files = [scene if labelled else replace(scene, label="") for scene in group]
        changed = choose_changed(files)
        with ThreadPoolExecutor(THREADS) as pool:
            scenes += pool.map(functools.partial(open_scene, data=data, changed=changed), files)
    return Part(tuple(scenes), tuple(survey_scenes(scenes)))


def _split_by_place(part: Part, data: DataConfig) -> Split:
    """Keep one fold of the labelled scenes for validation; scenes without labels train."""
    labelled = _find_labelled(part)
    if not labelled:
        msg = (
            f"none of the {len(part.scenes)} scenes has a label, so none can validate; add labels, "
            "or name labelled scenes in [[data.validation]]"
        )
        raise InputError(msg)
    changed = [int(part.surveys[i].changed.sum()) for i in labelled]
    folds = assign_folds(
        [part.scenes[i] for i in labelled],
        changed,
        data.folds,
        groups=data.groups,
        gap_m=data.gap_m,
    )
    chosen = [i for i, fold in zip(labelled, folds, strict=True) if fold == data.fold]
    others = [i for i in range(len(part.scenes)) if i not in set(chosen)]
    return Split(part.take(others), part.take(chosen))


def _take_labelled(part: Part) -> Part:
    return part.take(_find_labelled(part))


def _find_labelled(part: Part) -> list[int]:
    return [i for i, scene in enumerate(part.scenes) if scene.label is not None]


def _warn_of_shared_ground(
    validation: Sequence[TrainingScene], unlabelled: Sequence[TrainingScene]
) -> None:
    """Say that images of the validation scenes are learnt from, if without their labels."""
    found = {i for i, _ in find_shared_ground(validation, unlabelled)}
    if found:
        msg = (
            f"scenes without labels show the ground of {len(found)} validation scenes such as "
            f"{validation[min(found)].name}: figures are for scenes whose images are learnt from, "
            "not for new ones"
        )
        warnings.warn(msg, DataWarning, stacklevel=4)


def _require_bands(scenes: Sequence[TrainingScene]) -> None:
    """Refuse scenes whose bands are not those of the first."""
    expected = [len(names) for names in scenes[0].bands]
    for scene in scenes:
        if [len(names) for names in scene.bands] != expected:
            found = " and ".join(str(len(names)) for names in scene.bands)
            msg = (
                f"scene {scene.name} has {found} bands, {scenes[0].name} {expected[0]} and "
                f"{expected[1]}; name the bands to use in data.bands"
            )
            raise BandError(msg)
    named = [s for s in scenes if s.bands != scenes[0].bands and _is_named(s, scenes[0])]
    if named:
        msg = (
            f"the bands of scene {named[0].name} are {', '.join(named[0].bands[0])}, those of "
            f"{scenes[0].name} {', '.join(scenes[0].bands[0])}; name the bands to use in data.bands"
        )
        raise BandError(msg)


def _is_named(scene: TrainingScene, other: TrainingScene) -> bool:
    """Tell whether both scenes' bands have roles, so that other names are other bands."""
    roles = [tuple(s.pair.before.roles) for s in (scene, other)]
    return None not in roles[0] and None not in roles[1] and roles[0] != roles[1]
