"""The histogram of validation scores on disk: what figures at any threshold are computed from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from geochange.errors import InputError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.files.atomic import replace_atomically
from geochange.io.stores.score import SCORE_LEVELS

HISTOGRAM = "validation.npz"
"""Name of the file in the folder of a training run."""


def write_histogram(path: Path, histogram: ScoreHistogram) -> None:
    """Write a histogram of stored scores by reference class.

    Examples
    --------
    >>> import tempfile
    >>> counts = np.arange(SCORE_LEVELS)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / HISTOGRAM
    ...     write_histogram(path, ScoreHistogram(counts, 2 * counts))
    ...     int(read_histogram(path).unchanged[-1])
    131068
    """
    with replace_atomically(path) as temporary:
        np.savez_compressed(temporary, changed=histogram.changed, unchanged=histogram.unchanged)


def read_histogram(path: Path) -> ScoreHistogram:
    """Read a file of :func:`write_histogram`.

    Raises
    ------
    InputError
        Not such a file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            counts = [arrays[name] for name in ("changed", "unchanged")]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        msg = f"cannot read the scores {path} ({error}); remove the run's folder and train it again"
        raise InputError(msg) from error
    if any(c.shape != (SCORE_LEVELS,) or c.dtype.kind not in "iu" for c in counts):
        msg = f"{path} holds no counts of {SCORE_LEVELS} scores; train the run again"
        raise InputError(msg)
    return ScoreHistogram(*(c.astype(np.int64) for c in counts))
