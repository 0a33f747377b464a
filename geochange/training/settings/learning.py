"""Settings of learning: network, loss, optimiser, validation, computing, card."""

from __future__ import annotations

from dataclasses import dataclass, field

from geochange.nn.checkpoints.fields import LONGEST_TEXT
from geochange.training.settings.checks import require, require_one

SCHEDULES = ("cosine", "poly", "constant")
PRECISIONS = ("fp32", "bf16")
DEFAULT_MODELS = {
    "pixels": "tinysiam",
    "image": "image",
    "series": "cnn-lstm",
}
"""Tasks, and the network that each takes where none is named."""


@dataclass(frozen=True)
class ModelConfig:
    """Network by the name that ``geochange.nn`` knows, and its options.

    Attributes
    ----------
    name : str
        ``tinysiam``, ``fc-ef``, ``fc-siam-conc``, ``fc-siam-diff``, ``unet``, ``snunet``, ``bit``,
        ``attention`` or ``siamese``; ``image`` for the task ``image``; for series ``cnn-lstm``,
        ``convlstm``, ``temporal-attention`` or ``two-dates``. Default: that of the checkpoint that
        training starts from, or else that of the task: ``tinysiam``, ``image``, ``cnn-lstm``.
    options : dict
        Of that network, such as ``{ widths = [8, 16, 32] }``.
    """

    name: str = ""
    options: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class LossConfig:
    """What is minimised.

    Attributes
    ----------
    name : str
        Terms joined by ``+``, each with an optional factor and numbers: ``bce``, ``ce``, ``dice``,
        ``focal:GAMMA``, ``tversky:FALSE_POSITIVE,FALSE_NEGATIVE``, ``lovasz``, ``ohem:SHARE``,
        ``contrastive:MARGIN``; such as ``"bce+0.5*lovasz"``.
    deep : float
        Weight of the coarser predictions of networks that give some; 0 leaves them out.
    class_weights : tuple of float
        Weights of no change and change.
    """

    name: str = "bce+dice"
    deep: float = 0.4
    class_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(self.deep >= 0, "loss.deep", self.deep, "0 or more")
        fits = len(self.class_weights) in (0, 2) and all(w > 0 for w in self.class_weights)
        require(fits, "loss.class_weights", list(self.class_weights), "two numbers above 0")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, its schedule, and the moving average of the weights.

    Attributes
    ----------
    learning_rate, weight_decay, clip_norm : float
        Norms and biases have no decay; gradients longer than ``clip_norm`` are shortened (0: none).
    warmup_steps : int
        Steps over which the learning rate rises at first; far fewer than ``steps``.
    schedule : str
        ``cosine``, ``poly`` or ``constant`` after the warm-up.
    power : float
        Exponent of ``poly``.
    accumulate : int
        Batches whose gradients make one step.
    ema : float
        Decay of the moving average of the weights, the one that is validated and kept.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    schedule: str = "cosine"
    power: float = 0.9
    clip_norm: float = 1.0
    accumulate: int = 1
    ema: float = 0.998

    def __post_init__(self) -> None:
        require_one("optimizer.schedule", self.schedule, SCHEDULES)
        rate = self.learning_rate
        require(0 < rate < 10, "optimizer.learning_rate", rate, "above 0 and below 10")
        require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "0 or more")
        require(self.warmup_steps >= 0, "optimizer.warmup_steps", self.warmup_steps, "0 or more")
        require(self.clip_norm >= 0, "optimizer.clip_norm", self.clip_norm, "0 or more")
        require(self.accumulate >= 1, "optimizer.accumulate", self.accumulate, "1 or more")
        require(0 <= self.ema < 1, "optimizer.ema", self.ema, "in [0, 1)")


@dataclass(frozen=True)
class ValidationConfig:
    """When and how the moving average of the weights is validated.

    Attributes
    ----------
    every_steps : int
        Steps between validations; the state to resume from is written then too.
    patience : int
        Validations without a better F1 after which training stops early; 0 never.
    keep : str
        Which weights become the checkpoint: ``best``, those with the highest F1, or ``last``, so
        that nothing but threshold and temperature is chosen on the validation scenes.
    tile_px, batch_size : int
        Tiles in which whole scenes are scored.
    """

    every_steps: int = 250
    patience: int = 0
    keep: str = "best"
    tile_px: int = 256
    batch_size: int = 8

    def __post_init__(self) -> None:
        for name, least in (("every_steps", 1), ("patience", 0), ("tile_px", 8), ("batch_size", 1)):
            value = getattr(self, name)
            require(value >= least, f"validation.{name}", value, f"{least} or more")
        require_one("validation.keep", self.keep, ("best", "last"))
        useless = self.patience > 0 and self.keep == "last"
        require(
            not useless, "validation.patience", self.patience, "0 with validation.keep = 'last'"
        )


@dataclass(frozen=True)
class ComputeConfig:
    """On what it runs; of these only precision, processes and threads change the weights.

    Attributes
    ----------
    accelerator : str
        ``auto``, ``cpu`` or ``cuda``.
    processes : int
        Processes, each with a device of its own (DistributedDataParallel).
    precision : str
        ``fp32``, or ``bf16`` for mixed precision.
    workers : int
        Threads that make batches ahead, per process; 0 makes them when asked for.
    threads : int
        Threads of torch per process; 0 leaves torch's choice.
    channels_last : bool
        Keep the channels of a pixel side by side in memory.
    """

    accelerator: str = "auto"
    processes: int = 1
    precision: str = "fp32"
    workers: int = 1
    threads: int = 0
    channels_last: bool = True

    def __post_init__(self) -> None:
        require_one("compute.accelerator", self.accelerator, ("auto", "cpu", "cuda"))
        require_one("compute.precision", self.precision, PRECISIONS)
        for name, least in (("processes", 1), ("workers", 0), ("threads", 0)):
            value = getattr(self, name)
            require(value >= least, f"compute.{name}", value, f"{least} or more")


@dataclass(frozen=True)
class CardConfig:
    """What the checkpoint's card says beyond what training itself knows.

    Attributes
    ----------
    description, data_terms : str
        One line on the network, and under which terms its training data may be used.
    gsd_m : tuple of float
        Least and greatest pixel size in metres; needed for images without a CRS only.
    automatic : bool
        Method ``auto`` may choose it for scenes that it fits, once it is shipped.
    """

    description: str = ""
    data_terms: str = ""
    gsd_m: tuple[float, ...] = ()
    automatic: bool = True

    def __post_init__(self) -> None:
        rising = not self.gsd_m or (len(self.gsd_m) == 2 and 0 < self.gsd_m[0] <= self.gsd_m[1])
        require(rising, "card.gsd_m", list(self.gsd_m), "two rising sizes in metres")
        for name in ("description", "data_terms"):
            text = getattr(self, name)
            short = len(text) <= LONGEST_TEXT
            require(short, f"card.{name}", f"{text[:60]}...", f"at most {LONGEST_TEXT} characters")
