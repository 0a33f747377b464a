"""Regressions of many pixels at once: right, and the same for a pixel whatever stands beside it."""

import numpy as np
import pytest

from geochange.series.lasso import shrink
from geochange.series.regression import contract, harmonic_terms, solve
from geochange.series.robust import fit_robustly

BANDS, DATES, PIXELS = 3, 40, 7


@pytest.fixture
def series():
    rng = np.random.default_rng(2)
    days = np.sort(rng.integers(735_000, 737_000, (DATES, PIXELS)), axis=0)
    terms = harmonic_terms(days, 736_000)
    values = 500 + 200 * terms[2] + 20 * rng.standard_normal((BANDS, DATES, PIXELS))
    return terms, values.transpose(1, 0, 2)


def sums(terms, values):
    return contract("itp,jtp->ijp", terms, terms), contract("itp,tcp->icp", terms, values)


def test_normal_equations_are_solved_like_numpy_does(series):
    terms, values = series
    found = solve(*sums(terms, values), 0.0)
    for pixel in range(PIXELS):
        other = np.linalg.lstsq(terms[..., pixel].T, values[..., pixel], rcond=None)[0]
        np.testing.assert_allclose(found[..., pixel], other, rtol=1e-6, atol=1e-6)


def test_the_lasso_shrinks_waves_and_leaves_the_level(series):
    gram, moments = sums(*series)
    count = np.full(PIXELS, float(DATES))
    free = shrink(gram, moments, count, np.zeros((BANDS, PIXELS)))
    np.testing.assert_allclose(free, solve(gram, moments, 0.0), rtol=1e-3, atol=0.05)
    bare = shrink(gram, moments, count, np.full((BANDS, PIXELS), 1e6))
    assert not bare[2:].any()
    assert np.abs(bare[0]).min() > 300
    mild = shrink(gram, moments, count, np.full((BANDS, PIXELS), 4.0))
    assert np.abs(mild[2]).max() < np.abs(free[2]).max()


def test_a_cloud_does_not_move_a_robust_fit(series):
    terms, values = series
    rows, known = terms[:4].transpose(1, 0, 2), np.ones((DATES, PIXELS), bool)
    clean, _ = fit_robustly(rows, values, known)
    values[11] += 4000
    found, residuals = fit_robustly(rows, values, known)
    assert np.abs(found - clean).max() < 30
    assert residuals[11].min() > 3500


def test_a_pixel_alone_gives_the_same_bits(series):
    terms, values = series
    rows, known = terms[:4].transpose(1, 0, 2), np.ones((DATES, PIXELS), bool)
    gram, moments = sums(terms, values)
    penalty, count = np.full((BANDS, PIXELS), 4.0), np.full(PIXELS, float(DATES))
    together = shrink(gram, moments, count, penalty), fit_robustly(rows, values, known)[0]
    for pixel in range(PIXELS):
        one = np.s_[..., pixel : pixel + 1]
        own = sums(terms[one], values[one])
        alone = (
            shrink(*own, count[one], penalty[one]),
            fit_robustly(rows[one], values[one], known[one])[0],
        )
        for many, single in zip(together, alone, strict=True):
            np.testing.assert_array_equal(many[one], single)
