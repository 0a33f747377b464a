import numpy as np
import pytest

from geochange.errors import InputError
from geochange.evaluation.operating import (
    REPLICATES,
    choose_cut,
    choose_rows,
    count_block,
    describe_points,
    draw_weights,
)
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    codes = (rng.random(20_000) < 0.1).astype(np.uint8)
    score = 1 / (1 + np.exp(-(rng.normal(size=codes.size) + 2.5 * codes - 1)))
    return np.rint(score * 65534).astype(np.uint16), codes


def brute(levels, codes, cut):
    found = levels >= cut
    true = (found & (codes == 1)).sum()
    return true / found.sum(), true / (codes == 1).sum()


def test_a_wanted_precision_gives_the_most_recall(pixels):
    levels, codes = pixels
    cut = choose_cut(ScoreHistogram.count(*pixels), precision=0.7)
    assert brute(levels, codes, cut)[0] >= 0.7
    lower = np.unique(levels[levels < cut])
    assert all(brute(levels, codes, other)[0] < 0.7 for other in lower[-2000:])


def test_a_wanted_recall_gives_the_most_precision(pixels):
    levels, codes = pixels
    cut = choose_cut(ScoreHistogram.count(*pixels), recall=0.8)
    precision, recall = brute(levels, codes, cut)
    assert recall >= 0.8
    assert precision >= brute(levels, codes, cut - 900)[0]


def test_the_best_f1_is_that_of_the_histogram(pixels):
    histogram = ScoreHistogram.count(*pixels)
    assert choose_cut(histogram) * SCORE_SCALE == pytest.approx(histogram.best_threshold)


def test_a_precision_out_of_reach_is_said(pixels):
    levels, codes = pixels
    shuffled = np.random.default_rng(1).permutation(codes)
    with pytest.raises(InputError, match=r"no threshold reaches a precision of 0\.9"):
        choose_cut(ScoreHistogram.count(levels, shuffled), precision=0.9)


def test_rows_are_spread_over_recall(pixels):
    levels, codes = pixels
    rows = choose_rows(ScoreHistogram.count(*pixels))
    recalls = [brute(levels, codes, cut)[1] for cut in rows]
    assert (np.diff(rows) < 0).all()
    np.testing.assert_allclose(recalls, np.arange(1, 20) / 20, atol=2e-3)


def test_figures_and_intervals(pixels):
    levels, codes = pixels
    codes[:50] = 255
    levels[50:90] = SCORE_NODATA
    cuts = np.array([40000, 30000])
    parts = zip(np.split(levels, 100), np.split(codes, 100), strict=True)
    sums = [count_block(*part, cuts, number) for number, part in enumerate(parts)]
    total = sum(sums[1:], sums[0])
    known = (codes < 2) & (levels < SCORE_NODATA)
    for point, cut in zip(describe_points(cuts, total), cuts, strict=True):
        precision, recall = brute(levels[known], codes[known], cut)
        assert (point.precision, point.recall) == pytest.approx((precision, recall))
        low, high = point.recall_interval
        assert low < recall < high
        changed = (codes[known] == 1).sum()
        spread = np.sqrt(recall * (1 - recall) / changed)
        assert 2 * spread < high - low < 6 * spread


def test_draws_are_those_of_the_block():
    np.testing.assert_array_equal(draw_weights(5), draw_weights(5))
    assert draw_weights(5)[0] == 1
    assert (draw_weights(5) != draw_weights(6)).sum() > REPLICATES / 3
