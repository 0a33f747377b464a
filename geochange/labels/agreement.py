"""How well several people agree, in figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geochange.errors import InputError
from geochange.evaluation.agreement import AgreementCounts
from geochange.labels.comparison import Comparison, compare
from geochange.labels.content import Labels
from geochange.version import __version__

TITLES = {
    "change_iou": "IoU of change",
    "kappa": "Cohen's kappa, pixels",
    "alpha": "Krippendorff's alpha, pixels",
    "object_f1": "F1 of objects at IoU 0.5",
    "object_class": "class of matched objects alike",
    "verdict_agreement": "verdict of tiles alike",
    "verdict_alpha": "Krippendorff's alpha, verdicts",
}
SINGLE = {"iou": "IoU", "alpha": "alpha", "kappa": "kappa"}
"""What a table calls the scores, and those of single classes."""


@dataclass(frozen=True)
class Agreement:
    """How well people agree.

    Attributes
    ----------
    people : tuple of str
    tiles : list of int
        Those of which two people or more know anything.
    counts : AgreementCounts
        Of these tiles.
    scores : mapping of str to float
        Pooled over all tiles; nan where undefined.
    intervals : mapping of str to tuple of float
        95 % of each, by drawing tiles.
    """

    people: tuple[str, ...]
    tiles: list[int]
    counts: AgreementCounts
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON; what is undefined is None."""
        pooled = self.counts.pooled
        return {
            "geochange": __version__,
            "people": list(self.people),
            "tiles": len(self.tiles),
            "compared_px": int(pooled.confusion.sum()),
            "classes": list(pooled.names),
            "confusion": pooled.confusion.astype(int).tolist(),
            "scores": {
                name: {"value": _plain(value), "interval": list(map(_plain, self.intervals[name]))}
                for name, value in self.scores.items()
            },
        }

    def __str__(self) -> str:
        lines = [f"{', '.join(self.people)}: {len(self.tiles)} tiles that two or more have seen"]
        for name, value in self.scores.items():
            low, high = self.intervals[name]
            figures = f"{value:>8.3f}   {low:.3f} to {high:.3f}"
            known = figures if math.isfinite(value) else f"{'-':>8}"
            lines.append(f"{_name(name):<32}{known}")
        return "\n".join(lines)


def measure_agreement(
    people: Mapping[str, Labels], *, resamples: int = 1000, seed: int = 0
) -> Agreement:
    """Measure how well labels of several people agree; see :class:`Agreement`.

    Parameters
    ----------
    people : mapping of str to Labels
        Two or more, of one pair.
    resamples, seed : int
        Of the bootstrap over tiles.

    Raises
    ------
    GridError
        They lie on different grids.
    InputError
        No tile was labelled by two of them, or labels cannot be compared.

    Examples
    --------
    >>> measure_agreement({"ann": first, "bob": second}).scores["kappa"]  # doctest: +SKIP
    0.81
    """
    return measure_comparison(compare(people), resamples, seed)


def measure_comparison(comparison: Comparison, resamples: int, seed: int) -> Agreement:
    """Do what :func:`measure_agreement` does, with labels that are side by side already."""
    tiles, counts = comparison.count()
    if not tiles:
        msg = (
            f"no tile was labelled by two of {', '.join(comparison.people)}; let them label "
            "copies of one project (geochange annotate --copy-of)"
        )
        raise InputError(msg)
    scores = {name: float(value) for name, value in counts.pooled.scores().items()}
    intervals = counts.intervals(resamples, seed)
    return Agreement(tuple(comparison.people), tiles, counts, scores, intervals)


def _name(score: str) -> str:
    what, _, label = score.partition(":")
    return f"{SINGLE[what]} of {label}" if label else TITLES[what]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
