"""The job for series on one page: many dates in, one output directory out.

``detect_series`` and ``update_series`` settle what is asked for, ``find_changes`` does it, line by
line.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from geochange.engine.resuming import find_once, require_same_tiles
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, peak_memory_bytes, report_nothing
from geochange.errors import DataWarning
from geochange.exports.catalogs.stac import write_item
from geochange.exports.reports.animation import check_animation
from geochange.exports.runs.seriesproducts import SeriesFindings, write_series_products
from geochange.exports.runs.seriesrun import describe_series_run, fingerprint_series
from geochange.io.files.outputs import (
    new_folder,
    once,
    read_fingerprint,
    read_state,
    write_json,
)
from geochange.io.provenance import plain
from geochange.io.rasters.scene import Source
from geochange.io.stores.score import MASK_NODATA, coarsen
from geochange.io.stores.tilestore import TileStore
from geochange.maps.clean import clean
from geochange.maps.threshold import check_threshold, choose_threshold
from geochange.series.adding import absolute, open_more, reopen
from geochange.series.choosing import require_monitor, settle_series_method
from geochange.series.crew import SeriesCrew
from geochange.series.frames import Frames, draw_series
from geochange.series.job import SeriesJob
from geochange.series.listing import Days, name_table
from geochange.series.memory import (
    FRAMES_NAME,
    TILES_NAME,
    StateFacts,
    check_state_target,
    put_state,
    read_facts,
    write_facts,
)
from geochange.series.network import SeriesNetwork, name_series_network
from geochange.series.preparing import check_preparation
from geochange.series.registry import get_series_detector, require_enough
from geochange.series.result import SeriesMap
from geochange.series.scoring import SeriesStores, StateFiles, fit_series, score_series_tiles
from geochange.series.smoothing import TimeFilter
from geochange.series.stack import MaskOf, open_series

Aoi = str | os.PathLike[str] | Sequence[float]


def detect_series(
    images: Sequence[Source] | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "auto",
    model: str | os.PathLike[str] | None = None,
    options: Mapping[str, object] | None = None,
    threshold: str | float | None = None,
    min_area: str | int = "4px",
    max_hole: str | int = "1px",
    connectivity: int = 8,
    dates: Days | None = None,
    reference: str | int = "first",
    bands: Sequence[str | int] | None = None,
    aoi: Aoi | None = None,
    masks: Sequence[MaskOf] | None = None,
    mask_codes: Sequence[int] | None = None,
    mask_clouds: bool = False,
    resampling: str = "cubic",
    nodata: float | None = None,
    register: str = "off",
    normalize: str = "off",
    denoise: str = "none",
    denoise_window: int = 5,
    fill: str = "none",
    animation: str = "gif",
    state: str | os.PathLike[str] | None = None,
    tile_size: int | None = None,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    on_progress: Progress = report_nothing,
) -> SeriesMap:
    """Find when, how surely and how much the ground changed over many dates.

    Parameters
    ----------
    images : sequence of sources, or path
        See :func:`geochange.open_series`.
    output : path, optional
        Directory to create; appears complete or not at all. Default: a temporary one.
    method : str
        A name of :func:`geochange.list_series_methods`, or ``auto``.
    model : str or path, optional
        A trained network for series: a name of :func:`geochange.list_models` or a ``.safetensors``
        file. Short for method ``network`` with the option ``checkpoint``.
    options : mapping, optional
        Options of the method.
    threshold : str or float, optional
        See :func:`geochange.threshold`. Default: what suits the method, mostly 0.5.
    min_area, max_hole : str or int
        Smallest change that is kept and largest hole that is filled: ``"50m2"``, ``"20px"``.
    connectivity : {4, 8}
    dates, reference, bands, aoi, masks, mask_codes, resampling, nodata
        See :func:`geochange.open_series`.
    mask_clouds : bool
        Leave out what looks like cloud, haze or shadow, each date's own, by comparison with the
        reference date.
    register, normalize
        Bring each date to the place and the values of the reference date, see
        :func:`geochange.detect`; here both are off by default.
    denoise : {'none', 'median', 'savgol'}
        Filter along time over ``denoise_window`` valid dates.
    fill : {'none', 'linear', 'previous'}
        Give dates without data a value from those around, where there are some on both sides.
    animation : {'gif', 'apng'}
        ``gif`` has 256 colours and opens anywhere; ``apng`` has all and is larger.
    state : path, optional
        Keep there what the method knows of every pixel, so that :func:`update_series` can add new
        dates without the archive; for methods that take one date after the other.
    tile_size, workers, threads, scheduler, memory_limit, overwrite, resume, on_progress
        See :func:`geochange.detect`; the result does not depend on them.

    Returns
    -------
    SeriesMap
        Lazy view of the output directory.

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError, ClusterError
        One line: what came, what was expected, what to do.

    Examples
    --------
    >>> result = detect_series(["1985.tif", "1990.tif", "1995.tif"], "out")  # doctest: +SKIP
    >>> result.polygons()[["date_start", "date_end", "area_m2"]]  # doctest: +SKIP
    """
    method, options = name_series_network(method, model, options)
    given = locals()
    settings = {name: plain(given[name]) for name in SETTINGS} | {"options": options}
    settings["dates"] = name_table(images, dates)
    smoothing = TimeFilter(denoise, denoise_window, fill)
    check_preparation(register, normalize)
    check_animation(animation)
    series = open_series(
        images,
        dates=dates,
        reference=reference,
        bands=bands,
        aoi=aoi,
        masks=masks,
        mask_codes=mask_codes,
        resampling=resampling,
        nodata=nodata,
    )
    name, reason = settle_series_method(method, series, keeps_state=state is not None)
    detector = get_series_detector(name, options)
    if isinstance(detector, SeriesNetwork):
        detector.suit(series)
    require_enough(detector, name, len(series), keeps_state=state is not None)
    if state is not None:
        require_monitor(detector, name, smoothing)
    kept = None if state is None else Path(state)
    job = SeriesJob(series, detector, name, reason, smoothing, settings, state=kept)
    crew = SeriesCrew(tile_size, workers, threads, scheduler, memory_limit, on_progress)
    return run_job(job, crew, output, overwrite=overwrite, resume=resume)


def update_series(
    state: str | os.PathLike[str],
    images: Sequence[Source] | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    dates: Days | None = None,
    masks: Sequence[MaskOf] | None = None,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    on_progress: Progress = report_nothing,
) -> SeriesMap:
    """Add new dates to the state of a series and report; the archive is not read again.

    The result is that of :func:`detect_series` over all dates with the noise that was learned from
    the first ones. Only the plots of the report look at earlier files, where they are still there.

    Parameters
    ----------
    state : path
        Of an earlier run; replaced once the result is complete.
    images : sequence of sources, or path
        One or more dates later than all that the state has seen.
    output : path, optional
    dates, masks
        See :func:`geochange.open_series`; codes of masks, area of interest, bands, nodata and
        resampling are those of the state.
    workers, threads, scheduler, overwrite, resume, on_progress
        See :func:`geochange.detect`.

    Raises
    ------
    InputError, GridError, BandError, UsageError, OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> result = update_series("state", ["2025.tif"], "out-2025")  # doctest: +SKIP
    """
    facts = read_facts(state)
    table = name_table(images, dates)
    settings = {**facts.settings, "masks": plain(masks), "dates": table}
    series, found = open_more(images, facts, dates=dates, masks=masks)
    detector = get_series_detector(facts.method, facts.options)
    require_monitor(detector, facts.method, TimeFilter()).recall(facts.learned)
    job = SeriesJob(
        series, detector, facts.method, "as the state was made", TimeFilter(), settings,
        state=Path(state), known=facts,
        added=tuple(absolute(one.source) for one in found),
    )  # fmt: skip
    crew = SeriesCrew(facts.tile_size, workers, threads, scheduler, None, on_progress)
    return run_job(job, crew, output, overwrite=overwrite, resume=resume)


SETTINGS = (
    "method", "threshold", "min_area", "max_hole", "connectivity", "reference", "bands", "aoi",
    "masks", "mask_codes", "mask_clouds", "resampling", "nodata", "register", "normalize",
    "denoise", "denoise_window", "fill", "animation",
)  # fmt: skip
"""Parameters that change what is found, beside the options of the method."""


def run_job(
    job: SeriesJob,
    crew: SeriesCrew,
    output: str | os.PathLike[str] | None,
    *,
    overwrite: bool,
    resume: bool,
) -> SeriesMap:
    """Open the output folder and the workers, find the changes, put the state in place last."""
    check_threshold(job.rule, has_probability=False)
    inputs, key = fingerprint_series(job.series, {**job.settings, **job.weights}, job.known)
    target = Path(output or tempfile.mkdtemp(prefix="geochange-")).resolve()
    kept = target.with_name(f".{target.name}.series-state")
    if resume and not overwrite and key == read_fingerprint(target):
        if job.state is not None:  # a run may have been stopped before it put its state in place
            put_state(kept, job.state, job.known)
        return SeriesMap(target)
    if job.state is not None:
        check_state_target(job.state, target, overwrite=overwrite or job.known is not None)
    size = crew.choose_tile(job)
    files = [path for path in job.series.paths if Path(path).is_file()]
    with (
        new_folder(
            target,
            overwrite=overwrite or output is None,
            resume=resume,
            state={"key": key, "tile_size": size},
            inputs=files,
        ) as folder,
        open_runner(workers=crew.workers, threads=crew.threads, scheduler=crew.scheduler) as runner,
        Stages(runner, crew.on_progress) as stages,
    ):
        noted = read_state(folder) or {}
        require_same_tiles(noted, size, asked=bool(crew.tile_size and job.known is None))
        size, attempt = int(noted["tile_size"]), str(noted["attempt"])
        job = replace(job, inputs=inputs, key=key, tile_size=size, attempt=attempt)
        facts = find_changes(job, folder, stages)
        if facts is not None:
            shutil.rmtree(kept, ignore_errors=True)
            write_facts(folder / "tiles" / attempt / "state", facts)
            shutil.move(folder / "tiles" / attempt / "state", kept)
        shutil.rmtree(folder / "tiles", ignore_errors=True)
    if job.state is not None:
        put_state(kept, job.state, job.known)
    return SeriesMap(target)


def find_changes(job: SeriesJob, folder: Path, stages: Stages) -> StateFacts | None:
    """Prepare, fit, score, threshold, clean, date and export; what is done is not redone.

    Parameters
    ----------
    job : SeriesJob
    folder : Path
        Of :func:`geochange.io.files.outputs.new_folder`, with its state.
    stages : Stages

    Returns
    -------
    StateFacts or None
        Of the state that is left in the scratch folder, where one is asked for.
    """
    detector, scratch = job.detector, folder / "tiles" / job.attempt
    scratch.mkdir(parents=True, exist_ok=True)
    series, prepared = job.prepare(stages, partial(find_once, folder))
    stores = SeriesStores(scratch, series.geobox, job.tile_size, len(series.bands))
    before = None if job.known is None or job.state is None else StateFiles(job.state / TILES_NAME)
    after = None if job.state is None else StateFiles(scratch / "state" / TILES_NAME)
    if after is not None:
        after.folder.mkdir(parents=True, exist_ok=True)
    if job.known is None:
        with stages.stage("fit"):
            fit_series(detector, series, job.smoothing, stages)
    with stages.stage("score"):
        scored = score_series_tiles(detector, series, stores, job.smoothing, stages, after, before)
    if scored.quarantine:
        first, count = scored.quarantine[0], len(scored.quarantine)
        note = f"{count} tiles could not be read and are without data; {first['reason']}"
        warnings.warn(note, DataWarning, stacklevel=4)
    found = choose_threshold(scored.histogram, job.rule)
    mask = TileStore(scratch / "mask", series.geobox, job.tile_size, "uint8", MASK_NODATA)
    with stages.stage("clean"), once(scratch / "mask.done") as needed:
        if needed:
            clean(stores.score, mask, found, job.cleaning, run=stages.run_here)
    with stages.stage("pictures"):
        frames = draw_series(series, stages)
        if job.known is not None and job.state is not None:
            frames = Frames.load(job.state / FRAMES_NAME).join(frames)
    everything = series if job.known is None else reopen(job.known, series)
    state = None if job.known is None else str(job.state)
    told = {**job.settings, "masks": list(series.masks) or None}
    run = describe_series_run(
        job.key, job.method, found, told, series.geobox, job.days, job.inputs,
        series.notes, state,
    )  # fmt: skip
    run |= {"preparation": prepared, "quarantine": scored.quarantine}
    findings = SeriesFindings(
        series, everything, job.days, stores, mask, scored.histogram, found, frames, run,
        job.cleaning.connectivity, job.cleaning.min_area_px, job.animation,
    )  # fmt: skip
    write_series_products(findings, folder, scratch, stages)
    run["score_histogram"] = coarsen(scored.histogram).tolist()
    run |= {"seconds": stages.seconds, "peak_memory_bytes": peak_memory_bytes()}
    if after is not None:
        frames.save(scratch / "state" / FRAMES_NAME)
    write_item(run, folder, folder.name.removesuffix(".partial"))
    write_json(folder / "run.json", run)
    return None if after is None else job.sum_up_state()
