"""Several people label one pair: figures by hand, where they differ, what most of them say."""

import csv
import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geochange.alignment.pair import open_pair
from geochange.errors import GridError, InputError, OutputExistsError, UsageError
from geochange.labels.agreeing import write_agreement
from geochange.labels.agreement import measure_agreement
from geochange.labels.comparison import compare
from geochange.labels.consensus import ConsensusCodes, DisagreementCodes, find_consensus
from geochange.labels.conversion import export
from geochange.labels.mask import LabelMask
from geochange.labels.matching import match_polygons
from geochange.tiles import Window

from .conftest import SHAPE, make_labels, write_dates

WHOLE = Window(0, 0, *SHAPE)
ALL = ["labelled"] * 12
ANN = [
    ("house", "accepted", shapely.box(0, 0, 10, 10)),
    ("road", "accepted", shapely.box(40, 40, 60, 50)),
    ("house", "accepted", shapely.box(100, 70, 104, 74)),
]
BOB = [
    ("house", "accepted", shapely.box(0, 0, 10, 6)),
    ("house", "accepted", shapely.box(40, 40, 60, 50)),
    ("house", "accepted", shapely.box(70, 10, 74, 14)),
]
CAT = [("road", "accepted", shapely.box(40, 40, 60, 50))]


@pytest.fixture
def pair(tmp_path):
    return open_pair(*write_dates(tmp_path, "utm"))


@pytest.fixture
def two(pair):
    return {"ann": make_labels(pair, ANN, ALL), "bob": make_labels(pair, BOB, ALL)}


def test_two_people_equal_the_figures_by_hand(two):
    found = measure_agreement(two, resamples=50)
    total = SHAPE[0] * SHAPE[1]
    # both changed: 60 + 200; ann alone: 40 + 16; bob alone: 16
    assert found.scores["change_iou"] == pytest.approx(260 / 332, abs=1e-6)
    none = total - 332
    matrix = np.array([[none, 16, 0], [56, 60, 0], [0, 200, 0]], float)
    assert found.counts.pooled.confusion[0].tolist() == matrix.tolist()
    agreed = (none + 60) / total
    chance = (matrix.sum(1) * matrix.sum(0)).sum() / total**2
    assert found.scores["kappa"] == pytest.approx((agreed - chance) / (1 - chance), abs=1e-6)
    marginal = matrix.sum(0) + matrix.sum(1)
    alpha = 1 - (2 * total - 1) * 2 * 272 / ((2 * total) ** 2 - (marginal**2).sum())
    assert found.scores["alpha"] == pytest.approx(alpha, abs=1e-6)
    assert found.scores["iou:house"] == pytest.approx(60 / (116 + 276 - 60), abs=1e-6)
    assert found.scores["iou:road"] == 0
    # objects: 0.6 and 1.0 match, one of each stays alone; the class of one of the two is alike
    assert found.scores["object_f1"] == pytest.approx(2 * 2 / 6, abs=1e-6)
    assert found.scores["object_class"] == pytest.approx(0.5)
    # tiles: 12, of which 1 and 6 have change for both, 12 for ann and 3 for bob alone
    assert found.scores["verdict_agreement"] == pytest.approx(10 / 12, abs=1e-6)
    low, high = found.intervals["change_iou"]
    assert low <= 260 / 332 <= high


def test_each_tile_has_its_own_figures(two):
    found = measure_agreement(two, resamples=10)
    scores = found.counts.scores()
    first = found.tiles.index(1)
    assert scores["change_iou"][first] == pytest.approx(0.6)
    assert scores["object_f1"][first] == 1
    assert np.isnan(scores["change_iou"][found.tiles.index(2)])


def test_what_nobody_knows_does_not_count(pair):
    states = ["labelled"] + ["todo"] * 11
    people = {"ann": make_labels(pair, ANN[:1], states), "bob": make_labels(pair, BOB[:1], ALL)}
    found = measure_agreement(people, resamples=10)
    assert found.tiles == [1]
    assert found.counts.pooled.confusion.sum() == 32 * 32
    unusable = {"ann": people["ann"], "bob": make_labels(pair, [BOB[0]], ["unusable"] * 12)}
    found = measure_agreement(unusable, resamples=10)
    assert found.counts.pooled.confusion.sum() == 0
    assert found.scores["verdict_agreement"] == 0
    assert "-" in str(found)


def test_polygons_match_one_to_one():
    one = np.array([shapely.box(0, 0, 4, 4), shapely.box(0, 0, 4, 3.5)])
    other = np.array([shapely.box(0, 0, 4, 4)])
    assert sorted(match_polygons(one, other).tolist()) == [-1, 0]
    assert match_polygons(one[:0], other).tolist() == []


def test_three_people_find_a_consensus(two, pair, tmp_path):
    people = two | {"cat": make_labels(pair, CAT, ALL)}
    comparison = compare(people)
    found = find_consensus(comparison)
    codes = LabelMask(found).read(WHOLE)
    assert np.array_equal(codes, ConsensusCodes(comparison).read(WHOLE))
    assert (codes[:6, :10] == 1).all()  # ann and bob
    assert (codes[6:10, :10] == 0).all()  # ann alone
    assert (codes[40:50, 40:60] == 2).all()  # ann and cat: road
    assert (codes[70:74, 100:104] == 0).all()
    assert set(found.polygons["source"]) == {"consensus"}
    path = export(found, tmp_path / "c.gpkg")
    assert geopandas.read_file(path, layer="labels", engine="pyogrio")["class"].tolist() == [
        "house", "road"
    ]  # fmt: skip


def test_without_a_majority_a_pixel_is_ignored(two):
    comparison = compare(two)
    found = find_consensus(comparison)
    codes = LabelMask(found).read(WHOLE)
    assert (codes[:6, :10] == 1).all()
    assert (codes[6:10, :10] == 255).all()
    assert (codes[40:50, 40:60] == 255).all()
    assert (codes[20:30, 20:30] == 0).all()
    assert sorted(found.polygons["class"].unique()) == ["blur", "house"]
    differs = DisagreementCodes(comparison).read(WHOLE)
    assert (differs[6:10, :10] == 1).all()
    assert (differs[40:50, 40:60] == 2).all()
    assert np.count_nonzero(differs) == 40 + 200 + 16 + 16
    with pytest.raises(UsageError, match="1 to 2 people"):
        find_consensus(comparison, least=3)


def test_the_folder_holds_figures_map_and_consensus(two, tmp_path):
    found = write_agreement(two, tmp_path / "out", resamples=20, chips={"split": "100"})
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == [
        "agreement.json", "consensus", "consensus.gpkg", "consensus.tif", "disagreement.gpkg",
        "disagreement.tif", "tiles.csv",
    ]  # fmt: skip
    facts = json.loads((folder / "agreement.json").read_text())
    assert facts["scores"]["kappa"]["value"] == pytest.approx(found.scores["kappa"])
    with (folder / "tiles.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    assert float(rows[0]["change_iou"]) == pytest.approx(0.6)
    path = folder / "disagreement.gpkg"
    where = geopandas.read_file(path, layer="disagreement", engine="pyogrio")
    assert where["pixels"].tolist() == [40, 16, 16, 200]
    assert where["says"].iloc[0] == "ann: house; bob: no change"
    assert where["kind"].iloc[3] == "which class"
    tiles = geopandas.read_file(path, layer="tiles", engine="pyogrio")
    assert tiles["rank"].iloc[0] == "middling"
    with rasterio.open(folder / "disagreement.tif") as differs:
        assert np.count_nonzero(differs.read(1)) == 272
    assert len(list((folder / "consensus" / "A").iterdir())) == 12
    with pytest.raises(OutputExistsError):
        write_agreement(two, folder)
    write_agreement(two, folder, resamples=5, overwrite=True)


def test_labels_of_other_images_are_refused(two, pair, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    rotated = make_labels(open_pair(*write_dates(other, "rotated")), ANN, ALL)
    with pytest.raises(GridError, match="ann and bob are labels of different images"):
        compare({"ann": two["ann"], "bob": rotated})
    with pytest.raises(InputError, match="two people or more"):
        compare({"ann": two["ann"]})


def test_people_without_a_common_tile_are_refused_and_nothing_is_written(pair, tmp_path):
    half = ["labelled"] * 6 + ["todo"] * 6
    first, last = ANN[:1], ANN[2:]
    people = {"ann": make_labels(pair, first, half), "bob": make_labels(pair, last, half[::-1])}
    with pytest.raises(InputError, match="no tile was labelled by two of ann, bob"):
        write_agreement(people, tmp_path / "out")
    assert not (tmp_path / "out").exists()
