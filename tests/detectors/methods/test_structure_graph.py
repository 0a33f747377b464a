import numpy as np
import pytest

from geochange.detectors.base import plan_tiles
from geochange.detectors.methods.structure_graph import StructureGraph
from geochange.errors import InputError, UsageError
from geochange.testing import ArrayPair, score_pair


def make_pair(seed=0):
    """Fields of five kinds; each sensor sees them in its own, unordered way."""
    rng = np.random.default_rng(seed)
    kinds = np.kron(rng.integers(0, 5, (10, 10)), np.ones((8, 8), int))
    truth = np.zeros(kinds.shape, bool)
    truth[24:40, 32:56] = True
    later = np.where(truth, (kinds + 2) % 5, kinds)
    before = np.array([10.0, 90, 30, 60, 45])[kinds][None]
    after = np.array([[5.0, 7, 1, 9, 3], [100, 120, 180, 110, 150]])[:, later]
    noise = [rng.normal(0, 0.02 * date.std(), date.shape) for date in (before, after)]
    dates = [d + n for d, n in zip((before, after), noise, strict=True)]
    return ArrayPair(*(date.astype(np.float32) for date in dates)), truth


def fit(detector, pair):
    return detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 50)))


def test_change_is_found_though_no_band_is_common():
    pair, truth = make_pair()
    score = score_pair(fit(StructureGraph(anchors=500), pair), pair, tile_size=80)
    inside, outside = score[28:36, 38:50], score[60:]
    assert np.median(inside) > 0.5 > np.quantile(outside, 0.9)
    assert np.median(inside) > 2 * np.median(outside)
    assert truth[28:36, 38:50].all()


def test_values_of_the_other_sensor_may_be_anything():
    pair, _ = make_pair()
    detector = StructureGraph(anchors=300)
    plain = score_pair(fit(detector, pair), pair, tile_size=80)
    other = ArrayPair(pair.before, -1000 * pair.after + 7)
    np.testing.assert_allclose(
        score_pair(fit(detector, other), other, tile_size=80), plain, atol=0.02
    )


def test_anchors_that_changed_leave_the_graph():
    pair, truth = make_pair()
    detector = fit(StructureGraph(anchors=600), pair)
    assert 200 <= len(detector.anchors_[0]) < 600 * (1 - truth.mean() / 2)


def test_constant_dates_score_nothing():
    flat = np.full((2, 30, 30), 5, np.float32)
    pair = ArrayPair(flat, flat[:1] * 3)
    assert (score_pair(fit(StructureGraph(), pair), pair, tile_size=30) == 0).all()


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="a third of the anchors, got 20 of 40"):
        StructureGraph(anchors=40)
    with pytest.raises(UsageError, match="context must be a positive odd number"):
        StructureGraph(context=4)
    small = np.ones((1, 6, 6), np.float32)
    with pytest.raises(InputError, match="needs at least 60 valid pixels, found 36"):
        fit(StructureGraph(), ArrayPair(small, small))
    with pytest.raises(InputError, match="no pixel is valid"):
        fit(StructureGraph(), ArrayPair(small * np.nan, small))
