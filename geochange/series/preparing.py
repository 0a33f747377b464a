"""Bring every date of a series to the place and the values of its reference date."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray
from geochange.engine.normalizing import normalize_pair
from geochange.engine.preparing import Memory, find_anew
from geochange.engine.registering import register_pair
from geochange.engine.screening import screen_pair
from geochange.engine.stages import Stages
from geochange.errors import DataWarning, UsageError
from geochange.io.grids.displacement import Displacement
from geochange.io.rasters.scene import DateReader
from geochange.radiometry.cloudiness import CLOUDY, CloudReader, Clouds
from geochange.radiometry.normalization import Normalization, check_normalization
from geochange.registration.result import Registration, check_mode
from geochange.series.stack import Series
from geochange.tiles import Window


@dataclass(frozen=True)
class OwnClouds:
    """Masks what is likely to be clouded at one date of a pair.

    Attributes
    ----------
    reader : CloudReader
    date : int
        0 the before, 1 the after date.
    """

    reader: CloudReader
    date: int

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        model = self.reader.model
        wide = window.pad(model.halo)
        block = self.reader.pair.salvage(wide)
        risk = model.find(block.before, block.after, block.valid)[self.date]
        masked: BoolArray = risk[window.slices_in(wide)] >= CLOUDY
        return masked

    def displace(self, displacement: Displacement) -> OwnClouds:
        """Refuse: clouds are looked for in dates that are registered already."""
        msg = "clouds are found after registration; register the series first"
        raise UsageError(msg)


def check_preparation(register: str, normalize: str) -> None:
    """Raise :class:`geochange.errors.UsageError` for modes that are not known."""
    check_mode(register)
    check_normalization(normalize)


def prepare_series(
    series: Series,
    stages: Stages,
    *,
    register: str = "off",
    normalize: str = "off",
    mask_clouds: bool = False,
    remember: Memory = find_anew,
) -> tuple[Series, dict[str, Any]]:
    """Return the series as it is compared, and what was found of each date.

    Every date but the reference is registered to it, screened for clouds against it and brought to
    its values, as the after date of a pair is; see :func:`geochange.prepare`.

    Parameters
    ----------
    series : Series
    stages : Stages
    register, normalize
        See :func:`geochange.detect`.
    mask_clouds : bool
        Leave out what looks like cloud, haze or shadow, each date's own.
    remember : callable
        See :class:`geochange.engine.preparing.Memory`.

    Warns
    -----
    DataWarning
        Clouds are to be left out, and there are dates in which they cannot be looked for.
    """
    check_preparation(register, normalize)
    readers, notes = list(series.readers), list(series.notes)
    found: dict[str, Any] = {}
    unseen: list[str] = []
    for position, day in enumerate(series.days):
        if position == series.reference:
            continue
        pair = series.pair(series.reference, position)
        prepared, facts = _prepare_one(
            pair, str(day), stages, register, normalize, mask_clouds, remember
        )
        readers[position] = prepared.after
        if mask_clouds and not readers[series.reference].masks:
            readers[series.reference] = prepared.before
        found[str(day)] = facts
        if mask_clouds and facts["clouds"]["model"] is None:
            unseen.append(facts["clouds"]["said"])
        notes += [f"{day}: {said}" for said in prepared.notes if said]
    for said, count in Counter(unseen).items():
        warnings.warn(f"{count} of {len(found)} dates: {said}", DataWarning, stacklevel=2)
    return replace(series, readers=tuple(readers), notes=tuple(notes)), found


def _prepare_one(
    pair: Pair,
    day: str,
    stages: Stages,
    register: str,
    normalize: str,
    mask_clouds: bool,
    remember: Memory,
) -> tuple[Pair, Mapping[str, Any]]:
    facts: dict[str, Any] = {}
    if register != "off":
        with stages.stage("register"):
            registration = remember(
                f"registration {day}", Registration, lambda: register_pair(pair, register, stages)
            )
            pair = registration.apply(pair)
            facts["alignment"] = registration.describe()
    raw = pair
    if mask_clouds:
        with stages.stage("clouds"):
            clouds = remember(f"clouds {day}", Clouds, lambda: screen_pair(raw, stages, mask=True))
            pair = _leave_out(pair, clouds)
            facts["clouds"] = clouds.store()
    if normalize != "off":
        screened = pair
        with stages.stage("normalize"):
            normalization = remember(
                f"normalization {day}",
                Normalization,
                lambda: normalize_pair(screened, normalize, stages),
            )
            pair = normalization.apply(pair)
            facts["radiometry"] = normalization.describe()
    return pair, facts


def _leave_out(pair: Pair, clouds: Clouds) -> Pair:
    """Mask the clouds of each date in that date alone."""
    reader = clouds.read(pair)
    notes = (*pair.notes, clouds.said) if clouds.said else pair.notes
    if not isinstance(reader, CloudReader):
        return replace(pair, notes=notes)
    before, after = (
        _mask(date, OwnClouds(reader, position))
        for position, date in enumerate((pair.before, pair.after))
    )
    return replace(pair, before=before, after=after, notes=notes)


def _mask(date: DateReader, clouds: OwnClouds) -> DateReader:
    return replace(date, masks=(*date.masks, clouds))
