"""What a measured sensitivity says: limits, sentences, and the whole as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from geochange.detectability.design import Design
from geochange.detectability.measuring import FALSE_ALARMS, Cut, Measured
from geochange.detectability.rates import Shares, find_contrast, wilson

WANTED = 0.9
"""Probability of detection that the sentence speaks of."""
HALF = 0.5
SLACK = 0.05
"""What a share may fall short of that by chance."""


def describe(measured: Measured) -> dict[str, Any]:
    """Return all that was measured, plain enough for JSON.

    ``tried`` are lists over sizes, ``found`` for each kind of change lists over sizes of lists over
    contrasts.
    """
    design = measured.design
    return {
        "sentences": list(say(measured)),
        "sizes_px": list(design.sizes_px),
        "contrasts_sigma": list(design.contrasts),
        "shape": design.shape,
        "blur_px": design.blur_px,
        "places": design.trials,
        "seed": design.seed,
        "kinds": list(measured.noise.kinds),
        "noise_sigma": measured.noise.describe(measured.bands),
        "thresholds": {
            cut.name: {
                "score": cut.score,
                "rule": cut.rule,
                "share_above": cut.share,
                "tried": measured.tried[number].tolist(),
                "found": dict(
                    zip(measured.noise.kinds, measured.found[number].tolist(), strict=True)
                ),
            }
            for number, cut in enumerate(measured.cuts)
        },
        "limits": list(list_limits(measured)),
    }


def list_limits(measured: Measured) -> Iterator[dict[str, Any]]:
    """Yield the contrast that is found with 50 and 90 % for every threshold, kind and size."""
    shares = np.nan_to_num(measured.shares)
    for place in np.ndindex(*shares.shape[:3]):
        cut, kind, size = place
        contrasts = measured.design.contrasts
        yield {
            "threshold": measured.cuts[cut].name,
            "kind": measured.noise.kinds[kind],
            "size_px": measured.design.sizes_px[size],
            "contrast_50": find_contrast(contrasts, shares[place], HALF),
            "contrast_90": find_contrast(contrasts, shares[place], WANTED),
        }


def list_rows(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row for every threshold, kind, size and contrast of what :func:`describe` gave."""
    for name, cut in facts["thresholds"].items():
        for kind, found in cut["found"].items():
            counts = np.array(found, np.int64)
            tried = np.broadcast_to(np.array(cut["tried"])[:, None], counts.shape)
            low, high = wilson(counts, tried)
            for size, contrast in np.ndindex(*counts.shape):
                at, trials = (size, contrast), int(tried[size, contrast])
                yield {
                    "threshold": name,
                    "kind": kind,
                    "size_px": facts["sizes_px"][size],
                    "contrast_sigma": facts["contrasts_sigma"][contrast],
                    "tried": trials,
                    "found": int(counts[at]),
                    "probability": counts[at] / trials if trials else None,
                    "low_95": float(low[at]),
                    "high_95": float(high[at]),
                }


def say(measured: Measured) -> Iterator[str]:
    """Yield a sentence for each threshold: from which size and contrast on changes are found."""
    for cut, shares in zip(measured.cuts, measured.shares, strict=True):
        yield _say_cut(measured, cut, np.nan_to_num(shares))


def _say_cut(measured: Measured, cut: Cut, shares: Shares) -> str:
    if cut.score is None:
        return (
            "No threshold has so few false alarms: too many pixels have the highest score there "
            "is, so nothing is found."
        )
    where = (
        f"At a false-alarm rate of {cut.share:.1g}"
        if cut.name == FALSE_ALARMS
        else f"At the run's own threshold of {cut.score:.3f}, which {_percent(cut.share)} of the "
        "pixels reach"
    )
    words = [
        f"{'' if len(shares) == 1 else kind + ' '}changes {_say_corner(measured, found)}"
        for kind, found in zip(measured.noise.kinds, shares, strict=True)
    ]
    return f"{where}, {'; '.join(words)}."


def _say_corner(measured: Measured, shares: Shares) -> str:
    design, corner = measured.design, find_corner(measured, shares)
    if corner is None:
        extent = _extent(design, design.sizes_px[-1])
        most = f"of up to {extent} and {design.contrasts[-1]:g} sigmas"
        return f"{most} are not found with {_percent(WANTED)}"
    first, last, contrast = corner
    extent = _extent(design, design.sizes_px[first])
    sigmas = f"{design.contrasts[contrast]:g} sigmas or more"
    if first == last:
        extent = f"{extent} alone, of {sigmas},"
    elif last + 1 < len(design.sizes_px):
        extent = f"{extent} to {_extent(design, design.sizes_px[last])}, of {sigmas},"
    else:
        extent = f"{extent} and {sigmas}"
    return f"of {extent} are found with {_percent(WANTED)}"


def _extent(design: Design, size: float) -> str:
    return f"{size:g} x {size:g} px" if design.shape == "square" else f"{size:g} px across"


def find_corner(measured: Measured, shares: Shares) -> tuple[int, int, int] | None:
    """Return smallest and largest size, and the contrast from which on changes are found.

    Several do; it is the one with the smallest product of size and contrast for each size that it
    holds for. Larger sizes belong to it as long as they are found too, or would be but for a few
    places.

    Parameters
    ----------
    shares : float64 (sizes, contrasts)
        Probability of detection of one kind of change.

    Returns
    -------
    tuple of int or None
        Positions in the design; None where nothing is found.
    """
    design = measured.design
    steady = np.minimum.accumulate(shares[:, ::-1], axis=1)[:, ::-1]
    corners = [
        (int(first), _last_found(steady[:, contrast], int(first)), int(contrast))
        for first, contrast in np.argwhere(steady >= WANTED)
    ]

    def cost(corner: tuple[int, int, int]) -> float:
        first, last, contrast = corner
        return design.sizes_px[first] * design.contrasts[contrast] / (last + 1 - first)

    return min(corners, key=cost, default=None)


def _last_found(shares: Shares, first: int) -> int:
    """Return the last size of those from ``first`` on that are found without a gap."""
    missed = np.flatnonzero(shares[first:] < WANTED - SLACK)
    return first + int(missed[0]) - 1 if missed.size else len(shares) - 1


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
