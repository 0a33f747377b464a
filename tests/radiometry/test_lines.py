from __future__ import annotations

import numpy as np
import pytest

from geochange.radiometry.lines import agreement, fit_trimmed, fit_weighted

GAIN, OFFSET = np.array([1.3, 0.8, 1.0]), np.array([-40.0, 25.0, 0.0])


@pytest.fixture
def dates():
    """Values of two dates, noise on both, 30 % changed."""
    rng = np.random.default_rng(1)
    ground = rng.gamma(4, 50, (20_000, 1)) * [1.0, 0.8, 1.2] + rng.normal(0, 30, (20_000, 3))
    x, y = ground + rng.normal(0, 4, (2, 20_000, 3))
    y[:6000] = rng.permutation(y[:6000]) + 150
    return x, GAIN * y + OFFSET


def test_changed_pixels_do_not_move_the_lines(dates):
    lines = fit_trimmed(*dates)
    np.testing.assert_allclose(lines.gain, GAIN, rtol=0.01)
    np.testing.assert_allclose(lines.offset, OFFSET, atol=2)
    assert lines.invariant[:6000].mean() < 0.1
    assert lines.invariant[6000:].mean() > 0.9


def test_the_way_back_has_the_inverse_lines(dates):
    x, y = dates
    there, back = fit_trimmed(x, y), fit_trimmed(y, x)
    np.testing.assert_allclose(there.gain * back.gain, 1, rtol=1e-6)


def test_another_gain_of_a_date_gives_the_same_pixels(dates):
    x, y = dates
    there, other = fit_trimmed(x, y), fit_trimmed(x * [0.7, 1.4, 20] + [5, -7, 900], y)
    assert (there.invariant == other.invariant).mean() > 0.999
    np.testing.assert_allclose(other.gain * [0.7, 1.4, 20], there.gain, rtol=1e-4)


def test_weights_choose_the_pixels(dates):
    x, y = dates
    weights = np.zeros(len(x))
    weights[6000:] = 0.99
    lines = fit_weighted(x, y, weights, 0.95)
    np.testing.assert_allclose(lines.gain, GAIN, rtol=0.01)
    assert lines.invariant.sum() == 14_000


def test_constant_bands_are_left_and_harm_no_other(dates):
    x, y = (date.copy() for date in dates)
    x[:, 1] = 7
    lines = fit_trimmed(x, y)
    assert (lines.gain[1], lines.offset[1]) == (1, 0)
    np.testing.assert_allclose(lines.gain[[0, 2]], GAIN[[0, 2]], rtol=0.01)
    nothing = fit_trimmed(np.ones((50, 2)), np.ones((50, 2)))
    assert nothing.gain.tolist() == [1, 1]
    assert not nothing.invariant.any()


def test_a_band_that_is_flat_where_the_fit_looks_first_is_left(dates):
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(20_000), rng.permutation(20_000)])
    x, y = (date[order] for date in dates)
    x[:11_000, 1] = 0
    lines = fit_trimmed(x, y)
    assert (lines.gain[1], lines.offset[1]) == (1, 0)
    np.testing.assert_allclose(lines.gain[[0, 2]], GAIN[[0, 2]], rtol=0.02)


def test_equal_dates_have_exact_lines():
    x = np.random.default_rng(0).uniform(0, 255, (3000, 2)).round()
    lines = fit_trimmed(x, 2 * x + 3)
    np.testing.assert_allclose(lines.gain, 2)
    np.testing.assert_allclose(lines.offset, 3, atol=1e-9)
    assert lines.invariant.all()


def test_agreement_cannot_be_made_up_by_choosing_pixels():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50_000, 1))
    assert abs(agreement(fit_trimmed(x, y).apply(x), y)[0]) < 0.05
    assert agreement(x, -x)[0] == -1
    assert agreement(x, np.zeros_like(x))[0] == 0
