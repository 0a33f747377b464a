"""The job: a finished run and a box in, an explanation out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geochange.alignment.pair import Pair
from geochange.detectors.base import Detector, plan_tile
from geochange.detectors.network import NetworkDetector
from geochange.engine.preparing import prepare_pair
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import InputError, UsageError, suggest
from geochange.explanation.files import write_explanation
from geochange.explanation.finding import Finding
from geochange.explanation.methods import (
    attribute_by_gradients,
    attribute_by_occlusion,
    attribute_by_stage,
)
from geochange.explanation.occlusion import occlude_bands
from geochange.explanation.region import find_window
from geochange.explanation.reopening import recall_from, reopen_detector, reopen_pair
from geochange.explanation.result import Explanation
from geochange.io.files.outputs import new_folder
from geochange.maps.changemap import ChangeMap, open_map
from geochange.nn.checkpoints.onnxfile import is_onnx
from geochange.tiles import Window

INTEGRATED, GRAD_CAM, OCCLUSION = "integrated-gradients", "grad-cam", "occlusion"
METHODS = (INTEGRATED, GRAD_CAM, OCCLUSION)
MOST_STEPS = 1000


def explain(
    result: str | os.PathLike[str] | ChangeMap,
    bbox: str | Sequence[float],
    output: str | os.PathLike[str] | None = None,
    *,
    crs: str | None = None,
    method: str | None = None,
    stage: str | None = None,
    steps: int = 32,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
) -> Explanation:
    """Say which bands, dates and pixels make the change score of a part of a map.

    The pair is opened again as the run saw it. The number that is explained is the mean change
    score of the valid pixels in the box. With every method each band of each date is replaced by
    that of the other date, and what the number loses is the band's importance.

    Parameters
    ----------
    result : path or ChangeMap
        Output directory of a run.
    bbox : "W,S,E,N" or four numbers
        Longitudes and latitudes, or coordinates of ``crs``; columns and rows for a map without
        CRS. At most 2048 px along an edge.
    output : path, optional
        Directory to create. Default: a temporary one.
    crs : str, optional
        CRS of ``bbox``, such as ``"EPSG:32632"``.
    method : str, optional
        How pixels are told apart. ``integrated-gradients`` (Sundararajan et al. 2017) attributes
        the score to the pixels of each band and date, against a date that equals the other one;
        ``grad-cam`` (Selvaraju et al. 2017) shows where the features of a ``stage`` speak for
        change; ``occlusion`` maps each pixel's loss without a band. Default: the first for
        networks, the last for all others (ONNX files too), which have no gradients.
    stage : str, optional
        Part of the network for ``grad-cam``. Default: the last level of its decoder but one.
    steps : int
        Gradients that are taken per date: more steps, smaller error.
    overwrite : bool
        Replace an existing explanation.
    on_progress : callable
        Called with stage, steps done, steps in all.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError, InputNotFoundError, GridError
        No run is there, its inputs or its network have changed, the box lies beside the map or
        holds no valid pixel.
    UsageError
        An unknown method or stage, one that the run's detector does not allow, too large a box.
    OutputExistsError, OutputError

    Examples
    --------
    >>> found = explain("out", "11.501,48.101,11.504,48.103")  # doctest: +SKIP
    >>> found.bands.head()  # doctest: +SKIP
    """
    given = result if isinstance(result, ChangeMap) else open_map(result)
    core = find_window(bbox, given.geobox, crs)
    _check(given, method, stage, steps)
    pair = reopen_pair(given)
    target = Path(output or tempfile.mkdtemp(prefix="geochange-")).resolve()
    with (
        new_folder(target, overwrite=overwrite or output is None, inputs=[*pair.paths]) as folder,
        open_runner(threads=1) as runner,
        Stages(runner, on_progress) as stages,
    ):
        pair = prepare_pair(pair, given.run["settings"], stages, recall_from(given.run)).pair
        detector = reopen_detector(given, pair, stages)
        chosen = method or (INTEGRATED if _has_gradients(detector) else OCCLUSION)
        finding = _find(detector, pair, core, chosen, stage, steps, stages)
        write_explanation(folder, given, pair, finding.crop(), bbox=bbox, crs=crs and str(crs))
    return Explanation(target)


def _check(result: ChangeMap, method: str | None, stage: str | None, steps: int) -> None:
    if method is not None and method not in METHODS:
        msg = f"unknown method '{method}'{suggest(method, METHODS)}"
        raise UsageError(msg)
    if result.run.get("kind", "detect") != "detect":
        made = ", ".join(member["path"] for member in result.run.get("runs", ()))
        msg = f"{result.path} has no detector; explain one of the runs it was made of: {made}"
        raise UsageError(msg)
    if method in (INTEGRATED, GRAD_CAM):
        _require_gradients(result.run, method)
    if stage is not None and method != GRAD_CAM:
        msg = f"a stage is for method '{GRAD_CAM}'; choose it or leave the stage out"
        raise UsageError(msg)
    if not 1 <= steps <= MOST_STEPS:
        msg = f"steps must be 1 to {MOST_STEPS}, got {steps}"
        raise UsageError(msg)


def _require_gradients(run: Mapping[str, Any], method: str) -> None:
    used = run["method"]["name"]
    if used != "network":
        msg = f"'{method}' needs a network, the run used '{used}'; choose method '{OCCLUSION}'"
        raise UsageError(msg)
    if is_onnx(run["method"]["options"].get("checkpoint", "")):
        msg = f"'{method}' needs a checkpoint, an ONNX file has no gradients; choose '{OCCLUSION}'"
        raise UsageError(msg)
    if run["settings"].get("shift_tolerance"):
        msg = f"'{method}' takes one pass of a network, a shift tolerance many; use '{OCCLUSION}'"
        raise UsageError(msg)


def _has_gradients(detector: Detector) -> bool:
    return isinstance(detector, NetworkDetector) and not is_onnx(detector.checkpoint)


def _find(
    detector: Detector,
    pair: Pair,
    core: Window,
    method: str,
    stage: str | None,
    steps: int,
    stages: Stages,
) -> Finding:
    tile = plan_tile(detector, core)
    block = pair.read(tile)
    region = np.zeros(block.valid.shape, np.bool_)
    region[block.tile.core_in_read] = True
    if not (region & block.valid).any():
        msg = "no pixel in the box is valid at both dates; choose another box"
        raise InputError(msg)
    names = pair.before.bands, pair.after.bands

    def tell(done: int, total: int) -> None:
        stages.on_progress(stages.current, done, total)

    with stages.stage("occlude"):
        score, occlusions = occlude_bands(detector, block, region, names, on_step=tell)
    with stages.stage("attribute"):
        if method == OCCLUSION or not isinstance(detector, NetworkDetector):
            attributed = attribute_by_occlusion(occlusions)
        elif method == INTEGRATED:
            attributed = attribute_by_gradients(
                detector, block, region, names, steps=steps, on_step=tell
            )
        else:
            attributed = attribute_by_stage(detector, block, region, names, stage=stage)
    return Finding(method, block, score, occlusions, attributed)
