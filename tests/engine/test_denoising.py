from __future__ import annotations

import pickle

import numpy as np
import pytest

import geochange as gc
from geochange.errors import InputError, UsageError
from geochange.radiometry.denoising import Denoising
from geochange.tiles import Window


@pytest.fixture
def radar(write_raster):
    rng = np.random.default_rng(0)
    dates = [300 * rng.gamma(looks, 1 / looks, (1, 300, 300)) for looks in (4, 9)]
    paths = [
        write_raster(f"{name}.tif", date.astype(np.float32), names=["VV"])
        for name, date in zip("ba", dates, strict=True)
    ]
    return gc.open_pair(*paths)


def test_looks_are_measured_for_each_date_and_said(radar):
    found = gc.denoise(radar, method="lee")
    np.testing.assert_allclose([looks for (looks,) in found.strengths], [4, 9], rtol=0.15)
    assert "smoothed by lee over 7 x 7 px" in found.said
    assert "looks, as measured" in found.said
    smooth = found.apply(radar)
    assert smooth.notes[-1] == found.said
    window = Window(50, 50, 100, 100)
    block, bare = smooth.read_window(window), radar.read_window(window)
    assert block.before.std() < 0.5 * bare.before.std()
    again = pickle.loads(pickle.dumps(Denoising.recall(found.store()).apply(radar)))
    np.testing.assert_array_equal(again.read_window(window).after, block.after)


def test_given_looks_are_taken(radar):
    found = gc.denoise(radar, method="refined-lee", looks=3)
    assert found.strengths == ((3,), (3,))
    assert found.said.endswith("3 and 3 looks, as given")


def test_noise_is_measured_once_for_the_scene(radar):
    found = gc.denoise(radar, method="nlm", threads=1)
    assert found.strengths[0][0] == pytest.approx(150, rel=0.15)
    assert gc.denoise(radar, method="nlm", threads=3) == found
    assert gc.denoise(radar, method="median").strengths == ((), ())


def test_none_is_the_pair_itself_and_wrong_settings_are_one_line(radar, write_raster):
    assert gc.denoise(radar, method="none").apply(radar) is radar
    for wrong, said in {
        "unknown filter 'lea'; did you mean 'lee'": {"method": "lea"},
        "window is an odd number from 3": {"method": "lee", "window": 4},
        "refined-lee has a window of 7 px": {"method": "refined-lee", "window": 5},
        "looks are a number above 0 for lee": {"method": "median", "looks": 3},
        "looks are a number above 0 .* got nan": {"method": "lee", "looks": float("nan")},
        "window of 5 px smooths nothing without a filter": {"method": "none", "window": 5},
    }.items():
        with pytest.raises(UsageError, match=wrong):
            gc.denoise(radar, **said)
    decibel = write_raster("db.tif", np.full((1, 60, 60), -12.5, np.float32), names=["VV"])
    with pytest.raises(InputError, match="convert decibels"):
        gc.denoise(gc.open_pair(decibel, decibel), method="lee")


def test_a_few_negative_pixels_in_one_place_do_not_make_a_scene_decibels(write_raster):
    rng = np.random.default_rng(0)
    pixels = (300 * rng.gamma(4, 0.25, (1, 512, 512))).astype(np.float32)
    pixels[:, :40, :40] *= -1
    path = write_raster("calibrated.tif", pixels, names=["VV"])
    assert gc.denoise(gc.open_pair(path, path), method="lee").strengths[0][0] > 3
