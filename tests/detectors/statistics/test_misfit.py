import numpy as np
import pytest

from geochange.detectors.statistics.misfit import LARGEST_LOSS, Misfit


def draw(texture, loss, noise=1.0, count=6000, seed=0):
    rng = np.random.default_rng(seed)
    kinds = tuple(rng.gamma(1, scale, count).astype(np.float32) for scale in (4, 2))
    explained = noise + texture * kinds[0] + loss * kinds[1]
    return (explained * rng.chisquare(20, count) / 20).astype(np.float32), kinds


@pytest.mark.parametrize(("texture", "loss"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.1, 0.1)])
def test_what_costs_grow_with_is_told_apart(texture, loss):
    found = Misfit.learn(*draw(texture, loss), 0.5)
    assert found.texture == pytest.approx(texture, abs=0.03)
    assert found.loss == pytest.approx(loss, abs=0.04)


def test_sigmas_mean_the_same_for_ground_of_any_kind():
    cost, kinds = draw(0.1, 0.1)
    sigma = Misfit.learn(cost, kinds, 0.5).sigma(cost, kinds)
    rough = kinds[1] > np.quantile(kinds[1], 0.8)
    for part in (rough, ~rough):
        assert (sigma[part] > 3).mean() < 0.01
        assert (sigma[part] > 1).mean() == pytest.approx(0.16, abs=0.04)


def test_shares_have_an_upper_limit():
    found = Misfit.learn(*draw(2.0, 2.0), 0.3)
    assert found.texture == 0.3
    assert found.loss == LARGEST_LOSS


def test_no_patch_at_all():
    assert Misfit.learn(np.zeros(0, np.float32), (np.zeros(0, np.float32),) * 2, 0.5) == Misfit()


def test_variance_explains_what_detail_must_not():
    cost, (variance, _) = draw(0.2, 0.0)
    found = Misfit.learn(cost, (variance, variance / 3), 0.5)
    assert found.texture * 3 + found.loss == pytest.approx(0.6, abs=0.05)
    assert found.loss <= LARGEST_LOSS
