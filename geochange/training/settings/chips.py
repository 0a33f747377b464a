"""Settings of the chips: which windows, what is done to them, what change is made."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.training.settings.checks import require


@dataclass(frozen=True)
class ChipConfig:
    """Which windows make a batch.

    Attributes
    ----------
    size_px, batch_size : int
        Edge of a chip, and chips in a batch over all processes.
    rich_share : float
        Share of the chips that are drawn around changed pixels; the others are drawn evenly.
    max_class_share : float
        Such a chip is drawn again while one class covers more than this share of it
        (``cat_max_ratio``), up to ``attempts`` times; the most even one is kept.
    attempts : int
    """

    size_px: int = 192
    batch_size: int = 8
    rich_share: float = 0.5
    max_class_share: float = 0.75
    attempts: int = 10

    def __post_init__(self) -> None:
        require(self.size_px >= 8, "chips.size_px", self.size_px, "8 or more")
        require(self.batch_size >= 1, "chips.batch_size", self.batch_size, "1 or more")
        require(0 <= self.rich_share <= 1, "chips.rich_share", self.rich_share, "in [0, 1]")
        even = 0.5 <= self.max_class_share <= 1
        require(even, "chips.max_class_share", self.max_class_share, "in [0.5, 1]")
        require(self.attempts >= 1, "chips.attempts", self.attempts, "1 or more")


@dataclass(frozen=True)
class AugmentConfig:
    """Chance and strength of what is done to a chip.

    Attributes
    ----------
    flip : bool
        Mirror and turn by quarters, all eight ways alike.
    exchange : float
        Chance that the dates change places.
    scale : float
        Chips are enlarged or shrunk by up to this factor; 1 leaves them.
    shift_px : float
        The dates are shifted against each other by up to this much in rows and columns.
    gain, offset : float
        Standard deviation of the logarithm of a gain and of an offset (in deviations of the band),
        drawn anew for each date, one part common to all bands and one per band.
    noise : float
        Noise of up to this many deviations of the band is added.
    drop_bands : float
        Chance that a band is set to its mean, the same bands at both dates; one always stays. It
        keeps a network of many bands from leaning on a few.
    """

    flip: bool = True
    exchange: float = 0.5
    scale: float = 1.0
    shift_px: float = 0.5
    gain: float = 0.1
    offset: float = 0.1
    noise: float = 0.0
    drop_bands: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.exchange <= 1, "augment.exchange", self.exchange, "in [0, 1]")
        require(1 <= self.scale <= 4, "augment.scale", self.scale, "in [1, 4]")
        require(0 <= self.shift_px <= 8, "augment.shift_px", self.shift_px, "in [0, 8]")
        require(0 <= self.drop_bands < 1, "augment.drop_bands", self.drop_bands, "in [0, 1)")
        for name in ("gain", "offset", "noise"):
            require(0 <= getattr(self, name) <= 2, f"augment.{name}", getattr(self, name), "0 to 2")


@dataclass(frozen=True)
class SynthesisConfig:
    """Shares of the chips whose change, or lack of it, is made.

    Attributes
    ----------
    copy_paste : float
        Changed objects of another labelled chip are pasted, both dates of them.
    patches : float
        One date alone, with patches exchanged within it and with another scene (after I3PE); all
        chips of scenes without labels that are not ``unchanged`` ones are of this kind.
    unchanged : float
        One date alone, against itself: no change whatever radiometry and shift do.
    """

    copy_paste: float = 0.0
    patches: float = 0.0
    unchanged: float = 0.05

    def __post_init__(self) -> None:
        for name in ("copy_paste", "patches", "unchanged"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"synthesis.{name}", value, "in [0, 1]")
        total = self.patches + self.unchanged
        require(total <= 1, "synthesis.patches + synthesis.unchanged", total, "at most 1")
