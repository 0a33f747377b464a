"""Filters: what they do to noise and edges, and that tiles and invalid pixels change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.io.filters import median
from geochange.io.filters.median import MedianFilter
from geochange.io.filters.similar import SimilarMean
from geochange.io.filters.speckle import LeeFilter
from geochange.io.rasters.scene import describe_date, read_date
from geochange.testing import check_reader
from geochange.tiles import Window

FILTERS = {
    "median": MedianFilter(5),
    "nlm": SimilarMean((20.0, 10.0), 7, 5),
    "bilateral": SimilarMean((20.0, 10.0), 7, 1, is_bilateral=True),
    "lee": LeeFilter((4.0, 4.0), 7),
    "refined-lee": LeeFilter((4.0, 4.0), is_refined=True),
}


@pytest.fixture
def image(write_raster):
    """A noisy step with holes, and its reader."""
    rng = np.random.default_rng(0)
    step = np.where(np.arange(90) < 45, 200, 600)[None, None] * np.ones((2, 80, 90))
    pixels = step * rng.gamma(4, 0.25, step.shape)
    pixels[:, rng.random((80, 90)) < 0.05] = 0
    pixels[:, 30:50, 20:30] = 0
    pixels = pixels.astype(np.float32)
    scene = describe_date(write_raster("image.tif", pixels, nodata=0))
    return read_date(scene, (0, 1), scene.geobox)


@pytest.mark.parametrize("name", FILTERS)
def test_tiles_equal_the_whole_and_the_contract_of_readers_holds(image, name):
    reader = image.smooth(FILTERS[name])
    whole, valid = reader.read(Window(0, 0, 80, 90))
    for window in (Window(3, 40, 20, 11), Window(25, 15, 30, 30), Window(-4, 70, 30, 40)):
        pixels, known = reader.read(window)
        common = Window(0, 0, 80, 90).intersect(window)
        place, source = common.slices_in(window), common.slices_in(Window(0, 0, 80, 90))
        np.testing.assert_array_equal(pixels[:, *place], whole[:, *source])
        np.testing.assert_array_equal(known[place], valid[source])
    check_reader(reader, block=32)


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_invalid_has_no_say_and_stays(image, name):
    pixels, valid = image.read(Window(0, 0, 80, 90))
    other = np.where(valid, pixels, np.float32(1e6))
    smooth, again = (FILTERS[name].apply(some, valid) for some in (pixels, other))
    np.testing.assert_array_equal(smooth[:, valid], again[:, valid])
    assert (smooth[:, ~valid] == 0).all()


@pytest.mark.parametrize("name", FILTERS)
def test_bands_can_be_chosen(image, name):
    assert image.smooth(FILTERS[name]).take([1]).read(Window(0, 0, 9, 9))[0].shape == (1, 9, 9)


@pytest.mark.parametrize("name", ["lee", "refined-lee"])
def test_speckle_becomes_less_and_the_mean_and_the_edge_stay(name):
    rng = np.random.default_rng(1)
    step = np.where(np.arange(200) < 100, 200, 800)[None, None] * np.ones((1, 200, 200))
    pixels = (step * rng.gamma(4, 0.25, step.shape)).astype(np.float32)
    smooth = FILTERS[name].take([0]).apply(pixels, np.ones((200, 200), bool))[0]
    for part in (np.s_[10:190, 10:90], np.s_[10:190, 110:190]):
        assert smooth[part].mean() == pytest.approx(pixels[0][part].mean(), rel=0.02)
        assert smooth[part].std() < 0.5 * pixels[0][part].std()
    step_kept = smooth[10:-10, 101].mean() - smooth[10:-10, 98].mean()
    box = ndimage.uniform_filter(pixels[0], 7)
    assert step_kept > 1.5 * (box[10:-10, 101].mean() - box[10:-10, 98].mean())


def test_refined_lee_keeps_edges_better_than_lee():
    rng = np.random.default_rng(2)
    rows, cols = np.indices((160, 160))
    truth = np.where(rows + cols < 160, 100.0, 900.0)
    pixels = (truth * rng.gamma(4, 0.25, truth.shape)).astype(np.float32)[None]
    edge = np.abs(rows + cols - 160) <= 3
    off = [
        np.abs(FILTERS[name].take([0]).apply(pixels, np.ones(truth.shape, bool))[0] - truth)[
            edge
        ].mean()
        for name in ("lee", "refined-lee")
    ]
    assert off[1] < 0.8 * off[0]


def test_non_local_means_comes_near_that_of_scikit_image():
    from skimage.restoration import denoise_nl_means

    rng = np.random.default_rng(0)
    truth = 100 + 40 * (ndimage.gaussian_filter(rng.normal(size=(120, 120)), 6) > 0)
    noisy = (truth + rng.normal(0, 10, truth.shape)).astype(np.float32)
    ours = SimilarMean((10.0,), 11, 5).apply(noisy[None], np.ones(truth.shape, bool))[0]
    theirs = denoise_nl_means(noisy, 5, 5, h=8.0, sigma=10.0, fast_mode=False, preserve_range=True)
    errors = [np.sqrt(np.mean((date - truth)[8:-8, 8:-8] ** 2)) for date in (noisy, ours, theirs)]
    assert errors[1] < 1.1 * errors[2] < 0.5 * errors[0]


def test_a_faint_change_stands_out_of_noise_after_smoothing():
    rng = np.random.default_rng(0)
    change = np.zeros((80, 80))
    change[30:50, 30:50] = 1.5
    noisy = (rng.normal(0, 1, (3, 80, 80)) + change).astype(np.float32)
    smooth = SimilarMean((1.0, 1.0, 1.0)).apply(noisy, np.ones((80, 80), bool))

    def contrast(image):
        inner, outer = image[0, 33:47, 33:47], image[0, 10:25, 10:70]
        return (inner.mean() - outer.mean()) / outer.std()

    assert contrast(smooth) > 2 * contrast(noisy)


def test_the_median_near_scattered_nodata_is_sorted_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(1, 60, 60)).astype(np.float32)
    valid = rng.random((60, 60)) > 0.05
    whole = MedianFilter(9).apply(pixels, valid)
    sizes = []
    sort = median._median_of_known
    monkeypatch.setattr(median, "MEDIAN_VALUES", 1000)
    monkeypatch.setattr(median, "_median_of_known", lambda v: sizes.append(v.size) or sort(v))
    np.testing.assert_array_equal(MedianFilter(9).apply(pixels, valid), whole)
    assert max(sizes) <= 1000
