"""A finished explanation: lazy views of the files in its directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geochange.explanation.files import ATTRIBUTION, FACTS, PICTURE
from geochange.viz.pictured import PicturedFolder

if TYPE_CHECKING:
    import pandas
    import xarray


@dataclass(frozen=True, repr=False)
class Explanation(PicturedFolder):
    """Why a part of a map was called change; a notebook shows its picture.

    Attributes
    ----------
    path : Path
        Directory with ``attribution.tif``, ``explanation.png`` and ``explanation.json``.

    Examples
    --------
    >>> found = Explanation(Path("explained"))  # doctest: +SKIP
    >>> found.bands  # doctest: +SKIP
    """

    FACTS, PICTURE = FACTS, PICTURE

    @property
    def mean_score(self) -> float:
        """Mean change score of the box: what is explained."""
        return float(self.facts["mean_score"])

    @property
    def bands(self) -> pandas.DataFrame:
        """Table of bands, most important first: what the mean score loses without each."""
        import pandas as pd

        table = pd.DataFrame(self.facts["bands"])
        return table.sort_values("importance", ascending=False, ignore_index=True)

    def open(self) -> xarray.DataArray:
        """Open the attributions as xarray, dimensions ``(band, y, x)``; positive means change."""
        import rioxarray

        opened: Any = rioxarray.open_rasterio(self.path / ATTRIBUTION)
        names = opened.attrs.get("long_name", ())
        named: xarray.DataArray = opened.assign_coords(
            band=[names] if isinstance(names, str) else list(names)
        )
        return named.rename("attribution")

    def __repr__(self) -> str:
        facts = self.facts
        size = f"{facts['window']['height']} x {facts['window']['width']} px"
        return f"<Explanation {size} | {facts['method']} | mean score {self.mean_score:.3f}>"

    def __str__(self) -> str:
        facts = self.facts
        lines = [f"mean score {self.mean_score:.3f}, {facts['valid_pixels']:,} valid pixels"]
        lines += [
            f"{row['date']}: attributions add up to {row['sum']:.4f} of {row['expected']:.4f} "
            f"(error {row['completeness_error']:+.1e}; {row['outside_bbox']:.4f} outside the box)"
            for row in facts["attribution"].get("dates", ())
        ]
        lines += [
            f"{row['importance']:+8.4f} without {row['date']} {row['band']}"
            for row in [*facts["dates"], *self.bands.to_dict("records")]
        ]
        return "\n".join(lines)
