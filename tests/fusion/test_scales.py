import numpy as np
import pytest
from scipy.stats import rankdata

from geochange.fusion.scales import find_knots, quantize, rarity, share_above, typical_share
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA


def histogram_of(levels):
    return np.bincount(levels, minlength=SCORE_LEVELS)


def test_rarity_is_the_rank_from_above():
    levels = np.random.default_rng(0).integers(0, 300, 2000)
    table = rarity(histogram_of(levels))
    rank = rankdata(-levels, method="max")
    np.testing.assert_allclose(np.exp(-table[levels]), rank / levels.size, rtol=1e-12)
    assert np.isnan(table[SCORE_NODATA])
    assert np.isfinite(table[:SCORE_NODATA]).all()


def test_scores_of_other_scales_have_the_same_rarity():
    score = np.random.default_rng(0).random(5000)
    first, second = (np.rint(s * 65534).astype(int) for s in (score, score**4 / 3))
    a, b = rarity(histogram_of(first))[first], rarity(histogram_of(second))[second]
    assert np.corrcoef(a, b)[0, 1] > 0.999


def test_a_share_is_never_nothing():
    histogram = histogram_of(np.array([0, 10, 20, 30000]))
    assert share_above(histogram, 0.4) == 0.25
    assert share_above(histogram, 0.9) == share_above(histogram, None) == 1 / 16
    assert typical_share(np.array([0.25, 1 / 16]), np.array([1.0, 1.0])) == pytest.approx(0.125)


def test_one_map_in_which_nothing_changed_does_not_silence_the_others():
    nothing, some = 1e-7, 0.04
    assert typical_share(np.array([nothing, some]), np.ones(2)) > some / 5
    assert typical_share(np.array([nothing, nothing]), np.ones(2)) == pytest.approx(nothing)


@pytest.mark.parametrize("share", [0.3, 0.01, 0.0011])
def test_a_share_of_the_pixels_reaches_one_half(share):
    value = np.random.default_rng(0).exponential(size=20000)
    top = value.max()
    knots = find_knots(histogram_of(quantize(value, top)), top, share)
    score = np.interp(value, *knots)
    assert (score >= 0.5).mean() == pytest.approx(share, abs=1e-4)
    assert score.min() >= 0
    assert score.max() == 1


def test_nothing_reaches_one_half_where_nothing_changed():
    value = np.random.default_rng(0).exponential(size=1000)
    top = value.max()
    knots = find_knots(histogram_of(quantize(value, top)), top, 1 / 4000)
    assert np.interp(value, *knots).max() < 0.5


def test_quantized_nodata_stays_nodata():
    assert quantize(np.array([0.0, 2.0, np.nan]), 2.0).tolist() == [0, 65534, SCORE_NODATA]
