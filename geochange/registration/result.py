"""What registration found, whether it is applied, and how it is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import Pair
from geochange.errors import UsageError, suggest
from geochange.io.grids.displacement import STILL, Displacement
from geochange.io.grids.pixelgrid import mesh
from geochange.registration.ties import Tie

MODES = ("auto", "off", "global", "local")
WORTH_PX = 0.1
"""A displacement below this harms less than the resampling that takes it out."""


@dataclass(frozen=True)
class Registration:
    """How the after date lies on the before date.

    Attributes
    ----------
    mode : str
        One of :data:`MODES`.
    model : str
        ``none``, ``shift``, ``affine`` or ``field``: what the windows give evidence for.
    displacement : Displacement
        Where the after date shows what the before date shows; see
        :mod:`geochange.io.grids.displacement`.
    reliable, applied : bool
        Windows agree; the correction is made.
    residual_before_px, residual_after_px : float or None
        Root mean square shift of windows as measured, and measured once more with the correction.
    ties : tuple of Tie
        All windows.
    matching : str
        ``intensity``, ``gradient`` or ``features``: how it was found.
    said : str
        All this in one sentence.
    """

    mode: str = "off"
    model: str = "none"
    displacement: Displacement = STILL
    reliable: bool = False
    applied: bool = False
    residual_before_px: float | None = None
    residual_after_px: float | None = None
    ties: tuple[Tie, ...] = ()
    matching: str = ""
    said: str = ""

    def apply(self, pair: Pair) -> Pair:
        """Return the pair with the after date read where it belongs, if that is to be done."""
        notes = (*pair.notes, self.said) if self.said else pair.notes
        after = pair.after.displace(self.displacement) if self.applied else pair.after
        return replace(pair, after=after, notes=notes)

    def describe(self) -> dict[str, Any]:
        """Return what ``run.json`` says of it; nothing where registration is off."""
        if self.mode == "off":
            return {"mode": "off", "applied": False}
        counts = Counter(tie.status for tie in self.ties)
        return {
            "mode": self.mode,
            "model": self.model,
            "matching": self.matching,
            "reliable": self.reliable,
            "applied": self.applied,
            "residual_before_px": self.residual_before_px,
            "residual_after_px": self.residual_after_px,
            "windows": {"measured": len(self.ties), **dict(sorted(counts.items()))},
            "displacement": self.displacement.describe(),
            "said": self.said,
        }

    def store(self) -> dict[str, Any]:
        """Return all of it, plain enough for JSON; see :meth:`recall`."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        ties = [asdict(tie) for tie in self.ties]
        return {**fields, "displacement": self.displacement.describe(), "ties": ties}

    @classmethod
    def recall(cls, stored: Mapping[str, Any]) -> Registration:
        """Return what was stored; of what :meth:`describe` said all but the windows."""
        if "displacement" not in stored:
            return cls(mode=stored["mode"])
        kept = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        ties = tuple(Tie(**tie) for tie in stored.get("ties", ()))
        displacement = Displacement.restore(stored["displacement"])
        return cls(**{**kept, "displacement": displacement, "ties": ties})


UNREGISTERED = Registration()
"""What stands where registration is off."""


def check_mode(mode: str) -> None:
    """Raise :class:`geochange.errors.UsageError` for an unknown mode."""
    if mode not in MODES:
        msg = f"unknown registration '{mode}'{suggest(mode, MODES)}"
        raise UsageError(msg)


def conclude(found: Registration, pair: Pair, reason: str = "") -> Registration:
    """Decide whether a registration is applied, and say so.

    Parameters
    ----------
    found : Registration
        Measured, not yet decided.
    pair : Pair
        As it was opened.
    reason : str
        Why it is not reliable, where that is not the number of windows that agree.
    """
    moved = found.displacement.at(mesh(pair.geobox, 17))
    size = float(np.sqrt((moved**2).sum(axis=1).mean()))
    worth = size >= WORTH_PX or (found.mode != "auto" and size > 0)
    if not found.reliable:
        still = replace(found, displacement=STILL, model="none", applied=False)
        return replace(still, said=_say_unreliable(found, reason))
    if not worth:
        return replace(found, applied=False, said=_say_near(found, size))
    return replace(found, applied=True, said=_say_applied(found, pair, size))


def _count(found: Registration) -> tuple[int, int]:
    return sum(tie.is_used for tie in found.ties), len(found.ties)


def _say_unreliable(found: Registration, reason: str) -> str:
    used, measured = _count(found)
    counts = Counter(tie.status for tie in found.ties if not tie.is_used)
    why = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    windows = f"{used} of {measured} windows agree" + (f" ({why})" if why else "")
    return f"registration not reliable: {reason or windows}; the dates are compared as they lie"


def _say_near(found: Registration, size: float) -> str:
    used, measured = _count(found)
    agree = f"({used} of {measured} windows agree)"
    if found.model == "none":
        apart = found.residual_before_px or 0.0
        return (
            f"registration: no displacement shows beyond the {apart:.2f} px by which windows "
            f"scatter {agree}; the dates are left as they are"
        )
    return f"registration: the dates lie within {size:.2f} px {agree}; they are left as they are"


def _say_applied(found: Registration, pair: Pair, size: float) -> str:
    used, measured = _count(found)
    moved = found.displacement.at(mesh(pair.geobox, 17))
    dx, dy = moved.mean(axis=0)
    ground = gsd_m(pair.geobox)
    metres = f" ({np.hypot(dx, dy) * ground:.3g} m)" if ground else ""
    how = "by a shift"
    if found.model == "affine":
        how = f"by an affine, {size:.2f} px on average,"
    elif found.model == "field":
        lengths = np.hypot(*moved.T)
        how = f"along a smooth field, {lengths.min():.2f} to {lengths.max():.2f} px,"
    rest = ""
    if found.residual_before_px is not None and found.residual_after_px is not None:
        rest = f"; residual {found.residual_before_px:.2f} -> {found.residual_after_px:.2f} px"
    return (
        f"registration: after date corrected {how} of {dx:+.2f} columns, {dy:+.2f} rows{metres} "
        f"by {found.matching}; {used} of {measured} windows agree{rest}"
    )
