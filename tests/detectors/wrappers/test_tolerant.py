import pickle

import numpy as np
import pytest

from geochange.blocks import PairTraits
from geochange.detectors.auto import Choice
from geochange.detectors.choosing import build_detector, settle_method
from geochange.detectors.methods.cva import CVA
from geochange.detectors.methods.faint import FaintDetector
from geochange.detectors.methods.log_ratio import LogRatio
from geochange.detectors.methods.mad import IRMAD
from geochange.detectors.methods.pca_kmeans import PCAKMeans
from geochange.detectors.wrappers.tolerant import ShiftTolerant
from geochange.errors import UsageError
from geochange.testing import ArrayPair, check_detector
from geochange.tiles import TilePlan

TRAITS = PairTraits(("Red", "NIR"), ("Red", "NIR"), ("red", "nir"))


def score_pair(before, after, detector):
    pair = ArrayPair(before, after)
    detector.fit(pair.blocks(TilePlan(pair.shape, 32, detector.halo)))
    return detector.score(before[None], after[None], pair.valid[None])[0]


@pytest.fixture
def ground():
    return np.random.default_rng(0).normal(100, 9, (3, 48, 48)).astype(np.float32)


@pytest.mark.parametrize(
    "build", [CVA, FaintDetector, PCAKMeans, LogRatio], ids=lambda build: build.__name__
)
def test_keeps_the_contract(build):
    check_detector(lambda: ShiftTolerant(build(), shift=1))


def test_two_pixels_of_tolerance_keep_the_contract():
    check_detector(lambda: ShiftTolerant(CVA(), shift=2), bands=(1,))


@pytest.mark.parametrize("move", [(1, 0), (0, -1), (-1, 1)])
def test_forgives_its_shift_and_not_more(ground, move):
    moved = np.roll(ground, move, axis=(1, 2))
    inner = np.s_[4:-4, 4:-4]
    assert score_pair(ground, moved, ShiftTolerant(CVA(), shift=1))[inner].max() < 0.03
    further = np.roll(ground, np.multiply(move, 2), axis=(1, 2))
    assert np.median(score_pair(ground, further, ShiftTolerant(CVA(), shift=1))[inner]) > 0.1
    assert score_pair(ground, further, ShiftTolerant(CVA(), shift=2))[inner].max() < 0.03


@pytest.mark.parametrize("came", [True, False])
def test_what_came_and_what_went_score_alike(came):
    rng = np.random.default_rng(0)
    dates = [rng.normal(100, 1, (3, 40, 40)).astype(np.float32) for _ in range(2)]
    dates[came][:, 20, 20] += 30
    score = score_pair(*dates, ShiftTolerant(CVA(), shift=1))
    assert score[20, 20] > 0.8
    score[20, 20] = 0
    assert score.max() < 0.5


def test_invalid_neighbours_do_not_count(ground):
    after = np.roll(ground, 1, axis=2)
    after[:, :, 20:24] = np.nan
    score = score_pair(ground, after, ShiftTolerant(CVA(), shift=1))
    assert np.isnan(score[:, 20:24]).all()
    assert np.isfinite(score[:, 24]).all()
    assert score[4:-4, 4:18].max() < 0.03


def test_passes_on_what_the_detector_has():
    plain = IRMAD()
    tolerant = ShiftTolerant(plain, shift=1)
    assert tolerant.fit_halo == 0
    assert tolerant.threshold == plain.threshold
    assert hasattr(tolerant, "score_at_p")
    assert not hasattr(ShiftTolerant(PCAKMeans(), shift=1), "score_at_p")
    assert pickle.loads(pickle.dumps(tolerant)).shift == 1


def test_methods_that_forgive_by_themselves_do_so():
    choice = settle_method("context", {}, TRAITS, shift_tolerance=3)
    assert build_detector(choice, 3).shift == 3
    assert not isinstance(build_detector(choice, 3), ShiftTolerant)
    assert isinstance(build_detector(Choice("faint"), 1), ShiftTolerant)
    assert isinstance(build_detector(Choice("faint"), 0), FaintDetector)
    none = settle_method("context", {}, TRAITS, shift_tolerance=0)
    assert build_detector(none, 0).shift == 0


def test_tolerances_that_cannot_be():
    for wrong in (-1, 9, 1.5):
        with pytest.raises(UsageError, match="0 to 8 px"):
            settle_method("cva", {}, TRAITS, shift_tolerance=wrong)
    with pytest.raises(UsageError, match="exclude"):
        settle_method("irmad", {"shift": 1}, TRAITS, shift_tolerance=2)
    with pytest.raises(UsageError, match="1 to 8 px"):
        ShiftTolerant(CVA(), shift=0)
