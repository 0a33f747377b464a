import numpy as np
import pytest

from geochange.fusion.logistic import RIDGE, fit_logistic


def test_the_fit_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3)) * [1, 5, 0.1] + [0, 3, 0]
    target = rng.random(3000) < 1 / (1 + np.exp(-(x @ [1.5, -0.4, 8.0] - 2)))
    weights = rng.random(3000) + 0.5
    own = fit_logistic(x, target, weights)
    centre = np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weights))
    other = linear_model.LogisticRegression(C=1 / (RIDGE * weights.sum()), tol=1e-10, max_iter=999)
    other.fit((x - centre) / spread, target, sample_weight=weights)
    np.testing.assert_allclose(own.coefficients * spread, other.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(
        own.predict(x), other.predict_proba((x - centre) / spread)[:, 1], atol=1e-5
    )


def test_separable_classes_give_finite_coefficients():
    x = np.linspace(-1, 1, 100)[:, None]
    model = fit_logistic(x, x[:, 0] > 0, np.ones(100))
    assert np.isfinite(model.coefficients).all()
    assert (model.predict(x) > 0.5).tolist() == (x[:, 0] > 0).tolist()


def test_rare_and_strong_classes_do_not_make_it_overshoot():
    rng = np.random.default_rng(1)
    x = np.concatenate([np.full((9700, 1), -7.0), rng.normal(0, 3, (300, 1))])
    target = np.concatenate([rng.random(9700) < 0.002, rng.random(300) < 0.6])
    model = fit_logistic(x, target, np.ones(10000))
    assert 0 < model.coefficients[0] < 5
    assert model.predict(x).mean() == pytest.approx(target.mean(), rel=0.02)


def test_a_constant_feature_says_nothing():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=500), np.full(500, 3.0)])
    model = fit_logistic(x, x[:, 0] + rng.normal(size=500) > 0, np.ones(500))
    assert model.coefficients[1] == 0
