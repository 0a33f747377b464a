"""The job on one page: two dates in, one output directory out.

``detect`` settles what is asked for, ``find_changes`` does it, line by line.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from geochange.alignment.grid import gsd_m
from geochange.alignment.inputs import describe_inputs, list_inputs
from geochange.alignment.pair import Pair, open_pair
from geochange.detectability.limits import describe_limits, require_comparable, require_unsmoothed
from geochange.detectors.auto import Choice
from geochange.detectors.base import Detector
from geochange.detectors.choosing import (
    build_detector,
    name_network,
    require_probability,
    settle_method,
)
from geochange.detectors.wrappers.features import require_bands
from geochange.detectors.wrappers.screened import put_screen, tell_screened
from geochange.engine.preparing import check_preparation, prepare_pair
from geochange.engine.resuming import find_once, require_same_fit, require_same_tiles
from geochange.engine.runner import Runner, count_tasks, open_runner
from geochange.engine.scoring import (
    fit_detector,
    require_valid,
    say_lost,
    score_tiles,
    see_needed,
)
from geochange.engine.sizing import choose_tile_size, parse_memory
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.exports.runs.fingerprint import fingerprint_inputs, list_settings
from geochange.exports.runs.finishing import (
    Finish,
    conclude_run,
    display_bands,
    map_changes,
)
from geochange.exports.runs.products import PRODUCTS, UNCERTAINTY, check_products
from geochange.exports.runs.run import describe_run
from geochange.io.files.outputs import new_folder, read_fingerprint, read_state
from geochange.io.provenance import plain
from geochange.io.rasters.scene import Source
from geochange.io.stores.score import SCORE_NODATA
from geochange.io.stores.tilestore import TileStore
from geochange.maps.areas import parse_area_px
from geochange.maps.changemap import ChangeMap
from geochange.maps.clean import Cleaning
from geochange.maps.kept import Kept
from geochange.maps.preview import PreviewGrid
from geochange.maps.threshold import check_threshold, choose_threshold, least_threshold


def detect(
    before: Source,
    after: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "auto",
    model: str | os.PathLike[str] | None = None,
    options: Mapping[str, object] | None = None,
    shift_tolerance: int | None = None,
    screen: str | os.PathLike[str] | None = None,
    screen_recall: float | None = None,
    threshold: str | float | None = None,
    min_area: str | int = "4px",
    max_hole: str | int = "4px",
    connectivity: int = 8,
    opening: int = 0,
    closing: int = 0,
    smooth: bool = False,
    uncertainty: bool = False,
    sensitivity: bool = False,
    grid: str | os.PathLike[str] = "before",
    bands: Sequence[str | int] | None = None,
    aoi: str | os.PathLike[str] | Sequence[float] | None = None,
    mask_before: str | os.PathLike[str] | None = None,
    mask_after: str | os.PathLike[str] | None = None,
    mask_codes: Sequence[int] | None = None,
    mask_clouds: bool = False,
    resampling: str = "auto",
    register: str = "auto",
    normalize: str = "auto",
    denoise: str = "none",
    denoise_window: int | None = None,
    looks: float | None = None,
    features: str = "bands",
    nodata: float | None = None,
    date_before: str | None = None,
    date_after: str | None = None,
    tile_size: int | None = None,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
    products: Sequence[str] = PRODUCTS,
    overwrite: bool = False,
    resume: bool = False,
    runner: Runner | None = None,
    on_progress: Progress = report_nothing,
) -> ChangeMap:
    """Find what changed between two dates.

    Parameters
    ----------
    before, after : path, folder or list of paths
        The two dates; see :func:`geochange.open_pair`.
    output : path, optional
        Directory to create; appears complete or not at all. Default: a temporary one.
    method : str
        A name of :func:`geochange.list_methods`, several joined by ``+`` as one ensemble, such as
        ``context+network``, or ``auto``, which picks one and says why.
    model : str or path, optional
        A trained network: a name of :func:`geochange.list_models` or a ``.safetensors`` file. Short
        for method ``network`` with option ``checkpoint``.
    options : mapping, optional
        Options of the method.
    shift_tolerance : int, optional
        Residual shift between the dates that is forgiven, in pixels, with any method. Default:
        what suits the method; ``context`` forgives 1 px, most others none.
    screen : str or path, optional
        A network of the task ``image`` that says where surely nothing changed, so that the method
        is spared most of the scene; ``auto`` takes a shipped one that fits. Its score there is 0,
        which then means nothing else, and the threshold is chosen on the rest. Not used in a scene
        where most of a sample would be looked at all the same.
    screen_recall : float, optional
        Share of the changed pixels that the screen keeps on its validation data. Default 0.99.
    threshold : str or float, optional
        Rule or score from which a pixel is change; see :func:`geochange.threshold`. Default: what
        suits the method. ``auto`` may find that nothing changed.
    min_area, max_hole : str or int
        Smallest change that is kept and largest hole that is filled: ``"50m2"``, ``"0.5ha"``,
        ``"20px"`` or a number of pixels.
    connectivity : {4, 8}
        Neighbours that make pixels one change.
    opening, closing : int
        Radius in pixels of a morphological opening and closing of the mask.
    smooth : bool
        Round the polygons' borders; keeps each area within 1 %.
    uncertainty : bool
        Write ``uncertainty.tif`` too, the entropy of the score in bits; for methods whose score is
        a probability, which is ``network``.
    sensitivity : bool
        Measure how small and how faint a change is found, see :func:`geochange.sensitivity`, and
        say so in the report and ``run.json``.
    grid, bands, aoi, mask_before, mask_after, mask_codes, resampling, nodata, date_before,
    date_after
        See :func:`geochange.open_pair`.
    mask_clouds : bool
        Leave out what looks like cloud, haze or the shadow of a cloud. By default it is only told,
        in the notes, and by the field ``cloud_risk`` of each change. Looked for where no mask is
        given, bands are known to be blue, green and red, and values are reflectance.
    register : {'auto', 'off', 'global', 'local'}
        Measure how the after date lies on the before date and read it where it belongs, see
        :func:`geochange.register`. What was found and done stands in ``run.json`` and the report;
        where it is not reliable the dates are compared as they lie.
    normalize : {'auto', 'off', 'linear', 'irmad', 'histogram'}
        Bring the values of the after date to those of the before date, see
        :func:`geochange.normalize`. What was found and done stands in ``run.json`` and the report.
    denoise : {'none', 'median', 'nlm', 'bilateral', 'lee', 'refined-lee'}
        Smooth both dates, see :func:`geochange.denoise`, with a window of ``denoise_window`` px;
        ``looks`` are those of speckle, measured by default.
    features : {'bands', 'ratios', 'gradients'}
        What the method compares: the bands, each band over the mean of all, or how steep each band
        is; the last two are less moved by light. Not for networks.
    tile_size : int, optional
        Edge of a tile in pixels; the result does not depend on it. Default: chosen.
    workers, threads, scheduler
        Who does the work, see :func:`geochange.engine.runner.open_runner`: threads of this process
        by default, ``workers`` processes on this machine, or the workers of a dask ``scheduler``.
        The result is the same, byte for byte.
    memory_limit : str or int, optional
        Such as ``"1.5GiB"``: what all processes of this machine may hold together; tiles are made
        small enough. Default: not limited.
    products : sequence of str
        What to write of ``score mask changes qgis report``; ``qgis`` and ``report`` need
        ``changes``.
    overwrite : bool
        Replace an existing result, and throw away an unfinished one.
    resume : bool
        Go on with an unfinished run of the same inputs and settings in ``OUTPUT.partial``: only
        what is missing is done. A finished one is returned as it is.
    runner : Runner, optional
        One that is open, to share it among runs, instead of ``workers``, ``threads``,
        ``scheduler``.
    on_progress : callable
        Called with stage, tiles done, tiles in all.

    Returns
    -------
    ChangeMap
        Lazy view of the output directory.

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError, ClusterError
        One line: what came, what was expected, what to do. Nothing half-written stays in
        ``output``; what is finished when a run is stopped from outside stays in
        ``OUTPUT.partial`` for ``resume``.

    Examples
    --------
    >>> result = detect("before.tif", "after.tif", "out")  # doctest: +SKIP
    >>> result.polygons()[["class", "area_m2", "score_mean"]]  # doctest: +SKIP
    """
    settings = list_settings(locals())
    check_products(products)
    smoothing = check_preparation(settings)
    pair = open_pair(
        before,
        after,
        grid=grid,
        bands=plain(bands),
        aoi=aoi,
        mask_before=mask_before,
        mask_after=mask_after,
        mask_codes=mask_codes,
        resampling=resampling,
        nodata=nodata,
        date_before=date_before,
        date_after=date_after,
    )
    cleaning = Cleaning(
        opening_px=opening,
        closing_px=closing,
        max_hole_px=parse_area_px(max_hole, gsd_m(pair.geobox)),
        min_area_px=parse_area_px(min_area, gsd_m(pair.geobox)),
        connectivity=connectivity,
    )
    choice = settle_method(
        *name_network(method, model, options), pair.traits, shift_tolerance=shift_tolerance
    )
    require_bands(features, pair.traits)
    detector = build_detector(choice, shift_tolerance, features)
    detector = put_screen(detector, plain(screen), screen_recall, pair.traits)
    if uncertainty:
        require_probability(detector, choice.name)
    if sensitivity:
        require_comparable(pair)
        require_unsmoothed(smoothing)
    rule = str(detector.threshold if threshold is None else plain(threshold))
    check_threshold(rule, has_probability=hasattr(detector, "score_at_p"))
    inputs = describe_inputs(pair)
    key = fingerprint_inputs(inputs, settings | {"products": sorted(products)})
    target = Path(output or tempfile.mkdtemp(prefix="geochange-")).resolve()
    if resume and not overwrite and key == read_fingerprint(target):
        return ChangeMap(target)
    limit = parse_memory(memory_limit)
    size = choose_tile_size(
        pair.shape,
        len(pair.before.bands),
        tile_size,
        halo=detector.halo + smoothing.halo_px,
        tasks=count_tasks(workers, threads),
        workers=workers,
        limit_bytes=limit,
    )
    with (
        new_folder(
            target,
            overwrite=overwrite or output is None,
            resume=resume,
            state={"key": key, "tile_size": size},
            inputs=list_inputs(pair, mask_before, mask_after, aoi, grid),
        ) as folder,
        nullcontext(runner)
        if runner
        else open_runner(workers=workers, threads=threads, scheduler=scheduler) as crew,
    ):
        if not (folder / "run.json").exists():  # else it was stopped after its last file
            state = read_state(folder) or {}
            require_same_tiles(state, size, asked=bool(tile_size or memory_limit))
            finish = Finish(cleaning, smooth, [*products, UNCERTAINTY] if uncertainty else products)
            job = Job(
                (before, after), pair, inputs, choice, detector, rule, finish, settings, key,
                int(state["tile_size"]), str(state["attempt"]),
            )  # fmt: skip
            with Stages(crew, on_progress) as stages:
                find_changes(job, folder, stages)
        shutil.rmtree(folder / "tiles", ignore_errors=True)
    return ChangeMap(target)


@dataclass(frozen=True)
class Job:
    """All that ``detect`` settled before it touches a pixel."""

    sources: tuple[Source, Source]
    pair: Pair
    inputs: Mapping[str, Any]
    choice: Choice
    detector: Detector
    rule: str
    finish: Finish
    settings: Mapping[str, object]
    key: str
    tile_size: int
    attempt: str


def find_changes(job: Job, folder: Path, stages: Stages) -> None:
    """Score, threshold, clean, vectorize and export; what is in the folder already is not redone.

    Parameters
    ----------
    job : Job
    folder : Path
        Of :func:`geochange.io.files.outputs.new_folder`, with its state.
    stages : Stages
    """
    detector = job.detector
    tiles = folder / "tiles" / job.attempt  # workers that are late write nowhere else
    tiles.mkdir(parents=True, exist_ok=True)
    prepared = prepare_pair(job.pair, job.settings, stages, partial(find_once, folder))
    pair = prepared.pair
    score = TileStore(tiles / "score", pair.geobox, job.tile_size, "uint16", SCORE_NODATA)
    shown = display_bands(pair)
    seen = see_needed(detector, pair, shown)
    with stages.stage("fit"):
        left_out = fit_detector(detector, seen, stages)
        require_same_fit(detector, folder)
    score_at_p = getattr(detector, "score_at_p", None)
    kept = Kept(score, least_threshold(job.rule, score_at_p=score_at_p), whole=seen is pair)
    with stages.stage("score"):
        scored = score_tiles(detector, seen, kept, PreviewGrid(pair.shape, shown), stages)
        require_valid(int(scored.histogram.sum()), pair)
    compared, screening, said = tell_screened(detector, scored.histogram)
    found = choose_threshold(compared, job.rule, score_at_p=score_at_p)
    method = asdict(job.choice) | getattr(detector, "provenance", {})
    run = describe_run(job.key, job.sources, pair, job.inputs, method, found, job.settings)
    run |= prepared.describe() | {"quarantine": scored.quarantine}
    run |= {"notes": [*pair.notes, *said, *say_lost(left_out, scored)]}
    run |= {"screening": screening} if screening else {}
    findings = map_changes(prepared, kept, scored, found, run, job.finish, folder, stages)
    if job.settings["sensitivity"]:
        with stages.stage("sensitivity"):
            run["sensitivity"] = describe_limits(pair, detector, compared, found, stages)
    conclude_run(findings, job.finish, folder, stages)
