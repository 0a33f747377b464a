"""Training starts from the network of the run, else from the nearest, else from nothing."""

import numpy as np
import pytest

from geochange.alignment.pair import open_pair
from geochange.improvement.start import choose_start


@pytest.fixture
def open_bands(write_raster):
    def open_named(names, size_m=10):
        from affine import Affine

        transform = Affine(size_m, 0, 5e5, 0, -size_m, 5e6)
        pixels = np.ones((len(names), 16, 16), np.uint16)
        paths = [
            write_raster(f"{date}.tif", pixels, names=names, transform=transform) for date in "ab"
        ]
        return open_pair(*paths)

    return open_named


def test_the_network_of_the_run_comes_first(open_bands, shelf, tmp_path):
    shelf("near", ("red", "green", "blue"))
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"weights")
    pair = open_bands(("Red", "Green", "Blue"))
    run = {"method": {"name": "network"}, "sources": {"checkpoint": str(own)}}
    assert choose_start(run, pair) == own
    assert choose_start({"method": {"name": "network", "model": "near"}}, pair).stem == "near"
    own.unlink()
    assert choose_start(run, pair).stem == "near"


def test_the_nearest_by_bands_and_pixel_size(open_bands, shelf):
    shelf("rgb-fine", ("red", "green", "blue"), gsd_m=(0.3, 0.6))
    shelf("rgb", ("red", "green", "blue"), gsd_m=(8, 12))
    shelf("four", ("blue", "green", "red", "nir"), gsd_m=(8, 12))
    run = {"method": {"name": "cva"}}
    assert choose_start(run, open_bands(("Red", "Green", "Blue"))).stem == "rgb"
    assert choose_start(run, open_bands(("Blue", "Green", "Red", "NIR"))).stem == "four"
    assert choose_start(None, open_bands(("Red", "Green", "Blue"), 0.5)).stem == "rgb-fine"


def test_bands_that_no_network_knows_start_from_nothing(open_bands, shelf):
    shelf("rgb", ("red", "green", "blue"))
    assert choose_start(None, open_bands(("band 1", "band 2"))) is None
    assert choose_start(None, open_bands(("SWIR1", "SWIR2"))) is None
