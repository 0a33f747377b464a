"""Settings of learning from scenes without labels."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.training.settings.checks import require
from geochange.training.settings.data import SourceConfig


@dataclass(frozen=True)
class UnlabelledConfig:
    """Scenes without labels, and what is learnt from them.

    A network must agree with its own moving average on them, see :mod:`.consistency`.

    Attributes
    ----------
    sources : tuple of SourceConfig
        As in ``[data]``; labels that lie beside the images are not opened.
    weight : float
        Of their loss beside that of the labelled chips.
    ramp_steps : int
        Steps over which the weight grows from nearly 0: at first there is nothing to imitate.
    confidence : float
        Pixels count where the teacher is at least so sure of change, or of no change.
    batch_size : int
        Their chips in a batch, over all processes.
    gain, offset, noise : float
        Radiometry of the strong view, as in ``[augment]``.
    cutmix : float
        Chance that a rectangle of a strong view comes from the next chip of the batch.
    """

    sources: tuple[SourceConfig, ...] = ()
    weight: float = 1.0
    ramp_steps: int = 400
    confidence: float = 0.95
    batch_size: int = 8
    gain: float = 0.3
    offset: float = 0.3
    noise: float = 0.2
    cutmix: float = 0.5

    def __post_init__(self) -> None:
        require(0 < self.weight <= 100, "unlabelled.weight", self.weight, "above 0, at most 100")
        require(self.ramp_steps >= 0, "unlabelled.ramp_steps", self.ramp_steps, "0 or more")
        sure = 0.5 <= self.confidence < 1
        require(sure, "unlabelled.confidence", self.confidence, "in [0.5, 1)")
        require(self.batch_size >= 1, "unlabelled.batch_size", self.batch_size, "1 or more")
        require(0 <= self.cutmix <= 1, "unlabelled.cutmix", self.cutmix, "in [0, 1]")
        for name in ("gain", "offset", "noise"):
            value = getattr(self, name)
            require(0 <= value <= 2, f"unlabelled.{name}", value, "0 to 2")
