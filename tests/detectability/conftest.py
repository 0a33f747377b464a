"""A pair of files that differ by noise alone."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.testing import synthetic_pair

NAMES = ("Blue", "Green", "Red", "NIR")


@pytest.fixture
def pair(write_raster) -> list[str]:
    """Two files of 120 x 150 px; the first 30 columns of the after date hold no data."""
    scene = synthetic_pair((120, 150), bands=4, seed=3, changes=0, gain=1.1, offset=5)
    after = scene.after.copy()
    after[:, :, :30] = 0
    return [
        str(write_raster(f"{name}.tif", image, names=NAMES, nodata=0))
        for name, image in (("a", scene.before), ("b", after.astype(np.float32)))
    ]
