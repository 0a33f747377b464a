"""Labels as a raster."""

import json

import numpy as np
import pytest
import rasterio

from geochange.errors import OutputExistsError
from geochange.labels.mask import LabelMask, write_mask
from geochange.tiles import TilePlan, Window

from .conftest import SHAPE


def whole(mask):
    return mask.read(Window(0, 0, *SHAPE))


def test_every_pixel_says_what_is_known(labels):
    codes = whole(LabelMask(labels))
    assert (codes[4:12, 4:14] == 1).all()
    assert (codes[8:20, 26:40] == 1).all()
    assert (codes[36:39, 2:30] == 2).all()
    assert (codes[40:50, 8:20] == 0).all()
    assert (codes[2:10, 50:58] == 255).all()  # a class that is ignored
    assert (codes[24:30, 42:46] == 255).all()  # nobody has judged it
    assert (codes[70:80, 70:80] == 0).all()  # rejected, in a tile that was gone through
    assert (codes[:32, 64:96] == 0).all()  # no change
    assert (codes[4:10, 100:110] == 1).all()
    assert (codes[12:32, 96:] == 255).all()  # nobody has looked
    assert (codes[32:64, 32:96] == 255).all()  # unsure, unusable
    assert set(np.unique(codes)) == {0, 1, 2, 255}


def test_binary_is_one_for_every_class(labels):
    codes, binary = whole(LabelMask(labels)), whole(LabelMask(labels, binary=True))
    assert np.array_equal(binary, np.where(codes == 2, 1, codes))


@pytest.mark.parametrize("size", [7, 32, 50])
def test_windows_agree_with_the_whole(labels, size):
    mask = LabelMask(labels)
    codes = whole(mask)
    for tile in TilePlan(SHAPE, size):
        place = tile.core.slices_in(Window(0, 0, *SHAPE))
        assert np.array_equal(mask.read(tile.core), codes[place])


def test_the_last_polygon_counts(labels):
    import shapely

    from .conftest import make_labels

    drawn = [("house", "accepted", shapely.box(2, 2, 20, 20)),
             ("blur", "accepted", shapely.box(5, 5, 9, 9))]  # fmt: skip
    codes = whole(LabelMask(make_labels(labels.pair, drawn)))
    assert (codes[5:9, 5:9] == 255).all()
    assert codes[3, 3] == 1


def test_the_file_is_a_mask_on_the_grid(labels, tmp_path):
    path = write_mask(labels, tmp_path / "labels.tif")
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(1), whole(LabelMask(labels)))
        assert dataset.transform == labels.geobox.affine
        assert dataset.crs.to_epsg() == 32632
        assert dataset.nodata == 255
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.colormap(1)[1][:3] == (0xE6, 0x9F, 0x00)
        facts = json.loads(dataset.tags()["GEOCHANGE_LABELS"])
    assert [c["name"] for c in facts["schema"]["classes"]] == ["house", "road", "blur"]
    assert facts["tiles"]["no_change"] == 3
    with pytest.raises(OutputExistsError):
        write_mask(labels, path)
    assert write_mask(labels, path, overwrite=True) == path
    assert len(list(tmp_path.glob(".*"))) == 0
