"""Settings of networks that look at many dates."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.training.settings.checks import require


@dataclass(frozen=True)
class SeriesConfig:
    """Chips of many dates, for ``task = "series"``.

    Attributes
    ----------
    dates : tuple of int
        Least and most dates of a chip; which ones is drawn, so that gaps and spacings differ.
    paste : float
        Share of the chips in which ground is exchanged: parts of a chip begin to look like other
        parts of it, at once or over some dates, or move. Chips without labels always get some.
    density : float
        Exchanged parts for each 1000 px.
    reverse : float
        Chance that time runs backwards: what appears then disappears.
    date_weight : float
        Weight of telling the right date, beside that of telling change.
    """

    dates: tuple[int, ...] = (6, 24)
    paste: float = 0.5
    density: float = 8.0
    reverse: float = 0.5
    date_weight: float = 0.5

    def __post_init__(self) -> None:
        rising = len(self.dates) == 2 and 2 <= self.dates[0] <= self.dates[1]
        require(rising, "series.dates", list(self.dates), "two rising numbers of dates from 2 on")
        require(0 <= self.paste <= 1, "series.paste", self.paste, "in [0, 1]")
        require(0 < self.density <= 100, "series.density", self.density, "above 0, at most 100")
        require(0 <= self.reverse <= 1, "series.reverse", self.reverse, "in [0, 1]")
        require(self.date_weight >= 0, "series.date_weight", self.date_weight, "0 or more")
