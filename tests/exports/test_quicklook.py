import io

import numpy as np
import shapely
from PIL import Image

from geochange.alignment.pair import open_pair
from geochange.exports.quicklook import Quicklook, draw_thumbnails


def test_a_thumbnail_outlines_its_own_change_alone(write_raster):
    flat = np.full((3, 60, 60), 100, np.uint8)
    paths = [write_raster(f"{name}.tif", flat) for name in ("before", "after")]
    limits = [(0.0, 200.0)] * 3
    empty = np.zeros((1, 1, 4), np.uint8)
    quicklook = Quicklook(empty, empty, (limits, limits), True, (0, 1, 2))
    change = shapely.box(20, 20, 40, 40)
    before, after = draw_thumbnails(open_pair(*paths), quicklook, change)
    first, second = (
        np.asarray(Image.open(io.BytesIO(image)).convert("RGB")).astype(int)
        for image in (before, after)
    )
    assert np.ptp(first) < 12
    side = second.shape[0] / 48  # the window is 48 px wide, with the change in its middle
    red = second[..., 0] - second[..., 1] > 60
    rows, cols = np.nonzero(red)
    for found in (rows, cols):
        np.testing.assert_allclose([found.min() / side, found.max() / side], [14, 34], atol=1)
    assert not red[int(18 * side) : int(30 * side), int(18 * side) : int(30 * side)].any()
