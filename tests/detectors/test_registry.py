import numpy as np
import pytest

from geochange.detectors.base import Detector
from geochange.detectors.registry import METHODS, get_detector, list_methods
from geochange.errors import UsageError
from geochange.testing import score_pair, synthetic_pair
from geochange.tiles import TilePlan


def test_methods_come_in_order_with_a_line_and_a_source():
    names = [method.name for method in list_methods()]
    assert names == sorted(names)
    assert {"cva", "mad", "irmad", "sfa", "pca-kmeans", "log-ratio"} <= set(names)
    assert all(method.summary and method.reference for method in list_methods())
    assert all(len(method.summary) < 100 for method in list_methods())


def test_keys_are_the_names():
    assert all(name == method.name for name, method in METHODS.items())


@pytest.mark.parametrize("name", ["cva", "mad", "irmad", "sfa", "pca-kmeans", "log-ratio"])
def test_options_are_those_of_the_detector(name):
    detector = get_detector(name)
    assert isinstance(detector, Detector)
    assert all(getattr(detector, key) == value for key, value in METHODS[name].options.items())


def test_options_reach_the_detector():
    assert get_detector("irmad", window=3).halo == 1


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"network"}))
def test_fit_needs_no_margin_beyond_the_one_it_asks_for(name):
    pair = synthetic_pair((60, 60), bands=3)
    quick = {"steps": 5} if "steps" in METHODS[name].options else {}
    detector = get_detector(name, **quick)
    needed = getattr(detector, "fit_halo", detector.halo)
    scores = []
    for halo in (needed, needed + 9):
        detector.fit(pair.blocks(TilePlan(pair.shape, 20, halo)))
        scores.append(score_pair(detector, pair, tile_size=60))
    np.testing.assert_array_equal(*scores)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UsageError, match="unknown method 'irmd'; did you mean 'irmad'"):
        get_detector("irmd")
    with pytest.raises(UsageError, match="no option 'wndow'; did you mean 'window'"):
        get_detector("irmad", wndow=3)
