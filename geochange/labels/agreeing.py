"""Agreement of several people as a folder: figures, where they differ, what most of them say."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geochange.io.files.outputs import new_folder, write_json
from geochange.labels.agreement import Agreement, measure_comparison
from geochange.labels.chips import write_chips
from geochange.labels.comparison import compare
from geochange.labels.consensus import find_consensus
from geochange.labels.content import Labels
from geochange.labels.conversion import export
from geochange.labels.differences import write_differences
from geochange.labels.mask import write_mask


def write_agreement(
    people: Mapping[str, Labels],
    folder: str | os.PathLike[str],
    *,
    least: int = 2,
    chips: Mapping[str, Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    overwrite: bool = False,
) -> Agreement:
    """Write a folder on the agreement of several people.

    ``agreement.json`` holds the figures, ``tiles.csv`` those of each tile; ``disagreement.tif`` (0
    agree, 1 change or not, 2 which class, 255 fewer than two know) and ``disagreement.gpkg`` where
    they differ; ``consensus.gpkg`` and ``consensus.tif`` what most of them say, see
    :func:`~geochange.labels.consensus.find_consensus`.

    Parameters
    ----------
    people : mapping of str to Labels
    folder : path
        To create; appears complete or not at all.
    least : int
        How many people must know a pixel of the consensus.
    chips : mapping, optional
        Write ``consensus`` too, a folder of chips, with these arguments of
        :func:`~geochange.labels.chips.write_chips`.
    resamples, seed : int
    overwrite : bool

    Raises
    ------
    GridError, InputError, UsageError, OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> write_agreement({"ann": first, "bob": second}, "agreement")  # doctest: +SKIP
    """
    comparison = compare(people)
    target = Path(folder)
    with new_folder(target, overwrite=overwrite) as partial_folder:
        found = measure_comparison(comparison, resamples, seed)
        consensus = find_consensus(comparison, least)
        write_json(partial_folder / "agreement.json", {"kind": "agree", **found.to_dict()})
        _write_tiles(found, partial_folder / "tiles.csv")
        write_differences(comparison, found, partial_folder)
        export(consensus, partial_folder / "consensus.gpkg")
        write_mask(consensus, partial_folder / "consensus.tif")
        if chips is not None:
            write_chips(consensus, partial_folder / "consensus", **chips)
    return found


def _write_tiles(found: Agreement, path: Path) -> None:
    scores = found.counts.scores()
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["tile", *scores])
        for row, tile in enumerate(found.tiles):
            values = (float(column[row]) for column in scores.values())
            table.writerow([tile, *(f"{v:.6g}" if math.isfinite(v) else "" for v in values)])
