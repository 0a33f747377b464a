"""What goes with labels into every format: classes, grid, where the images are, what made it."""

from __future__ import annotations

from typing import Any

from geochange.io.provenance import plain
from geochange.labels.content import Labels
from geochange.version import __version__


def describe_labels(labels: Labels) -> dict[str, Any]:
    """Return what somebody must know of labels, plain enough for JSON.

    Examples
    --------
    >>> describe_labels(labels)["schema_version"]  # doctest: +SKIP
    1
    """
    crs, states = labels.geobox.crs, labels.tiles["state"]
    return {
        "geochange": __version__,
        "schema_version": labels.schema_version,
        "schema": labels.schema.describe(),
        "crs": None if crs is None else str(crs),
        "affine": [float(v) for v in list(labels.geobox.affine)[:6]],
        "height": labels.shape[0],
        "width": labels.shape[1],
        "images": [] if labels.pair is None else labels.pair.paths,
        "tiles": {str(state): int(n) for state, n in states.value_counts().items()},
        **plain(labels.facts),
    }
