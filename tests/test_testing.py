import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import uniform_filter

from geochange.detectors.methods.cva import CVA
from geochange.testing import (
    ArrayPair,
    ArrayReader,
    check_detector,
    check_reader,
    coordinate_image,
    score_pair,
    synthetic_pair,
)
from geochange.tiles import TilePlan, Window

GEOBOX = GeoBox((50, 70), Affine(10, 0, 300, 0, -10, 900), "EPSG:32633")


class PerTileScale(CVA):
    """Standardises each tile by itself."""

    def score(self, before, after, valid):
        score = super().score(before, after, valid)
        score[valid] /= max(score[valid].max(initial=0.0), 1e-3)
        return score


class NoHalo(CVA):
    """Smooths without asking for a halo."""

    def score(self, before, after, valid):
        score = super().score(before, after, valid)
        smooth = uniform_filter(np.where(valid, score, 0), (0, 3, 3))
        return np.where(valid, smooth, np.nan).astype(np.float32)


class LeakingNaN(CVA):
    """Lets an invalid pixel spread."""

    halo = 1

    def score(self, before, after, valid):
        score = super().score(before, after, valid)
        return np.maximum(score, 0 * np.roll(score, 1, axis=-1))


class WritesToInput(CVA):
    def score(self, before, after, valid):
        after *= np.float32(1)
        before[:] = np.where(valid[:, None], before, 7)
        return super().score(before, after, valid)


class ChangesParameter(CVA):
    def fit(self, blocks):
        self.seed = 5
        return super().fit(blocks)


class LearnsFromHalos(CVA):
    """Takes its statistics from what the first tile happens to be."""

    def fit(self, blocks):
        return super().fit([next(iter(blocks))])


class ZeroWhereInvalid(CVA):
    def score(self, before, after, valid):
        return np.nan_to_num(super().score(before, after, valid))


class OutOfRange(CVA):
    def score(self, before, after, valid):
        return 3 * super().score(before, after, valid)


class Unpicklable(CVA):
    def fit(self, blocks):
        self.function_ = lambda: None
        return super().fit(blocks)


class Biased(CVA):
    """Finds change where there is none."""

    def score(self, before, after, valid):
        return 0.5 + super().score(before, after, valid) / 2


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (PerTileScale, "change nothing"),
        (NoHalo, "change nothing"),
        (LeakingNaN, "NaN exactly"),
        (WritesToInput, "inputs as they are"),
        (ChangesParameter, "parameters as __init__"),
        (LearnsFromHalos, "change nothing"),
        (ZeroWhereInvalid, "NaN exactly"),
        (OutOfRange, "scores lie in"),
        (Biased, "against itself scores at most 1e-05"),
    ],
)
def test_check_detector_finds_broken_rules(broken, rule):
    with pytest.raises(AssertionError, match=rule):
        check_detector(broken)


def test_check_detector_finds_what_does_not_pickle():
    with pytest.raises((AttributeError, TypeError)):
        check_detector(Unpicklable)


def test_check_detector_takes_an_instance_and_leaves_it_unfitted():
    detector = CVA(gain=True)
    check_detector(detector)
    assert not hasattr(detector, "noise_")


def test_coordinate_image_on_a_rotated_grid():
    affine = Affine.translation(500, 900) * Affine.rotation(30) * Affine.scale(10, -10)
    x, y = coordinate_image(GeoBox((4, 6), affine, None))
    assert x.dtype == np.float32
    assert (x[2, 5], y[2, 5]) == pytest.approx(affine * (5.5, 2.5))


class Failing(ArrayReader):
    def read(self, window):
        if Window(0, 0, *self.image.shape[1:]).intersect(window) is None:
            msg = "outside"
            raise IndexError(msg)
        return super().read(window)


class Shifted(ArrayReader):
    def read(self, window):
        image, valid = super().read(window)
        return image + np.float32(window.height), valid


class ValidOutside(ArrayReader):
    def read(self, window):
        image, valid = super().read(window)
        return image, np.ones_like(valid)


class Doubles(ArrayReader):
    def read(self, window):
        image, valid = super().read(window)
        return image.astype(np.float64), valid


@pytest.mark.parametrize("block", [16, 64, 200])
def test_check_reader_passes_a_good_reader(block):
    image = coordinate_image(GEOBOX)
    image[0, 3:9, 4:20] = np.nan
    check_reader(ArrayReader(image, GEOBOX, ("x", "y")), block=block)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (Failing, IndexError),
        (Shifted, AssertionError),
        (ValidOutside, AssertionError),
        (Doubles, AssertionError),
    ],
)
def test_check_reader_finds_broken_rules(broken, error):
    with pytest.raises(error):
        check_reader(broken(coordinate_image(GEOBOX), GEOBOX, ("x", "y")))


def test_synthetic_pair_holds_what_it_says():
    pair = synthetic_pair((80, 90), bands=2, gain=2, offset=5, noise=0, invalid=0.25)
    assert not pair.valid[:20].any()
    assert pair.valid[20:].all()
    difference = pair.after - (2 * pair.before + 5)
    same = pair.valid & ~pair.truth
    assert np.abs(difference[:, same]).max() < 1e-3
    assert np.abs(np.abs(difference[:, pair.valid & pair.truth]) - 120).max() < 1e-3
    assert 0.01 < pair.truth.mean() < 0.2


def test_synthetic_pair_is_seeded():
    one, same, other = (synthetic_pair((20, 20), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.after, same.after)
    assert not np.array_equal(one.after, other.after)


def test_blocks_cover_the_image_once():
    ones = np.ones((1, 23, 31), np.float32)
    pair = ArrayPair(ones, ones)
    owned = sum(int(b.owned.sum()) for b in pair.blocks(TilePlan(pair.shape, 8, halo=3)))
    assert owned == 23 * 31


def test_score_pair_writes_every_pixel():
    pair = synthetic_pair((23, 31), bands=2)
    detector = CVA().fit(pair.blocks(TilePlan(pair.shape, 8)))
    assert (score_pair(detector, pair, tile_size=8, batch_size=5) >= 0).all()
