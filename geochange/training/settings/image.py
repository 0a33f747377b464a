"""Settings of learning whether a whole image changed."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.training.settings.checks import require


@dataclass(frozen=True)
class ImageConfig:
    """When a chip counts as changed, for the task ``image``.

    Attributes
    ----------
    changed_share : float
        Share of changed pixels among those whose label is known, above which a chip is changed.
    known_share : float
        Chips of which less is known say nothing.
    """

    changed_share: float = 0.0
    known_share: float = 0.5

    def __post_init__(self) -> None:
        share, known = self.changed_share, self.known_share
        require(0 <= share < 1, "image.changed_share", share, "in [0, 1)")
        require(0 < known <= 1, "image.known_share", known, "above 0, at most 1")
