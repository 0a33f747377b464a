"""The job: a pair and a method in, how small and how faint a change it finds out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.inputs import describe_inputs
from geochange.alignment.pair import Pair, open_pair
from geochange.detectability.design import CONTRASTS, FALSE_ALARMS, SIZES_PX, TRIALS, Design
from geochange.detectability.facts import describe
from geochange.detectability.files import write_sensitivity
from geochange.detectability.limits import require_comparable
from geochange.detectability.measuring import check_rate, choose_cuts, measure
from geochange.detectability.result import Sensitivity
from geochange.detectors.base import Detector, plan_tiles
from geochange.detectors.choosing import build_detector, name_network, settle_method
from geochange.detectors.wrappers.features import require_bands
from geochange.engine.journal import count_levels
from geochange.engine.preparing import check_preparation, prepare_pair
from geochange.engine.runner import count_tasks, open_runner
from geochange.engine.scoring import fit_detector, read_or_salvage, require_valid, score_block
from geochange.engine.sizing import choose_tile_size, parse_memory
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.io.files.outputs import new_folder
from geochange.io.provenance import plain
from geochange.io.rasters.scene import Source
from geochange.io.stores.score import SCORE_LEVELS
from geochange.maps.threshold import check_threshold, choose_threshold
from geochange.tiles import Tile
from geochange.version import __version__


def sensitivity(
    before: Source,
    after: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "auto",
    model: str | os.PathLike[str] | None = None,
    options: Mapping[str, object] | None = None,
    shift_tolerance: int | None = None,
    threshold: str | float | None = None,
    false_alarms: float = FALSE_ALARMS,
    sizes: Sequence[float] = SIZES_PX,
    contrasts: Sequence[float] = CONTRASTS,
    trials: int = TRIALS,
    shape: str = "square",
    seed: int = 0,
    register: str = "auto",
    mask_clouds: bool = False,
    normalize: str = "auto",
    features: str = "bands",
    tile_size: int | None = None,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
    **pair_settings: object,
) -> Sensitivity:
    """Measure how small and how faint a change a method finds in a pair.

    Changes of known size and contrast are put into the after date as it is read, rendered at
    sub-pixel places through the sensor's point spread, each alone in a window of its own. The
    method, fitted to the pair as it is, scores them as :func:`geochange.detect` would. A change is
    found when a pixel that it touches, or a neighbour, reaches the threshold; places that reach it
    without a change are left out. Two thresholds are used: the one that a stated share of the
    pixels of the pair as it is reaches, and the run's own. Real change in the pair counts as false
    alarm for the first one.

    Contrast is the root mean square of the change over the bands in noise standard deviations, the
    robust ones of the pair's own difference. ``spectral`` changes take a random direction in the
    space in which that noise is white, ``brightness`` changes move all bands together.

    Parameters
    ----------
    before, after
        See :func:`geochange.open_pair`, which also takes ``pair_settings``.
    output : path, optional
        Directory to create. Default: a temporary one.
    method, model, options, shift_tolerance, threshold, register, mask_clouds, normalize, features
        See :func:`geochange.detect`.
    false_alarms : float
        Share of the pixels of the pair as it is that reach the first threshold.
    sizes : sequence of float
        Edges of the squares, or diameters of the discs, in pixels.
    contrasts : sequence of float
        In noise standard deviations.
    trials : int
        Places of each size.
    shape : {'square', 'disc'}
    seed : int
        Of places and directions.
    tile_size, workers, threads, scheduler, memory_limit, on_progress
        See :func:`geochange.detect`.
    overwrite : bool
        Replace an existing result.

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError, ClusterError
        One line: what came, what was expected, what to do.

    Examples
    --------
    >>> print(sensitivity("before.tif", "after.tif", method="irmad"))  # doctest: +SKIP
    At a false-alarm rate of 0.0001, spectral changes of 3 x 3 px and 4 sigmas or more are found ...
    """
    preparation = {"register": register, "mask_clouds": mask_clouds, "normalize": normalize}
    check_preparation(preparation)
    check_rate(false_alarms)
    design = Design(
        tuple(map(float, sizes)), tuple(map(float, contrasts)), trials, shape, seed=seed
    )
    pair = open_pair(before, after, **pair_settings)  # type: ignore[arg-type]
    require_comparable(pair)
    choice = settle_method(
        *name_network(method, model, options), pair.traits, shift_tolerance=shift_tolerance
    )
    require_bands(features, pair.traits)
    detector = build_detector(choice, shift_tolerance, features)
    rule = str(detector.threshold if threshold is None else plain(threshold))
    check_threshold(rule, has_probability=hasattr(detector, "score_at_p"))
    size = choose_tile_size(
        pair.shape,
        len(pair.before.bands),
        tile_size,
        halo=detector.halo,
        tasks=count_tasks(workers, threads),
        workers=workers,
        limit_bytes=parse_memory(memory_limit),
    )
    target = Path(output or tempfile.mkdtemp(prefix="geochange-")).resolve()
    with (
        new_folder(target, overwrite=overwrite or output is None, inputs=pair.paths) as folder,
        open_runner(workers=workers, threads=threads, scheduler=scheduler) as runner,
        Stages(runner, on_progress) as stages,
    ):
        prepared = prepare_pair(pair, preparation, stages)
        pair = prepared.pair
        with stages.stage("fit"):
            fit_detector(detector, pair, stages)
        with stages.stage("score"):
            histogram = count_scores(detector, pair, size, stages)
        score_at_p = getattr(detector, "score_at_p", None)
        own = choose_threshold(histogram, rule, score_at_p=score_at_p)
        cuts = choose_cuts(histogram, false_alarms, own, score_at_p=score_at_p)
        with stages.stage("probe"):
            measured = measure(pair, detector, design, cuts, stages)
        facts = _describe_job(pair) | {
            "method": asdict(choice) | getattr(detector, "provenance", {}),
            "shift_tolerance": shift_tolerance,
            "false_alarms": false_alarms,
            "features": features,
            **prepared.describe(),
            "notes": list(pair.notes),
        }
        write_sensitivity(folder, facts | describe(measured))
    return Sensitivity(target)


def count_scores(
    detector: Detector, pair: Pair, tile_size: int, stages: Stages
) -> NDArray[np.int64]:
    """Score a pair tile by tile and keep only the histogram of the stored score, int64 (65535,).

    Raises
    ------
    InputError
        No pixel is valid at both dates.
    """
    gpu = str(getattr(detector, "device", "cpu")).startswith("cuda")
    histogram = np.zeros(SCORE_LEVELS, np.int64)
    plan = plan_tiles(detector, pair.shape, tile_size)
    for levels, counts in stages.run(partial(_count_tile, detector, pair), plan, gpu=gpu):
        histogram[levels] += counts
    require_valid(int(histogram.sum()), pair)
    return histogram


def _count_tile(
    detector: Detector, pair: Pair, tile: Tile
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    block, _, _ = read_or_salvage(pair, tile)
    return count_levels(score_block(detector, block))


def _describe_job(pair: Pair) -> dict[str, Any]:
    height, width = pair.shape
    return {
        "geochange": __version__,
        "kind": "sensitivity",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": describe_inputs(pair),
        "grid": {"height": height, "width": width},
    }
