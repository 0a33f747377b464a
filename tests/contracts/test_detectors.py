import pytest

from geochange.detectors.registry import METHODS
from geochange.testing import check_detector
from geochange.testing.rules import TOLERANCE

READY = sorted(name for name, method in METHODS.items() if not method.required)
"""Methods that need nothing from the user; those that do have a test of their own."""
TRANSLATIONS = {"autoencoder", "translation-gan", "vae"}
"""Methods whose networks leave an error even where nothing changed."""


def build(name):
    """Build a method; one that trains a network on the scene does so in a few steps."""
    quick = {"steps": 5} if "steps" in METHODS[name].options else {}
    return METHODS[name].build(**quick)


def highest(name):
    """Return the highest score that a method may give an image against itself."""
    return 1.0 if name in TRANSLATIONS else TOLERANCE


@pytest.mark.parametrize("name", READY)
def test_every_registered_method_keeps_the_contract(name):
    check_detector(build(name), bands=(1, 4), unchanged=highest(name))


@pytest.mark.parametrize("name", READY)
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
