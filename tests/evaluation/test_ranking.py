import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from geochange.evaluation import ScoreHistogram
from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE


def sample(seed, distinct=65535, size=4000):
    """Levels with ties that say something about a rare class."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(size) < 0.07).astype(np.uint8)
    score = np.clip(0.3 + 0.25 * truth + 0.15 * rng.standard_normal(size), 0, 1)
    step = 65534 // (distinct - 1)
    return (np.rint(score * (distinct - 1)) * step).astype(np.uint16), truth


@pytest.mark.parametrize(("seed", "distinct"), [(0, 65535), (1, 65535), (2, 12), (3, 2)])
def test_ranking_equals_scikit_learn(seed, distinct):
    levels, truth = sample(seed, distinct)
    histogram = ScoreHistogram.count(levels, truth)
    assert histogram.average_precision == pytest.approx(
        metrics.average_precision_score(truth, levels), abs=1e-12
    )
    assert histogram.roc_auc == pytest.approx(metrics.roc_auc_score(truth, levels), abs=1e-12)


@pytest.mark.parametrize("distinct", [65535, 12])
def test_curves_equal_scikit_learn(distinct):
    levels, truth = sample(5, distinct)
    histogram = ScoreHistogram.count(levels, truth)
    precision, recall, threshold = histogram.precision_recall_curve()
    theirs = metrics.precision_recall_curve(truth, levels)
    np.testing.assert_allclose(precision, theirs[0][-2::-1])
    np.testing.assert_allclose(recall, theirs[1][-2::-1])
    np.testing.assert_allclose(threshold / SCORE_SCALE, theirs[2][::-1])
    false_alarms, hits, _ = histogram.roc_curve()
    theirs = metrics.roc_curve(truth, levels, drop_intermediate=False)
    np.testing.assert_allclose(false_alarms, theirs[0][1:])
    np.testing.assert_allclose(hits, theirs[1][1:])


def test_best_threshold_is_the_best_of_all():
    levels, truth = sample(7, distinct=50)
    histogram = ScoreHistogram.count(levels, truth)
    every = [metrics.f1_score(truth, levels >= level) for level in np.unique(levels)]
    assert histogram.best_f1 == pytest.approx(max(every))
    chosen = levels * SCORE_SCALE >= histogram.best_threshold - 1e-9
    assert metrics.f1_score(truth, chosen) == pytest.approx(max(every))


@given(st.floats(0, 1))
def test_counts_at_a_threshold(threshold):
    levels, truth = sample(8, distinct=200, size=300)
    counts = ScoreHistogram.count(levels, truth).counts_at(threshold)
    mapped = levels >= threshold / SCORE_SCALE - 1e-6
    assert counts.tp == np.count_nonzero(mapped & (truth == 1))
    assert counts.fp == np.count_nonzero(mapped & (truth == 0))
    assert counts.compared == 300


@settings(max_examples=25)
@given(
    arrays.arrays(np.uint16, 40, elements=st.sampled_from([0, 7, 900, 65534, SCORE_NODATA])),
    arrays.arrays(np.uint8, 40, elements=st.sampled_from([0, 1, 255])),
    st.integers(0, 40),
)
def test_pooling_equals_concatenation(levels, truth, cut):
    whole = ScoreHistogram.count(levels, truth)
    parts = ScoreHistogram.count(levels[:cut], truth[:cut])
    parts += ScoreHistogram.count(levels[cut:], truth[cut:])
    np.testing.assert_array_equal(whole.changed, parts.changed)
    np.testing.assert_array_equal(whole.unchanged, parts.unchanged)
    known = (levels != SCORE_NODATA) & (truth != 255)
    assert whole.changed.sum() + whole.unchanged.sum() == known.sum()


def test_one_class_alone_is_undefined():
    levels = np.arange(10, dtype=np.uint16)
    quiet = ScoreHistogram.count(levels, np.zeros(10, np.uint8))
    assert math.isnan(quiet.average_precision)
    assert math.isnan(quiet.roc_auc)
    assert math.isnan(quiet.best_threshold)
    assert math.isnan(quiet.best_f1)
    assert all(curve.size == 0 for curve in quiet.precision_recall_curve() + quiet.roc_curve())
    loud = ScoreHistogram.count(levels, np.ones(10, np.uint8))
    assert loud.average_precision == loud.best_f1 == 1
    assert loud.best_threshold == 0
    assert math.isnan(loud.roc_auc)
