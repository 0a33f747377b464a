"""Settings of a training that goes on from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.training.settings.checks import require, require_one

NORMALIZATIONS = ("data", "keep")


@dataclass(frozen=True)
class StartConfig:
    """Weights to start from; without a checkpoint they are random.

    Attributes
    ----------
    checkpoint : str
        File of an earlier training, relative to the config file, or name of a shipped network
        (``building``). Architecture and options are taken from it.
    sha256 : str
        Of its weights; filled in when training starts, and compared when given.
    frozen_stages : int
        Stages of the encoder, from the image on, that stay as they are, statistics of their batch
        normalisation included.
    frozen : tuple of str
        Modules that stay too, by name: ``"encoder"``, ``"decoder"``, ``"encoder.levels.0"``.
    fresh : tuple of str
        Modules that begin with random weights after all, such as ``"head"``.
    learning_rate_factor : float
        Of what comes from the checkpoint, relative to what is new (the first layer where there are
        new bands, and ``fresh`` modules).
    normalization : str
        ``data``: measured on the training scenes as ``data.normalization`` says; ``keep``: that of
        the checkpoint for the bands that it knows.
    """

    checkpoint: str = ""
    sha256: str = ""
    frozen_stages: int = 0
    frozen: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    learning_rate_factor: float = 1.0
    normalization: str = "data"

    def __post_init__(self) -> None:
        require_one("start.normalization", self.normalization, NORMALIZATIONS)
        stages, factor = self.frozen_stages, self.learning_rate_factor
        require(stages >= 0, "start.frozen_stages", stages, "0 or more")
        require(0 < factor <= 1, "start.learning_rate_factor", factor, "above 0 and at most 1")
        asked = bool(self.frozen_stages or self.frozen or self.fresh or factor != 1)
        asked = asked or self.normalization != "data"
        msg = "named: the other settings of [start] are about its weights"
        require(bool(self.checkpoint) or not asked, "start.checkpoint", self.checkpoint, msg)
