import runpy
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from geochange.detectors.methods.mad import IRMAD, MAD
from geochange.detectors.statistics.variates import weighted_shrinkage
from geochange.errors import InputError, UsageError
from geochange.testing import ArrayPair, score_pair, synthetic_pair
from geochange.tiles import TilePlan

REFERENCE = Path(__file__).parents[2] / "golden" / "irmad.py"
EXACT = {"consistent": False, "tolerance": 1e-10, "max_iterations": 500, "max_pixels": 10**7}


def as_pair(before, after):
    """Pixels (P, C) as an image of one row."""
    return ArrayPair(*(np.ascontiguousarray(date.T[:, None]) for date in (before, after)))


def fit(detector, pair):
    return detector.fit(pair.blocks(TilePlan(pair.shape, 256, detector.halo)))


@pytest.fixture(scope="module")
def solve_irmad():
    return runpy.run_path(str(REFERENCE))["solve_irmad"]


def test_golden_values():
    golden = np.load(REFERENCE.with_suffix(".npz"))
    pair = as_pair(golden["before"], golden["after"])
    detector = fit(IRMAD(**{**EXACT, "tolerance": 0.0, "max_iterations": 8}), pair)
    np.testing.assert_allclose(
        detector.canonical_correlations_, golden["correlations"], rtol=0, atol=1e-6
    )
    chi_square = detector.variates_.chi_square(pair.before[:, 0][None], pair.after[:, 0][None])[0]
    np.testing.assert_allclose(chi_square, golden["chi_square"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_dense_reference(solve_irmad, seed):
    pair = synthetic_pair((64, 64), bands=6, noise=10, seed=seed)
    pixels = (date.reshape(6, -1).T for date in (pair.before, pair.after))
    correlations, _ = solve_irmad(*pixels)
    found = fit(IRMAD(**EXACT), pair).canonical_correlations_
    np.testing.assert_allclose(found, correlations, rtol=0, atol=1e-6)


def test_agrees_with_the_dense_reference_on_juelich(solve_irmad, real_data):
    dates = []
    for name in ("juelich_2001-05-25.tif", "juelich_2001-06-26.tif"):
        with rasterio.open(real_data / "misc" / name) as dataset:
            dates.append(dataset.read()[:, ::3, ::3].astype(np.float32))
    settings = {"tolerance": 0.0, "max_iterations": 12}
    correlations, _ = solve_irmad(*(d.reshape(3, -1).T for d in dates), 0.0, 12)
    found = fit(IRMAD(**{**EXACT, **settings}), ArrayPair(*dates)).canonical_correlations_
    np.testing.assert_allclose(found, correlations, rtol=0, atol=1e-6)


def test_mad_is_the_first_iteration(solve_irmad):
    pair = synthetic_pair((40, 40), bands=3)
    pixels = (date.reshape(3, -1).T for date in (pair.before, pair.after))
    correlations, _ = solve_irmad(*pixels, iterations=1)
    np.testing.assert_allclose(fit(MAD(), pair).canonical_correlations_, correlations, atol=1e-6)


def test_gain_offset_and_mixing_of_bands_do_not_matter():
    pair = synthetic_pair((48, 48), bands=4, noise=5)
    mixing = np.random.default_rng(1).normal(size=(4, 4)) + 3 * np.eye(4)
    mixed = np.tensordot(mixing, pair.after, axes=1).astype(np.float32) * 0.01 + 5
    plain = score_pair(fit(IRMAD(), pair), pair, tile_size=48)
    other = ArrayPair(pair.before, mixed)
    np.testing.assert_allclose(
        score_pair(fit(IRMAD(), other), other, tile_size=48), plain, atol=2e-3
    )


def test_dates_with_different_bands():
    pair = synthetic_pair((48, 48), bands=5, noise=3)
    fewer = ArrayPair(pair.before[:3], pair.after)
    detector = fit(IRMAD(), fewer)
    score = score_pair(detector, fewer, tile_size=20)
    assert detector.canonical_correlations_.shape == (3,)
    assert np.median(score[pair.truth]) > 2 * np.median(score[~pair.truth])


def test_constant_and_collinear_bands_add_nothing():
    pair = synthetic_pair((48, 48), bands=3, noise=5)
    padded = ArrayPair(
        *(
            np.concatenate([date, date[:1] + date[1:2], np.full_like(date[:1], 7.7)])
            for date in (pair.before, pair.after)
        )
    )
    plain = fit(IRMAD(), pair)
    detector = fit(IRMAD(), padded)
    np.testing.assert_allclose(
        detector.canonical_correlations_, plain.canonical_correlations_, atol=1e-4
    )
    np.testing.assert_allclose(
        score_pair(detector, padded, tile_size=48), score_pair(plain, pair, tile_size=48), atol=1e-2
    )


@pytest.mark.parametrize("bands", [1, 2, 4, 8])
def test_unchanged_pixels_follow_chi_square(bands):
    """With consistent variances, the share above the score of p is p."""
    pair = synthetic_pair((300, 300), bands=bands, changes=0, noise=12)
    detector = fit(IRMAD(), pair)
    score = score_pair(detector, pair, tile_size=300)
    for p in (0.5, 0.1, 0.01):
        assert (score > detector.score_at_p(p)).mean() == pytest.approx(p, rel=0.2)


def test_two_bands_collapse_only_without_consistent_variances():
    pair = synthetic_pair((100, 100), bands=2, changes=0, noise=12)
    steady = fit(IRMAD(max_iterations=200), pair).canonical_correlations_
    collapsed = fit(IRMAD(max_iterations=200, consistent=False), pair).canonical_correlations_
    plain = fit(MAD(), pair).canonical_correlations_
    noise = weighted_shrinkage(2) * (1 - plain)
    expected = (1 + plain - noise) / (1 + plain + noise)
    np.testing.assert_allclose(steady, expected, atol=0.02)
    assert collapsed[0] > 0.99


def test_noise_free_change_stands_out():
    before = synthetic_pair((40, 40), bands=3).before
    after = before.copy()
    after[:, 5:9, 5:9] += np.array([50, -30, 20], np.float32)[:, None, None]
    pair = ArrayPair(before, after)
    score = score_pair(fit(IRMAD(), pair), pair, tile_size=40)
    assert score[5:9, 5:9].min() > 0.9
    assert np.delete(score, np.s_[5:9], axis=0).max() < 1e-3


def as_bytes(image):
    return np.rint(image).clip(0, 255).astype(np.float32)


@pytest.mark.parametrize("kind", ["noise", "gain", "shift", "all"])
def test_a_disturbed_copy_stays_below_three_sigmas(kind):
    rng = np.random.default_rng(2)
    fields = np.kron(rng.normal(0, 25, (6, 8, 8)), np.ones((16, 16)))
    before = 120 + ndimage.gaussian_filter(fields, (1, 0.8, 0.8))
    noise = rng.normal(0, 0.6, before.shape)
    shifted = ndimage.shift(before, (0, 0.5, 0.5), order=3, mode="nearest")
    after = {
        "noise": before + noise,
        "gain": 0.85 * before + 12,
        "shift": shifted,
        "all": 0.85 * shifted + 12 + noise,
    }[kind]
    pair = ArrayPair(as_bytes(before), as_bytes(after))
    plain, forgiving = (
        (score_pair(fit(IRMAD(shift=shift), pair), pair, tile_size=64) >= 0.5).mean()
        for shift in (0, 1)
    )
    assert forgiving <= 1e-3
    assert plain > 1e-2 or kind in {"noise", "gain"}


def test_change_is_found_beyond_a_forgiven_shift():
    pair = synthetic_pair((96, 96), bands=4, noise=2)
    score = score_pair(fit(IRMAD(shift=1), pair), pair, tile_size=96)
    assert np.median(score[pair.truth]) > 0.5 > np.quantile(score[~pair.truth], 0.99)


def test_rounding_does_not_collapse_the_variances():
    """Most pixels are equal after rounding; the others differ by one step, which is no change."""
    rng = np.random.default_rng(3)
    before = rng.normal(100, 20, (4, 100, 100))
    pair = ArrayPair(as_bytes(before), as_bytes(before + rng.normal(0, 0.3, before.shape)))
    assert score_pair(fit(IRMAD(), pair), pair, tile_size=100).max() < 0.6


def test_a_negative_shift_is_refused():
    with pytest.raises(UsageError, match="shift must be at least 0 px, got -1"):
        IRMAD(shift=-1)


def test_regularization_shrinks_correlations():
    pair = synthetic_pair((40, 40), bands=3)
    plain, shrunk = (fit(MAD(regularization=r), pair).canonical_correlations_ for r in (0, 0.5))
    np.testing.assert_allclose(shrunk[0], plain[0] / 1.5, rtol=0.2)


def test_nothing_valid_is_one_clear_line():
    nothing = np.full((2, 9, 9), np.nan, np.float32)
    with pytest.raises(InputError, match="no pixel is valid at both dates"):
        fit(IRMAD(), ArrayPair(nothing, nothing))


@pytest.mark.parametrize(("shift", "least"), [(0, 0.78), (1, 0.75)])
def test_kappa_on_nanjing(real_data, shift, least):
    folder = next((real_data / "landsat_nanjing").rglob("label.tif")).parent
    before, after, label = (
        rasterio.open(folder / f"{name}.tif").read() for name in ("before", "after", "label")
    )
    pair = ArrayPair(before.astype(np.float32), after.astype(np.float32))
    score = score_pair(fit(IRMAD(shift=shift), pair), pair, tile_size=512)
    found, truth = score[label[0] > 0] > 0.5, label[label > 0] == 1
    agreement = (found == truth).mean()
    chance = found.mean() * truth.mean() + (1 - found.mean()) * (1 - truth.mean())
    assert (agreement - chance) / (1 - chance) >= least
