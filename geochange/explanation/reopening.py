"""A finished run opened again: the same pair, the same detector, fitted as it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import shapely.geometry

from geochange.alignment.pair import Pair, open_pair
from geochange.detectors.auto import Choice
from geochange.detectors.base import Detector
from geochange.detectors.choosing import build_detector
from geochange.engine.preparing import F, Memory
from geochange.engine.scoring import fit_detector
from geochange.engine.stages import Stages
from geochange.errors import InputError, InputNotFoundError
from geochange.io.provenance import describe_file
from geochange.maps.changemap import ChangeMap

FOUND = {
    "registration": "alignment",
    "clouds": "clouds",
    "normalization": "radiometry",
    "denoising": "denoising",
}
"""Where ``run.json`` says what was found of a pair, by what it is called when it is prepared."""


def reopen_pair(result: ChangeMap) -> Pair:
    """Open the two dates of a run as it saw them.

    Raises
    ------
    InputError, InputNotFoundError
        An input is gone or has changed, or the run is of a version that did not note its sources.
    """
    run = result.run
    if "sources" not in run:
        msg = f"{result.path} does not say where its inputs are; run detect again"
        raise InputError(msg)
    _require_same_files(run["inputs"])
    settings = dict(run["settings"]) | dict(run["sources"])
    known = inspect.signature(open_pair).parameters
    chosen = {name: value for name, value in settings.items() if name in known}
    if isinstance(chosen.get("aoi"), Mapping):
        chosen["aoi"] = shapely.geometry.shape(chosen["aoi"])
    pair = open_pair(**chosen)
    if pair.shape != tuple(result.geobox.shape):
        msg = (
            f"the inputs of {result.path} make a grid of {pair.shape[0]} x {pair.shape[1]} px now, "
            f"the map has {result.geobox.shape[0]} x {result.geobox.shape[1]}; run detect again"
        )
        raise InputError(msg)
    return pair


def _require_same_files(inputs: Mapping[str, Any]) -> None:
    for file in (file for date in inputs.values() for file in date["files"]):
        path, now = file["path"], describe_file(file["path"])
        if "size" in file and "size" not in now:
            msg = f"there is no file {path} any more; put it back, or run detect again"
            raise InputNotFoundError(msg)
        if now != file:
            msg = f"{path} has changed since the run; run detect again"
            raise InputError(msg)


def recall_from(run: Mapping[str, Any]) -> Memory:
    """Return what knows what a run found of its pair, so that nothing is measured again."""

    def remember(name: str, kind: type[F], find: Callable[[], F]) -> F:
        found = run.get(FOUND[name])
        return find() if found is None else kind.recall(found)

    return remember


def reopen_detector(result: ChangeMap, pair: Pair, stages: Stages) -> Detector:
    """Build the detector of a run and fit it again, in 32 bits where it may choose.

    Raises
    ------
    InputError
        The network is another one now.
    """
    method = result.run["method"]
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in method["options"].items()
    }
    if "checkpoint" in options:
        options["checkpoint"] = result.run["sources"].get("checkpoint", options["checkpoint"])
        options |= {"device": "auto", "precision": "fp32"}
    settings = result.run["settings"]
    choice = Choice(method["name"], options)
    detector = build_detector(
        choice, settings.get("shift_tolerance"), settings.get("features", "bands")
    )
    sha256 = getattr(detector, "provenance", {}).get("weights_sha256")
    if sha256 != method.get("weights_sha256"):
        msg = f"{options['checkpoint']} holds another network than the run used; run detect again"
        raise InputError(msg)
    with stages.stage("fit"):
        fit_detector(detector, pair, stages)
    return detector
