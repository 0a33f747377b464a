import numpy as np
import pytest

from geochange.errors import UsageError
from geochange.fusion.rules import Fuser, check_weights, table_of_votes
from geochange.fusion.scales import bend
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA, decode_score, encode_score

IDENTITY = np.append(np.linspace(0, 1, SCORE_LEVELS), np.nan)


def stored(*scores):
    return encode_score(np.array(scores, np.float32))


@pytest.fixture
def maps():
    scores = np.random.default_rng(0).random((3, 50)).astype(np.float32)
    scores[0, 10:20], scores[1:, 15:18], scores[:, 30] = np.nan, np.nan, np.nan
    return np.stack([stored(*row) for row in scores])


@pytest.mark.parametrize(
    ("how", "expected"), [("max", np.nanmax), ("min", np.nanmin), ("mean", np.nanmean)]
)
def test_where_a_map_has_no_data_the_others_decide(maps, how, expected):
    fused = Fuser(np.stack([IDENTITY] * 3), np.ones(3), how)(maps)
    scores = np.stack([decode_score(row) for row in maps])
    known = ~np.isnan(scores).all(axis=0)
    assert (fused == SCORE_NODATA).tolist() == (~known).tolist()
    np.testing.assert_allclose(
        decode_score(fused)[known], expected(scores[:, known], axis=0), atol=2e-5
    )


def test_weights_count_among_the_maps_that_know():
    fuser = Fuser(np.stack([IDENTITY] * 2), np.array([3.0, 1.0]))
    fused = decode_score(fuser(np.stack([stored(0.8, np.nan), stored(0.4, 0.4)])))
    np.testing.assert_allclose(fused, [0.7, 0.4], atol=2e-5)


def test_votes_are_shares_of_masks():
    codes = np.array([[1, 0, 65535], [1, 1, 1], [0, 0, 65535]], np.uint16)
    fused = decode_score(Fuser(np.stack([table_of_votes()] * 3), np.ones(3))(codes))
    np.testing.assert_allclose(fused, [2 / 3, 1 / 3, 1], atol=2e-5)


def test_a_stack_lets_a_map_without_data_say_nothing():
    table = np.append(np.linspace(-4, 4, SCORE_LEVELS), np.nan)
    fuser = Fuser(np.stack([table] * 2), np.array([1.0, 0.5]), "logistic", intercept=-1.0)
    both, one, none = decode_score(
        fuser(np.stack([stored(1, 1, np.nan), stored(1, np.nan, np.nan)]))
    )
    assert both == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-4)
    assert one == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)
    assert np.isnan(none)


def test_bent_scores_agree_with_the_thresholds_of_their_maps():
    tables = np.stack([bend(0.9), bend(0.2)])
    union, common = (Fuser(tables, np.ones(2), how) for how in ("max", "min"))
    levels = np.stack([stored(0.95, 0.95, 0.5), stored(0.3, 0.1, 0.1)])
    assert (decode_score(union(levels)) >= 0.5).tolist() == [True, True, False]
    assert (decode_score(common(levels)) >= 0.5).tolist() == [True, False, False]
    assert np.nanmax(bend(None)) == 0.5


@pytest.mark.parametrize("weights", [[1, 2, 3], [1, 0], [1, -1], [1, np.nan], "x", ["a", "b"]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(UsageError, match="give 2 numbers above 0"):
        check_weights(weights, 2)
