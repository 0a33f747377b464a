import pytest

from geochange.blocks import PairTraits
from geochange.detectors.auto import choose_method
from geochange.detectors.registry import get_detector

RGBN = ("blue", "green", "red", "nir")
LANDSAT = ("blue", "green", "red", "nir", "swir1", "swir2")


def traits(roles, after=None, gsd_m=None, dtype="uint16"):
    names = tuple(role or f"band {i + 1}" for i, role in enumerate(roles))
    after = names if after is None else after
    return PairTraits(names, after, tuple(roles), gsd_m=gsd_m, dtype=dtype)


@pytest.mark.parametrize(
    ("pair", "method"),
    [
        (traits(RGBN, gsd_m=0.5), "context"),
        (traits(RGBN, gsd_m=10.0), "context"),
        (traits(RGBN[:3], dtype="uint8"), "context"),
        (traits((None, None, None), dtype="uint8"), "context"),
        (traits(("pan",), gsd_m=0.5), "context"),
        (traits(LANDSAT, gsd_m=30.0), "irmad"),
        (traits(LANDSAT, gsd_m=10.0), "context"),
        (traits(("nir",), after=RGBN[:3], gsd_m=30.0), "irmad"),
        (traits(("sar", "sar"), dtype="float32"), "log-ratio"),
        (traits((None,), dtype="uint8"), "log-ratio"),
    ],
)
def test_the_choice_builds(pair, method):
    choice = choose_method(pair)
    assert choice.name == method
    assert get_detector(choice.name, **choice.options).halo >= 0


def test_landsat_forgives_a_shift():
    choice = choose_method(traits(LANDSAT, gsd_m=30.0))
    assert choice.options == {"shift": 1}
    assert choice.reason.startswith("6 bands at 30 m: ")


def test_an_assumption_is_said():
    reason = choose_method(traits((None,), dtype="uint8")).reason
    assert "assumed" in reason
    assert "context" in reason


def test_radar_and_optical_dates_are_compared_by_variates():
    choice = choose_method(traits(("sar",), after=("red", "green", "blue")))
    assert choice.name == "irmad"
    assert choice.reason.startswith("1 bands before and 3 after")
