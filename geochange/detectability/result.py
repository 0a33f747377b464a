"""A finished sensitivity: lazy views of the files in its directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geochange.detectability.facts import list_rows
from geochange.detectability.files import FACTS, PICTURE
from geochange.viz.pictured import PicturedFolder

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class Sensitivity(PicturedFolder):
    """How small and faint a change a method finds in a pair; a notebook shows its picture.

    Attributes
    ----------
    path : Path
        Directory with ``sensitivity.csv``, ``sensitivity.png`` and ``sensitivity.json``.

    Examples
    --------
    >>> found = Sensitivity(Path("limits"))  # doctest: +SKIP
    >>> print(found)  # doctest: +SKIP
    """

    FACTS, PICTURE = FACTS, PICTURE

    @property
    def table(self) -> pandas.DataFrame:
        """Probability of detection with its 95 % interval by threshold, kind, size, contrast."""
        import pandas as pd

        return pd.DataFrame(list_rows(self.facts))

    @property
    def limits(self) -> pandas.DataFrame:
        """Contrasts found with 50 and 90 % by threshold, kind and size; NaN where none is."""
        import pandas as pd

        return pd.DataFrame(self.facts["limits"]).astype(
            {"contrast_50": float, "contrast_90": float}
        )

    def __repr__(self) -> str:
        return f"<Sensitivity of {self.facts['method']['name']} | {self.facts['sentences'][0]}>"

    def __str__(self) -> str:
        return "\n".join(self.facts["sentences"])
