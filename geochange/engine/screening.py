"""Look for clouds in a sample of a registered pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from geochange.alignment.pair import Pair
from geochange.blocks import PairBlock
from geochange.engine.stages import Stages
from geochange.radiometry.cloudiness import CLOUDY, Clouds, say_clouds
from geochange.radiometry.clouds import (
    CLOUD_WIDTH_M,
    MOST_RADIUS_PX,
    MOST_REACH_PX,
    NEEDED,
    SHADOW_REACH_M,
    USEFUL,
    CloudModel,
)
from geochange.tiles import Tile, TilePlan

TILE_PX = 256
MAX_PIXELS = 1_000_000
"""Larger scenes are looked at in an even, seeded choice of tiles with so many pixels in all."""
FRACTION = 2.0
"""Reflectance as a fraction stays below."""
DIGITAL = 1e-4
"""What 16-bit numbers of reflectance are usually multiplied by."""
DARKEST_LAND = 0.1
"""Reflectance that some pixels reach in some band of any land; counts of a sensor stay below."""
UNKNOWN_GSD_M = 10.0


def screen_pair(pair: Pair, stages: Stages, *, mask: bool = False) -> Clouds:
    """Find out how cloudy a registered pair is.

    Nothing is looked for where the user gave a mask, where bands are not known to be blue, green
    and red, and where pixel values are no reflectance.

    Parameters
    ----------
    pair : Pair
        In the values of its files.
    stages : Stages
    mask : bool
        Leave clouds out.
    """
    reason = _tell_obstacle(pair)
    if reason:
        return _give_up(reason, mask=mask)
    bands = _choose_bands(pair)
    model, seen = choose_model(pair), pair.take(bands)
    plan = TilePlan(pair.shape, min(TILE_PX, max(pair.shape)), model.halo)

    def read(tile: Tile) -> PairBlock:
        return replace(seen.salvage(tile.read), tile=tile)

    blocks = list(stages.run_here(read, plan.sample(MAX_PIXELS), in_flight=2))
    scales = _choose_scales(blocks)
    if scales is None:
        return _give_up("pixel values are no reflectance", mask=mask)
    model = replace(model, scales=scales)
    model = replace(model, lift=_find_lift(blocks, model))
    shares = _count(blocks, model)
    return Clouds(model, bands, shares, mask, say_clouds(shares, model.lift, masked=mask))


def choose_model(pair: Pair) -> CloudModel:
    """Return the model for a pair's bands, in the order of :data:`USEFUL`, and pixel size."""
    roles = [role for role in USEFUL if pair.traits.roles.count(role) == 1]
    size = pair.traits.gsd_m or UNKNOWN_GSD_M
    return CloudModel(
        blue=roles.index("blue"),
        green=roles.index("green"),
        red=roles.index("red"),
        nir=roles.index("nir") if "nir" in roles else None,
        cirrus=roles.index("cirrus") if "cirrus" in roles else None,
        radius_px=int(np.clip(CLOUD_WIDTH_M / 2 / size, 1, MOST_RADIUS_PX)),
        reach_px=int(np.clip(SHADOW_REACH_M / size, 2, MOST_REACH_PX)),
    )


def _choose_bands(pair: Pair) -> tuple[int, ...]:
    roles = pair.traits.roles
    return tuple(roles.index(role) for role in USEFUL if roles.count(role) == 1)


def _tell_obstacle(pair: Pair) -> str:
    """Return why clouds cannot be looked for; empty where they can."""
    traits = pair.traits
    if pair.before.masks or pair.after.masks:
        return "a mask is given"
    if len(traits.bands_before) != len(traits.bands_after):
        return "the dates have different bands"
    if any(traits.roles.count(role) != 1 for role in NEEDED):
        return f"that needs bands that are known to be {', '.join(NEEDED)}"
    if any(file.dtype == "uint8" for scene in pair.scenes for file in scene.files):
        return "8-bit values are no reflectance"
    return ""


def _give_up(reason: str, *, mask: bool) -> Clouds:
    """Return what stands where nothing was looked for; said only to who asked for it."""
    return Clouds(said=f"clouds: not looked for and not left out, since {reason}" if mask else "")


def _choose_scales(blocks: Sequence[PairBlock]) -> tuple[float, float] | None:
    """Return what turns values of each date into reflectance; None where nothing does."""
    scales = []
    for dates in zip(*((block.before, block.after) for block in blocks), strict=True):
        owned = zip(dates, blocks, strict=True)
        values = np.concatenate([date[:, block.owned] for date, block in owned], axis=1)
        if not values.size:
            return None
        high = float(np.quantile(values, 0.99, axis=1).max())
        scale = 1.0 if high <= FRACTION else DIGITAL
        if not DARKEST_LAND < high * scale <= FRACTION:
            return None
        scales.append(scale)
    return scales[0], scales[1]


def _find_lift(blocks: Sequence[PairBlock], model: CloudModel) -> float:
    """Return the median by which the darkest blue around is lighter at the after date."""
    found = [model.compare_darkest(b.before, b.after, b.valid)[b.owned][::16] for b in blocks]
    return float(np.median(np.concatenate(found)))


def _count(blocks: Sequence[PairBlock], model: CloudModel) -> tuple[float, float]:
    """Return the share of pixels of each date that are likely to be clouded."""
    cloudy, total = np.zeros(2), 0
    for block in blocks:
        risk = model.find(block.before, block.after, block.valid)[:, block.owned]
        cloudy += np.count_nonzero(risk >= CLOUDY, axis=1)
        total += risk.shape[1]
    before, after = cloudy / max(total, 1)
    return float(before), float(after)
