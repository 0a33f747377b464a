"""Dates of two sensors, from files to a mask."""

import json

import numpy as np
import pytest
import rasterio
from scipy import ndimage

import geochange as gc
from geochange.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:1 and 3 bands:geochange.errors.DataWarning")

QUICK = {"register": "off", "products": ("score", "mask")}


@pytest.fixture
def pair(write_raster):
    """One band before, two bent and inverted views of the same ground after."""
    ground = 30 * ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(90, 100)), 4)
    later = ground.copy()
    later[30:50, 40:64] += 3.0
    after = np.stack([100 - 10 * later, 5 * later**2, np.exp(later / 4)])
    dates = {"before": 50 + 20 * ground[None], "after": after}
    return [write_raster(f"{name}.tif", date.astype(np.float32)) for name, date in dates.items()]


def test_the_automatic_choice_finds_the_change(pair, tmp_path):
    gc.detect(*pair, tmp_path / "out", options={"steps": 200, "max_pixels": 2000}, **QUICK)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["method"]["name"] == "vae"
    assert run["method"]["reason"].startswith("1 band before and 3 after")
    with rasterio.open(tmp_path / "out" / "mask.tif") as dataset:
        mask = dataset.read(1) == 1
    assert mask[36:44, 46:58].mean() > 0.8
    assert mask[:, :30].mean() < 0.1


def test_too_few_pixels_leave_nothing_behind(write_raster, tmp_path):
    dates = [
        write_raster(f"{bands}.tif", np.random.default_rng(0).normal(size=(bands, 8, 9)))
        for bands in (1, 3)
    ]
    with pytest.raises(InputError, match="at least 100 valid pixels to learn from, found 72"):
        gc.detect(*dates, tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()
