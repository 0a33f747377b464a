"""What a sensitivity leaves: a table, a picture, the whole as JSON."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.detectability.facts import list_rows
from geochange.detectability.measuring import FALSE_ALARMS
from geochange.io.files.atomic import explain_failure
from geochange.io.files.outputs import write_json
from geochange.viz.detection import Panel, plot_detection
from geochange.viz.figures import NotebookFigure, figure_png

TABLE, PICTURE, FACTS = "sensitivity.csv", "sensitivity.png", "sensitivity.json"


def write_sensitivity(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``sensitivity.csv``, ``sensitivity.png`` and ``sensitivity.json``.

    Parameters
    ----------
    folder : Path
    facts : mapping
        Of :func:`geochange.detectability.facts.describe`, and what else is to be known.

    Raises
    ------
    OutputError, ResourceError
    """
    rows = list(list_rows(facts))
    with explain_failure(folder / TABLE), (folder / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with explain_failure(folder / PICTURE):
        (folder / PICTURE).write_bytes(draw_sensitivity(facts))
    write_json(folder / FACTS, facts)


def draw_sensitivity(facts: Mapping[str, Any], *, stacked: bool = False) -> bytes:
    """Draw the probability of detection by size and contrast as PNG; see :func:`figure_of`."""
    return figure_png(figure_of(facts, stacked=stacked))


def figure_of(facts: Mapping[str, Any], *, stacked: bool = False) -> NotebookFigure:
    """Draw the probability of detection, a panel for each threshold and kind of change.

    Parameters
    ----------
    facts : mapping
        Of :func:`geochange.detectability.facts.describe`.
    stacked : bool
        One panel a row, so that its numbers can be read in a column of text.
    """
    panels = [
        Panel(name_threshold(name, cut), f"{kind} change", _divide(found, cut["tried"]))
        for name, cut in facts["thresholds"].items()
        for kind, found in cut["found"].items()
    ]
    return plot_detection(
        panels,
        facts["sizes_px"],
        facts["contrasts_sigma"],
        across=1 if stacked else len(facts["kinds"]),
    )


def _divide(found: list[list[int]], tried: list[int]) -> NDArray[np.float64]:
    counts = np.array(found, np.float64)
    trials = np.broadcast_to(np.array(tried, np.float64)[:, None], counts.shape)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, trials, out=shares, where=trials > 0)
    return shares


def name_threshold(name: str, cut: Mapping[str, Any]) -> str:
    """Name a threshold above its panel."""
    score = "none" if cut["score"] is None else f"{cut['score']:.3f}"
    if name == FALSE_ALARMS:
        return f"false-alarm rate {cut['share_above']:.2g}, score {score}"
    return f"the run's own threshold, score {score}, reached by {cut['share_above']:.2g} of the px"
