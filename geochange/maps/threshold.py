"""Where change begins: thresholds from the exact histogram of a stored score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.errors import UsageError, suggest
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE

Counts = NDArray[np.int64]
Vector = NDArray[np.float64]
ScoreAtP = Callable[[float], float]

FLOOR = 0.5
"""``auto`` calls nothing change below this score: three standard deviations of no change."""
BULK_WIDTH = 5.0
"""Widths of the unchanged bulk, from its median to its 16 % quantile, that ``auto`` steps over."""
MAX_SHARE = 0.5
"""Share of pixels above which there is no unchanged bulk to compare with."""
EXAMPLES = {"p": "p:0.001", "hysteresis": "hysteresis:0.4,0.6"}
LOW_FLOOR = 0.4
"""The automatic hysteresis lets no score below this join a change: two standard deviations."""
WORTH_SAYING = 0.05
"""Share of pixels above ``FLOOR`` that ``auto`` may leave out without saying so."""
LOW_SHARE = 0.04
"""Share of the pixels, those of the highest scores, that it lets join: change is mostly rarer."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and why it was chosen.

    Attributes
    ----------
    value : float or None
        Pixels whose score is at least this are change; None says that nothing changed.
    low : float or None
        With hysteresis, the score that is enough in a component that reaches ``value`` somewhere.
    method : str
        The rule that was used, as a specification.
    reason : str
        One sentence for a person.
    """

    value: float | None
    low: float | None
    method: str
    reason: str

    def describe(self) -> dict[str, object]:
        """Return what ``run.json`` says of it."""
        return {
            "value": self.value,
            "low": self.low,
            "rule": self.method,
            "reason": self.reason,
        }


def threshold_names() -> list[str]:
    """Return the rules that :func:`choose_threshold` knows, in alphabetical order.

    Examples
    --------
    >>> threshold_names()
    ['auto', 'fixed', 'hysteresis', 'kapur', 'otsu', 'p', 'rosin', 'triangle']
    """
    return sorted([*HISTOGRAM_RULES, "auto", "fixed", "hysteresis", "p"])


def choose_threshold(
    histogram: Counts, spec: str = "auto", *, score_at_p: ScoreAtP | None = None
) -> Threshold:
    """Choose a threshold for a stored score.

    Parameters
    ----------
    histogram : int64 (SCORE_LEVELS,)
        Pixels of each stored level, invalid ones left out.
    spec : str
        ``auto`` (may answer "nothing changed"), ``otsu``, ``triangle``, ``rosin``, ``kapur``
        (each also as ``otsu:FLOOR``: nothing below that score is change), ``fixed:0.5`` or ``0.5``,
        ``p:PROBABILITY`` (false alarm rate, for methods with a known distribution),
        ``hysteresis:LOW,HIGH``, or ``hysteresis``: ``auto``, and the best 4 % of the pixels with
        scores of at least 0.4 join the changes that they are connected to.
    score_at_p : callable, optional
        The detector's score that no change exceeds with a given probability.

    Raises
    ------
    UsageError
        An unknown rule, a missing or impossible value, or ``p`` without ``score_at_p``.

    References
    ----------
    Otsu 1979; Zack, Rogers and Latt 1977 (triangle); Rosin 2001; Kapur, Sahoo and Wong 1985.

    Examples
    --------
    >>> histogram = np.zeros(SCORE_LEVELS, np.int64)
    >>> histogram[6000:8000], histogram[50000:51000] = 100, 5
    >>> 0.12 < choose_threshold(histogram, "otsu").value < 0.77
    True
    >>> choose_threshold(histogram).value
    0.5
    >>> histogram[50000:51000] = 0
    >>> choose_threshold(histogram).reason
    'nothing changed: the highest score is 0.122, below the limit of 0.500'
    """
    spec, name, argument = _read_spec(spec)
    histogram = np.asarray(histogram, np.int64)
    if name == "fixed":
        value = _parse(spec, argument, 1)[0]
        return Threshold(value, None, spec, f"given: a score of at least {value:g}")
    if name == "p":
        return _from_probability(spec, argument, score_at_p)
    if name == "hysteresis":
        return _hysteresis(histogram, spec, argument)
    if name != "auto":
        floor = _parse(spec, argument, 1)[0] if argument else 0.0
        return _from_histogram(histogram, name, floor)
    if argument:
        msg = f"threshold 'auto' takes no value, got '{spec}'; write 'auto'"
        raise UsageError(msg)
    return _automatic(histogram)


def _read_spec(spec: str) -> tuple[str, str, str]:
    """Return a specification in full, its rule and what follows the colon."""
    if _is_number(spec):
        spec = f"fixed:{spec.strip()}"
    name, _, argument = spec.strip().lower().partition(":")
    if name not in threshold_names():
        msg = f"unknown threshold '{spec}'{suggest(name, threshold_names())}"
        raise UsageError(msg)
    return spec, name, argument


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def least_threshold(spec: str, *, score_at_p: ScoreAtP | None = None) -> float:
    """Return a score below which a rule calls no pixel change, whatever the histogram.

    Parameters
    ----------
    spec, score_at_p
        See :func:`choose_threshold`.

    Examples
    --------
    >>> [least_threshold(spec) for spec in ("auto", "hysteresis:0.3,0.6", "otsu:0.2", "otsu")]
    [0.5, 0.3, 0.2, 0.0]
    """
    spec, name, argument = _read_spec(spec)
    if name == "auto":
        return FLOOR
    if name == "p":
        return _from_probability(spec, argument, score_at_p).value or 0.0
    if name == "hysteresis":
        return _parse(spec, argument, 2)[0] if argument else LOW_FLOOR
    return _parse(spec, argument, 1)[0] if argument else 0.0


def check_threshold(spec: str, *, has_probability: bool) -> None:
    """Raise UsageError for a rule that :func:`choose_threshold` would refuse.

    Parameters
    ----------
    spec : str
    has_probability : bool
        Whether the detector has ``score_at_p``.
    """
    unchanged = np.zeros(SCORE_LEVELS, np.int64)
    unchanged[0] = 1
    choose_threshold(unchanged, spec, score_at_p=(lambda _: 0.5) if has_probability else None)


def _parse(spec: str, argument: str, count: int) -> list[float]:
    """Read ``count`` numbers in [0, 1] separated by commas."""
    try:
        numbers = [float(part) for part in argument.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(0 <= number <= 1 for number in numbers):
        name = spec.strip().lower().partition(":")[0]
        form = EXAMPLES.get(name, f"{name}:0.5")
        msg = f"threshold '{spec}' needs {count} number(s) in 0..1, as in '{form}'"
        raise UsageError(msg)
    return numbers


def _from_probability(spec: str, argument: str, score_at_p: ScoreAtP | None) -> Threshold:
    probability = _parse(spec, argument, 1)[0]
    if score_at_p is None:
        msg = (
            f"threshold '{spec}' needs a method whose score has a known distribution (such as "
            "irmad); use 'auto' or 'otsu' with this one"
        )
        raise UsageError(msg)
    value = float(score_at_p(probability))
    return Threshold(
        value, None, spec, f"an unchanged pixel exceeds it with probability {probability:g}"
    )


def _from_histogram(histogram: Counts, name: str, floor: float) -> Threshold:
    method = f"{name}:{floor:g}" if floor else name
    used = np.flatnonzero(histogram)
    if used.size < 2:
        return Threshold(None, None, method, "nothing changed: all pixels have one score")
    first, last = int(used[0]), int(used[-1])
    if last * SCORE_SCALE < floor:
        return Threshold(None, None, method, _nothing_above(last, floor))
    level = first + HISTOGRAM_RULES[name](histogram[first : last + 1].astype(np.float64))
    value = (level + 1) * SCORE_SCALE
    if value < floor:
        reason = f"the least score that counts as change; the {name} rule alone gives {value:.3f}"
        return Threshold(floor, None, method, reason)
    return Threshold(value, None, method, f"the {name} rule on the histogram of the scores")


def _nothing_above(highest: int, limit: float) -> str:
    score = highest * SCORE_SCALE
    return f"nothing changed: the highest score is {score:.3f}, below the limit of {limit:.3f}"


def otsu_level(counts: Vector) -> int:
    """Return the last level of the lower class of least variance within classes (Otsu 1979)."""
    levels = np.arange(counts.size, dtype=np.float64)
    weight = np.cumsum(counts)
    moment = np.cumsum(counts * levels)
    below, above = weight[:-1], weight[-1] - weight[:-1]
    distance = moment[:-1] / below - (moment[-1] - moment[:-1]) / above
    return int(np.argmax(below * above * distance**2))


def triangle_level(counts: Vector) -> int:
    """Return the level farthest below the line from the peak to the end of the longer tail."""
    peak = int(np.argmax(counts))
    if peak < counts.size - 1 - peak:
        return peak + _corner(counts[peak:])
    return peak - _corner(counts[peak::-1])


def rosin_level(counts: Vector) -> int:
    """Return the corner of the upper tail (Rosin 2001): the triangle that never looks down."""
    peak = int(np.argmax(counts))
    return peak + _corner(counts[peak:])


def _corner(tail: Vector) -> int:
    """Index of the point farthest below the line between the first and the last value."""
    line = np.linspace(tail[0], tail[-1], tail.size)
    return int(np.argmax(line - tail))


def kapur_level(counts: Vector) -> int:
    """Return the level at which the entropies of the two classes sum to most (Kapur 1985)."""
    share = counts / counts.sum()
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    weight, entropy = np.cumsum(share)[:-1], np.cumsum(-share * logs)
    below = entropy[:-1] / weight + np.log(weight)
    rest = np.maximum(1 - weight, 1e-300)
    above = (entropy[-1] - entropy[:-1]) / rest + np.log(rest)
    return int(np.argmax(below + above))


HISTOGRAM_RULES: dict[str, Callable[[Vector], int]] = {
    "otsu": otsu_level,
    "triangle": triangle_level,
    "rosin": rosin_level,
    "kapur": kapur_level,
}


def _automatic(histogram: Counts) -> Threshold:
    total = int(histogram.sum())
    if total == 0:
        return Threshold(None, None, "auto", "nothing changed: no pixel is valid")
    value, bulk = FLOOR, _bulk_limit(histogram)
    reason = "three standard deviations of what noise and a small shift explain"
    share, left = (float(histogram[_level(v) :].sum()) / total for v in (bulk, FLOOR))
    if bulk > value and share <= MAX_SHARE:
        value = bulk
        reason = "more than the bulk of the pixels, taken as unchanged, explains"
        if left - share > WORTH_SAYING:
            reason += (
                f"; {left - share:.0%} of the pixels have scores from {FLOOR} up to that: if so "
                f"much has changed, use the threshold {FLOOR} or otsu"
            )
    highest = int(np.flatnonzero(histogram)[-1])
    if highest * SCORE_SCALE < value:
        return Threshold(None, None, "auto", _nothing_above(highest, value))
    return Threshold(value, None, "auto", reason)


def _bulk_limit(histogram: Counts) -> float:
    """Score that the unchanged bulk does not reach, judged by its lower half alone.

    Scores grow as s / (s + 1) with the magnitude s, so widths are measured in s.
    """
    ranks = np.cumsum(histogram)
    low, middle = (int(np.searchsorted(ranks, q * ranks[-1])) for q in (0.16, 0.5))
    low_size, size = (_odds(level * SCORE_SCALE) for level in (low, middle))
    limit = size + BULK_WIDTH * (size - low_size)
    return limit / (1 + limit)


def _odds(score: float) -> float:
    return score / max(1 - score, SCORE_SCALE)


def _level(score: float) -> int:
    return min(int(np.ceil(score / SCORE_SCALE - 1e-6)), SCORE_LEVELS - 1)


def _hysteresis(histogram: Counts, spec: str, argument: str) -> Threshold:
    if argument:
        low, high = _parse(spec, argument, 2)
        if low > high:
            msg = f"threshold '{spec}' has its low limit above the high one; swap them"
            raise UsageError(msg)
        return Threshold(
            high, low, spec, f"given: {high:g}, and {low:g} where connected to such pixels"
        )
    automatic = _automatic(histogram)
    if automatic.value is None:
        return Threshold(None, None, spec, automatic.reason)
    ranks = np.cumsum(histogram[::-1])
    level = SCORE_LEVELS - 1 - int(np.searchsorted(ranks, LOW_SHARE * ranks[-1]))
    low = max(level * SCORE_SCALE, LOW_FLOOR)
    if low >= automatic.value:
        return Threshold(automatic.value, None, spec, automatic.reason)
    reason = f"{automatic.reason}; pixels connected to such ones join from a score of {low:.3f}"
    return Threshold(automatic.value, low, spec, reason)
