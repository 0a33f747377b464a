import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

from geochange.evaluation import Counts, confusion_codes, count_pixels

codes = arrays.arrays(np.uint8, 60, elements=st.sampled_from([0, 1, 255]))


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = (rng.random(5000) < 0.1).astype(np.uint8)
    mask = np.where(rng.random(5000) < 0.15, 1 - truth, truth).astype(np.uint8)
    counts = count_pixels(mask, truth)
    assert counts.precision == pytest.approx(metrics.precision_score(truth, mask))
    assert counts.recall == pytest.approx(metrics.recall_score(truth, mask))
    assert counts.f1 == pytest.approx(metrics.f1_score(truth, mask))
    assert counts.iou == pytest.approx(metrics.jaccard_score(truth, mask))
    assert counts.accuracy == pytest.approx(metrics.accuracy_score(truth, mask))
    assert counts.kappa == pytest.approx(metrics.cohen_kappa_score(truth, mask))
    assert counts.prevalence == pytest.approx(truth.mean())
    assert counts.mapped_share == pytest.approx(mask.mean())


@given(codes, codes, st.integers(0, 60))
def test_pooling_equals_concatenation(mask, truth, cut):
    parts = count_pixels(mask[:cut], truth[:cut]) + count_pixels(mask[cut:], truth[cut:])
    assert parts == count_pixels(mask, truth)


@given(codes, codes)
def test_every_pixel_is_counted_once(mask, truth):
    counts = count_pixels(mask, truth)
    silent = np.count_nonzero((mask == 255) & (truth == 255))
    assert counts.compared + counts.ignored + counts.unmapped + silent == mask.size
    assert np.count_nonzero(confusion_codes(mask, truth) != 255) == counts.compared


def test_counts_do_not_overflow():
    huge = Counts(tp=10**12, fp=10**11, fn=10**11, tn=10**13)
    small = Counts(tp=100, fp=10, fn=10, tn=1000)
    assert huge.kappa == pytest.approx(small.kappa)


def test_undefined_scores_are_nan():
    nothing = Counts(tn=100)
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)
    assert math.isnan(nothing.f1)
    assert math.isnan(nothing.kappa)
    assert nothing.accuracy == 1
    missed = Counts(fn=3, tn=7)
    assert math.isnan(missed.precision)
    assert missed.f1 == missed.iou == missed.kappa == 0
    assert math.isnan(Counts().accuracy)
    everything = Counts(tp=5)
    assert everything.f1 == everything.iou == everything.accuracy == 1
    assert math.isnan(everything.kappa)
