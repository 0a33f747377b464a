import numpy as np
import pytest

from geochange.errors import BandError, UsageError
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization


def test_a_scaling_keeps_nan_and_leaves_its_input():
    pixels = np.array([[[1.0, np.nan]], [[-1e30, np.inf]]], np.float32)
    kept = pixels.copy()
    scaled = Scaling((1.0, 0.0), (2.0, 1.0)).apply(pixels)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, np.array([[[0, np.nan]], [[-10, 10]]]))
    np.testing.assert_array_equal(pixels, kept)


def test_batches_scale_like_images():
    pixels = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype(np.float32)
    scaling = Scaling((0.5, 0.1), (2.0, 3.0))
    np.testing.assert_array_equal(scaling.apply(pixels)[1], scaling.apply(pixels[1]))


def test_a_scene_is_scaled_by_its_percentiles_whatever_its_unit():
    rng = np.random.default_rng(0)
    pixels = rng.normal(0, 1, (10_000, 2)).astype(np.float32)
    before, after = SceneNormalization(2, 98).settle(pixels, 7 * pixels + 100)
    one = before.apply(pixels.T[..., None])
    other = after.apply((7 * pixels + 100).T[..., None])
    np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_allclose(
        np.percentile(one, [2, 98], axis=(1, 2)), [[-1, -1], [1, 1]], atol=1e-4
    )


def test_outliers_do_not_move_a_scene():
    pixels = np.random.default_rng(0).normal(0, 1, (1000, 1)).astype(np.float32)
    wild = np.vstack([pixels, np.full((5, 1), 1e6, np.float32)])
    one, other = (SceneNormalization().settle(p, p)[0] for p in (pixels, wild))
    assert other.spread[0] == pytest.approx(one.spread[0], rel=0.1)


def test_a_flat_band_divides_by_no_zero():
    flat = np.full((10, 2), 40, np.float32)
    flat[:, 1] = 0
    scaling, _ = SceneNormalization().settle(flat, flat)
    assert scaling.apply(flat.T[..., None]).tolist() == np.zeros((2, 10, 1)).tolist()


def test_a_fixed_one_does_not_look():
    fixed = FixedNormalization(Scaling((1.0,), (2.0,)), Scaling((3.0, 4.0), (5.0, 6.0)))
    nothing = np.empty((0, 1), np.float32)
    assert fixed.settle(nothing, nothing) == (fixed.before, fixed.after)
    assert fixed.bands == (1, 2)


def test_what_cannot_scale_is_refused():
    for centre, spread in (((1.0,), (0.0,)), ((1.0,), ()), ((np.nan,), (1.0,)), ((), ())):
        with pytest.raises(UsageError, match="a scaling needs"):
            Scaling(centre, spread)
    for low, high in ((98, 2), (-1, 50), (5, 5)):
        with pytest.raises(UsageError, match="percentiles must rise"):
            SceneNormalization(low, high)
    with pytest.raises(BandError, match="is for 1 bands, the pixels have 2"):
        Scaling((0.0,), (1.0,)).apply(np.zeros((2, 3, 3), np.float32))
