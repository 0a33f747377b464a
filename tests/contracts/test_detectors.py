import pytest

from geochange.detectors.registry import METHODS
from geochange.testing import check_detector
from geochange.testing.rules import TOLERANCE

READY = sorted(name for name, method in METHODS.items() if not method.required)
"""Methods that need nothing from the user; those that do have a test of their own."""
TRANSLATIONS = {"autoencoder", "translation-gan", "vae"}
"""Methods whose networks leave an error even where nothing changed."""
SPACED = [
    pytest.param(name, marks=pytest.mark.slow if name in TRANSLATIONS else ()) for name in READY
]
"""The same; those that train two networks on the scene take their time."""


QUICK = {"steps": 5, "max_pixels": 800}
"""Options that make methods quick which train a network on the scene."""


def build(name):
    """Build a method, a quick one where it would train a network for long."""
    options = METHODS[name].options
    quick = QUICK if "steps" in options else {"anchors": 200} if "anchors" in options else {}
    return METHODS[name].build(**quick)


def highest(name):
    """Return the highest score that a method may give an image against itself."""
    return 1.0 if name in TRANSLATIONS else TOLERANCE


@pytest.mark.parametrize("name", SPACED)
def test_every_registered_method_keeps_the_contract(name):
    check_detector(build(name), bands=(1, 4), unchanged=highest(name))


@pytest.mark.parametrize("name", SPACED)
def test_twenty_bands(name):
    check_detector(build(name), bands=(20,), unchanged=highest(name))


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
        ("ratio-clusters", {"unit": "intensity", "steps": 3, "max_pixels": 500}),
    ],
)
def test_options_keep_the_contract(name, options):
    check_detector(METHODS[name].build(**options))
