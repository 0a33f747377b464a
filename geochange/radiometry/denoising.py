"""Which filter smooths both dates, with the strength that their noise asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from geochange.alignment.pair import Pair
from geochange.errors import UsageError, suggest
from geochange.io.filters.filter import Filter
from geochange.io.filters.median import MedianFilter
from geochange.io.filters.similar import SimilarMean
from geochange.io.filters.speckle import REFINED_PX, LeeFilter

WINDOWS = {"median": 3, "nlm": 11, "bilateral": 7, "lee": 7, "refined-lee": REFINED_PX}
"""Filters with the window, in pixels, that they take by default."""
DENOISERS = ("none", *WINDOWS)
SPECKLE = ("lee", "refined-lee")
PATCH_PX = 5
MOST_WINDOW = 51


@dataclass(frozen=True)
class DenoiseSettings:
    """What was asked for.

    Attributes
    ----------
    kind : str
        One of :data:`DENOISERS`.
    window : int or None
        Odd edge in pixels; None takes that of :data:`WINDOWS`.
    looks : float or None
        Looks of the speckle; None measures them.

    Raises
    ------
    UsageError
        Unknown kind, a window that is even, too large or without a filter, looks that are none or
        not asked for.
    """

    kind: str = "none"
    window: int | None = None
    looks: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in DENOISERS:
            msg = f"unknown filter '{self.kind}'{suggest(self.kind, DENOISERS)}"
            raise UsageError(msg)
        if self.window is not None and self.kind == "none":
            msg = f"a window of {self.window} px smooths nothing without a filter; choose one of "
            raise UsageError(msg + ", ".join(WINDOWS))
        if self.window is not None and (
            self.window % 2 == 0 or not 3 <= self.window <= MOST_WINDOW
        ):
            msg = f"a filter's window is an odd number from 3 to {MOST_WINDOW}, got {self.window}"
            raise UsageError(msg)
        if self.kind == "refined-lee" and self.window not in (None, REFINED_PX):
            msg = f"refined-lee has a window of {REFINED_PX} px; leave it out, or use lee"
            raise UsageError(msg)
        if self.looks is not None and (self.kind not in SPECKLE or not 0 < self.looks < np.inf):
            msg = f"looks are a number above 0 for {' and '.join(SPECKLE)}, got {self.looks:g}"
            raise UsageError(msg)

    @property
    def halo_px(self) -> int:
        """Margin that reads need, in pixels."""
        if self.kind == "none":
            return 0
        return self.edge_px // 2 + (PATCH_PX // 2 if self.kind == "nlm" else 0)

    @property
    def edge_px(self) -> int:
        """Edge of the window in pixels."""
        return self.window or WINDOWS[self.kind]


@dataclass(frozen=True)
class Denoising:
    """What smooths a pair.

    Attributes
    ----------
    settings : DenoiseSettings
    strengths : tuple of two tuples of float
        Of the before and the after date, for each band: standard deviation of the noise, or the
        looks of speckle; empty for filters that need neither.
    said : str
        All this in one sentence.
    """

    settings: DenoiseSettings = DenoiseSettings()
    strengths: tuple[tuple[float, ...], ...] = ((), ())
    said: str = ""

    def apply(self, pair: Pair) -> Pair:
        """Return the pair with both dates smoothed when they are read."""
        if self.settings.kind == "none":
            return pair
        first, second = (self._build(strength) for strength in self.strengths)
        notes = (*pair.notes, self.said)
        before, after = pair.before.smooth(first), pair.after.smooth(second)
        return replace(pair, before=before, after=after, notes=notes)

    def _build(self, strength: tuple[float, ...]) -> Filter:
        kind, edge = self.settings.kind, self.settings.edge_px
        if kind == "median":
            return MedianFilter(edge)
        if kind == "nlm":
            return SimilarMean(strength, edge, PATCH_PX)
        if kind == "bilateral":
            return SimilarMean(strength, edge, 1, is_bilateral=True)
        return LeeFilter(strength, edge, is_refined=kind == "refined-lee")

    def store(self) -> dict[str, Any]:
        """Return all of it, plain enough for JSON; see :meth:`recall`."""
        return {
            **asdict(self.settings),
            "strengths": [list(strength) for strength in self.strengths],
            "said": self.said,
        }

    @classmethod
    def recall(cls, stored: Mapping[str, Any]) -> Denoising:
        """Return what was stored."""
        settings = DenoiseSettings(stored["kind"], stored["window"], stored["looks"])
        first, second = (tuple(map(float, strength)) for strength in stored["strengths"])
        return cls(settings, (first, second), stored["said"])


def say_denoising(settings: DenoiseSettings, strengths: tuple[tuple[float, ...], ...]) -> str:
    """Say in one sentence what smooths a pair."""
    said = f"both dates smoothed by {settings.kind} over {settings.edge_px} x {settings.edge_px} px"
    if not any(strengths):
        return said
    typical = [float(np.median(strength)) for strength in strengths]
    unit = "looks" if settings.kind in SPECKLE else "of noise in the middle band"
    source = "as given" if settings.looks is not None else "as measured"
    return f"{said}; {typical[0]:.3g} and {typical[1]:.3g} {unit}, {source}"
