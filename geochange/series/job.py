"""All that is settled about a series before a pixel is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from geochange.alignment.grid import describe_grid, gsd_m
from geochange.engine.stages import Stages
from geochange.maps.areas import parse_area_px
from geochange.maps.clean import Cleaning
from geochange.series.adding import absolute, with_reference, without_reference
from geochange.series.memory import StateFacts
from geochange.series.network import SeriesNetwork
from geochange.series.preparing import prepare_series
from geochange.series.protocol import Monitor, SeriesDetector
from geochange.series.smoothing import TimeFilter
from geochange.series.stack import Series


@dataclass(frozen=True)
class SeriesJob:
    """What is to be done with which dates.

    Attributes
    ----------
    series : Series
        The dates that are read; those that are new where a state is ``known``.
    detector : SeriesDetector
    name, reason : str
        Of the method.
    smoothing : TimeFilter
    settings : mapping
        Parameters that change what is found.
    state : Path, optional
        Where the state is kept.
    known : StateFacts, optional
        State to begin from.
    added : tuple
        Sources of the dates that are new to it.
    inputs, key
        Of :func:`geochange.exports.runs.seriesrun.fingerprint_series`.
    tile_size : int
    attempt : str
        Name of the scratch folder.
    """

    series: Series
    detector: SeriesDetector
    name: str
    reason: str
    smoothing: TimeFilter
    settings: Mapping[str, Any]
    state: Path | None = None
    known: StateFacts | None = None
    added: tuple[Any, ...] = ()
    inputs: Sequence[Mapping[str, Any]] = ()
    key: str = ""
    tile_size: int = 0
    attempt: str = ""

    @property
    def rule(self) -> str:
        """The rule or score from which a pixel is change."""
        wanted = self.settings["threshold"]
        return str(self.detector.threshold if wanted is None else wanted)

    @property
    def days(self) -> tuple[date, ...]:
        """All days that the result speaks of."""
        return (*(self.known.dates if self.known else ()), *self.series.days)

    @property
    def is_streaming(self) -> bool:
        """Whether one date after the other is read and none is held."""
        return isinstance(self.detector, Monitor) and self.smoothing.is_idle

    @property
    def learned(self) -> dict[str, Any]:
        """What a monitor learned of the scene."""
        return dict(self.detector.describe()) if isinstance(self.detector, Monitor) else {}

    @property
    def method(self) -> dict[str, Any]:
        """What ``run.json`` says of the method."""
        settled = {"name": self.name, "reason": self.reason, "options": self.settings["options"]}
        return settled | self.learned | self.weights

    @property
    def weights(self) -> dict[str, Any]:
        """What a run records of a network; nothing of other methods."""
        detector = self.detector
        return dict(detector.provenance) if isinstance(detector, SeriesNetwork) else {}

    @property
    def animation(self) -> str:
        """Kind of animation; states of earlier versions name none."""
        return str(self.settings.get("animation", "gif"))

    @property
    def cleaning(self) -> Cleaning:
        """How the mask is cleaned."""
        size = gsd_m(self.series.geobox)
        return Cleaning(
            max_hole_px=parse_area_px(self.settings["max_hole"], size),
            min_area_px=parse_area_px(self.settings["min_area"], size),
            connectivity=int(self.settings["connectivity"]),
        )

    def prepare(
        self, stages: Stages, remember: Callable[..., Any]
    ) -> tuple[Series, dict[str, Any]]:
        """Bring each date to the reference date; new ones to that of the state."""
        wanted = {
            "register": str(self.settings["register"]),
            "normalize": str(self.settings["normalize"]),
            "mask_clouds": bool(self.settings["mask_clouds"]),
        }
        if wanted == {"register": "off", "normalize": "off", "mask_clouds": False}:
            return self.series, {}
        if self.known is None:
            return prepare_series(self.series, stages, remember=remember, **wanted)  # type: ignore[arg-type]
        both = with_reference(self.series, self.known)
        prepared, facts = prepare_series(both, stages, remember=remember, **wanted)  # type: ignore[arg-type]
        return without_reference(prepared), facts

    def sum_up_state(self) -> StateFacts:
        """Return the facts of the state once the dates were seen."""
        if self.known is not None:
            return self.known.extend(self.series.days, self.added)
        series = self.series
        return StateFacts(
            method=self.name,
            options=dict(self.settings["options"]),
            learned=self.learned,
            days=tuple(day.isoformat() for day in series.days),
            sources=tuple(absolute([file.path for file in scene.files]) for scene in series.scenes),
            reference=series.reference,
            bands=series.bands,
            roles=series.roles,
            grid=describe_grid(series.geobox),
            tile_size=self.tile_size,
            settings=dict(self.settings),
            area=() if series.aoi is None else tuple(one.wkt for one in series.aoi.polygons),
        )
