import numpy as np
import pytest
from scipy import ndimage

from geochange.detectors.base import sigma_from_score
from geochange.detectors.methods.cva import CVA
from geochange.detectors.methods.faint import FaintDetector
from geochange.errors import InputError, UsageError
from geochange.testing import ArrayPair, check_detector
from geochange.tiles import TilePlan

PLACES = [(row, col) for row in range(20, 150, 26) for col in range(20, 150, 26)]


def scene(bands=3, size=160, seed=0):
    """Fields and roofs, blurred by an instrument."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.normal(0, 1, (bands, size // 16, size // 16)), np.ones((1, 16, 16)))
    sharp = 500 + 100 * fields + rng.normal(0, 15, (bands, size, size))
    return ndimage.gaussian_filter(sharp, (0, 0.8, 0.8)).astype(np.float32)


def disturb(before, seed=1):
    """Another light, a haze that rises to one side, noise."""
    rng = np.random.default_rng(seed)
    haze = np.linspace(0, 80, before.shape[-1])
    noisy = 0.9 * before + haze + rng.normal(0, 3, before.shape)
    return noisy.astype(np.float32)


def score_pair(before, after, detector):
    pair = ArrayPair(before, after)
    detector.fit(pair.blocks(TilePlan(pair.shape, 64, detector.halo)))
    return detector.score(before[None], after[None], pair.valid[None])[0]


def put_in(after, contrast, seed=2):
    """Put changes of 3 x 3 px in, each in a spectral direction of its own."""
    rng = np.random.default_rng(seed)
    changed = after.copy()
    for row, col in PLACES:
        direction = rng.standard_normal(len(after))
        direction *= np.sqrt(direction.size) / np.linalg.norm(direction)
        changed[:, row : row + 3, col : col + 3] += contrast * direction[:, None, None]
    return changed


def share_found(before, after, detector, contrast, false_alarms=1e-3):
    """Return how many changes exceed what all but a share of the unchanged pixels reach."""
    cut = np.quantile(score_pair(before, after, detector), 1 - false_alarms)
    changed = put_in(after, contrast)
    score = detector.score(before[None], changed[None], np.ones((1, *before.shape[1:]), bool))[0]
    return np.mean([score[row : row + 3, col : col + 3].max() > cut for row, col in PLACES])


def test_finds_at_a_fifth_of_the_contrast_that_cva_needs():
    before = scene()
    after = disturb(before)
    assert share_found(before, after, FaintDetector(), 9) > 0.9
    assert share_found(before, after, CVA(gain=True), 9) < 0.1
    assert share_found(before, after, CVA(gain=True), 45) < 0.9


def test_clutter_around_raises_what_is_asked_for():
    before = scene()
    after = disturb(before)
    rng = np.random.default_rng(3)
    after[:, :, :80] += rng.normal(0, 12, after[:, :, :80].shape).astype("f4")
    held, plain = (score_pair(before, after, FaintDetector(clutter=c)) for c in (1.0, 0.0))
    noisy, quiet = np.s_[20:-20, 12:60], np.s_[20:-20, 100:-12]
    held_apart, plain_apart = (
        np.divide(*(np.quantile(sigma_from_score(s[part]), 0.999) for part in (noisy, quiet)))
        for s in (held, plain)
    )
    assert 1.5 * held_apart < plain_apart
    assert np.median(plain[noisy]) > np.median(held[noisy])


@pytest.mark.parametrize("bands", [1, 3, 6])
def test_a_disturbed_copy_shows_no_change(bands):
    before = scene(bands)
    score = score_pair(before, disturb(before), FaintDetector())
    assert np.count_nonzero(score >= 0.5) <= 2
    assert np.median(score) < 0.2


def test_dates_may_have_different_bands():
    before = scene(4)
    weights = np.random.default_rng(0).normal(size=(2, 4))
    after = np.einsum("vc,chw->vhw", weights, disturb(before)).astype(np.float32)
    clean = score_pair(before, after, FaintDetector())
    changed = after.copy()
    changed[:, 60:63, 60:63] += 60
    detector = FaintDetector()
    assert score_pair(before, changed, detector)[61, 61] > clean.max()


@pytest.mark.parametrize("options", [{"size": 5}, {"size": 1, "clutter": 0.0}])
def test_options_keep_the_contract(options):
    check_detector(lambda: FaintDetector(**options))


def test_wrong_options_and_no_pixels():
    with pytest.raises(UsageError, match="odd"):
        FaintDetector(size=4)
    with pytest.raises(UsageError, match="clutter"):
        FaintDetector(clutter=-1)
    pair = ArrayPair(*np.full((2, 2, 20, 20), np.nan, np.float32))
    with pytest.raises(InputError, match="no pixel"):
        FaintDetector().fit(pair.blocks(TilePlan((20, 20), 20, 10)))
