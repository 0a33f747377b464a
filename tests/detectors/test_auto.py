import pytest

from geochange.alignment.pair import open_pair
from geochange.blocks import PairTraits
from geochange.detectors.auto import choose_method
from geochange.detectors.registry import get_detector
from geochange.io.bands.roles import SENSOR_ROLES
from geochange.nn.normalization import FixedNormalization, Scaling

RGBN = ("blue", "green", "red", "nir")
LANDSAT = ("blue", "green", "red", "nir", "swir1", "swir2")

RGB = ("red", "green", "blue")
SENTINEL_2 = tuple(SENSOR_ROLES["Sentinel-2"].values())


@pytest.fixture(autouse=True)
def models(shelf):
    """No shipped network but those that a test puts on the shelf."""
    return shelf


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
        (traits(("nir",), after=RGBN[:3], gsd_m=30.0), "vae"),
        (traits(LANDSAT, after=RGBN[:3], gsd_m=30.0), "irmad"),
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


def test_one_band_beside_three_is_translated():
    choice = choose_method(traits((None,), after=("red", "green", "blue")))
    assert choice.name == "vae"
    assert choice.reason.startswith("1 band before and 3 after: ")


@pytest.mark.parametrize(
    ("roles", "roles_after"), [(("sar",), ("pan",)), (RGBN, ("sar", "sar", "sar"))]
)
def test_radar_beside_optical_bands_is_translated(roles, roles_after):
    for first, second in ((roles, roles_after), (roles_after, roles)):
        pair = PairTraits(first, second, first, roles_after=second)
        choice = choose_method(pair)
        assert choice.name == "vae"
        assert choice.reason.startswith("radar and an optical image, ")
        assert pair.may_be_radar


def test_the_reason_says_what_radar_pixels_are_taken_for():
    assert "negative values are taken for decibels" in choose_method(traits(("sar", "sar"))).reason


def chosen(pair):
    choice = choose_method(pair)
    return choice.options["checkpoint"] if choice.name == "network" else choice.name


def test_a_shipped_network_is_chosen_by_bands_and_pixel_size(models):
    models("building", RGB, gsd_m=(2.0, 3.0))
    models("urban", SENTINEL_2, gsd_m=(10.0, 10.0))
    assert chosen(traits(RGBN, gsd_m=2.5)) == "building"
    assert chosen(traits(RGB, gsd_m=2.5)) == "building"
    assert chosen(traits(RGBN, gsd_m=1.6)) == "building"
    assert chosen(traits(RGBN, gsd_m=1.5)) == "context"
    assert chosen(traits(RGBN, gsd_m=10.0)) == "context"
    assert chosen(traits(SENTINEL_2, gsd_m=10.0)) == "urban"
    assert chosen(traits(SENTINEL_2, gsd_m=30.0)) == "irmad"
    assert chosen(traits((*RGB, None), gsd_m=2.5)) == "building"


@pytest.mark.parametrize(
    "pair",
    [
        traits(RGB),
        traits((None, None, None), gsd_m=2.5, dtype="uint8"),
        traits(("red", "green", None), gsd_m=2.5),
        traits(("red", "green", "green", "blue"), gsd_m=2.5),
        traits((*RGB, "sar"), gsd_m=2.5),
        traits(RGB, after=("a", "b"), gsd_m=2.5),
    ],
    ids=["no size", "no roles", "a role is missing", "a role twice", "radar", "other bands after"],
)
def test_in_doubt_no_network_is_chosen(models, pair):
    models("building", RGB, gsd_m=(2.0, 3.0))
    assert not choose_method(pair).options.get("checkpoint")


def test_a_network_without_pixel_size_or_not_for_auto_is_left(models):
    models("any", RGB)
    models("shy", RGB, gsd_m=(2.0, 3.0), automatic=False)
    assert chosen(traits(RGB, gsd_m=2.5)) == "context"


@pytest.mark.parametrize(
    ("centre", "dtypes"),
    [(110.0, {"uint8"}), (1500.0, {"uint16", "int16"}), (0.2, {"float32"})],
)
def test_fixed_scalings_are_for_pixels_of_their_kind(models, centre, dtypes):
    scaling = Scaling((centre,) * 3, (centre / 2,) * 3)
    models("building", RGB, FixedNormalization(scaling, scaling), gsd_m=(2.0, 3.0))
    for dtype in ("uint8", "uint16", "int16", "float32"):
        found = chosen(traits(RGB, gsd_m=2.5, dtype=dtype))
        assert (found == "building") == (dtype in dtypes), dtype


def test_the_reason_names_the_purpose_and_the_way_back(models):
    models("building", RGB, gsd_m=(2.0, 3.0), title="Buildings built or torn down.")
    choice = choose_method(traits(RGBN, gsd_m=2.5))
    assert choice.reason == (
        "the network 'building' was trained for bands and pixels like these: Buildings built or "
        "torn down; for any other change choose method 'context'"
    )
    assert get_detector(choice.name, **choice.options).card.title.startswith("Buildings")


def test_a_folder_of_sentinel_2_picks_the_network_for_it(models, samples):
    models("building", RGB, gsd_m=(2.0, 3.0))
    models("urban", SENTINEL_2, gsd_m=(9.0, 11.0))
    folder = samples / "sentinel2"
    assert chosen(open_pair(folder / "before", folder / "after").traits) == "urban"
    four = open_pair(folder / "before", folder / "after", bands=["blue", "green", "red", "nir"])
    assert chosen(four.traits) == "context"
