"""The second half of a job: a scored pair becomes the files of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from geochange.alignment.pair import Pair
from geochange.engine.preparing import Prepared
from geochange.engine.scoring import Scored
from geochange.engine.stages import Stages, peak_memory_bytes
from geochange.exports.catalogs.stac import write_item
from geochange.exports.reports.quicklook import Quicklook
from geochange.exports.runs.products import (
    Findings,
    write_changes,
    write_rasters,
    write_views,
)
from geochange.io.files.outputs import once, write_json
from geochange.io.stores.score import MASK_NODATA, coarsen
from geochange.maps.clean import Cleaning, clean
from geochange.maps.features import change_features
from geochange.maps.kept import Kept
from geochange.maps.misregistration import add_risk
from geochange.maps.threshold import Threshold
from geochange.registration.residual import measure_residual
from geochange.viz.pictures import choose_display_bands


@dataclass(frozen=True)
class Finish:
    """How a scored pair is finished.

    Attributes
    ----------
    cleaning : Cleaning
    smooth : bool
        Round the polygons' borders.
    products : sequence of str
        What to write.
    """

    cleaning: Cleaning
    smooth: bool
    products: Sequence[str]


def map_changes(
    prepared: Prepared,
    kept: Kept,
    scored: Scored,
    threshold: Threshold,
    run: dict[str, Any],
    finish: Finish,
    folder: Path,
    stages: Stages,
) -> Findings:
    """Clean, write rasters and polygons; what is in the folder already is not redone.

    Parameters
    ----------
    prepared : Prepared
    kept : Kept
        Holds the store of the score, in a folder of its own beside which the mask is written.
    scored : Scored
    threshold : Threshold
    run : dict
        Provenance so far; see :class:`geochange.exports.runs.products.Findings`.
    finish : Finish
    folder : Path
        Of the run.
    stages : Stages
    """
    pair, score, tiles = prepared.pair, kept.store, kept.store.folder.parent
    mask = replace(score, folder=tiles / "mask", dtype="uint8", nodata=MASK_NODATA)
    with stages.stage("clean"), once(tiles / "mask.done") as needed:
        if needed:
            clean(score, mask, threshold, finish.cleaning, run=stages.run_here)
    quicklook = Quicklook.of(scored.preview)
    findings = Findings(
        pair, score, mask, scored.histogram, threshold, quicklook, run, prepared.registration
    )
    with stages.stage("rasters"):
        write_rasters(findings, folder, finish.products, run=stages.run)
    if "changes" in finish.products:
        with stages.stage("polygons"):
            features = change_features(
                mask,
                score,
                pair,
                kept=kept,
                risk=prepared.risk,
                connectivity=finish.cleaning.connectivity,
                smoothed=finish.smooth,
                seen=quicklook.mark,
                run=partial(stages.run, in_flight=4),
            )
            risky = add_risk(features, pair, measure_residual(prepared.registration))
            write_changes(findings, risky, folder)
    quicklook.save(folder / "quicklook")
    return findings


def conclude_run(findings: Findings, finish: Finish, folder: Path, stages: Stages) -> None:
    """Write what people look at, and last ``run.json``."""
    run = findings.run
    with stages.stage("report"):
        write_views(findings, folder, finish.products, run=stages.run)
    run["score_histogram"] = coarsen(findings.histogram).tolist()
    run |= {"seconds": stages.seconds, "peak_memory_bytes": peak_memory_bytes()}
    write_item(run, folder, folder.name.removesuffix(".partial"))
    write_json(folder / "run.json", run)


def display_bands(pair: Pair) -> tuple[int, ...]:
    """Return bands to show that both dates have."""
    count = min(len(pair.before.bands), len(pair.after.bands))
    return choose_display_bands(pair.traits.roles[:count])
