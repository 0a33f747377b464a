from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

UTM = "EPSG:32633"
ORIGIN = (500_000.0, 5_000_000.0)


def transform_of(gsd=10.0, row=0, col=0):
    """North-up grid of ``gsd`` metres whose origin lies ``row, col`` pixels of 10 m further."""
    return Affine(gsd, 0, ORIGIN[0] + 10 * col, 0, -gsd, ORIGIN[1] - 10 * row)


@pytest.fixture
def write(tmp_path):
    """Write an array (H, W) as a GeoTIFF and return its path."""

    def write(name, pixels, *, crs=UTM, transform=None, nodata=None, scale=None):
        pixels = np.asarray(pixels)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=pixels.shape[0],
            width=pixels.shape[1],
            count=1,
            dtype=pixels.dtype,
            crs=crs,
            transform=(transform or transform_of()) if crs else transform,
            nodata=nodata,
        ) as dataset:
            dataset.write(pixels, 1)
            if scale is not None:
                dataset.scales = (scale,)
        return path

    return write
