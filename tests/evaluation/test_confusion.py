import numpy as np
import pytest
import rasterio

from geochange.errors import InputError, OutputError, OutputExistsError
from geochange.evaluation import confusion_codes, evaluate, map_confusion
from geochange.evaluation.confusion import TileConfusion
from geochange.viz.pictures import CONFUSION_CLASSES

from .conftest import transform_of


def random_pair(seed, shape=(300, 290)):
    rng = np.random.default_rng(seed)
    return tuple(rng.choice(np.array([0, 1, 255], np.uint8), (2, *shape), p=[0.6, 0.3, 0.1]))


def test_codes_are_written_on_the_grid_of_the_map(write, tmp_path):
    mask, truth = random_pair(0)
    run = write("mask.tif", mask[5:, 7:], nodata=255, transform=transform_of(row=5, col=7))
    label = write("label.tif", truth)
    path = map_confusion(run, label, tmp_path / "confusion.tif")
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), confusion_codes(mask, truth)[5:, 7:])
        assert dataset.transform == transform_of(row=5, col=7)
        assert dataset.crs == "EPSG:32633"
        assert dataset.nodata == 255
        assert dataset.colormap(1)[3][:3] == CONFUSION_CLASSES[3][1]
        codes = dataset.read(1)
    counts = evaluate(run, label).counts
    assert [np.count_nonzero(codes == c) for c in range(4)] == [
        counts.tn,
        counts.fp,
        counts.fn,
        counts.tp,
    ]


def test_without_crs(write, tmp_path):
    mask, truth = random_pair(1, shape=(6, 5))
    run, label = write("mask.tif", mask, crs=None, nodata=255), write("label.tif", truth, crs=None)
    with rasterio.open(map_confusion(run, label, tmp_path / "c.tif")) as dataset:
        np.testing.assert_array_equal(dataset.read(1), confusion_codes(mask, truth))
        assert dataset.crs is None


def test_an_existing_file_stays(write, tmp_path):
    mask, truth = random_pair(2, shape=(6, 5))
    run, label = write("mask.tif", mask, nodata=255), write("label.tif", truth)
    (tmp_path / "c.tif").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"c\.tif exists"):
        map_confusion(run, label, tmp_path / "c.tif")
    assert (tmp_path / "c.tif").read_text() == "mine"
    map_confusion(run, label, tmp_path / "c.tif", overwrite=True)
    with pytest.raises(OutputError, match="there is no folder"):
        map_confusion(run, label, tmp_path / "no folder" / "c.tif")
    assert not list(tmp_path.glob(".*"))


def test_a_failure_leaves_nothing(write, tmp_path, monkeypatch):
    mask, truth = random_pair(3, shape=(6, 5))
    run, label = write("mask.tif", mask, nodata=255), write("label.tif", truth)

    def fail(*_):
        msg = "the label is torn"
        raise InputError(msg)

    monkeypatch.setattr(TileConfusion, "__call__", fail)
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match="torn"):
        map_confusion(run, label, tmp_path / "c.tif")
    assert set(tmp_path.iterdir()) == before
