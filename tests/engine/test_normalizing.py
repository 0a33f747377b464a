"""Normalisation of pairs of files whose gains and offsets are known."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import ndimage

import geochange as gc
from geochange.errors import UsageError
from geochange.tiles import Window

SHAPE = (300, 320)
GAIN, OFFSET = np.array([0.8, 1.25, 1.1, 0.9]), np.array([300.0, -200.0, 0.0, 120.0])
NAMES = ("Blue", "Green", "Red", "NIR")


@pytest.fixture
def make_pair(write_raster):
    """Write a pair: noise, another light, a quarter of the area changed, a corner without data."""

    def make(response=lambda image: image, *, names=NAMES, change=0.25, **options):
        rng = np.random.default_rng(0)
        ground = 2500 + 9000 * ndimage.gaussian_filter(rng.normal(size=(4, *SHAPE)), (0.5, 2, 2))
        before, after = ground + rng.normal(0, 25, (2, 4, *SHAPE))
        edge = int(SHAPE[0] * change**0.5)
        after[:, :edge, -edge:] = rng.permutation(after[:, :edge, -edge:], axis=1) + 800
        after = (response(after) - OFFSET[:, None, None]) / GAIN[:, None, None]
        after[:, :20, :20] = 0
        paths = [
            write_raster(f"{name}.tif", image.clip(0, 60000).astype(np.uint16), nodata=0,
                         names=names[: len(image)])
            for name, image in (("b", before), ("a", after))
        ]  # fmt: skip
        return gc.open_pair(*paths, **options)

    return make


@pytest.mark.parametrize("method", ["auto", "linear", "irmad"])
def test_gain_and_offset_are_found_and_taken_out(make_pair, method):
    pair = make_pair()
    found = gc.normalize(pair, method=method)
    assert found.applied
    np.testing.assert_allclose([fit.gain for fit in found.fits], GAIN, rtol=0.02)
    np.testing.assert_allclose([fit.offset for fit in found.fits], OFFSET, atol=50)
    block = found.apply(pair).read_window(Window(160, 0, 100, 100))
    assert abs(np.median(block.after - block.before, axis=(1, 2))).max() < 10
    assert not found.apply(pair).read_window(Window(0, 0, 20, 20)).after.any()  # no data
    again = gc.normalize(found.apply(pair))
    assert not again.applied, again.said
    assert "no nearer" in again.said


def test_a_curved_response_is_matched_by_histograms(make_pair):
    pair = make_pair(lambda image: 2500 * (image.clip(1) / 2500) ** 0.7, change=0.0)
    apart = []
    for method in ("linear", "histogram"):
        block = gc.normalize(pair, method=method).apply(pair).read_window(Window(0, 0, *SHAPE))
        off = block.after - ndimage.gaussian_filter(block.before, (0, 0, 0))
        apart.append(np.abs(off[:, block.valid]).mean())
    assert apart[1] < 0.9 * apart[0]


def test_masks_and_area_of_interest_count(make_pair, write_raster):
    cloud = np.zeros((1, *SHAPE), np.uint8)
    cloud[:, :, 100:] = 1
    pair = make_pair(mask_after=write_raster("mask.tif", cloud), aoi="9,45.1,9.1,45.2")
    found = gc.normalize(pair)
    assert found.pixels <= 300 * 100
    np.testing.assert_allclose([fit.gain for fit in found.fits], GAIN, rtol=0.02)


def test_the_answer_does_not_depend_on_threads_and_the_reader_pickles(make_pair):
    pair = make_pair()
    found = gc.normalize(pair, threads=1)
    assert gc.normalize(pair, threads=3) == found
    mapped = pickle.loads(pickle.dumps(found.apply(pair)))
    window = Window(100, 100, 50, 60)
    whole = found.apply(pair).after.read(Window(0, 0, *SHAPE))[0]
    np.testing.assert_array_equal(mapped.after.read(window)[0], whole[:, 100:150, 100:160])


def test_radar_is_left_alone_unless_told(make_pair):
    pair = make_pair(names=("VV", "VH", "HH", "HV"))
    found = gc.normalize(pair)
    assert not found.applied
    assert "radar" in found.said
    assert gc.normalize(pair, method="linear").applied


def test_dates_that_do_not_compare_are_left_and_it_is_said(write_raster):
    rng = np.random.default_rng(0)
    images = [rng.integers(1, 999, (bands, 100, 100)).astype(np.uint16) for bands in (2, 2, 3)]
    paths = [write_raster(f"{i}.tif", image) for i, image in enumerate(images)]
    unrelated = gc.normalize(gc.open_pair(*paths[:2]))
    assert not unrelated.applied
    assert "no band of one date follows the other" in unrelated.said
    with pytest.warns(match="bands"):
        uneven = gc.normalize(gc.open_pair(paths[0], paths[2]))
    assert "2 and 3 bands" in uneven.said
    empty = gc.open_pair(
        *paths[:2], mask_before=write_raster("m.tif", np.ones((1, 100, 100), "u1"))
    )
    assert "no pixel is valid" in gc.normalize(empty).said


def test_modes(make_pair):
    pair = make_pair()
    assert gc.normalize(pair, method="off").said == ""
    with pytest.raises(UsageError, match="unknown normalisation"):
        gc.normalize(pair, method="always")


def test_a_prepared_pair_is_registered_and_normalised_and_says_so(make_pair):
    pair = gc.prepare(make_pair())
    assert any(note.startswith("registration") for note in pair.notes)
    assert pair.notes[-1].startswith("radiometry: after date brought")
    block = pair.read_window(Window(160, 0, 100, 100))
    assert abs(np.median(block.after - block.before, axis=(1, 2))).max() < 10
