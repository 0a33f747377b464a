"""The card of a checkpoint: all that is needed to use a network rightly; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from geochange.errors import UsageError
from geochange.nn.normalization import FixedNormalization, Normalization

MOST_BANDS = 1024
TASKS = ("pixels", "image", "series")


@dataclass(frozen=True, slots=True)
class Band:
    """A band that a network takes.

    Attributes
    ----------
    name : str
        Its role (``red``, ``nir``, ``swir1`` ...) or else any name.
    wavelength_nm : float, optional
        Centre.
    """

    name: str
    wavelength_nm: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """A set that a network was trained on.

    Attributes
    ----------
    name, terms : str
        The set and under which terms it may be used.
    """

    name: str
    terms: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure and what it was measured on.

    Attributes
    ----------
    name : str
        Such as ``f1`` of the change class, pooled over all pixels.
    value : float
    split : str
        Data set and part of it.
    """

    name: str
    value: float
    split: str


@dataclass(frozen=True, slots=True)
class Recall:
    """How little may be left out so that enough of the change is kept, for the task ``image``.

    Attributes
    ----------
    recall : float
        Share of all changed pixels that lie in images with at least this score.
    threshold : float
        The score.
    false_alarms : float
        Share of the unchanged images with at least this score.
    """

    recall: float
    threshold: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class Card:
    """What a checkpoint says of its network.

    Attributes
    ----------
    title : str
        One line for a person.
    bands_before, bands_after : tuple of Band
        What the network takes, in order.
    normalization : FixedNormalization or SceneNormalization
    gsd_m : tuple of float, optional
        Least and greatest pixel size that it was trained for, in metres.
    threshold : float
        Score from which a pixel is change, chosen on validation data.
    temperature : float
        Logits are divided by it, so that scores are probabilities (Guo et al. 2017).
    classes : tuple of str
        Names of the classes 0 and 1.
    training : tuple of TrainingData
    metrics : tuple of Metric
    created : str
        Day, YYYY-MM-DD.
    automatic : bool
        The network may be chosen by itself for a scene that it fits; False for one that finds a
        kind of change that few ask for.
    task : str
        What a score is about: ``pixels`` of two dates, the whole ``image`` (is there any change),
        or pixels at each date of a ``series``.
    image_px : int
        Edge of the images that a network for the task ``image`` was trained on; else 0.
    recalls : tuple of Recall
        For the task ``image``: thresholds that keep shares of the change, measured on validation
        data; rising.
    architecture : str
        Name of the network; this and what follows is filled in by ``save_checkpoint``.
    options : dict
        Options it was built with.
    stride, halo : int
        Pixels that tile origins are multiples of, and that must be seen around a tile.
    windowed : bool
        The network looks at all of its input, so it is run in windows that overlap; see
        :mod:`geochange.nn.networks.windows`.
    halo_per_date : int
        Pixels that each date beyond two adds to the halo, for series.
    sha256 : str
        Of the weights.

    Raises
    ------
    UsageError
        Bands do not fit the normalisation, or a number is out of its range.

    Examples
    --------
    >>> from geochange.nn.normalization import SceneNormalization
    >>> rgb = tuple(Band(name) for name in ("red", "green", "blue"))
    >>> Card("demo", rgb, rgb, SceneNormalization()).bands
    (3, 3)
    """

    title: str
    bands_before: tuple[Band, ...]
    bands_after: tuple[Band, ...]
    normalization: Normalization
    gsd_m: tuple[float, float] | None = None
    threshold: float = 0.5
    temperature: float = 1.0
    classes: tuple[str, ...] = ("no change", "change")
    training: tuple[TrainingData, ...] = ()
    metrics: tuple[Metric, ...] = ()
    created: str = ""
    automatic: bool = True
    task: str = "pixels"
    image_px: int = 0
    recalls: tuple[Recall, ...] = ()
    architecture: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    stride: int = 1
    halo: int = 0
    windowed: bool = False
    halo_per_date: int = 0
    sha256: str = ""

    def __post_init__(self) -> None:
        counts = len(self.bands_before), len(self.bands_after)
        if min(counts) < 1 or max(counts) > MOST_BANDS:
            msg = f"a card needs 1 to {MOST_BANDS} bands for each date, got {counts}"
            raise UsageError(msg)
        if self.task not in TASKS or (self.task == "image") != bool(self.image_px):
            msg = (
                f"a card's task is one of {', '.join(TASKS)}, and 'image' needs the size of the "
                f"images, got '{self.task}' and {self.image_px} px"
            )
            raise UsageError(msg)
        fixed = self.normalization
        if isinstance(fixed, FixedNormalization) and fixed.bands != counts:
            msg = f"the card has {counts} bands but its normalisation is for {fixed.bands}"
            raise UsageError(msg)
        if not 0 < self.threshold < 1 or self.temperature <= 0:
            msg = (
                "a card needs a threshold between 0 and 1 and a temperature above 0, got "
                f"{self.threshold} and {self.temperature}"
            )
            raise UsageError(msg)

    @property
    def bands(self) -> tuple[int, int]:
        """Number of bands of the before and of the after date."""
        return len(self.bands_before), len(self.bands_after)
