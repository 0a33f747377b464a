import numpy as np
import pytest
from scipy.linalg import eigh

from geochange.detectors.methods.sfa import SFA
from geochange.detectors.statistics.variates import weighted_shrinkage
from geochange.errors import BandError
from geochange.testing import ArrayPair, score_pair, synthetic_pair
from geochange.tiles import TilePlan


def fit(detector, pair):
    return detector.fit(pair.blocks(TilePlan(pair.shape, 256, detector.halo)))


def test_agrees_with_the_generalised_eigenproblem():
    """Wu et al. 2014, eq. 8, on standardised bands."""
    pair = synthetic_pair((50, 50), bands=5, noise=8)
    x, y = (date.reshape(5, -1).T.astype(np.float64) for date in (pair.before, pair.after))
    x, y = ((date - date.mean(0)) / date.std(0) for date in (x, y))
    difference = (x - y).T @ (x - y) / len(x)
    values, vectors = eigh(difference, (x.T @ x + y.T @ y) / 2 / len(x))
    chi_square = (((x - y) @ vectors) ** 2 / values).sum(1)
    detector = fit(SFA(max_iterations=1), pair)
    np.testing.assert_allclose(detector.eigenvalues_, values, atol=1e-6)
    sigma = np.sqrt(chi_square / 5)
    expected = (sigma / (sigma + 3)).reshape(50, 50)
    np.testing.assert_allclose(score_pair(detector, pair, tile_size=50), expected, atol=1e-4)


def test_gain_and_offset_do_not_matter():
    pair = synthetic_pair((48, 48), bands=4, noise=5)
    other = ArrayPair(pair.before * np.float32(7) - 30, pair.after)
    plain, scaled = (score_pair(fit(SFA(), p), p, tile_size=48) for p in (pair, other))
    np.testing.assert_allclose(plain, scaled, atol=1e-3)


def test_reweighting_makes_change_stand_out_more():
    pair = synthetic_pair((96, 96), bands=4, changes=12, noise=6)
    contrast = []
    for iterations in (1, 50):
        score = score_pair(fit(SFA(max_iterations=iterations), pair), pair, tile_size=96)
        contrast.append(np.median(score[pair.truth]) - np.median(score[~pair.truth]))
    assert contrast[1] > contrast[0] + 0.05


def test_different_band_counts_are_refused():
    pair = synthetic_pair((20, 20), bands=3)
    with pytest.raises(BandError, match="method 'sfa'"):
        fit(SFA(), ArrayPair(pair.before[:2], pair.after))


@pytest.mark.parametrize("variates", [1, 3, 12])
def test_weighted_shrinkage_is_what_p_value_weights_leave(variates):
    rng = np.random.default_rng(0)
    chi_square, other = rng.chisquare(variates, (2, 400_000))
    found = np.minimum(chi_square, other).mean() / variates
    assert weighted_shrinkage(variates) == pytest.approx(found, rel=0.01)
