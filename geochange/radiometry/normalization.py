"""What was found of the radiometry of two dates, whether it is applied, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from geochange.alignment.pair import Pair
from geochange.errors import UsageError, suggest
from geochange.io.filters.radiometry import AS_IS, BandMap

NORMALIZATIONS = ("auto", "off", "linear", "irmad", "histogram")
MIN_AGREEMENT = 0.2
"""Robust correlation of a band's two dates below which no relation between them is believed."""
MIN_INVARIANT = 500
"""Sampled pixels without change that a line needs."""
WORTH = 0.01
"""Share by which ``auto`` must make the typical difference smaller."""
SURE_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class BandFit:
    """What was found for one band.

    Attributes
    ----------
    band : str
    gain, offset : float
        ``before = gain * after + offset`` of the unchanged pixels.
    gain_sigma, level_sigma : float
        Standard deviations of the gain and of the mapped median, from parts of the scene.
    level : float
        Median of the after date before it is mapped.
    agreement : float
        Robust correlation of the dates, -1 to 1.
    apart_before, apart_after : float
        Typical difference of the dates as they are and with the fit, in units of their contrast.
    applied : bool
    """

    band: str
    gain: float
    offset: float
    gain_sigma: float
    level_sigma: float
    level: float
    agreement: float
    apart_before: float
    apart_after: float
    applied: bool = False

    @property
    def is_related(self) -> bool:
        """Whether the dates follow each other."""
        return self.agreement >= MIN_AGREEMENT

    @property
    def is_sure(self) -> bool:
        """Whether gain or level differ from those of the other date by more than chance."""
        moved = self.gain * self.level + self.offset - self.level
        return (
            abs(self.gain - 1) > SURE_SIGMAS * self.gain_sigma
            or abs(moved) > SURE_SIGMAS * self.level_sigma
        )


@dataclass(frozen=True)
class Normalization:
    """How values of the after date become those that the before date would have recorded.

    Attributes
    ----------
    mode : str
        One of :data:`NORMALIZATIONS`, as it was asked for.
    method : str
        ``linear``, ``irmad`` or ``histogram``; empty where nothing was measured.
    fits : tuple of BandFit
        One a band.
    maps : tuple of BandMap
        What is applied, one a band.
    invariant_share : float
        Share of the sampled pixels that the fit takes as unchanged.
    pixels : int
        Sampled pixels.
    reliable, applied : bool
    said : str
        All this in one sentence.
    """

    mode: str = "off"
    method: str = ""
    fits: tuple[BandFit, ...] = ()
    maps: tuple[BandMap, ...] = ()
    invariant_share: float = 0.0
    pixels: int = 0
    reliable: bool = False
    applied: bool = False
    said: str = ""

    def apply(self, pair: Pair) -> Pair:
        """Return the pair with the after date's values mapped, if that is to be done."""
        notes = (*pair.notes, self.said) if self.said else pair.notes
        after = pair.after.normalize(self.maps) if self.applied else pair.after
        return replace(pair, after=after, notes=notes)

    def describe(self) -> dict[str, Any]:
        """Return what ``run.json`` says of it; nothing where normalisation is off."""
        if self.mode == "off":
            return {"mode": "off", "applied": False}
        return self.store()

    def store(self) -> dict[str, Any]:
        """Return all of it, plain enough for JSON; see :meth:`recall`."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fits = [asdict(fit) for fit in self.fits]
        return {**fields, "fits": fits, "maps": [to.describe() for to in self.maps]}

    @classmethod
    def recall(cls, stored: Mapping[str, Any]) -> Normalization:
        """Return what was stored, or described."""
        if "maps" not in stored:
            return cls(mode=stored["mode"])
        fits = tuple(BandFit(**fit) for fit in stored["fits"])
        maps = tuple(BandMap.restore(to) for to in stored["maps"])
        return cls(**{**stored, "fits": fits, "maps": maps})


UNNORMALIZED = Normalization()
"""What stands where normalisation is off."""


def check_normalization(mode: str) -> None:
    """Raise :class:`geochange.errors.UsageError` for an unknown mode."""
    if mode not in NORMALIZATIONS:
        msg = f"unknown normalisation '{mode}'{suggest(mode, NORMALIZATIONS)}"
        raise UsageError(msg)


def leave(mode: str, reason: str, pixels: int = 0) -> Normalization:
    """Return what stands where nothing can be said of the radiometry."""
    said = f"radiometry not reliable: {reason}; values are left as they are"
    return Normalization(mode, pixels=pixels, said=said)


def decide(found: Normalization) -> Normalization:
    """Decide which bands are mapped, and say so.

    A band without a relation between the dates stays as it is. ``auto`` leaves all bands where
    none differs by more than chance, or where that brings the dates hardly nearer.

    Parameters
    ----------
    found : Normalization
        Measured, not yet decided; ``maps`` hold what could be applied.
    """
    invariant = round(found.invariant_share * found.pixels)
    if invariant < MIN_INVARIANT:
        reason = (
            f"{invariant} of {found.pixels} sampled pixels look unchanged, at least "
            f"{MIN_INVARIANT} are needed"
        )
        return _leave(found, reason)
    related = [fit.is_related for fit in found.fits]
    if not any(related):
        best = max(fit.agreement for fit in found.fits)
        return _leave(found, f"no band of one date follows the other (agreement {best:.2f})")
    fits = tuple(replace(fit, applied=fit.is_related) for fit in found.fits)
    maps = tuple(to if yes else AS_IS for to, yes in zip(found.maps, related, strict=True))
    found = replace(found, fits=fits, maps=maps, reliable=True)
    if found.mode == "auto" and not _is_worth(found):
        left = tuple(replace(fit, applied=False) for fit in fits)
        said = (
            f"radiometry: gain and offset bring the dates no nearer ({_say_apart(found)}); values "
            "are left as they are"
        )
        return replace(found, fits=left, maps=(), said=said)
    return replace(found, applied=True, said=_say_applied(found))


def _leave(found: Normalization, reason: str) -> Normalization:
    left = leave(found.mode, reason)
    return replace(found, maps=(), said=left.said)


def _is_worth(found: Normalization) -> bool:
    used = [fit for fit in found.fits if fit.applied]
    before, after = (float(np.mean(apart)) for apart in _apart(found))
    return any(fit.is_sure for fit in used) and after < (1 - WORTH) * before


def _apart(found: Normalization) -> tuple[list[float], list[float]]:
    used = [fit for fit in found.fits if fit.applied]
    return [fit.apart_before for fit in used], [fit.apart_after for fit in used]


def _say_apart(found: Normalization) -> str:
    before, after = (float(np.mean(apart)) for apart in _apart(found))
    return f"typical difference {before:.2f} -> {after:.2f} of the contrast"


def _say_applied(found: Normalization) -> str:
    used = [fit for fit in found.fits if fit.applied]
    left = [fit.band for fit in found.fits if not fit.applied]
    gains = _say_range([fit.gain for fit in used], ".3g")
    offsets = _say_range([fit.offset for fit in used], "+.3g")
    how = {
        "linear": f"gain {gains}, offset {offsets} from the {found.invariant_share:.0%} of the "
        "pixels that changed least",
        "irmad": f"gain {gains}, offset {offsets} from the {found.invariant_share:.0%} of the "
        "pixels that IR-MAD is surest of",
        "histogram": "histograms matched",
    }[found.method]
    rest = f"; left as they are, without relation: {', '.join(left)}" if left else ""
    return f"radiometry: after date brought to the before date, {how}; {_say_apart(found)}{rest}"


def _say_range(values: list[float], form: str) -> str:
    low, high = min(values), max(values)
    ends = f"{low:{form}}", f"{high:{form}}"
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
