"""What ``geochange info`` says: what a date holds, how a pair would be brought together."""

from __future__ import annotations

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import open_pair
from geochange.detectors.auto import choose_method
from geochange.io.rasters.scene import Scene, Source, describe_date


def describe(
    before: Source, after: Source | None = None, **pair_settings: object
) -> dict[str, list[str]]:
    """Say what a date holds or how a pair would be brought together; reads metadata only."""
    scenes = [describe_date(date) for date in (before, after) if date is not None]
    facts = {
        when: _scene_lines(scene) for when, scene in zip(("before", "after"), scenes, strict=False)
    }
    if after is not None:
        pair = open_pair(before, after, **pair_settings)  # type: ignore[arg-type]
        choice = choose_method(pair.traits)
        facts["pair"] = list(pair.notes)
        facts["method"] = [f"{choice.name}: {choice.reason}"]
    return facts


def _scene_lines(scene: Scene) -> list[str]:
    lines = [f"date {scene.date or 'unknown'}, bands {', '.join(scene.bands)}", *scene.notes]
    for file in scene.files:
        height, width = (int(n) for n in file.geobox.shape)
        size = gsd_m(file.geobox)
        place = f"{file.geobox.crs or 'no CRS'}" + (f", {size:.4g} m" if size else "")
        nodata = "none" if file.nodata[0] is None else f"{file.nodata[0]:g}"
        lines.append(
            f"{file.path}: {height} x {width} px, {len(file.bands)} x {file.dtype}, {place}, "
            f"nodata {nodata}"
        )
    return lines
