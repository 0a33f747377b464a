import pytest

from geochange.detectors.registry import METHODS
from geochange.testing import check_detector

READY = sorted(name for name, method in METHODS.items() if not method.required)
"""Methods that need nothing from the user; those that do have a test of their own."""


@pytest.mark.parametrize("name", READY)
def test_every_registered_method_keeps_the_contract(name):
    check_detector(METHODS[name].build, bands=(1, 4))


@pytest.mark.parametrize("name", READY)
def test_twenty_bands(name):
    check_detector(METHODS[name].build, bands=(20,))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cva", {"gain": True}),
        ("irmad", {"window": 5}),
        ("irmad", {"shift": 1}),
        ("mad", {"shift": 2, "window": 3}),
        ("irmad", {"consistent": False, "regularization": 0.01}),
        ("sfa", {"max_iterations": 1, "window": 3}),
        ("sfa", {"shift": 1}),
        ("pca-kmeans", {"block": 9, "components": 5}),
        ("feature-match", {"radius": 1, "patch": 3, "around": 5, "slack": 0}),
        ("feature-match", {"variates": 1, "texture": 0.0, "windows": 20}),
        ("log-ratio", {"unit": "db", "speckle": 7, "context": 1}),
        ("log-ratio", {"unit": "intensity"}),
    ],
)
def test_options_keep_the_contract(name, options):
    check_detector(METHODS[name].build(**options))
